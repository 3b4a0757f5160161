"""Putting motion on objects and armatures as keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.errors import KineliftError
from ...rigs import Mapping
from .armatures import carriers_of, checked_mapping, placement
from .bases import bases_from, basis_locations, basis_turns, head_places, posed_bones
from .controls import controls_of, find_seats, limbs_with_ik, switches_for, with_controls
from .curves import Channel, Thinning, sampled, switched
from .fit_files import FitFile
from .home import go_home, homes, keep_home
from .layers import NEW, played_paths, put, remember
from .limits import free_components
from .posing import undisturbed
from .resampling import resample, resample_rotations, scene_fps
from .root_motion import HIPS, find_mover, hold_at_home, way_channels
from .rotations import continuous, quaternions, rotation_channels
from .switches import path_of, present, set_switches


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


def apply_fit(armature: bpy.types.Object, fit: FitFile, action_name: str, mapping: Mapping | None = None,
              frame_start: float = 1.0, manner: Manner = EVERY_FRAME, root_motion: str = HIPS) -> Keyed:
    """Keys a fit on an armature object at the rate of the scene; what is shown follows when the scene is evaluated again.

    Only the mapped bones get curves, or the IK controls of their limbs: rotations in their own rotation mode, the root, feet that nothing
    carries and IK controls also a location, but no channel that is locked; and, with another `root_motion` of `root_motion.MODES` than
    hips, what it names. The switches of the mapping are set and keyed once. The armature must be the one the fit was made for. Raises
    KineliftError.
    """
    mapping = checked_mapping(armature, mapping)
    if set(fit.bone_names) != set(mapping.roles):
        raise KineliftError(f"the fit was made for other bones than those of {mapping.title}", "Fit the motion to this armature again",
                            str(fit.path), "wrong-fit")
    place, fps = placement(armature), scene_fps(bpy.context.scene)
    limbs = limbs_with_ik(armature, mapping, manner.ik)
    switches = switches_for(mapping, limbs)
    root = resample(fit.root_positions, fit.fps, fps)
    way = np.zeros_like(root) if root_motion == HIPS else resample(fit.way(), fit.fps, fps)
    with undisturbed(armature) as trial:
        carriers = carriers_of(trial, mapping)
        seats = find_seats(trial, carriers, limbs, switches)
        trial.put_back()  # what is locked stays as it is

        rotations = resample_rotations(fit.rotations[:, [fit.bone_names.index(name) for name in carriers.names]], fit.fps, fps)
        bones = [armature.pose.bones[name] for name in carriers.names]
        turns = basis_turns(carriers, place, rotations, bones)
        locations = basis_locations(carriers, head_places(carriers, place, rotations, root - way), bones)
        posed = posed_bones(carriers, turns, locations)

        bases = dict(zip(carriers.names, bases_from(turns, locations), strict=True))
        bases = with_controls(trial, mapping, limbs, switches, seats, posed, bases)
    mover = find_mover(armature, [*carriers.names, *controls_of(armature, limbs)], carriers.names[0], switches, root_motion)
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
    world = place.matrices_to_world(posed)
    if mover is not None:
        world[..., :3, 3] += way[:, None]
    return Keyed(action, {name: world[:, number] for number, name in enumerate(carriers.names)}, way if mover is None else np.zeros_like(way))


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
