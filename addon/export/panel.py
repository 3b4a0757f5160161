"""The Export panel."""

import bpy

from ...backend.errors import KineliftError
from ..runtime import session
from ..runtime.panel import SidebarPanel, draw_text, split_properties
from .checks import check
from .subjects import chosen_subject


class KINELIFT_PT_export(SidebarPanel, bpy.types.Panel):
    bl_label = "Export"
    bl_idname = "KINELIFT_PT_export"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return session.is_ready() or len(context.scene.kinelift_takes)

    def draw(self, context):
        layout, settings = self.layout, context.scene.kinelift_export
        split_properties(layout)
        layout.row().prop(settings, "subject", expand=True)
        layout.prop(settings, "format")
        layout.prop(settings, "only_deform")
        self._draw_findings(layout, context, settings)
        layout.operator("kinelift.export", icon="EXPORT").format = settings.format

    def _draw_findings(self, layout, context, settings):
        try:
            found = check(context.scene, chosen_subject(context), settings.format, settings.only_deform)
        except KineliftError:  # nothing to export yet; the button says what to do
            return
        for finding in found:
            row = layout.row()
            row.label(text="", icon="ERROR" if finding.breaks else "INFO")
            draw_text(row.column(align=True), finding.text, context)


register, unregister = bpy.utils.register_classes_factory((KINELIFT_PT_export,))
