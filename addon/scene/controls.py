"""IK controls of a limb: where they have to be so that the limb goes where the fit has it, as their own channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.errors import KineliftError
from ...rigs import IkLimb, Mapping
from ...rigs.presets import Switch
from .mechanism import lead
from .posing import Trial, bases_of, numbers_of
from .probing import LARGEST_TURN, PROBES, SAME_PLACE, SAME_TURN, Carriers

STRAIGHT, BENT = 1e-3, 5e-3
"""How far a knee is off the line from hip to ankle, in lengths of the limb: below, the limb's own turn says where it points; above, it does itself."""

CHECKED = 3
"""Frames in which the rig itself is asked where it leads controls."""

SAME_LEAD = 1e-4
"""Radians that may lie between the rig and its mechanism alone."""


@dataclass(frozen=True)
class Seats:
    """How C controls sit while they are unposed: on bone `carriers` [C] of those probed (-1: the armature), at offsets [C,4,4] seen from it.

    rest [N,4,4]: where the probed bones are while nothing is posed, armature space; names [N], the mapped bones first; probes [P,B,4,4]: where all
    bones of the armature were.
    """

    names: list[str]
    carriers: dict[str, int]
    offsets: dict[str, np.ndarray]
    rest: np.ndarray
    probes: np.ndarray

    def rest_of(self, name: str) -> np.ndarray:
        return self.rest[self.names.index(name)]


def limbs_with_ik(armature: bpy.types.Object, mapping: Mapping, wanted: frozenset[str]) -> list[IkLimb]:
    """The limbs of a mapping that are to be keyed by IK controls; `wanted` holds kinds of limbs, such as "arm" and "leg"."""
    there = armature.pose.bones.keys()
    return [limb for limb in mapping.ik if limb.limb.split(".")[0] in wanted and {*limb.roles} <= set(mapping.roles.values())
            and set(limb.bones) <= set(there)]


def controls_of(armature: bpy.types.Object, limbs: Sequence[IkLimb]) -> list[str]:
    """The controls that get keys for these limbs."""
    return [name for limb in limbs for name in (*limb.placed, *turned_controls(armature, limb).values())]


def switches_for(mapping: Mapping, limbs: Sequence[IkLimb]) -> tuple[Switch, ...]:
    """The mapping's switches as they have to be when these limbs are driven by IK."""
    values = {(switch.bone, switch.property): switch for switch in mapping.switches}
    for limb in limbs:
        values |= {(switch.bone, switch.property): switch for switch in limb.switches}
    return tuple(values.values())


def find_seats(trial: Trial, carriers: Carriers, limbs: Sequence[IkLimb], switches: Sequence[Switch]) -> Seats:
    """Probes what carries the controls of limbs, as `probing` does it for mapped bones; without limbs there is nothing to try. Raises
    KineliftError for a control that follows something else, such as a limb's own result."""
    if not limbs:
        return Seats(carriers.names, {}, {}, np.empty((0, 4, 4)), np.empty((0, 0, 4, 4)))
    armature, controls = trial.armature, controls_of(trial.armature, limbs)
    neutral = [name for limb in limbs for name in limb.neutral if name in armature.pose.bones]
    names = [*carriers.names, *controls]
    still = np.tile(np.eye(4), (len(neutral), 1, 1))
    random = np.random.default_rng(0)
    bases = [bases_of(np.zeros((len(names), 3))),
             *(bases_of(random.uniform(-LARGEST_TURN, LARGEST_TURN, (len(names), 3))) for _ in range(PROBES))]
    size = max(float(np.ptp(carriers.heads, axis=0).max()), 1e-6)
    moved = [0, *range(len(carriers.names), len(names))]  # the root and the controls have a place of their own
    for basis in bases[1:]:
        basis[moved, :3, 3] = 0.1 * size * random.standard_normal((len(moved), 3))
    trial.unpose([*names, *neutral], switches)
    probes = np.stack([trial.pose([*names, *neutral], np.concatenate([basis, still])) for basis in bases])
    posed = probes[:, numbers_of(armature, names)]
    world = np.broadcast_to(np.eye(4), (len(posed), 1, 4, 4))
    seen_by = np.linalg.inv(np.concatenate([world, posed], axis=1))
    found, offsets = {}, {}
    led = {name for limb in limbs for name in limb.led}
    for name in controls:
        if name in led:
            continue
        own = names.index(name)
        own_bases = np.stack([basis[own] for basis in bases])
        own_bases[:, :3, 3] = own_bases[:, :3, 3] @ _location_axes(armature, name).T
        unposed = posed[:, own] @ np.linalg.inv(own_bases)
        seen = seen_by @ unposed[:, None]
        drift = np.abs(seen - seen[:1]).max(axis=0)
        drift[..., :3, 3] /= size
        worst = np.maximum(drift[:, :3, :3].max(axis=(-1, -2)) / SAME_TURN, drift[:, :3, 3].max(axis=-1) / SAME_PLACE)
        worst[own + 1] = np.inf
        best = int(worst.argmin())
        if worst[best] > 1:
            raise KineliftError(f"the control {name!r} follows neither the armature nor one bone of the motion",
                                "Set its parent in the rig's settings (IK parent, pole parent) to the root, or key FK controls", armature.name, "bad-control")
        found[name], offsets[name] = best - 1, seen[0, best]
    rest = posed[0].copy()
    for name in led:  # what the rig makes of a posed limb begins at the bone's own rest
        rest[names.index(name)] = np.array(armature.data.bones[name].matrix_local, float)
    return Seats(names, found, offsets, rest, probes)


