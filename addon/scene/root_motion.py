"""What carries a character over the ground: its hips, a bone above them, the armature object, or nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.errors import KineliftError
from ...rigs.presets import Switch
from .home import home_of
from .probing import SAME_PLACE, head_places, undisturbed

HIPS, ROOT_BONE, OBJECT, IN_PLACE = MODES = ("hips", "root_bone", "object", "in_place")


@dataclass(frozen=True)
class Mover:
    """What gets the ground path: the data path of its location, the group of its curves, its location [3] without the path, and how the
    character moves in the world when each component becomes 1 (axes [3,3], columns)."""

    data_path: str
    group: str
    home: np.ndarray
    axes: np.ndarray

    def locations(self, path: np.ndarray) -> np.ndarray:
        """Its location channels [T,3] for a path [T,3] in the world."""
        return self.home + path @ np.linalg.inv(self.axes).T


def find_mover(armature: bpy.types.Object, names: Sequence[str], root: str, switches: Sequence[Switch], mode: str) -> Mover | None:
    """What moves in a mode of `MODES`; None where the hips do, or nothing.

    names: the mapped bones; root: the one that has a location. Raises KineliftError where nothing can.
    """
    if mode not in MODES:
        raise KineliftError(f"there is no root motion {mode!r}", f"Use one of: {', '.join(MODES)}", code="bad-setting")
    if mode == OBJECT:
        return _object_mover(armature)
    return _bone_mover(armature, names, root, switches) if mode == ROOT_BONE else None


def _object_mover(armature: bpy.types.Object) -> Mover:
    held = [constraint.name for constraint in armature.constraints if constraint.influence > 0 and not constraint.mute]
    if held or any(armature.lock_location):
        raise KineliftError(f"the armature object can't travel: {f'the constraint {held[0]!r} holds it' if held else 'its location is locked'}",
                            "Mute that constraint or unlock the location, or choose Hips as root motion", armature.name, "no-root")
    axes = np.array((armature.matrix_world @ armature.matrix_basis.inverted_safe()).to_3x3())
    return Mover("location", "Object Transforms", home_of(armature, "location"), axes)


def _bone_mover(armature: bpy.types.Object, names: Collection[str], root: str, switches: Sequence[Switch]) -> Mover:
    above = [bone.name for bone in reversed(armature.pose.bones[root].parent_recursive)]
    called = [bone.name for bone in armature.pose.bones if bone.name.lower().endswith("root")]
    for name in dict.fromkeys((*called, *above)):
        bone = armature.pose.bones[name]
        if name in names or bone.constraints or any(bone.lock_location):
            continue
        path = bone.path_from_id("location")
        axes = _carried(armature, names, name, switches)
        if axes is not None:
            turn_and_scale = np.array(armature.matrix_world.to_3x3())
            return Mover(path, name, home_of(armature, path), turn_and_scale @ axes)
    raise KineliftError("no bone above the hips carries the whole character", "Choose Hips, Object or In Place as root motion", armature.name, "no-root")


def _carried(armature: bpy.types.Object, names: Collection[str], name: str, switches: Sequence[Switch]) -> np.ndarray | None:
    """[3,3] how all the mapped bones move, in the armature, when the components of a bone's location become 1; None where not all do."""
    with undisturbed(armature, list(names), switches):
        bone = armature.pose.bones[name]
        size = max(max(bone.length for bone in armature.data.bones), 1e-6)
        home, rest = np.array(bone.location), head_places(armature, names)
        columns = []
        for step in size * np.eye(3):
            bone.location = home + step
            moved = head_places(armature, names) - rest
            if np.ptp(moved, axis=0).max() > SAME_PLACE * size:
                return None
            columns.append(moved[0] / size)
    axes = np.stack(columns, axis=-1)
    return axes if abs(np.linalg.det(axes)) > 1e-3 else None
