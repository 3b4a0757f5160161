"""What carries a character over the ground: its hips, a bone above them, the armature object, or nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.errors import KineliftError
from ...rigs.presets import Switch
from .curves import Channel, sampled
from .home import home_of, homes
from .layers import NLA, actions_of, played_paths, put
from .posing import numbers_of, undisturbed
from .probing import SAME_PLACE

HIPS, ROOT_BONE, OBJECT, IN_PLACE = MODES = ("hips", "root_bone", "object", "in_place")


@dataclass(frozen=True)
class Mover:
    """What gets the ground path: the data path of its location, its location [3] without the path, and how the character moves in the world
    when each component becomes 1 (axes [3,3], columns)."""

    data_path: str
    home: np.ndarray
    axes: np.ndarray

    @property
    def unit(self) -> float:
        """Metres of 1 in its location channels."""
        return float(np.linalg.norm(self.axes, axis=0).mean())

    def locations(self, path: np.ndarray) -> np.ndarray:
        """Its location channels [T,3] for a path [T,3] in the world."""
        return self.home + path @ np.linalg.inv(self.axes).T


def find_mover(armature: bpy.types.Object, names: Sequence[str], root: str, switches: Sequence[Switch], mode: str) -> Mover | None:
    """What moves in a mode of `MODES`; None where the hips do, or nothing.

    names: all that moves with the character, the mapped bones and the controls that get keys; root: the bone that has a location. Raises
    KineliftError where nothing can.
    """
    if mode not in MODES:
        raise KineliftError(f"there is no root motion {mode!r}", f"Use one of: {', '.join(MODES)}", code="bad-setting")
    if mode == OBJECT:
        return _object_mover(armature)
    return _bone_mover(armature, names, root, switches) if mode == ROOT_BONE else None


def way_channels(armature: bpy.types.Object, mover: Mover | None, way: np.ndarray, layer: str) -> dict[Channel, np.ndarray]:
    """Channels [T] of what carries a way [T,3] over the ground. What carried that of another motion, and goes on playing beside this one on its
    layer, is held at home."""
    locations = {path: np.tile(home, (len(way), 1)) for path, home in homes(armature).items()}
    playing = played_paths(armature, layer)
    channels = {(path, axis) for path in locations for axis in range(3)} & playing
    if mover is not None:
        locations[mover.data_path] = mover.locations(way)
        channels |= {(mover.data_path, axis) for axis in range(3)}
    return {(path, axis, _group(armature, path)): locations[path][:, axis] for path, axis in sorted(channels)}


def hold_at_home(armature: bpy.types.Object, mover: Mover, name: str, start: float, layer: str) -> None:
    """Puts a strip that holds the mover at home under a motion's strip, where no other strip does: before and after the motion's, Blender
    would set its location to zero."""
    if layer == NLA and actions_of(armature) and not any(path == mover.data_path for path, _ in played_paths(armature)):
        group = _group(armature, mover.data_path)
        keys = sampled({(mover.data_path, axis, group): mover.home[axis:axis + 1] for axis in range(3)})
        put(armature, f"{name} Home", keys, start, NLA, is_held=True)


def _group(armature: bpy.types.Object, path: str) -> str:
    """What Blender calls the group of a location's curves."""
    return next((bone.name for bone in armature.pose.bones if bone.path_from_id("location") == path), "Object Transforms")


def _object_mover(armature: bpy.types.Object) -> Mover:
    held = [constraint.name for constraint in armature.constraints if constraint.influence > 0 and not constraint.mute]
    if held or any(armature.lock_location):
        raise KineliftError(f"the armature object can't travel: {f'the constraint {held[0]!r} holds it' if held else 'its location is locked'}",
                            "Mute that constraint or unlock the location, or choose Hips as root motion", armature.name, "no-root")
    axes = np.array((armature.matrix_world @ armature.matrix_basis.inverted_safe()).to_3x3())
    return Mover("location", home_of(armature, "location"), axes)


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
            return Mover(path, home_of(armature, path), turn_and_scale @ axes)
    raise KineliftError("no bone above the hips carries the whole character with all controls that get keys",
                        "Choose Hips, Object or In Place as root motion", armature.name, "no-root")


def _carried(armature: bpy.types.Object, names: Collection[str], name: str, switches: Sequence[Switch]) -> np.ndarray | None:
    """[3,3] how all the mapped bones move, in the armature, when the components of a bone's location become 1; None where not all do."""
    numbers = numbers_of(armature, names)
    with undisturbed(armature) as trial:
        trial.unpose(list(names), switches)
        bone = armature.pose.bones[name]
        size = max(max(bone.length for bone in armature.data.bones), 1e-6)
        home, rest = np.array(bone.location), trial.places()[numbers, :3, 3]
        columns = []
        for step in size * np.eye(3):
            bone.location = home + step
            moved = trial.places()[numbers, :3, 3] - rest
            if np.ptp(moved, axis=0).max() > SAME_PLACE * size:
                return None
            columns.append(moved[0] / size)
    axes = np.stack(columns, axis=-1)
    return axes if abs(np.linalg.det(axes)) > 1e-3 else None
