"""Writing FBX so that what comes back is where it was, at every frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from ...backend.errors import KineliftError
from ...backend.motion.files import whole_file
from .selection import object_mode

EXPORT_SETTINGS = {
    "use_selection": True,
    "object_types": {"ARMATURE", "EMPTY", "MESH"},
    "add_leaf_bones": False,
    "bake_anim": True,
    "bake_anim_use_all_bones": True,
    "bake_anim_use_nla_strips": False,
    "bake_anim_use_all_actions": False,
    "bake_anim_force_startend_keying": True,
    "bake_anim_simplify_factor": 0.0,
    "apply_unit_scale": True,
    "axis_forward": "-Z",
    "axis_up": "Y",
}
"""Only what plays now is baked, every key of it, in metres."""

IMPORT_SETTINGS = {"anim_offset": 0.0}
"""What Blender's own importer needs so that the motion comes back at its own frames: it shifts by one otherwise."""


def export_fbx(path: Path | str, scene: bpy.types.Scene, objects: Iterable[bpy.types.Object], frames: tuple[int, int],
               only_deform: bool = True) -> Path:
    """Writes objects with the motion of `frames` (first, last), without changing selection, visibility or frame range.

    `only_deform` leaves out the bones that carry neither skin nor such bones. Raises KineliftError.
    """
    path, objects = Path(path), list(objects)
    if not objects:
        raise KineliftError("there is nothing to export", "Choose a take, or select an armature", code="nothing-to-export")
    if not hasattr(bpy.types, "EXPORT_SCENE_OT_fbx"):
        raise KineliftError("Blender's FBX exporter is off", "Enable the add-on FBX format in the preferences", code="no-fbx")
    try:
        with whole_file(path) as temporary, object_mode(), _ready_to_bake(scene, objects, frames):
            bpy.ops.export_scene.fbx(filepath=str(temporary), use_armature_deform_only=only_deform, **EXPORT_SETTINGS)
    except RuntimeError as error:
        # The text is a whole traceback, and newer versions say below it where the operator was called.
        reason = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Location:")][-1]
        raise KineliftError(f"the FBX file could not be written ({reason})",
                            "Free disk space, choose another folder or close the program that uses the file", str(path),
                            "write-failed") from error
    return path


def with_meshes(armature: bpy.types.Object) -> list[bpy.types.Object]:
    """An armature object and the meshes that it deforms or carries."""
    skinned = [item for item in bpy.data.objects if item.type == "MESH" and (
        item.parent == armature or any(modifier.type == "ARMATURE" and modifier.object == armature for modifier in item.modifiers))]
    return [armature, *skinned]


@contextmanager
def _ready_to_bake(scene: bpy.types.Scene, objects: list[bpy.types.Object], frames: tuple[int, int]) -> Iterator[None]:
    """Inside, exactly `objects` are visible and selected and `frames` is the range; afterwards these are as before."""
    layer = bpy.context.view_layer
    span = scene.frame_start, scene.frame_end, scene.use_preview_range, scene.frame_current
    collections = {collection for item in objects for collection in item.users_collection}
    hidden = {holder: holder.hide_viewport for holder in [*collections, *objects]}
    eyes = {item: item.hide_get() for item in objects if item.name in layer.objects}
    try:
        scene.use_preview_range = False
        scene.frame_start, scene.frame_end = frames
        for holder in hidden:
            holder.hide_viewport = False
        layer.update()
        for item in layer.objects:
            item.select_set(False)
        for item in objects:
            item.hide_set(False)
            item.select_set(True)
        layer.objects.active = objects[0]
        yield
    finally:
        for item, was_hidden in eyes.items():
            item.hide_set(was_hidden)
        for holder, was_hidden in hidden.items():
            holder.hide_viewport = was_hidden
        scene.frame_start, scene.frame_end, scene.use_preview_range = span[:3]
        scene.frame_set(span[3])
