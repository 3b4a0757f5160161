"""The Export panel."""

import bpy

from ..runtime import session
from ..runtime.panel import SidebarPanel, split_properties


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
        layout.prop(settings, "only_deform")
        layout.operator("kinelift.export_fbx", icon="EXPORT")


register, unregister = bpy.utils.register_classes_factory((KINELIFT_PT_export,))
