"""Export, in any of the formats."""

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from ..runtime.operator import reports_errors
from .checks import check
from .formats import FORMATS, export
from .properties import FORMAT_ITEMS
from .subjects import chosen_subject


class KINELIFT_OT_export(ExportHelper, bpy.types.Operator):
    """Write the chosen take or the target to a file, every frame where it is in the scene"""

    bl_idname = "kinelift.export"
    bl_label = "Export Motion"
    bl_options = {"PRESET"}

    format: EnumProperty(name="Format", description="The kind of file", items=FORMAT_ITEMS)
    filter_glob: StringProperty(default=";".join(sorted({f"*{ending}" for kind in FORMATS.values() for ending in kind.extensions})), options={"HIDDEN"})

    @property
    def filename_ext(self):
        return FORMATS[self.format].extensions[0]

    @reports_errors
    def execute(self, context):
        scene, only_deform = context.scene, context.scene.kinelift_export.only_deform
        subject = chosen_subject(context)
        for finding in check(scene, subject, self.format, only_deform):
            if finding.breaks:
                self.report({"WARNING"}, finding.text)
        path = export(self.filepath, scene, subject, self.format, only_deform)
        self.report({"INFO"}, f"Wrote {path}")
        return {"FINISHED"}

    def draw(self, context):
        layout = self.layout
        layout.prop(self, "format")
        layout.prop(context.scene.kinelift_export, "subject")
        layout.prop(context.scene.kinelift_export, "only_deform")


def draw_menu(self, context):
    self.layout.operator("kinelift.export", text="Motion (Kinelift)")


_register, _unregister = bpy.utils.register_classes_factory((KINELIFT_OT_export,))


def register() -> None:
    _register()
    bpy.types.TOPBAR_MT_file_export.append(draw_menu)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_export.remove(draw_menu)
    _unregister()