def turned_controls(armature: bpy.types.Object, limb: IkLimb) -> dict[str, str]:
    """Role -> control that takes its turn, of those the armature has; a rig made without one keys the role's own bone."""
    return {role: control for role, control in limb.turned.items() if control in armature.pose.bones}


def with_controls(trial: Trial, mapping: Mapping, limbs: Sequence[IkLimb], switches: Sequence[Switch], seats: Seats, posed: np.ndarray,
                  bases: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Channels [T,4,4], or [1,4,4] of what stays, by bone: the `bases` of mapped bones posed [T,N,4,4], with the controls of limbs in the place of
    the limbs' own bones."""
    armature, by_role, bases = trial.armature, mapping.bones, dict(bases)
    for limb in limbs:
        for role in (*limb.roles, *turned_controls(armature, limb)):
            bases.pop(by_role.get(role), None)
        bases |= {name: np.eye(4)[None] for name in limb.neutral if name in armature.pose.bones}
    tracks = _control_tracks(armature, mapping, limbs, seats, posed)
    bases |= _control_bases(armature, seats, tracks, posed)
    return bases | _led_bases(trial, limbs, switches, seats, tracks, posed, bases)


def _control_tracks(armature: bpy.types.Object, mapping: Mapping, limbs: Sequence[IkLimb], seats: Seats, posed: np.ndarray) -> dict[str, np.ndarray]:
    """Where the controls [T,4,4] have to be for mapped bones posed [T,N,4,4], both in armature space."""
    bones, tracks = mapping.bones, {}

    def track(name: str) -> np.ndarray:
        return posed[:, seats.names.index(name)]

    def taken_along(name: str, control: str) -> np.ndarray:
        return track(name) @ np.linalg.inv(seats.rest_of(name)) @ seats.rest_of(control)

    for limb in limbs:
        tracks[limb.control] = taken_along(bones[limb.held], limb.control)
        for role, control in turned_controls(armature, limb).items():
            if role in bones:
                tracks[control] = taken_along(bones[role], control)
        tracks[limb.pole] = _pole(limb, [track(bones[role]) for role in limb.chain], [seats.rest_of(bones[role]) for role in limb.chain],
                                  seats.rest_of(limb.pole))
    return tracks


def _control_bases(armature: bpy.types.Object, seats: Seats, tracks: dict[str, np.ndarray], posed: np.ndarray) -> dict[str, np.ndarray]:
    """Channels [T,4,4] of the controls that have a carrier, for their tracks and mapped bones posed [T,N,4,4]."""
    bases = {}
    for name, carrier in seats.carriers.items():
        above = np.eye(4) if carrier < 0 else posed[:, carrier] if carrier < posed.shape[1] else tracks[seats.names[carrier]]
        bases[name] = np.linalg.inv(above @ seats.offsets[name]) @ tracks[name]
        bases[name][:, :3, 3] = bases[name][:, :3, 3] @ np.linalg.inv(_location_axes(armature, name)).T
    return bases


def _led_bases(trial: Trial, limbs: Sequence[IkLimb], switches: Sequence[Switch], seats: Seats, tracks: dict[str, np.ndarray],
              posed: np.ndarray, bases: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Channels [T,4,4] of the controls that the rig leads, while mapped bones are posed [T,N,4,4] and all others have `bases`."""
    led = [name for limb in limbs for name in limb.led if name in tracks]
    if not led:
        return {}
    names, numbers, frames = [*led, *bases], numbers_of(trial.armature, led), len(posed)

    def above_at(frame: int) -> np.ndarray:
        return trial.pose(names, np.stack([*np.tile(np.eye(4), (len(led), 1, 1)), *(basis[min(frame, len(basis) - 1)] for basis in bases.values())]))[numbers]

    known = {name: posed[:, number] for number, name in enumerate(seats.names[:posed.shape[1]])} | tracks
    known = {name: track for name, track in known.items() if name in bases}
    trial.unpose(names, switches)
    some = np.unique(np.linspace(0, frames - 1, CHECKED).astype(int))
    checked = np.stack([above_at(frame) for frame in some])
    above = lead(trial.armature, led, known, seats.probes)
    if above is None or np.abs((above[some] - checked)[..., :3, :3]).max() > SAME_LEAD:  # the rig is more than that: it has to be posed itself
        above = np.stack([above_at(frame) for frame in range(frames)])
    result = {}
    for number, name in enumerate(led):
        result[name] = np.tile(np.eye(4), (frames, 1, 1))
        result[name][:, :3, :3] = np.linalg.inv(above[:, number, :3, :3]) @ tracks[name][:, :3, :3]
    return result


def _location_axes(armature: bpy.types.Object, name: str) -> np.ndarray:
    """[3,3] how a bone moves in its own axes when its location channels become 1."""
    bone = armature.data.bones[name]
    return np.eye(3) if bone.use_local_location else np.linalg.inv(np.array(bone.matrix_local.to_3x3(), float))


def _pole(limb: IkLimb, chain: list[np.ndarray], rest: list[np.ndarray], rest_pole: np.ndarray) -> np.ndarray:
    """[T,4,4]: in the plane of the limb, on the knee's side, as far from the knee as at rest."""
    hip, knee, ankle = (matrices[:, :3, 3] for matrices in chain)
    rest_hip, rest_knee, rest_ankle = (matrix[:3, 3] for matrix in rest)
    length = np.linalg.norm(rest_knee - rest_hip) + np.linalg.norm(rest_ankle - rest_knee)
    aside = _off(knee - hip, ankle - hip)
    usual = chain[0][:, :3, :3] @ rest[0][:3, :3].T @ _off(rest_pole[:3, 3] - rest_hip, rest_ankle - rest_hip)
    usual = _off(usual, ankle - hip)
    size = np.linalg.norm(aside, axis=-1, keepdims=True)
    share = np.clip((size / length - STRAIGHT) / (BENT - STRAIGHT), 0, 1)
    direction = share * aside / np.maximum(size, 1e-12) + (1 - share) * usual / np.maximum(np.linalg.norm(usual, axis=-1, keepdims=True), 1e-12)
    reach = np.linalg.norm(rest_pole[:3, 3] - rest_knee)
    result = np.tile(rest_pole, (len(hip), 1, 1))
    result[:, :3, 3] = knee + reach * direction / np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-12)
    return result


def _off(vectors: np.ndarray, line: np.ndarray) -> np.ndarray:
    """What of vectors [...,3] is square to a line [...,3]."""
    axis = line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-12)
    return vectors - np.sum(vectors * axis, axis=-1, keepdims=True) * axis
