"""The Takes panel: what the scene has, and putting it on an armature."""

import bpy

from ..runtime import session
from ..runtime.jobs import board
from ..runtime.panel import SidebarPanel, draw_text, split_properties
from .mappings import doubt_of, shown_rows, table_of


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
        layout.operator("kinelift.import_motion", icon="IMPORT")
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
        column.operator("kinelift.detect_bones", icon="VIEWZOOM")
        table = table_of(settings.target) if settings.target is not None else None
        if table is not None:
            self._draw_warning(layout, table)
        layout.operator("kinelift.apply_take", icon="ARMATURE_DATA").index = -1

    def _draw_warning(self, layout, rig):
        count = sum(bool(doubt_of(part, rig.kind)) for part in rig.parts) + len(rig.doubts)
        if count:
            layout.label(text=f"{count} doubtful {'entry' if count == 1 else 'entries'} in Bones", icon="ERROR")


class KINELIFT_PT_retarget_advanced(SidebarPanel, bpy.types.Panel):
    bl_label = "Advanced"
    bl_idname = "KINELIFT_PT_retarget_advanced"
    bl_parent_id = "KINELIFT_PT_retarget"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout, settings = self.layout, context.scene.kinelift_retarget
        split_properties(layout)
        layout.enabled = not board.is_busy
        layout.prop(settings, "contacts")
        layout.prop(settings, "root_motion")


class KINELIFT_UL_bones(bpy.types.UIList):
    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        split = layout.split(factor=0.35)
        split.label(text=_title(item.name))
        row = split.row(align=True)
        row.prop_search(item, "bone", context.scene.kinelift_retarget.target.data, "bones", text="", icon="BONE_DATA")
        row.label(text="", icon="ERROR" if doubt_of(item, data.kind) else "BLANK1")

    def filter_items(self, context, data, property):
        return [self.bitflag_filter_item if is_shown else 0 for is_shown in shown_rows(data)], []


class KINELIFT_PT_bones(SidebarPanel, bpy.types.Panel):
    """The table of the target's bones, to look at and to correct."""

    bl_label = "Bones"
    bl_idname = "KINELIFT_PT_bones"
    bl_parent_id = "KINELIFT_PT_retarget"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        target = context.scene.kinelift_retarget.target
        table = table_of(target) if target is not None else None
        return table is not None and len(table.parts)

    def draw(self, context):
        layout, rig = self.layout, table_of(context.scene.kinelift_retarget.target)
        layout.enabled = not board.is_busy
        layout.label(text=rig.title)
        layout.template_list("KINELIFT_UL_bones", "", rig, "parts", rig, "part_index", rows=8)
        if 0 <= rig.part_index < len(rig.parts):
            part = rig.parts[rig.part_index]
            doubt = doubt_of(part, rig.kind)
            if doubt:
                draw_text(layout.column(align=True), f"{_title(part.name)}: {doubt}", context)
        for remark in (*rig.doubts, *rig.notes):
            draw_text(layout.column(align=True), remark.name, context)
        layout.operator("kinelift.save_preset", icon="FILE_TICK")


def _title(role: str) -> str:
    """A role as people read it: `upper_arm.L` -> `Upper Arm L`, `spine.0` -> `Spine 1`."""
    part, _, rest = role.partition(".")
    return f"{part.replace('_', ' ').title()} {int(rest) + 1 if rest.isdigit() else rest}".strip()


register, unregister = bpy.utils.register_classes_factory((
    KINELIFT_UL_takes, KINELIFT_PT_takes, KINELIFT_PT_retarget, KINELIFT_PT_retarget_advanced, KINELIFT_UL_bones, KINELIFT_PT_bones))
