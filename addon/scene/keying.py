"""Putting motion on objects and armatures as keys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np
from mathutils import Quaternion

from ...backend.errors import KineliftError
from ...backend.motion.files import read_npz
from ...rigs import Mapping
from . import compat
from .armatures import Placement, carriers_of, checked_mapping, placement, quaternions
from .home import go_home, keyed_home, remember
from .limits import free_components, held
from .probing import Carriers, present, set_switches
from .root_motion import HIPS, find_mover

SLOT = "Kinelift"
"""Always the same slot name, so that Actions can be swapped on an object and keep playing."""

Channel = tuple[str, int, str]
"""Data path, index and group of a curve."""


def key_channels(id_data: bpy.types.ID, action_name: str, channels: dict[Channel, np.ndarray],
                 frame_start: float = 1.0) -> bpy.types.Action:
    """Keys values [T] on a new Action of a data-block, one a frame from `frame_start`.

    The Action that played before stays in the file with a fake user. Raises KineliftError when the data-block is linked
    or being tweaked in the NLA.
    """
    action, container = compat.new_action(id_data, action_name, SLOT)
    for (data_path, index, group), values in channels.items():
        compat.set_keys(compat.new_fcurve(container, data_path, index, group), frame_start + np.arange(len(values)), values)
    return action


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames a second of a scene."""
    return scene.render.fps / scene.render.fps_base


def apply_fit(armature: bpy.types.Object, fit_path: Path | str, action_name: str, mapping: Mapping | None = None,
              frame_start: float = 1.0, root_motion: str = HIPS) -> bpy.types.Action:
    """Keys a fit file on an armature object, one key a scene frame, in a new Action.

    Only the mapped bones get curves: rotations in their own rotation mode, the root and feet that nothing carries also a location, but no
    channel that is locked, and with another `root_motion` of `root_motion.MODES` than hips what it names; the switches of the mapping are set
    and keyed once. The armature must be the one the fit was made for. Raises KineliftError.
    """
    path = Path(fit_path)
    fit = _read_fit(path)
    mapping = checked_mapping(armature, mapping)
    names = [str(name) for name in fit["bone_names"]]
    if set(names) != set(mapping.roles):
        raise KineliftError(f"the fit was made for other bones than those of {mapping.title}", "Fit the motion to this armature again",
                            str(path), "wrong-fit")
    place = placement(armature)
    carriers = carriers_of(armature, mapping)
    order = [names.index(name) for name in carriers.names]
    fps = scene_fps(bpy.context.scene)
    rotations = resample_rotations(fit["rotations"][:, order].astype(float), float(fit["fps"]), fps)
    root = resample(fit["root_positions"].astype(float), float(fit["fps"]), fps)

    channels: dict[Channel, np.ndarray] = {}
    turns = basis_turns(carriers, place, rotations, [armature.pose.bones[name] for name in carriers.names])
    mover = find_mover(armature, carriers.names, carriers.names[0], mapping.switches, root_motion)
    shift = resample(ground_path(fit, path), float(fit["fps"]), fps) if root_motion != HIPS else np.zeros_like(root)
    heads = head_places(carriers, place, rotations, root - shift)
    for number, name in enumerate(carriers.names):
        bone = armature.pose.bones[name]
        if number in carriers.axes:
            location = (heads[:, number] - carriers.heads[number]) @ np.linalg.inv(carriers.axes[number]).T
            channels |= {(bone.path_from_id("location"), axis, name): location[:, axis] for axis in range(3) if not bone.lock_location[axis]}
        property, values = rotation_channels(bone.rotation_mode, turns[:, number])
        channels |= {(bone.path_from_id(property), axis, name): values[:, axis] for axis in free_components(bone)}
    for switch in present(armature, mapping.switches):
        path_of_switch = f'{armature.pose.bones[switch.bone].path_from_id()}["{bpy.utils.escape_identifier(switch.property)}"]'
        channels[path_of_switch, 0, switch.bone] = np.array([switch.value])

    if mover is not None:
        channels |= {(mover.data_path, axis, mover.group): mover.locations(shift)[:, axis] for axis in range(3)}
    home = keyed_home(armature)
    action = key_channels(armature, action_name, channels, frame_start)
    go_home(armature, home)
    remember(armature, None if mover is None else (mover.data_path, mover.home))
    for number, name in enumerate(carriers.names):
        bone = armature.pose.bones[name]
        bone.location = [value if number in carriers.axes and is_locked else 0.0 for value, is_locked in zip(bone.location, bone.lock_location, strict=True)]
        bone.scale = (1.0, 1.0, 1.0)
    set_switches(armature, mapping.switches)
    bpy.context.scene.frame_set(bpy.context.scene.frame_current)
    return action


def ground_path(fit: dict[str, np.ndarray], place: Path) -> np.ndarray:
    """The way over the ground [T,3] of a fit file's arrays. Raises KineliftError naming `place` where it has none."""
    if "ground_path" not in fit or fit["ground_path"].shape != fit["root_positions"].shape:
        raise KineliftError("the fit does not tell the way over the ground", "Fit the motion again", str(place), "bad-fit")
    return fit["ground_path"].astype(float)


def basis_turns(carriers: Carriers, place: Placement, rotations: np.ndarray, bones: Sequence[bpy.types.PoseBone]) -> np.ndarray:
    """World rotations [T,N,4] of the bones, in the order of `carriers` -> their own channels as quaternions [T,N,4].

    What a locked bone can't turn, the bones that it carries make up for.
    """
    posed = place.turn.T @ matrices(rotations)
    turns = np.empty_like(rotations)
    for number, carrier in enumerate(carriers.turn_carriers):
        unposed = carriers.turn_offsets[number] if carrier < 0 else posed[:, carrier] @ carriers.turn_offsets[number]
        turns[:, number] = held(bones[number], continuous(quaternions(np.swapaxes(unposed, -1, -2) @ posed[:, number])))
        posed[:, number] = unposed @ matrices(turns[:, number])
    return continuous(turns)


