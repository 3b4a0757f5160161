"""Which way knees and elbows bend, found in the rest pose whatever the roll of the bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.fitting.kinematics import Rig

CLEARLY_BENT = np.radians(5.0)


@dataclass(frozen=True)
class Hinge:
    """A joint that bends one way. `bone` is the lower bone; the vectors are world directions at rest.

    segment: along the lower bone; straight: along the upper one; bend: where the lower bone goes when it flexes;
    axis: the hinge, so that `straight` x `bend` = axis.
    """

    bone: int
    segment: np.ndarray
    straight: np.ndarray
    bend: np.ndarray
    axis: np.ndarray

    def flexion(self, turns: np.ndarray) -> np.ndarray:
        """[T] radians the joint is bent; negative is the wrong way. turns [T,N,3,3] as in `kinematics.forward`."""
        segment = turns[:, self.bone] @ self.segment
        return np.arctan2(segment @ self.bend, segment @ self.straight)


def body_axes(rig: Rig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The character's (left, back, up) at rest as unit vectors [3], from hips and shoulders."""
    at = {role: rig.heads[rig.index[role]] for role in ("thigh.L", "thigh.R", "upper_arm.L", "upper_arm.R")}
    up = _unit(at["upper_arm.L"] + at["upper_arm.R"] - at["thigh.L"] - at["thigh.R"])
    left = _across(at["thigh.L"] - at["thigh.R"] + at["upper_arm.L"] - at["upper_arm.R"], up)
    return left, np.cross(up, left), up


def hinges(rig: Rig) -> list[Hinge]:
    """Knees bend back about the hip line; elbows as at rest, or bring the hand forward where the rest pose is straight, or
    up where the arm points forward already."""
    left, back, up = body_axes(rig)
    found = []
    for upper, middle, lower in (("thigh", "shin", "foot"), ("upper_arm", "forearm", "hand")):
        for side in "LR":
            bones = [rig.index[f"{role}.{side}"] for role in (upper, middle, lower)]
            straight = _unit(rig.heads[bones[1]] - rig.heads[bones[0]])
            segment = _unit(rig.heads[bones[2]] - rig.heads[bones[1]])
            is_bent = np.arccos(np.clip(straight @ segment, -1, 1)) > CLEARLY_BENT
            elbow = segment if is_bent else -back if abs(straight @ back) < 0.95 else up
            towards = np.cross(left, straight) if upper == "thigh" else elbow
            bend = _across(towards, straight)
            found.append(Hinge(bones[1], segment, straight, bend, np.cross(straight, bend)))
    return found


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(np.linalg.norm(vector), 1e-12)


def _across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The part of `vector` square to the unit vector `axis`, as a unit vector."""
    return _unit(vector - (vector @ axis) * axis)
