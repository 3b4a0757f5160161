"""Reading exported files with Blender's own importers."""

from __future__ import annotations

import re
from pathlib import Path

import bpy

IMPORTERS = {
    ".fbx": ("import_scene.fbx", {"anim_offset": 0.0}),  # else it shifts by a frame
    ".glb": ("import_scene.gltf", {}), ".usdc": ("wm.usd_import", {}),
    ".bvh": ("import_anim.bvh", {"axis_forward": "-Z", "axis_up": "Y", "global_scale": 0.01, "use_fps_scale": False}),
}

CHANGED = {".bvh": r"\s", ".usdc": r"\W"}
"""What of a bone's name comes back as a line below."""


def name_in(path: Path, bone: str) -> str:
    """What a bone is called after a file was read."""
    return re.sub(CHANGED.get(path.suffix, r"(?!)"), "_", bone)


def bring_back(path: Path, first: int) -> tuple[bpy.types.Object, list[bpy.types.Object], int]:
    """Reads a file whose motion began at frame `first`: the armature, all new objects, and the frame it begins at now."""
    before, fps = set(bpy.data.objects), bpy.context.scene.render.fps
    operator, settings = IMPORTERS[path.suffix]
    module, _, function = operator.partition(".")
    more = {"frame_start": first} if path.suffix == ".bvh" else {}
    getattr(getattr(bpy.ops, module), function)(filepath=str(path), **settings, **more)
    assert bpy.context.scene.render.fps == fps, "the file has another frame rate"
    new = [item for item in bpy.data.objects if item not in before]
    armature = next(item for item in new if item.type == "ARMATURE")
    start = round(armature.animation_data.action.frame_range[0]) if path.suffix == ".glb" else first  # glTF's time begins at 0
    return armature, new, start