def head_places(carriers: Carriers, place: Placement, rotations: np.ndarray, root: np.ndarray) -> np.ndarray:
    """World rotations [T,N,4] of the bones and positions [T,3] of the root bone's head -> heads [T,N,3] in armature space."""
    away = place.turn.T @ matrices(rotations) @ np.swapaxes(carriers.turns, -1, -2)
    heads = np.empty((*rotations.shape[:2], 3))
    heads[:, 0] = place.to_armature(root)
    for number, carrier in enumerate(carriers.place_carriers[1:], 1):
        heads[:, number] = heads[:, carrier] + away[:, carrier] @ (carriers.heads[number] - carriers.heads[carrier])
    return heads


def rotation_channels(mode: str, turns: np.ndarray) -> tuple[str, np.ndarray]:
    """The property and the values [T,3 or 4] that show quaternions [T,4] in a bone's rotation mode, without jumps."""
    if mode == "QUATERNION":
        return "rotation_quaternion", turns
    if mode == "AXIS_ANGLE":
        return "rotation_axis_angle", _axis_angles(turns)
    eulers, last = np.empty((len(turns), 3)), None
    for frame, turn in enumerate(turns):
        last = Quaternion(turn).to_euler(mode) if last is None else Quaternion(turn).to_euler(mode, last)
        eulers[frame] = last
    return "rotation_euler", eulers


def continuous(turns: np.ndarray) -> np.ndarray:
    """Quaternions [T,...,4] with the signs that make neighbours in time close; the first is near no rotation."""
    signs = np.where(np.sum(turns[1:] * turns[:-1], axis=-1) < 0, -1.0, 1.0)
    first = np.where(turns[:1, ..., 0] < 0, -1.0, 1.0)
    return turns * np.cumprod(np.concatenate([first, signs]), axis=0)[..., None]


def resample(values: np.ndarray, fps: float, new_fps: float) -> np.ndarray:
    """Values [T,...] at another frame rate, linear in between; the first frame stays the first."""
    before, share = _times(len(values), fps, new_fps)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return (1 - share) * values[before] + share * values[np.minimum(before + 1, len(values) - 1)]


def resample_rotations(turns: np.ndarray, fps: float, new_fps: float) -> np.ndarray:
    """Unit quaternions [T,N,4] at another frame rate, slerped in between."""
    turns = continuous(turns)
    before, share = _times(len(turns), fps, new_fps)
    start, end = turns[before], turns[np.minimum(before + 1, len(turns) - 1)]
    share = share[:, None, None]
    angle = np.arccos(np.clip(np.sum(start * end, axis=-1, keepdims=True), -1, 1))
    sine = np.maximum(np.sin(angle), 1e-9)
    is_small = angle < 1e-4
    mixed = np.where(is_small, 1 - share, np.sin((1 - share) * angle) / sine) * start
    mixed = mixed + np.where(is_small, share, np.sin(share * angle) / sine) * end
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)


def _times(frames: int, fps: float, new_fps: float) -> tuple[np.ndarray, np.ndarray]:
    """For every new frame the old frame before it, and how far it is past that one."""
    new_frames = math.floor((frames - 1) / fps * new_fps + 1e-6) + 1
    times = np.arange(new_frames) * (fps / new_fps)
    before = np.minimum(np.floor(times + 1e-6).astype(int), frames - 1)
    return before, np.clip(times - before, 0, 1)


def matrices(turns: np.ndarray) -> np.ndarray:
    """Unit quaternions [...,4] (w,x,y,z) -> rotation matrices [...,3,3]."""
    w, x, y, z = np.moveaxis(turns / np.linalg.norm(turns, axis=-1, keepdims=True), -1, 0)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    return np.stack(rows, axis=-1).reshape(*turns.shape[:-1], 3, 3)


def _axis_angles(turns: np.ndarray) -> np.ndarray:
    """Angle and axis [T,4]; the axis keeps its side, so that a turn through nothing doesn't flip it."""
    sines = np.linalg.norm(turns[:, 1:], axis=-1)
    values, axis = np.empty_like(turns), np.array([0.0, 1.0, 0.0])
    for frame, (turn, sine) in enumerate(zip(turns, sines, strict=True)):
        side = 1.0
        if sine > 1e-6:
            side = -1.0 if turn[1:] @ axis < 0 and frame else 1.0
            axis = side * turn[1:] / sine
        values[frame, 0], values[frame, 1:] = 2 * math.atan2(side * sine, turn[0]), axis
    values[:, 0] = np.unwrap(values[:, 0], period=4 * math.pi)
    return values


def _read_fit(path: Path) -> dict[str, np.ndarray]:
    fit = read_npz(path, "fit file", "Fit the motion again", "bad-fit", needed=("bone_names", "rotations", "root_positions", "fps"))
    frames, bones = len(fit["root_positions"]), len(fit["bone_names"])
    if not frames or fit["rotations"].shape != (frames, bones, 4) or fit["root_positions"].shape != (frames, 3):
        raise KineliftError("rotations and root positions do not belong together", "Fit the motion again", str(path), "bad-fit")
    if not (np.isfinite(fit["rotations"]).all() and np.isfinite(fit["root_positions"]).all() and fit["fps"] > 0):
        raise KineliftError("the fit holds values that are not numbers", "Fit the motion again", str(path), "bad-fit")
    return fit
