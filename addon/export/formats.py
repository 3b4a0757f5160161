"""The formats a motion can be written in: what each wants of the copies, and Blender's exporter with its settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy
from mathutils import Matrix

from ...backend.errors import KineliftError
from ...backend.motion.files import whole_file
from .baking import Bake, baked
from .subjects import Subject

Y_UP = Matrix.Rotation(-math.pi / 2, 3, "X")
CENTIMETRES = 100.0

FBX = {
    "use_selection": True, "object_types": {"ARMATURE", "EMPTY", "MESH"}, "add_leaf_bones": False, "bake_anim": True, "bake_anim_use_all_bones": True,
    "bake_anim_use_nla_strips": False, "bake_anim_use_all_actions": False, "bake_anim_force_startend_keying": True, "bake_anim_simplify_factor": 0.0,
    "apply_unit_scale": True, "axis_forward": "-Z", "axis_up": "Y", "use_armature_deform_only": False,
}
GLTF = {
    "export_format": "GLB", "use_selection": True, "export_animations": True, "export_animation_mode": "ACTIVE_ACTIONS", "export_force_sampling": True,
    "export_optimize_animation_size": False, "export_anim_slide_to_zero": True, "export_yup": True, "export_def_bones": False, "export_skins": True,
    "export_morph": True,
    "export_anim_single_armature": False,  # else every Action of any armature in the file is mixed in
}
USD = {"selected_objects_only": True, "export_animation": True, "export_armatures": True, "only_deform_bones": False, "export_materials": True}


@dataclass(frozen=True)
class Format:
    """operator: Blender's own exporter; settings: for the subject's clip name and frames; centimetres: lengths are written in them, not in
    metres with a scale on the objects; y_up: the exporter turns no axes, so the copies are turned; rigid (Blender's USD exporter drops
    small changes of a scale, which would move what hangs on a stretched bone), in_bones, for_fbx: as in `Bake`;
    root_name: what the armature object is called where one bone is the root of all."""

    title: str
    description: str
    extensions: tuple[str, ...]
    operator: str
    settings: Callable[[str, tuple[int, int]], dict]
    centimetres: bool = False
    y_up: bool = False
    rigid: bool = False
    in_bones: bool = False
    for_fbx: bool = False
    root_name: str = ""


def _fbx(**more: object) -> Callable[[str, tuple[int, int]], dict]:
    return lambda clip, frames: FBX | more


FORMATS = {
    "FBX": Format("FBX", "For Maya, MotionBuilder, 3ds Max and others", (".fbx",), "export_scene.fbx", _fbx(), for_fbx=True),
    "FBX_UNITY": Format("FBX for Unity", "Scale 1 on all objects in Unity, Y up", (".fbx",), "export_scene.fbx", _fbx(apply_scale_options="FBX_SCALE_ALL"),
                        for_fbx=True),
    "FBX_UNREAL": Format("FBX for Unreal", "Centimetres and scale 1 on all objects in Unreal, and no extra root bone", (".fbx",), "export_scene.fbx",
                         _fbx(mesh_smooth_type="FACE"), centimetres=True, for_fbx=True, root_name="Armature"),
    "BVH": Format("BVH", "The skeleton alone, in centimetres, Y up", (".bvh",), "export_anim.bvh",
                  lambda clip, frames: {"frame_start": frames[0], "frame_end": frames[1], "global_scale": 1.0, "rotate_mode": "ZXY"},
                  centimetres=True, y_up=True, rigid=True, in_bones=True),
    "GLTF": Format("glTF", "One binary file (.glb) for the web, Godot and others", (".glb",), "export_scene.gltf",
                   lambda clip, frames: GLTF | {"export_nla_strips_merged_animation_name": clip}),
    "USD": Format("USD", "Universal Scene Description, for Houdini, Omniverse and others", (".usdc", ".usd", ".usda"), "wm.usd_export",
                  lambda clip, frames: USD, rigid=True),
}


def format_of(path: Path | str) -> str:
    """The format that a file's ending stands for. Raises KineliftError."""
    ending = Path(path).suffix.lower()
    for name, kind in FORMATS.items():
        if ending in kind.extensions:
            return name
    endings = ", ".join(dict.fromkeys(ending for kind in FORMATS.values() for ending in kind.extensions))
    raise KineliftError(f"no format ends in {ending or 'nothing'!r}", f"Choose one of {endings}", str(path), "bad-format")


