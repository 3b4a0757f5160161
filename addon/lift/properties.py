"""Settings of the Lift panel: a pose file as it was read, its tracks, and how to lift them."""

import tomllib
from pathlib import Path

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, IntVectorProperty, PointerProperty, StringProperty

from ...backend.errors import KineliftError
from ...backend.packs.catalogue import Pack
from ..generate.properties import DEVICES, MAX_SEED
from ..runtime.environment import ROOT
from ..runtime.operator import in_fields
from ..runtime.packs import PackChoice
from ..scene import footage
from .steps import Reading, Wish

USUAL_HEIGHT = 1.75
"""Metres, of a person; packs for others say their own."""

AUTOMATIC = "AUTOMATIC"
FORMATS = (
    ("alphapose", "AlphaPose"), ("openpose", "OpenPose"), ("mmpose", "MMPose, ViTPose, Sapiens, rtmlib"), ("coco", "COCO"), ("detectron2", "Detectron2"),
    ("easy_vitpose", "easy_ViTPose"), ("ultralytics", "Ultralytics YOLO"), ("mediapipe", "MediaPipe"), ("deeplabcut", "DeepLabCut, Lightning Pose"),
    ("sleap", "SLEAP"), ("plain", "Plain Arrays"))

FIELDS = {"--fps": "Frame Rate", "--image-size": "Image Size", "--focal": "Focal (px)", "--format": "Format", "--joints": "Joints", "--y-up": "Y Up",
          "--track": "Tracks", "--skeleton": "Pack"}
"""Option of the command line -> the field of the panel that says the same."""

packs = PackChoice(lambda pack: pack.kind == "mvlift")


def _joint_sets() -> list[tuple[str, str]]:
    sets = tomllib.loads((Path(ROOT) / "backend/poses/joint_sets.toml").read_text(encoding="utf-8"))["sets"]
    return [(name, entry["title"]) for name, entry in sets.items()]


def _choices(names, automatic: str) -> list[tuple[str, str, str]]:
    return [(AUTOMATIC, "Automatic", automatic), *((name, title, "") for name, title in names)]


def _take_usual_height(self, context) -> None:
    """A change of pack brings the height of its usual body."""
    pack = packs.chosen(self)
    if pack is not None:
        self.height = pack.card.get("body", {}).get("height", USUAL_HEIGHT)


def _read_new_file(self, context) -> None:
    """A file chosen in the panel is read at once. `tried` tells it from one that an operator has set."""
    if self.file and self.path != Path(self.tried) and not bpy.app.background and bpy.ops.kinelift.import_poses.poll():
        bpy.ops.kinelift.import_poses("INVOKE_DEFAULT", filepath=str(self.path))


def _ask_footage(self, context) -> None:
    """Footage says what the poses don't. What Blender can't read is refused when it is to be shown."""
    if not self.footage:
        return
    try:
        facts = footage.facts_of(Path(bpy.path.abspath(self.footage)))
    except KineliftError:
        return
    if not all(self.image_size):
        self.image_size = facts.size
    self.fps = self.fps or facts.fps / self.step


class KineliftTrack(bpy.types.PropertyGroup):
    """A person or animal of the pose file; its name is the file's id."""

    chosen: BoolProperty(name="Lift", description="Lift this track")
    frames: IntProperty(name="Frames", description="Frames in which anything of it is seen")
    share: FloatProperty(name="Share", description="Share of the file's frames")
    size: FloatProperty(name="Size", description="Mean size in pixels")


class KineliftSkeleton(bpy.types.PropertyGroup):
    """A skeleton, by its name, that the file's joints can be read for."""


class KineliftNote(bpy.types.PropertyGroup):
    """A sentence, its name, on what was mended or assumed."""


