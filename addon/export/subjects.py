"""What an export holds: a take, or an armature with what belongs to it."""

from __future__ import annotations

import bpy

from ...backend.errors import KineliftError
from ..scene import takes
from ..scene.empties import companions
from ..scene.fbx import with_meshes
from ..scene.layers import span_of

Subject = tuple[list[bpy.types.Object], tuple[int, int]]
"""Objects, the armature first, and the first and last frame of their motion."""


def take_subject(scene: bpy.types.Scene, index: int) -> Subject:
    """A take's stick armature and objects. Raises KineliftError when they were deleted."""
    take = takes.get_take(scene, index)
    if take.stick is None or take.collection is None:
        raise KineliftError(f"the armature of {take.name} was deleted", "Generate the take again with the same seed", take.name, "no-take")
    others = [item for item in take.collection.objects if item != take.stick]
    return [take.stick, *others], _span(take.stick)


def armature_subject(armature: bpy.types.Object | None) -> Subject:
    """An armature, its meshes and the objects of its motion. Raises KineliftError when it does not move."""
    if armature is None:
        raise KineliftError("there is no target armature", "Choose one in the Retarget panel", code="no-target")
    return [*with_meshes(armature), *companions(armature)], _span(armature)


def _span(armature: bpy.types.Object) -> tuple[int, int]:
    span = span_of(armature)
    if span is None:
        raise KineliftError("the armature has no motion", "Apply a take to it first", armature.name, "no-motion")
    first, last = span
    return int(first), int(last)
