"""The Generate panel, and before it the set-up box."""

import bpy

from ..preferences import draw_set_up
from ..runtime import session
from ..runtime.jobs import board
from ..runtime.location import user_folder
from ..runtime.panel import SidebarPanel, draw_text, split_properties


class KINELIFT_PT_generate(SidebarPanel, bpy.types.Panel):
    bl_label = "Generate"
    bl_idname = "KINELIFT_PT_generate"

    def draw(self, context):
        layout = self.layout
        if session.is_ready():
            self._draw_settings(layout, context)
        elif not board.is_busy:
            draw_set_up(layout, context)

    def _draw_settings(self, layout, context):
        settings = context.scene.kinelift_generate
        pack = settings.chosen_pack
        split_properties(layout)
        if pack is None:
            draw_text(layout.column(align=True), f"There are no model packs. Copy one into {user_folder('packs')} and click Refresh.", context)
            layout.operator("kinelift.refresh_packs", icon="FILE_REFRESH")
            return
        column = layout.column()
        column.enabled = not board.is_busy
        row = column.row(align=True)
        row.prop(settings, "pack")
        row.operator("kinelift.refresh_packs", text="", icon="FILE_REFRESH")
        column.prop(settings, "seconds")
        if settings.seconds > pack.seconds_max:
            column.label(text=f"This pack knows {pack.seconds_max:g} s at most", icon="INFO")
        row = column.row(align=True)
        row.prop(settings, "seed")
        row.operator("kinelift.new_seed", text="", icon="RNDCURVE")
        column.prop(settings, "variants")
        column.prop(context.scene.kinelift_retarget, "target")
        if not board.is_busy:
            row = layout.row()
            row.scale_y = 1.4
            row.operator("kinelift.generate", icon="PLAY")


class KINELIFT_PT_generate_advanced(SidebarPanel, bpy.types.Panel):
    bl_label = "Advanced"
    bl_idname = "KINELIFT_PT_generate_advanced"
    bl_parent_id = "KINELIFT_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return session.is_ready()

    def draw(self, context):
        layout, settings = self.layout, context.scene.kinelift_generate
        split_properties(layout)
        layout.enabled = not board.is_busy
        layout.prop(settings, "mode")
        layout.prop(settings, "in_place")
        layout.prop(settings, "device")


register, unregister = bpy.utils.register_classes_factory((KINELIFT_PT_generate, KINELIFT_PT_generate_advanced))
