"""What an export holds: a take, or an armature with what belongs to it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import bpy

from ...backend.errors import KineliftError
from ..scene import takes
from ..scene.empties import companions
from ..scene.layers import actions_of, span_of


@dataclass(frozen=True)
class Subject:
    """objects: the armature first; frames: the first and the last of their motion; clip: what the motion is called in the file."""

    objects: list[bpy.types.Object]
    frames: tuple[int, int]
    clip: str

    @property
    def armature(self) -> bpy.types.Object:
        return self.objects[0]


def take_subject(scene: bpy.types.Scene, index: int) -> Subject:
    """A take's stick armature and objects. Raises KineliftError when they were deleted."""
    take = takes.get_take(scene, index)
    if take.stick is None or take.collection is None:
        raise KineliftError(f"the armature of {take.name} was deleted", "Generate or import the take again", take.name, "no-take")
    others = [item for item in take.collection.objects if item != take.stick]
    return Subject([take.stick, *others], _span(take.stick), take.name)


def armature_subject(armature: bpy.types.Object | None) -> Subject:
    """An armature, its meshes and the objects of its motion. Raises KineliftError when it does not move."""
    if armature is None:
        raise KineliftError("there is no target armature", "Choose one in the Retarget panel", code="no-target")
    frames = _span(armature)
    return Subject([armature, *_meshes(armature), *companions(armature)], frames, _clip((armature.animation_data.action or actions_of(armature)[-1]).name))


def _clip(action_name: str) -> str:
    """The name of the take that an Action was made of, which Blender numbers where the take's own has the name already; else the Action's."""
    take = re.sub(r"\.\d{3}$", "", action_name)
    return take if take in bpy.context.scene.kinelift_takes else action_name


def chosen_subject(context: bpy.types.Context) -> Subject:
    """What the Export panel says. Raises KineliftError."""
    scene = context.scene
    if scene.kinelift_export.subject == "TAKE":
        return take_subject(scene, scene.kinelift_take_index)
    return armature_subject(scene.kinelift_retarget.target)


def _meshes(armature: bpy.types.Object) -> list[bpy.types.Object]:
    """The meshes that an armature object deforms or carries."""
    return [item for item in bpy.data.objects if item.type == "MESH" and bpy.context.scene in item.users_scene and (
        item.parent == armature or any(modifier.type == "ARMATURE" and modifier.object == armature for modifier in item.modifiers))]


def _span(armature: bpy.types.Object) -> tuple[int, int]:
    span = span_of(armature)
    if span is None:
        raise KineliftError("the armature has no motion", "Apply a take to it first", armature.name, "no-motion")
    first, last = span
    return math.floor(first), math.ceil(last)
