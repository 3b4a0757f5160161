"""What carries a bone, found by trying: pose the mapped bones a little, look how the others follow, put all back.

In a control rig the parent of a control is often a helper bone with constraints. Where such helpers only pass on the
motion of another mapped bone, that bone is the carrier, and a pose can be computed for any frame without evaluating
the scene again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.errors import KineliftError
from ...rigs.presets import Switch
from .posing import LIMITS, Trial, bases_of, numbers_of
from .rotations import orthonormal

PROBES = 4
LARGEST_TURN = 0.4
"""Radians; small enough to stay clear of limits of constraints."""

SAME_TURN = 2e-3
"""Radians that single precision and a chain of constraints may add."""

SAME_PLACE = 1e-4
"""The same for places, in sizes of the rig."""


class UnfollowingError(KineliftError):
    """A bone doesn't go where its channels say."""

    def __init__(self, armature: bpy.types.Object, bone: str, message: str, remedy: str):
        line = [bone, *(parent.name for parent in armature.pose.bones[bone].parent_recursive)]
        causes = next(([f"{cause} of {name!r}" if name != bone else cause for cause in causes] for name in line
                       if (causes := causes_on(armature, name))), [])
        super().__init__(message + (f" (there is {', '.join(causes)})" if causes else ""), remedy, armature.name, "constrained-bone")
        self.bone = bone


@dataclass(frozen=True)
class Carriers:
    """How N mapped bones hang together, in armature space; -1 stands for the armature itself.

    heads [N,3], turns [N,3,3]: where the bones are while all of them are unposed; stretches [N]: how much longer than at rest.
    place_carriers [N]: the bone whose motion moves this one's head; turn_carriers [N]: the one that turns it.
    turn_offsets [N,3,3]: the unposed bone seen from its turn carrier.
    axes: number of a bone that has a location -> [3,3] how its head moves (columns) when its location channels become 1: the root, and
    bones of a limb that nothing carries, such as feet of an inverse kinematics; their place carrier is the bone above in the limb.
    """

    names: list[str]
    heads: np.ndarray
    turns: np.ndarray
    stretches: np.ndarray
    place_carriers: np.ndarray
    turn_carriers: np.ndarray
    turn_offsets: np.ndarray
    axes: dict[int, np.ndarray]


def find_carriers(trial: Trial, names: Sequence[str], root: str, switches: Sequence[Switch] = (),
                  spare: Collection[str] = (), above: Mapping[str, str] | None = None) -> Carriers:
    """Probes the bones `names` of an armature; `root` is the one that has a location.

    The bones come back sorted: the root first and carriers before what they carry. Bones in `spare` that don't follow
    their channels are left out; above: bone of a limb -> the one before it there. Raises KineliftError when another
    bone doesn't follow its channels.
    """
    names = [root, *(name for name in names if name != root)]
    while True:
        try:
            return _probe(trial, names, switches, above or {})
        except UnfollowingError as error:
            if error.bone not in spare:
                raise
            names.remove(error.bone)


def causes_on(armature: bpy.types.Object, name: str) -> list[str]:
    """What else than its channels moves a bone: constraints, drivers, and inverse kinematics that reaches up to it."""
    bone = armature.pose.bones[name]
    causes = [f"the constraint {constraint.name!r}" for constraint in bone.constraints
              if constraint.influence > 0 and not constraint.mute and constraint.type not in LIMITS]
    drivers = armature.animation_data.drivers if armature.animation_data else ()
    if any(driver.data_path.startswith(bone.path_from_id() + ".rotation") for driver in drivers):
        causes.append("a driver on its rotation")
    for other in bone.children_recursive:
        for constraint in other.constraints:
            if constraint.type in ("IK", "SPLINE_IK") and constraint.influence > 0 and not constraint.mute:
                line = [other, *other.parent_recursive][(0 if getattr(constraint, "use_tail", True) else 1):]
                if bone in line[:constraint.chain_count or None]:
                    causes.append(f"the constraint {constraint.name!r} on {other.name!r}")
    return causes


