"""The Export panel."""

import bpy

from ..runtime import session


class KINELIFT_PT_export(bpy.types.Panel):
    bl_label = "Export"
    bl_idname = "KINELIFT_PT_export"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Kinelift"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return session.is_ready() or len(context.scene.kinelift_takes)

    def draw(self, context):
        layout, settings = self.layout, context.scene.kinelift_export
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.row().prop(settings, "subject", expand=True)
        layout.prop(settings, "only_deform")
        layout.operator("kinelift.export_fbx", icon="EXPORT")


register, unregister = bpy.utils.register_classes_factory((KINELIFT_PT_export,))
