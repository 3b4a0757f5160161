"""Posing bones to see where that brings others, and putting all back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.errors import KineliftError
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


class Trial:
    """An armature that may be posed at will, inside `undisturbed`."""

    def __init__(self, armature: bpy.types.Object):
        self.armature = armature
        self._channels = {channel: read(armature.pose.bones, channel, size) for channel, size in CHANNELS.items()}
        self._homes = {path: location for path, location in homes(armature).items() if path != "location"}
        self._position = armature.data.pose_position
        self._muted: list[bpy.types.Constraint] = []
        self._properties: dict[str, float] = {}

    def unpose(self, names: Sequence[str], switches: Sequence[Switch]) -> None:
        """The bones `names` are unposed and without limits, the switches set; all other bones are as they were."""
        self.put_back()
        go_home(self.armature, self._homes)
        self.armature.data.pose_position = "POSE"
        for name in names:
            bone = self.armature.pose.bones[name]
            bone.matrix_basis.identity()
            for constraint in bone.constraints:
                if constraint.type in LIMITS and not constraint.mute:
                    constraint.mute = True
                    self._muted.append(constraint)
        for path in (path_of(self.armature, switch) for switch in present(self.armature, switches)):
            self._properties.setdefault(path, value_at(self.armature, path))
        set_switches(self.armature, switches)

    def pose(self, names: Sequence[str], bases: np.ndarray) -> np.ndarray:
        """Gives bones their channels [N,4,4] and returns where all bones of the armature are then, [B,4,4] in its space and order."""
        for name, basis in zip(names, bases, strict=True):
            self.armature.pose.bones[name].matrix_basis = Matrix(basis.tolist())
        return self.places()

    def places(self) -> np.ndarray:
        """[B,4,4]: where all bones of the armature are now, in its space and order."""
        self.armature.update_tag()
        bpy.context.view_layer.update()
        return read_places(self.armature, bpy.context.evaluated_depsgraph_get())

    def put_back(self) -> None:
        """All is as it was."""
        for channel, values in self._channels.items():
            self.armature.pose.bones.foreach_set(channel, values.ravel())
        while self._muted:
            self._muted.pop().mute = False
        for path, value in self._properties.items():
            set_value_at(self.armature, path, value)
        self.armature.data.pose_position = self._position


@contextmanager
def undisturbed(armature: bpy.types.Object) -> Iterator[Trial]:
    """Inside, Actions don't play, and the armature may be posed; afterwards all is as before. Raises KineliftError for one that can't be now."""
    _refuse_unready(armature)
    view_layer, trial = bpy.context.view_layer, Trial(armature)
    plays = bool(actions_of(armature))
    try:
        with compat.without_animation(armature):
            yield trial
    finally:
        if plays:  # it writes its values when the scene is evaluated: before what was not keyed is put back
            view_layer.update()
        trial.put_back()
        armature.update_tag()
        view_layer.update()


def _refuse_unready(armature: bpy.types.Object) -> None:
    compat.refuse_linked(armature)
    if armature.mode == "EDIT":
        raise KineliftError("the armature is in Edit Mode", "Leave Edit Mode (Tab)", armature.name, "edit-mode")
    if armature.name not in bpy.context.view_layer.objects or armature.hide_viewport:
        raise KineliftError("the armature is hidden from this view layer, so Blender does not evaluate it",
                            "Show the armature and its collection", armature.name, "hidden-armature")


def bases_of(turns: np.ndarray) -> np.ndarray:
    """Rotation vectors [...,3] as channels of bones [...,4,4]."""
    bases = np.tile(np.eye(4), (*turns.shape[:-1], 1, 1))
    bases[..., :3, :3] = from_vectors(turns)
    return bases


def read_places(armature: bpy.types.Object, graph: bpy.types.Depsgraph) -> np.ndarray:
    """[B,4,4]: where all bones of an armature are in an evaluated scene."""
    matrices = read(armature.evaluated_get(graph).pose.bones, "matrix", 16)
    return matrices.reshape(-1, 4, 4).swapaxes(1, 2).astype(float)  # Blender keeps columns together


def numbers_of(armature: bpy.types.Object, names: Iterable[str]) -> list[int]:
    """Where bones stand in the order of their armature."""
    numbers = {name: number for number, name in enumerate(armature.pose.bones.keys())}
    return [numbers[name] for name in names]


def read(bones: bpy.types.bpy_prop_collection, name: str, size: int) -> np.ndarray:
    """A property [B,size] of all bones of a pose."""
    values = np.empty(len(bones) * size, np.float32)
    bones.foreach_get(name, values)
    return values.reshape(-1, size)
