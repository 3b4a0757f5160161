"""How people hold themselves: a Gaussian over the turns of a body's joints, learned from recorded people by `learn-prior`.

A pose is told in each joint's own anatomical axes, which are read off the joints of a rest pose: those of the whole body for trunk, head, collar bones
and feet, and bone, bend and hinge of limbs. So one prior serves a T pose, an A pose and any roll of the bones. A spine or neck of several bones is one
joint, whose turn they share.

Frames of a clip are no poses of their own: each pulls with a small `SHARE` of the inverse covariance. Beside the solver's smoothness, which ties a frame
to the next (together those are a process of Ornstein and Uhlenbeck), a joint of which nothing is known then goes back to its usual place, given the others,
in some tenths of a second, and one that is seen is where it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from backend.fitting.kinematics import Rig
from backend.fitting.limits import Hinge, body_axes
from backend.fitting.solver import PosePull
from backend.fitting.vectors import across, unit
from backend.motion.files import read_npz

FILE = Path(__file__).with_name("pose_prior.npz")
"""The prior that people are fitted with."""

SIDED = ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shin", "foot")
FEATURES = ("trunk", "head", *(f"{part}.{side}" for side in "LR" for part in SIDED))
"""The joints of the prior: the spine from pelvis to chest, neck and head, and the bones of the limbs at their heads."""

SHARE = 1 / 240
"""Of the pull of a pose by itself that a frame has."""

TWIST_SIGMA = {"upper_arm": 3.0, "thigh": 3.0}
"""Radians that bones may in every frame be twisted away from their usual twist: of a straight limb no joint tells it, and along the way that the wide Gaussian
leaves open a fit could be caught in another."""

LEAST = 0.2
"""Radians, a standard deviation by which any joint may be away in any direction, as rest poses and rigs differ."""


@dataclass(frozen=True)
class PosePrior:
    """means [F,3,3]: the usual turn of each of `FEATURES` from its carrier's anatomical axes to its own; covariance [3F,3F], radians², of the rotation
    vectors that lead from there to a pose, in the carrier's axes; provenance: a JSON text, from which data it was learned."""

    means: np.ndarray
    covariance: np.ndarray
    provenance: str

    def pull(self, rig: Rig, hinges: list[Hinge], share: float = SHARE) -> PosePull:
        """What the prior says of the bones of a human rig in a frame. Bones that it doesn't know are free. share: see `SHARE`."""
        axes, bones = anatomical_axes(rig, hinges), features_of(rig)
        known = [number for number, name in enumerate(FEATURES) if name in bones]
        places = np.array([3 * number + axis for number in known for axis in range(3)])
        shares, centre = np.zeros((len(places), 3 * rig.bones)), np.tile(np.eye(3), (rig.bones, 1, 1))
        for row, number in enumerate(known):
            chain = bones[FEATURES[number]]
            bend = Rotation.from_matrix(self.means[number]).as_rotvec() / len(chain)
            for bone in chain:
                carrier = axes[rig.parents[bone]]
                centre[bone] = axes[bone] @ Rotation.from_rotvec(-bend).as_matrix() @ carrier.T
                shares[3 * row : 3 * row + 3, 3 * bone : 3 * bone + 3] = carrier.T
        inner = share * np.linalg.inv(self.covariance[np.ix_(places, places)] + LEAST**2 * np.eye(len(places)))
        for row, number in enumerate(known):
            along, block = self.means[number][:, 0], slice(3 * row, 3 * row + 3)
            inner[block, block] += np.outer(along, along) * TWIST_SIGMA.get(FEATURES[number].split(".")[0], np.inf) ** -2.0
        return PosePull(centre, shares.T @ inner @ shares)

    def away(self, rig: Rig, hinges: list[Hinge], world: np.ndarray) -> np.ndarray:
        """[T] how far poses, world turns [T,N,3,3], are from the usual one: 1 for people as usual as those it was learned from (the root of the
        mean square of the standard deviations)."""
        turns = joint_turns(rig, hinges, world)
        known = [number for number, name in enumerate(FEATURES) if name in turns]
        vectors = np.concatenate([_vectors(turns[FEATURES[number]] @ self.means[number].T) for number in known], axis=-1)
        places = np.array([3 * number + axis for number in known for axis in range(3)])
        inner = np.linalg.inv(self.covariance[np.ix_(places, places)] + LEAST**2 * np.eye(len(places)))
        return np.sqrt(np.einsum("ti,ij,tj->t", vectors, inner, vectors) / len(places))


def features_of(rig: Rig) -> dict[str, list[int]]:
    """Feature -> the bones of a rig that share its turn, from its carrier outwards; those that the rig has."""
    found = {"trunk": rig.chain("spine"), "head": [*rig.chain("neck"), *([rig.index["head"]] if "head" in rig.index else [])]}
    found |= {role: [bone] for role, bone in rig.index.items() if role in FEATURES and role != "head"}
    return {name: bones for name, bones in found.items() if bones}


def anatomical_axes(rig: Rig, hinges: list[Hinge]) -> np.ndarray:
    """[N,3,3] columns, world axes at rest: left, back and up of the body; of the bones of limbs along the bone, where the limb bends, and its hinge."""
    axes = np.tile(np.stack(body_axes(rig), axis=-1), (rig.bones, 1, 1))
    for hinge in hinges:
        axes[rig.parents[hinge.bone]] = np.stack([hinge.straight, hinge.bend, hinge.axis], axis=-1)
        across_it = unit(across(hinge.axis, hinge.segment))
        axes[hinge.bone] = np.stack([hinge.segment, np.cross(across_it, hinge.segment), across_it], axis=-1)
    for side in "LR":
        axes[rig.index[f"hand.{side}"]] = axes[rig.index[f"forearm.{side}"]]
    return axes


def joint_turns(rig: Rig, hinges: list[Hinge], world: np.ndarray) -> dict[str, np.ndarray]:
    """Feature -> [T,3,3] from the carrier's anatomical axes to its own, of poses told by world turns [T,N,3,3] away from rest."""
    placed = world @ anatomical_axes(rig, hinges)
    return {name: np.swapaxes(placed[:, rig.parents[bones[0]]], -1, -2) @ placed[:, bones[-1]] for name, bones in features_of(rig).items()}


def learn(turns: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means [F,3,3] and covariance [3F,3F] of turns [T,F,3,3] with weights [T]."""
    means = np.stack([Rotation.from_matrix(turns[:, number]).mean(weights).as_matrix() for number in range(turns.shape[1])])
    vectors = np.concatenate([_vectors(turns[:, number] @ means[number].T) for number in range(len(means))], axis=-1)
    return means, (vectors * (weights / weights.sum())[:, None]).T @ vectors


def _vectors(turns: np.ndarray) -> np.ndarray:
    return Rotation.from_matrix(turns).as_rotvec()


@lru_cache
def people() -> PosePrior:
    """The prior that people are fitted with. Raises KineliftError where its file is damaged."""
    arrays = read_npz(FILE, "pose prior", "Install the extension again", "bad-installation", needed=("means", "covariance", "provenance"))
    return PosePrior(arrays["means"].astype(float), arrays["covariance"].astype(float), str(arrays["provenance"]))