def _probe(trial: Trial, names: Sequence[str], switches: Sequence[Switch], above: Mapping[str, str]) -> Carriers:
    armature, root = trial.armature, names[0]
    random = np.random.default_rng(0)
    turned = np.stack([np.zeros((len(names), 3)), *(random.uniform(-LARGEST_TURN, LARGEST_TURN, (len(names), 3)) for _ in range(PROBES))])
    trial.unpose(names, switches)
    rest = _pose(trial, names, turned[0], {})
    size = max(float(np.ptp(rest[:, :3, 3], axis=0).max()), 1e-6)
    steps = 0.1 * size * random.standard_normal((PROBES, 3))
    posed = np.stack([rest, *(_pose(trial, names, turn, {0: step}) for turn, step in zip(turned[1:], steps, strict=True))])
    free = [number for number, name in enumerate(names) if number and above.get(name) in names
            and np.ptp(posed[:, number, :3, 3], axis=0).max() < SAME_PLACE * size]
    moved = posed[1:, 0, :3, 3] - rest[0, :3, 3]
    axes = {0: np.linalg.lstsq(steps, moved, rcond=None)[0].T}
    if free or np.abs(steps @ axes[0].T - moved).max() > SAME_PLACE * size:  # more than one bone moves, or the root not by its location alone
        alone = np.stack([_pose(trial, names, turned[0], dict.fromkeys((0, *free), step)) for step in 0.1 * size * np.eye(3)])
        axes = {number: (alone[:, number, :3, 3] - rest[number, :3, 3]).T / (0.1 * size) for number in (0, *free)}
    axes = {number: own for number, own in axes.items() if number == 0 or abs(np.linalg.det(own)) > 1e-3}
    if abs(np.linalg.det(axes[0])) < 1e-3:
        raise KineliftError(f"bone {root!r} can't be moved", "Disconnect it from its parent, or map the pelvis to another bone",
                            armature.name, "bad-armature")
    turns = orthonormal(posed[:, :, :3, :3])
    unposed = turns @ np.swapaxes(bases_of(turned)[..., :3, :3], -1, -2)
    turn_carriers, offsets = _turn_carriers(armature, names, turns, unposed)
    stand_ins = {number: names.index(above[names[number]]) for number in axes if number}
    place_carriers = _place_carriers(armature, names, posed, turn_carriers, size, stand_ins)
    return _sorted(armature, Carriers(names, rest[:, :3, 3], turns[0], np.linalg.norm(rest[:, :3, 1], axis=1), place_carriers, turn_carriers,
                                     offsets, axes))


def _pose(trial: Trial, names: Sequence[str], turns: np.ndarray, locations: Mapping[int, np.ndarray]) -> np.ndarray:
    """Turns the bones by rotation vectors [N,3] in their own axes, moves some by number; matrices [N,4,4], armature space."""
    bases = bases_of(turns)
    for number, location in locations.items():
        bases[number, :3, 3] = location
    return trial.pose(names, bases)[numbers_of(trial.armature, names)]


def _turn_carriers(armature: bpy.types.Object, names: Sequence[str], turns: np.ndarray,
                   unposed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every bone the carrier in whose axes it keeps its unposed turn, and that turn."""
    world = np.broadcast_to(np.eye(3), (len(turns), 1, 3, 3))
    seen_by = np.swapaxes(np.concatenate([world, turns], axis=1), -1, -2)
    carriers, offsets = np.empty(len(names), int), np.empty((len(names), 3, 3))
    for bone, name in enumerate(names):
        seen = seen_by @ unposed[:, bone, None]
        drift = np.linalg.norm(seen - seen[:1], axis=(-1, -2)).max(axis=0)
        drift[bone + 1] = np.inf
        best = int(drift.argmin())
        if drift[best] > SAME_TURN:
            raise UnfollowingError(armature, name, f"the rotation of bone {name!r} does not follow its channels and one other mapped bone",
                                   "Mute constraints and drivers on it, or set its follow property to 0 or 1")
        carriers[bone], offsets[bone] = best - 1, seen[0, best]
    return carriers, offsets


def _place_carriers(armature: bpy.types.Object, names: Sequence[str], posed: np.ndarray, turn_carriers: np.ndarray,
                    size: float, free: Mapping[int, int]) -> np.ndarray:
    """For every bone but the first the carrier in whose frame its head stays; the turn carrier where several do. free: bones that nothing
    carries, and what stands for their carriers."""
    inverse = np.linalg.inv(posed)
    carriers = np.full(len(names), -1)
    for bone, name in enumerate(names[1:], 1):
        if bone in free:
            carriers[bone] = free[bone]
            continue
        seen = np.einsum("kcij,kj->kci", inverse, posed[:, bone, :, 3])[..., :3]
        drift = np.linalg.norm(seen - seen[:1], axis=-1).max(axis=0)
        drift[bone] = np.inf
        turn_carrier = turn_carriers[bone]
        best = turn_carrier if turn_carrier >= 0 and drift[turn_carrier] < SAME_PLACE * size else int(drift.argmin())
        if drift[best] > SAME_PLACE * size:
            raise UnfollowingError(armature, name, f"bone {name!r} is not carried by one of the other mapped bones",
                                   "Map the pelvis to the bone that carries the others, and mute constraints on this one")
        carriers[bone] = best
    return carriers


def _sorted(armature: bpy.types.Object, found: Carriers) -> Carriers:
    """Carriers first; both kinds of carrier have to come before a bone."""
    order: list[int] = []
    waiting = list(range(len(found.names)))
    while waiting:
        ready = [bone for bone in waiting if {found.place_carriers[bone], found.turn_carriers[bone]} <= {-1, *order}]
        if not ready:
            names = ", ".join(found.names[bone] for bone in waiting)
            raise KineliftError(f"the bones {names} carry each other", "Map the pelvis to the bone that carries the others",
                                armature.name, "constrained-bone")
        order.append(ready[0])
        waiting.remove(ready[0])
    place = {-1: -1} | {bone: number for number, bone in enumerate(order)}
    return Carriers([found.names[bone] for bone in order], found.heads[order], found.turns[order], found.stretches[order],
                    np.array([place[found.place_carriers[bone]] for bone in order]),
                    np.array([place[found.turn_carriers[bone]] for bone in order]), found.turn_offsets[order],
                    {place[bone]: own for bone, own in found.axes.items()})
