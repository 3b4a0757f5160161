"""Read 2D poses, from the menu, a drop on the viewport or the panel's field; lift them."""

from pathlib import Path

import bpy
from bpy.props import CollectionProperty, StringProperty

from ..runtime import session
from ..runtime.operator import FileJobOperator, JobOperator
from ..scene import takes
from . import steps
from .properties import FIELDS

SUFFIXES = (".json", ".csv", ".npz", ".npy", ".h5", ".txt")


class KINELIFT_OT_import_poses(FileJobOperator, bpy.types.Operator):
    """Read a file of 2D poses, or a folder with one file for each frame, so that it can be lifted to 3D"""

    bl_idname = "kinelift.import_poses"
    bl_label = "Import 2D Poses"
    bl_options = {"UNDO"}
    job_title = "Reading the poses"
    fields = FIELDS

    filepath: StringProperty(name="File", subtype="FILE_PATH", options={"SKIP_SAVE"})
    directory: StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE", "HIDDEN"})
    files: CollectionProperty(name="Files", type=bpy.types.OperatorFileListElement, options={"SKIP_SAVE", "HIDDEN"})
    filter_glob: StringProperty(default=";".join(f"*{suffix}" for suffix in SUFFIXES), options={"HIDDEN"})

    @property
    def path(self) -> Path:
        """What is to be read: several files of a folder stand for the folder."""
        folder_is_meant = self.directory and (len(self.files) > 1 or not self.filepath)
        return Path(bpy.path.abspath(self.directory if folder_is_meant else self.filepath))

    @property
    def has_path(self) -> bool:
        return bool(self.filepath or self.directory)

    def steps(self, context):
        reading = context.scene.kinelift_lift.begin(self.path)
        backend = session.backend()
        found = yield from steps.read(backend, reading)
        settings = bpy.context.scene.kinelift_lift
        settings.keep(found)
        if not found["tracks"] and all(settings.image_size):  # the movie beside it told the size that was missing
            settings.keep((yield from steps.read(backend, settings.reading(reading.file))))
            settings = bpy.context.scene.kinelift_lift
        count = len(settings.tracks)
        return f"{settings.title}: {count} {'track' if count == 1 else 'tracks'}"


class KINELIFT_OT_lift(JobOperator, bpy.types.Operator):
    """Lift the chosen tracks to 3D. Each comes as a take, the first also on the target armature when there is one"""

    bl_idname = "kinelift.lift"
    bl_label = "Lift to 3D"
    bl_options = {"UNDO"}
    job_title = "Lifting"
    fields = FIELDS

    @classmethod
    def poll(cls, context):
        lacking = context.scene.kinelift_lift.lacking
        if lacking:
            cls.poll_message_set(lacking)
            return False
        return super().poll(context)

    def steps(self, context):
        scene = context.scene
        backend, wish = session.backend(), scene.kinelift_lift.wish()
        target = scene.kinelift_retarget.read_target()
        made = yield from steps.lift(backend, wish, target)
        takes.play(bpy.context)
        said = made.sentences(target)
        camera = bpy.context.scene.kinelift_takes[made.names[0]].camera
        if camera is not None:
            look_through(bpy.context)
            said.append(f"The scene's camera is {camera.name} now, and it renders {' x '.join(map(str, wish.reading.image_size))}")
        return ". ".join(said)


class KINELIFT_OT_choose_tracks(bpy.types.Operator):
    """Choose all tracks, or only the first where all are chosen"""

    bl_idname = "kinelift.choose_tracks"
    bl_label = "All"
    bl_options = {"UNDO", "INTERNAL"}

    def execute(self, context):
        tracks = context.scene.kinelift_lift.tracks
        all_chosen = all(track.chosen for track in tracks)
        for number, track in enumerate(tracks):
            track.chosen = not all_chosen or number == 0
        return {"FINISHED"}


class KINELIFT_FH_poses(bpy.types.FileHandler):
    """Pose files that are dropped on the viewport."""

    bl_idname = "KINELIFT_FH_poses"
    bl_label = "2D Poses (Kinelift)"
    bl_import_operator = "kinelift.import_poses"
    bl_file_extensions = ";".join(SUFFIXES)

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


def look_through(context: bpy.types.Context) -> None:
    """Shows what the scene's camera sees in the viewports of the window."""
    for area in context.screen.areas if context.screen is not None else ():
        if area.type == "VIEW_3D":
            area.spaces.active.region_3d.view_perspective = "CAMERA"


def draw_menu(self, context: bpy.types.Context) -> None:
    self.layout.operator("kinelift.import_poses", text="2D Poses (Kinelift)")


_register_classes, _unregister_classes = bpy.utils.register_classes_factory((
    KINELIFT_OT_import_poses, KINELIFT_OT_lift, KINELIFT_OT_choose_tracks, KINELIFT_FH_poses))


def register() -> None:
    _register_classes()
    bpy.types.TOPBAR_MT_file_import.append(draw_menu)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_import.remove(draw_menu)
    _unregister_classes()