def is_there(format_name: str) -> bool:
    """Whether this Blender has the format's exporter."""
    module, _, name = FORMATS[format_name].operator.partition(".")
    return name in dir(getattr(bpy.ops, module))


def export(path: Path | str, scene: bpy.types.Scene, subject: Subject, format_name: str, only_deform: bool = True) -> Path:
    """Writes a subject in a format, without changing the scene. `only_deform` leaves out bones that deform nothing. Raises KineliftError."""
    path, kind = Path(path), FORMATS[format_name]
    if not is_there(format_name):
        raise KineliftError(f"this Blender has no exporter for {kind.title}", "Enable its add-on in the preferences, use a Blender that has it, "
                            "or choose another format", kind.operator, "no-exporter")
    if path.suffix.lower() not in kind.extensions:
        raise KineliftError(f"{kind.title} files don't end in {path.suffix or 'nothing'!r}", f"Name it *{kind.extensions[0]}", str(path), "bad-format")
    objects = [item for item in subject.objects if format_name != "BVH" or item == subject.objects[0]]
    units = scene.unit_settings
    metre = units.scale_length if units.system != "NONE" else 1.0
    has_mesh = any(item.type == "MESH" for item in objects)
    bake = Bake(only_deform, kind.rigid or not has_mesh, kind.in_bones, kind.for_fbx, CENTIMETRES * metre if kind.centimetres else 1.0,
                Y_UP if kind.y_up else Matrix.Identity(3))
    with whole_file(path) as temporary:
        part = temporary.with_name(f"{temporary.name}{path.suffix.lower()}")
        try:
            with _unit(scene, 1 / CENTIMETRES if kind.centimetres else metre), baked(scene, objects, subject.frames, subject.clip, bake) as copies:
                has_one_root = sum(bone.parent is None for bone in copies[0].data.bones) == 1
                with _called(copies[0], kind.root_name if kind.root_name and has_one_root else copies[0].name):
                    _call(kind, part, subject)
            if not part.is_file() or not part.stat().st_size:
                raise _failed(path, "the exporter wrote nothing")
            part.replace(temporary)
        except RuntimeError as error:
            # The text is a whole traceback, and newer versions say below it where the operator was called.
            reason = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Location:")][-1]
            raise _failed(path, reason) from error
        finally:
            part.unlink(missing_ok=True)
    return path


def _call(kind: Format, path: Path, subject: Subject) -> None:
    module, _, name = kind.operator.partition(".")
    getattr(getattr(bpy.ops, module), name)(filepath=str(path), check_existing=False, **kind.settings(subject.clip, subject.frames))


def _failed(path: Path, reason: str) -> KineliftError:
    return KineliftError(f"the file could not be written ({reason})", "Free disk space, choose another folder or close the program that uses the file",
                         str(path), "write-failed")


@contextmanager
def _called(item: bpy.types.Object, name: str):
    """Inside, an object has a name, also where another has it already."""
    other = bpy.data.objects.get(name)
    try:
        if other is not None and other != item:
            other.name = "Kinelift aside"
        item.name = name
        yield
    finally:
        if other is not None and other != item:
            item.name = "Kinelift copy"
            other.name = name


@contextmanager
def _unit(scene: bpy.types.Scene, metres: float):
    """Inside, one unit of the scene is that many metres."""
    units = scene.unit_settings
    system, scale = units.system, units.scale_length
    try:
        units.system, units.scale_length = "METRIC", metres
        yield
    finally:
        units.system, units.scale_length = system, scale