class KineliftLift(bpy.types.PropertyGroup):
    file: StringProperty(name="Poses", description="A file of 2D poses, or a folder with one file for each frame (OpenPose, Ultralytics, ...)",
                         subtype="FILE_PATH", update=_read_new_file)
    tried: StringProperty(name="Tried", description="The path that was read last, with or without success")
    was_read: BoolProperty(name="Read", description="Whether what stands here is of this file")
    title: StringProperty(name="Format", description="What the file was taken for, and how sure that is")
    step: IntProperty(name="Step", description="Every how many frames of the footage the poses were found", default=1, min=1)
    tracks: CollectionProperty(type=KineliftTrack)
    track_index: IntProperty(name="Track")
    skeletons: CollectionProperty(type=KineliftSkeleton)
    notes: CollectionProperty(type=KineliftNote)

    fps: FloatProperty(name="Frame Rate", description="Frames a second of the poses; 0 is unknown", min=0, max=1000, precision=2)
    image_size: IntVectorProperty(name="Image Size", description="Width and height of the video in pixels; 0 is unknown", size=2, min=0, max=100_000)
    focal: FloatProperty(name="Focal (px)", description="Focal length of the camera in pixels; at 0 it is estimated", min=0, max=1e6, precision=0)
    height: FloatProperty(name="Height", description="How tall the subject is: the scale of the world", subtype="DISTANCE", default=USUAL_HEIGHT,
                          min=0.05, max=10, precision=3)
    pack_name: StringProperty(name="Pack Name", description="The name of the chosen pack, which stays the same when packs come and go",
                              default="lift-human", update=_take_usual_height)
    pack: EnumProperty(name="Pack", description="Whom it lifts: each pack has learnt one kind of body", items=lambda self, context: packs.items,
                       get=lambda self: packs.number(self), set=lambda self, number: packs.choose(self, number))
    footage: StringProperty(name="Footage", description="The movie, or the first of its numbered images, to show behind the rig; none when empty",
                            subtype="FILE_PATH", update=_ask_footage)

    format: EnumProperty(name="Format", description="Which program wrote the poses", items=_choices(FORMATS, "Found by the content"))
    joints: EnumProperty(name="Joints", description="Which joint set it is, where several have as many joints",
                         items=_choices(_joint_sets(), "Found by names, number or shape"))
    y_up: BoolProperty(name="Y Up", description="In this file y grows upwards")
    counts_from: IntProperty(name="First Frame Is", description="The number that the pose file gives the first frame of the footage; below 0 where "
                             "the poses begin later in it", min=-10**6, max=10**6)
    makes_camera: BoolProperty(name="Make Camera", default=True, description="Make the camera that filmed it the scene's, and render in the size of the video")
    plant: BoolProperty(name="Plant Feet", default=True, description="Put standing feet on the floor and keep them in place")
    seed: IntProperty(name="Seed", description="What the picture doesn't tell is drawn anew with each seed", default=0, min=0, max=MAX_SEED)
    device: EnumProperty(name="Device", description="What the model runs on", items=DEVICES)

    @property
    def path(self) -> Path:
        return Path(bpy.path.abspath(self.file))

    @property
    def chosen_pack(self) -> Pack | None:
        """The pack that is chosen; None when no pack lifts."""
        return packs.chosen(self)

    @property
    def chosen_tracks(self) -> tuple[str, ...]:
        return tuple(track.name for track in self.tracks if track.chosen)

    def begin(self, path: Path) -> Reading:
        """What to ask for when `path` is read: what was said of a file holds while it is read again, and not for another one."""
        if Path(self.tried) != path:
            self.fps = self.focal = 0.0
            self.image_size = (0, 0)
            self.format = self.joints = AUTOMATIC
            self.y_up, self.footage = False, ""
        self.tried, self.file, self.was_read = str(path), str(path), False
        return self.reading(path)

    def reading(self, path: Path) -> Reading:
        """The settings of a pose file."""
        named = ("" if choice == AUTOMATIC else choice for choice in (self.format, self.joints))
        return Reading(path, self.fps, tuple(self.image_size), self.focal, *named, self.y_up)

    def keep(self, found: dict) -> None:
        """Takes over what the backend found in the file. The most prominent track is chosen, a pack that fits the file's joints, and the
        movie that lies beside it."""
        chosen = set(self.chosen_tracks)
        self.title = f"{found['title'][:1].upper()}{found['title'][1:]} ({found['certainty']:.0%} sure)"
        self.tracks.clear()
        for number, facts in enumerate(found["tracks"]):
            track = self.tracks.add()
            track.name, track.frames, track.share, track.size = facts["id"], facts["frames"], facts["share"], facts["size"]
            track.chosen = number == 0
        if chosen & {track.name for track in self.tracks}:
            for track in self.tracks:
                track.chosen = track.name in chosen
        for names, collection in ((found["skeletons"], self.skeletons), ([in_fields(note, FIELDS) for note in found["notes"]], self.notes)):
            collection.clear()
            for name in names:
                collection.add().name = name
        self.fps, self.focal, self.image_size = found["fps"], found["focal"], found["image_size"]
        self.counts_from = int(found["first_frame"] == 1)
        self.step = found["step"]
        movie = footage.beside(self.path)
        if movie is not None and not self.footage:
            self.footage = str(movie)
        fitting = [pack for pack in packs.packs if pack.skeleton in found["skeletons"]]
        if fitting and self.chosen_pack not in fitting:
            self.pack_name = fitting[0].name
        elif self.chosen_pack is not None and self.chosen_pack.name != self.pack_name:
            self.pack_name = self.chosen_pack.name
        self.was_read = True

    @property
    def lacking(self) -> str:
        """What must be said or chosen before anything can be lifted; empty when nothing."""
        if not self.file:
            return "Choose a file of 2D poses first"
        if not self.was_read or Path(self.tried) != self.path:
            return "The file was not read; read it again"
        if not all(self.image_size):
            return "Give the image size: the file doesn't say it"
        if not len(self.tracks):
            return "Read the file again, now that its image size is known"
        if not self.fps:
            return "Give the frame rate: the file doesn't say it"
        return "" if self.chosen_tracks else "Choose a track"

    def wish(self) -> Wish:
        """These settings for the backend. Raises KineliftError when something is missing."""
        if self.lacking:
            raise KineliftError(self.lacking[:1].lower() + self.lacking[1:], "Look at the Lift panel", self.file, "missing-setting")
        pack = packs.usable(self)
        movie = Path(bpy.path.abspath(self.footage)) if self.footage else None
        if movie is not None and self.makes_camera:
            footage.facts_of(movie)
        return Wish(self.reading(self.path), pack.name, pack.skeleton, self.chosen_tracks, self.height, self.seed, self.plant, self.device,
                    self.makes_camera, movie, self.counts_from)


_register_classes, _unregister_classes = bpy.utils.register_classes_factory((KineliftTrack, KineliftSkeleton, KineliftNote, KineliftLift))


def register() -> None:
    packs.refresh()
    _register_classes()
    bpy.types.Scene.kinelift_lift = PointerProperty(type=KineliftLift)


def unregister() -> None:
    del bpy.types.Scene.kinelift_lift
    _unregister_classes()
