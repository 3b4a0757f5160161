"""Taking the keys of motions out again."""

from __future__ import annotations

import bpy

from ...backend.errors import KineliftError
from . import layers, objects
from .empties import companions
from .home import go_home, homes


def clear_keys(armature: bpy.types.Object) -> int:
    """Takes the keys of motions from an armature and the objects that move with it; how many curves had some. Raises KineliftError when none had."""
    items = [armature, *companions(armature)]
    before = homes(armature)
    count = sum(layers.clear(item) for item in items)
    if not count:
        raise KineliftError("there are no keys of Kinelift on it", "Choose the armature that a take was applied to", armature.name, "no-keys")
    go_home(armature, before)
    for item in items[1:]:
        objects.drop_idle_constraints(item, {path for path, _ in layers.played_paths(item)})
    bpy.context.scene.frame_set(bpy.context.scene.frame_current)
    return count
