"""The Takes panel: what the scene has, and putting it on an armature."""

import bpy

from ..runtime import session
from ..runtime.jobs import board
from ..runtime.panel import SidebarPanel, split_properties


class KINELIFT_UL_takes(bpy.types.UIList):
    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        is_shown = item.collection is not None and not item.collection.hide_viewport
        layout.prop(item, "name", text="", emboss=False, icon="HIDE_OFF" if is_shown else "HIDE_ON")
        row = layout.row(align=True)
        row.operator("kinelift.play_take", text="", icon="PLAY", emboss=False).index = index
        row.operator("kinelift.apply_take", text="", icon="ARMATURE_DATA", emboss=False).index = index
        row.operator("kinelift.remove_take", text="", icon="X", emboss=False).index = index


class KINELIFT_PT_takes(SidebarPanel, bpy.types.Panel):
    bl_label = "Takes"
    bl_idname = "KINELIFT_PT_takes"

    @classmethod
    def poll(cls, context):
        return session.is_ready() or len(context.scene.kinelift_takes)

    def draw(self, context):
        scene, layout = context.scene, self.layout
        if not len(scene.kinelift_takes):
            layout.label(text="No takes yet", icon="INFO")
            return
        layout.template_list("KINELIFT_UL_takes", "", scene, "kinelift_takes", scene, "kinelift_take_index", rows=3)


class KINELIFT_PT_retarget(SidebarPanel, bpy.types.Panel):
    bl_label = "Retarget"
    bl_idname = "KINELIFT_PT_retarget"

    @classmethod
    def poll(cls, context):
        return session.is_ready()

    def draw(self, context):
        layout, settings = self.layout, context.scene.kinelift_retarget
        split_properties(layout)
        column = layout.column()
        column.enabled = not board.is_busy
        column.prop(settings, "target")
        column.prop(settings, "preset")
        layout.operator("kinelift.apply_take", icon="ARMATURE_DATA").index = -1


register, unregister = bpy.utils.register_classes_factory((KINELIFT_UL_takes, KINELIFT_PT_takes, KINELIFT_PT_retarget))
