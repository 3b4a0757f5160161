"""Posing bones to see where that brings others, and putting all back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Matrix

from ...rigs.presets import Switch
from . import compat
from .home import go_home, homes
from .layers import actions_of
from .paths import set_value_at, value_at
from .rotations import from_vectors
from .switches import path_of, present, set_switches

LIMITS = ("LIMIT_LOCATION", "LIMIT_ROTATION", "LIMIT_SCALE")
"""Constraints that let a bone follow its channels, but not everywhere; while trying they are muted."""

CHANNELS = {"location": 3, "rotation_quaternion": 4, "rotation_axis_angle": 4, "rotation_euler": 3, "scale": 3}
"""What a pose has of a bone, with the count of its numbers."""


@contextmanager
def undisturbed(armature: bpy.types.Object, names: Sequence[str], switches: Sequence[Switch]) -> Iterator[None]:
    """Inside, Actions don't play, the bones `names` are unposed and without limits and the switches set; afterwards all is
    as before."""
    view_layer = bpy.context.view_layer
    channels = {channel: _read(armature.pose.bones, channel, size) for channel, size in CHANNELS.items()}
    properties = [(path, value_at(armature, path)) for path in (path_of(armature, switch) for switch in present(armature, switches))]
    position = armature.data.pose_position
    limits = [constraint for name in names for constraint in armature.pose.bones[name].constraints
              if constraint.type in LIMITS and not constraint.mute]
    bones_home = {path: location for path, location in homes(armature).items() if path != "location"}
    plays = bool(actions_of(armature))
    try:
        with compat.without_animation(armature):
            go_home(armature, bones_home)
            armature.data.pose_position = "POSE"
            for constraint in limits:
                constraint.mute = True
            for name in names:
                bone = armature.pose.bones[name]
                bone.location, bone.scale = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
            set_switches(armature, switches)
            yield
    finally:
        if plays:  # it writes its values when the scene is evaluated: before what was not keyed is put back
            view_layer.update()
        for channel, values in channels.items():
            armature.pose.bones.foreach_set(channel, values)
        for constraint in limits:
            constraint.mute = False
        for path, value in properties:
            set_value_at(armature, path, value)
        armature.data.pose_position = position
        armature.update_tag()
        view_layer.update()


def bases_of(turns: np.ndarray) -> np.ndarray:
    """Rotation vectors [...,3] as channels of bones [...,4,4]."""
    bases = np.tile(np.eye(4), (*turns.shape[:-1], 1, 1))
    bases[..., :3, :3] = from_vectors(turns)
    return bases


def pose(armature: bpy.types.Object, names: Sequence[str], bases: np.ndarray) -> np.ndarray:
    """Gives bones their channels [N,4,4] and returns where all bones of the armature are then, [B,4,4] in its space and order."""
    for name, basis in zip(names, bases, strict=True):
        armature.pose.bones[name].matrix_basis = Matrix(basis.tolist())
    return places(armature)


def places(armature: bpy.types.Object) -> np.ndarray:
    """[B,4,4]: where all bones of an armature are now, in its space and order."""
    armature.update_tag()
    bpy.context.view_layer.update()
    return read_places(armature, bpy.context.evaluated_depsgraph_get())


def read_places(armature: bpy.types.Object, graph: bpy.types.Depsgraph) -> np.ndarray:
    """[B,4,4]: where all bones of an armature are in an evaluated scene."""
    matrices = _read(armature.evaluated_get(graph).pose.bones, "matrix", 16)
    return matrices.reshape(-1, 4, 4).swapaxes(1, 2).astype(float)  # Blender keeps columns together


def numbers_of(armature: bpy.types.Object, names: Iterable[str]) -> list[int]:
    """Where bones stand in the order of their armature."""
    numbers = {name: number for number, name in enumerate(armature.pose.bones.keys())}
    return [numbers[name] for name in names]


def _read(bones: bpy.types.bpy_prop_collection, name: str, size: int) -> np.ndarray:
    values = np.empty(len(bones) * size, np.float32)
    bones.foreach_get(name, values)
    return values
