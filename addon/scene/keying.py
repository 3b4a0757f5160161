"""Putting motion on objects and armatures as keys."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Quaternion

from ...backend.errors import KineliftError
from ...backend.motion.files import read_npz
from ...rigs import Mapping
from .armatures import Placement, carriers_of, checked_mapping, placement, quaternions
from .controls import control_bases, control_tracks, controls_of, find_seats, led_bases, limbs_with_ik, switches_for, turned_controls
from .curves import Channel, Thinning, sampled, switched
from .home import go_home, homes, keep_home
from .layers import NEW, played_paths, put, remember
from .limits import free_components, held
from .probing import Carriers, path_of, present, set_switches
from .root_motion import HIPS, find_mover, hold_at_home, way_channels


@dataclass(frozen=True)
class Manner:
    """How a motion is keyed. ik: kinds of limbs ("arm", "leg") that are keyed by their IK controls where the rig has them; layer: as in
    `layers.put`; thinning: None for a key on every frame."""

    ik: frozenset[str] = frozenset()
    layer: str = NEW
    thinning: Thinning | None = None


EVERY_FRAME = Manner()


@dataclass(frozen=True)
class Keyed:
    """What was keyed: its Action; where the mapped bones [T,4,4] are in every frame of the scene, in the world without scale, by name; and
    left_out [T,3], what of the fit's way over the ground is not in them."""

    action: bpy.types.Action
    bones: dict[str, np.ndarray]
    left_out: np.ndarray


def key_channels(id_data: bpy.types.ID, action_name: str, channels: dict[Channel, np.ndarray], frame_start: float = 1.0,
                 manner: Manner = EVERY_FRAME, switches: dict[Channel, np.ndarray] | None = None, breaks: Iterable[int] = ()) -> bpy.types.Action:
    """Keys values [T] of channels on a data-block, from `frame_start`, in the given manner; of `switches` [T] only where they change.

    `breaks` are frames at which something new begins. Raises KineliftError when the data-block is linked or being tweaked in the NLA.
    """
    keys = sampled(channels, breaks, manner.thinning) | switched(switches or {})
    return put(id_data, action_name, keys, frame_start, manner.layer)


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames a second of a scene."""
    return scene.render.fps / scene.render.fps_base


def apply_fit(armature: bpy.types.Object, fit_path: Path | str, action_name: str, mapping: Mapping | None = None,
              frame_start: float = 1.0, manner: Manner = EVERY_FRAME, root_motion: str = HIPS) -> Keyed:
    """Keys a fit file on an armature object at the rate of the scene.

    Only the mapped bones get curves, or the IK controls of their limbs: rotations in their own rotation mode, the root, feet that nothing
    carries and IK controls also a location, but no channel that is locked; and, with another `root_motion` of `root_motion.MODES` than
    hips, what it names. The switches of the mapping are set and keyed once. The armature must be the one the fit was made for. Raises
    KineliftError.
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
    limbs = limbs_with_ik(armature, mapping, manner.ik)
    switches = switches_for(mapping, limbs)
    mover = find_mover(armature, [*carriers.names, *controls_of(armature, limbs)], carriers.names[0], switches, root_motion)
    order = [names.index(name) for name in carriers.names]
    fps = scene_fps(bpy.context.scene)
    rotations = resample_rotations(fit["rotations"][:, order].astype(float), float(fit["fps"]), fps)
    root = resample(fit["root_positions"].astype(float), float(fit["fps"]), fps)
    way = np.zeros_like(root) if root_motion == HIPS else resample(_ground_path(fit, path), float(fit["fps"]), fps)

    bones = [armature.pose.bones[name] for name in carriers.names]
    turns = basis_turns(carriers, place, rotations, bones)
    locations = basis_locations(carriers, head_places(carriers, place, rotations, root - way), bones)
    posed = posed_bones(carriers, turns, locations)

    bases = dict(zip(carriers.names, bases_from(turns, locations), strict=True))
    if limbs:
        seats = find_seats(armature, carriers, limbs, switches)
        by_role = mapping.bones
        for limb in limbs:
            for role in (*limb.roles, *turned_controls(armature, limb)):
                bases.pop(by_role.get(role), None)
            bases |= {name: np.eye(4)[None] for name in limb.neutral if name in armature.pose.bones}
        tracks = control_tracks(armature, mapping, limbs, seats, posed)
        bases |= control_bases(armature, seats, tracks, posed)
        bases |= led_bases(armature, limbs, switches, tracks, bases)
    moving = {*(carriers.names[number] for number in locations), *(name for limb in limbs for name in limb.placed)}
    channels = _bone_channels(armature, bases, moving, len(turns))
    channels |= _neutral_channels(armature, bases, channels, len(turns), manner.layer)
    flips = {(path_of(armature, switch), 0, switch.bone): np.full(len(turns), switch.value) for switch in present(armature, switches)}
    keys = sampled(channels, (), manner.thinning, place.scale) | switched(flips)
    keys |= sampled(way_channels(armature, mover, way, manner.layer), (), manner.thinning, mover.unit if mover is not None else 1.0)
    before = homes(armature)

    remember(armature, [channel[0] for channel in flips])
    if mover is not None:
        hold_at_home(armature, mover, action_name, frame_start, manner.layer)
    action = put(armature, action_name, keys, frame_start, manner.layer)
    go_home(armature, before)
    if mover is not None:
        keep_home(armature, mover.data_path, mover.home)
    for name in bases:
        bone = armature.pose.bones[name]
        bone.location = [value if name in moving and is_locked else 0.0 for value, is_locked in zip(bone.location, bone.lock_location, strict=True)]
        bone.scale = (1.0, 1.0, 1.0)
        if name not in carriers.names:
            bone.matrix_basis.identity()
    set_switches(armature, switches)
    bpy.context.scene.frame_set(bpy.context.scene.frame_current)
    world = place.matrices_to_world(posed)
    if mover is not None:
        world[..., :3, 3] += way[:, None]
    return Keyed(action, {name: world[:, number] for number, name in enumerate(carriers.names)}, way if mover is None else np.zeros_like(way))


