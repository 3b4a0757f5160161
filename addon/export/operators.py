"""Export to FBX."""

import bpy
from bpy.props import StringProperty
from bpy_extras.io_utils import ExportHelper

from ..runtime.operator import reports_errors
from ..scene.fbx import export_fbx
from .subjects import armature_subject, take_subject


class KINELIFT_OT_export_fbx(bpy.types.Operator, ExportHelper):
    """Write the motion to an FBX file, every frame where it is in the scene"""

    bl_idname = "kinelift.export_fbx"
    bl_label = "Export FBX"
    bl_options = {"PRESET"}

    filename_ext = ".fbx"
    filter_glob: StringProperty(default="*.fbx", options={"HIDDEN"})

    @reports_errors
    def execute(self, context):
        scene, settings = context.scene, context.scene.kinelift_export
        if settings.subject == "TAKE":
            objects, frames = take_subject(scene, scene.kinelift_take_index)
        else:
            objects, frames = armature_subject(scene.kinelift_retarget.target)
        path = export_fbx(self.filepath, scene, objects, frames, settings.only_deform)
        self.report({"INFO"}, f"Wrote {path}")
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((KINELIFT_OT_export_fbx,))
