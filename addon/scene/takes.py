"""Takes: the motions a scene has, each with how it was made and its own stick armature."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import bpy
from bpy.props import CollectionProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from ...backend.errors import KineliftError
from ...backend.motion.motion3d import Motion3D
from .cameras import rescale
from .empties import key_object, radius_of, rigid_part
from .layers import MADE_TAG
from .removal import remove_object
from .resampling import scene_fps
from .stick import make_stick


class KineliftTake(bpy.types.PropertyGroup):
    name: StringProperty(name="Name", description="The name of this take")
    motion_file: StringProperty(name="Motion File", subtype="FILE_PATH")
    pack: StringProperty(name="Pack")
    seed: IntProperty(name="Seed")
    frames: IntProperty(name="Frames", description="Frames of the scene from its start to the end of the take, when the take was made")
    fps: FloatProperty(name="Frame Rate", description="Frames a second of the motion file; it is resampled to the scene's")
    delay: IntProperty(name="Delay", description="Frames of the scene after its start at which the take begins, when the take was made")
    camera: PointerProperty(name="Camera", description="The camera that filmed it", type=bpy.types.Object)
    collection: PointerProperty(type=bpy.types.Collection)
    stick: PointerProperty(type=bpy.types.Object)


def add_take(scene: bpy.types.Scene, motion_file: Path | str, pack: str = "", seed: int = 0, title: str = "") -> KineliftTake:
    """Adds a motion file to the scene as a take with a keyed stick armature and its objects, named after `title`, else pack and seed. The
    file is read before the scene is touched. Raises KineliftError."""
    motion = Motion3D.load(motion_file)
    name = next(name for name in _names(title or f"{pack} {seed}") if name not in scene.kinelift_takes)
    delay = delay_of(motion, scene)
    collection = bpy.data.collections.new(name)
    scene.collection.children.link(collection)
    stick = make_stick(name, motion, scene.frame_start + delay, collection)
    for number, object_name in enumerate(motion.object_names):
        key_object(f"{name} {object_name}", motion.object_positions[:, number], motion.fps, scene.frame_start + delay,
                   radius_of(object_name), collection, *rigid_part(number, motion.object_rotations, motion.object_sizes))
    for item in collection.objects:
        item[MADE_TAG] = True
    take = scene.kinelift_takes.add()
    take.name, take.motion_file, take.pack, take.seed = name, str(motion_file), pack, seed
    take.collection, take.stick = collection, stick
    take.fps, take.delay = motion.fps, delay
    take.frames = delay + round((len(motion.positions) - 1) / motion.fps * scene_fps(scene)) + 1
    scene.kinelift_take_index = len(scene.kinelift_takes) - 1
    return take


def _names(base: str) -> Iterator[str]:
    yield base
    for number in count(2):
        yield f"{base} ({number})"


def are_there(names: list[str]) -> str:
    """A sentence without a full stop on new takes."""
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} there"


def delay_of(motion: Motion3D, scene: bpy.types.Scene) -> int:
    """Frames of the scene, whole ones, after which a motion begins: what was filmed begins where it was seen first, so that all tracks of
    a video keep the video's time."""
    return round(motion.provenance.get("first_frame", 0) / motion.fps * scene_fps(scene))


def start_of(scene: bpy.types.Scene, take: KineliftTake | None) -> int:
    """The frame of the scene at which a take begins; the scene's first where there is none."""
    return scene.frame_start + (take.delay if take is not None else 0)


def find_take(scene: bpy.types.Scene, name: str) -> KineliftTake | None:
    """The take of that name; None where there is none, or no more."""
    return scene.kinelift_takes.get(name)


def get_take(scene: bpy.types.Scene, index: int) -> KineliftTake:
    """The take at an index. Raises KineliftError when there is none."""
    if not 0 <= index < len(scene.kinelift_takes):
        raise KineliftError(f"there is no take {index}", "Generate or import a motion first", scene.name, "no-take")
    return scene.kinelift_takes[index]


def choose_take(scene: bpy.types.Scene, index: int) -> KineliftTake:
    """Makes the take at an index the chosen one, shows it, and makes its length the preview range. Raises KineliftError when there is none."""
    take = get_take(scene, index)
    scene.kinelift_take_index = index
    show_take(scene, take)
    frame_take(scene, take)
    return take


def show_take(scene: bpy.types.Scene, shown: KineliftTake | None) -> None:
    """Shows one take's own armature and hides those of the others; none at all for None."""
    if shown is not None:
        film(shown, 1.0)
    for take in scene.kinelift_takes:
        if take.collection is not None:
            take.collection.hide_viewport = take.collection.hide_render = take != shown


def film(take: KineliftTake | None, scale: float) -> None:
    """Lets the camera of a take, where it has one, film its motion at another size: that of an armature it was put on."""
    if take is not None and take.camera is not None:
        rescale(take.camera, scale)


def frame_take(scene: bpy.types.Scene, take: KineliftTake, start: int | None = None) -> None:
    """Makes the take's length the preview range, which leaves the scene's own range alone, and goes to its start. `start`: where the take
    itself begins instead of at its delay after the scene's first frame."""
    first, frames = (scene.frame_start, take.frames) if start is None else (start, take.frames - take.delay)
    scene.use_preview_range = True
    scene.frame_preview_end = first + frames - 1  # the start can't be set above it
    scene.frame_preview_start = first
    scene.frame_preview_end = first + frames - 1
    scene.frame_set(first)


def play(context: bpy.types.Context) -> None:
    """Starts the playback in a window that shows the scene."""
    if not bpy.app.background and context.screen is not None and not context.screen.is_animation_playing:
        bpy.ops.screen.animation_play()


def remove_take(scene: bpy.types.Scene, index: int) -> None:
    """Removes a take with its armature and objects. Its motion file, what it was applied to and what else was put into its collection stay."""
    take = get_take(scene, index)
    if take.collection is not None:
        for item in list(take.collection.objects):
            if MADE_TAG in item:
                remove_object(item)
            elif len(item.users_collection) == 1:
                scene.collection.objects.link(item)
        bpy.data.collections.remove(take.collection)
    scene.kinelift_takes.remove(index)
    scene.kinelift_take_index = min(scene.kinelift_take_index, len(scene.kinelift_takes) - 1)


def register() -> None:
    bpy.utils.register_class(KineliftTake)
    bpy.types.Scene.kinelift_takes = CollectionProperty(type=KineliftTake)
    bpy.types.Scene.kinelift_take_index = IntProperty(name="Take", default=-1)


def unregister() -> None:
    del bpy.types.Scene.kinelift_take_index
    del bpy.types.Scene.kinelift_takes
    bpy.utils.unregister_class(KineliftTake)
