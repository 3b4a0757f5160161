"""File > Import > Motion, and a file dropped on the viewport."""

from pathlib import Path

import bpy
from bpy.props import EnumProperty, FloatProperty, StringProperty

from ..runtime.operator import FileJobOperator
from ..scene import takes
from .steps import ENDINGS, Source, import_takes


class KINELIFT_OT_import_motion(FileJobOperator, bpy.types.Operator):
    """Read a BVH file, a motion file or the results of the MAS program as takes, which play at once and can be applied to any armature"""

    bl_idname = "kinelift.import_motion"
    bl_label = "Import Motion"
    bl_options = {"UNDO"}
    job_title = "Importing"
    fields = {"--scale": "Scale", "--up": "Up", "--fps": "Frame Rate"}

    filepath: StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: StringProperty(default=";".join(f"*{ending}" for ending in ENDINGS), options={"HIDDEN"})
    scale: FloatProperty(name="Scale", description="Metres of one unit of the file; 0 guesses it from the length of the legs", default=0.0, min=0.0,
                         soft_max=1.0, precision=4, options={"SKIP_SAVE"})
    up: EnumProperty(name="Up", description="The axis of the file that points up",
                     items=[("AUTO", "Automatic", "The axis along which the body stands"), ("x", "X", ""), ("y", "Y", ""), ("z", "Z", "")],
                     options={"SKIP_SAVE"})
    fps: FloatProperty(name="Frame Rate", description="Frames a second of the motion; 0 is the file's own", default=0.0, min=0.0, soft_max=240.0,
                       options={"SKIP_SAVE"})

    def steps(self, context):
        source = Source(Path(bpy.path.abspath(self.filepath)), self.scale, "" if self.up == "AUTO" else self.up, self.fps)
        names, notes = yield from import_takes(source)
        takes.play(bpy.context)
        return ". ".join([takes.are_there(names), *notes])

    def draw(self, context):
        self.layout.use_property_split = True
        for name in ("scale", "up", "fps"):
            self.layout.prop(self, name)


class KINELIFT_FH_motion(bpy.types.FileHandler):
    """Motions dropped on the viewport."""

    bl_idname = "KINELIFT_FH_motion"
    bl_label = "Motion (Kinelift)"
    bl_import_operator = "kinelift.import_motion"
    bl_file_extensions = ";".join(ENDINGS)

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


def draw_menu(self, context):
    self.layout.operator("kinelift.import_motion", text="Motion (Kinelift)")


_register, _unregister = bpy.utils.register_classes_factory((KINELIFT_OT_import_motion, KINELIFT_FH_motion))


def register() -> None:
    _register()
    bpy.types.TOPBAR_MT_file_import.append(draw_menu)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_import.remove(draw_menu)
    _unregister()