def _ground_path(fit: dict[str, np.ndarray], place: Path) -> np.ndarray:
    """The way over the ground [T,3] of a fit file's arrays. Raises KineliftError naming `place` where it has none."""
    if "ground_path" not in fit or fit["ground_path"].shape != fit["root_positions"].shape:
        raise KineliftError("the fit does not tell the way over the ground", "Fit the motion again", str(place), "bad-fit")
    return fit["ground_path"].astype(float)


def _bone_channels(armature: bpy.types.Object, bases: dict[str, np.ndarray], moving: set[str], frames: int) -> dict[Channel, np.ndarray]:
    """Channels [T] of bones that get the bases [T,4,4]; only `moving` ones have a location."""
    channels: dict[Channel, np.ndarray] = {}
    for name, basis in bases.items():
        bone = armature.pose.bones[name]
        basis = np.broadcast_to(basis, (frames, 4, 4))
        if name in moving:
            channels |= {(bone.path_from_id("location"), axis, name): basis[:, axis, 3] for axis in range(3) if not bone.lock_location[axis]}
        property, values = rotation_channels(bone.rotation_mode, continuous(quaternions(basis[:, :3, :3])))
        channels |= {(bone.path_from_id(property), axis, name): values[:, axis] for axis in free_components(bone)}
    return channels


def _neutral_channels(armature: bpy.types.Object, names: Iterable[str], channels: dict[Channel, np.ndarray],
                      frames: int, layer: str) -> dict[Channel, np.ndarray]:
    """What the user's own curves give bones beside the motion's channels, such as a scale, and what a motion on a layer needs there instead."""
    played, ours = played_paths(armature, layer), {channel[:2] for channel in channels}
    result = {}
    for name in names:
        bone = armature.pose.bones[name]
        for property, locks in (("location", bone.lock_location), ("scale", bone.lock_scale)):
            for axis in range(3):
                path = bone.path_from_id(property), axis
                if path in played and path not in ours and not locks[axis]:
                    result[*path, name] = np.full(frames, float(property == "scale"))
    return result


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


def basis_locations(carriers: Carriers, heads: np.ndarray, bones: Sequence[bpy.types.PoseBone]) -> dict[int, np.ndarray]:
    """Heads [T,N,3] of the bones, in the order of `carriers` -> location channels [T,3] of those that have some, by number; where they are
    locked, what the bone has now."""
    result = {}
    for number, axes in carriers.axes.items():
        location = (heads[:, number] - carriers.heads[number]) @ np.linalg.inv(axes).T
        result[number] = np.where(bones[number].lock_location, np.array(bones[number].location), location)
    return result


def bases_from(turns: np.ndarray, locations: dict[int, np.ndarray]) -> np.ndarray:
    """Quaternions [T,N,4] and locations [T,3] by number, channels of bones -> bases [N,T,4,4]."""
    bases = np.tile(np.eye(4), (turns.shape[1], len(turns), 1, 1))
    bases[:, :, :3, :3] = np.swapaxes(matrices(turns), 0, 1)
    for number, location in locations.items():
        bases[number, :, :3, 3] = location
    return bases


def posed_bones(carriers: Carriers, turns: np.ndarray, locations: dict[int, np.ndarray]) -> np.ndarray:
    """Channels of the bones, turns [T,N,4] and locations [T,3] by number -> where they are, [T,N,4,4] in armature space."""
    posed = np.tile(np.eye(4), (*turns.shape[:2], 1, 1))
    for number in range(turns.shape[1]):
        above, below = carriers.turn_carriers[number], carriers.place_carriers[number]
        unposed = carriers.turn_offsets[number] if above < 0 else posed[:, above, :3, :3] @ carriers.turn_offsets[number]
        posed[:, number, :3, :3] = unposed @ matrices(turns[:, number])
        if number in locations:
            posed[:, number, :3, 3] = carriers.heads[number] + locations[number] @ carriers.axes[number].T
        else:
            reach = carriers.turns[below].T @ (carriers.heads[number] - carriers.heads[below])
            posed[:, number, :3, 3] = posed[:, below, :3, 3] + posed[:, below, :3, :3] @ reach
    return posed


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


def resample_states(values: np.ndarray, fps: float, new_fps: float) -> np.ndarray:
    """Values [T,...] that are either this or that at another frame rate: each holds until the next."""
    return values[_times(len(values), fps, new_fps)[0]]


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
