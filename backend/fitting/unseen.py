"""Joints that a motion is not sure of: how much they count, and where they are taken to be while nothing tells."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from backend.errors import KineliftError
from backend.fitting.vectors import across, frames, length, unit

UNSEEN = 0.05
"""A joint that is less sure counts for nothing."""

DOUBT = 10.0
"""How much further than usual a joint may miss that is half sure."""

TRUNK = ("hip.L", "hip.R", "neck")
LIMBS = tuple(tuple(f"{joint}.{side}" for joint in limb) for limb in (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")) for side in "LR")


def believed(sure: np.ndarray) -> np.ndarray:
    """Shares of their weights that joints with confidences 0..1 keep."""
    return np.where(sure < UNSEEN, 0.0, 1 / (1 + (DOUBT * (1 - sure) / np.maximum(sure, UNSEEN)) ** 2))


def filled(joints: dict[str, np.ndarray], sure: dict[str, np.ndarray], needed: tuple[str, ...], place: str) -> dict[str, np.ndarray]:
    """Joints by role [T,3] where those that are not seen, by confidences [T], go evenly from where they were last to where they are next: as the trunk
    carries them, and as far from their neighbours as they always are. Joints that are never seen are left out.

    Raises KineliftError naming `place` where a joint of those `needed` is never seen.
    """
    seen = {role: sure[role] >= UNSEEN for role in joints}
    never = [role for role in needed if not seen[role].any()]
    if never:
        raise KineliftError(f"the motion never shows {', '.join(never)}", "Use a motion that shows each joint in one frame at least", place, "missing-joints")
    joints = {role: positions.copy() for role, positions in joints.items() if seen[role].any()}
    if all(seen[role].all() for role in joints):
        return joints
    lengths = {limb: [_length(joints, seen, a, b) for a, b in pairwise(limb)] for limb in LIMBS}
    for role in TRUNK:
        joints[role] = _even(joints[role], seen[role])
    origin = (joints["hip.L"] + joints["hip.R"]) / 2
    axes = frames(joints["hip.L"] - joints["hip.R"], joints["neck"] - origin)
    for role in joints.keys() - set(TRUNK):
        even = _even(np.einsum("tji,tj->ti", axes, joints[role] - origin), seen[role])
        joints[role][~seen[role]] = (origin + np.einsum("tij,tj->ti", axes, even))[~seen[role]]
    for (top, middle, end), (upper, lower) in lengths.items():
        bent = ~seen[middle] & seen[end]
        joints[middle][bent] = _bent(joints[top], joints[middle], joints[end], upper, lower)[bent]
        for carrier, role, span in ((top, middle, upper), (middle, end, lower)):
            free = ~seen[role] & (~bent if role == middle else True)
            joints[role][free] = (joints[carrier] + span * unit(joints[role] - joints[carrier]))[free]
    return joints


def _even(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Values [T,D] that go straight from one seen frame [T] to the next."""
    times = np.arange(len(values))
    return np.stack([np.interp(times, times[seen], column[seen]) for column in values.T], axis=-1)


def _length(joints: dict[str, np.ndarray], seen: dict[str, np.ndarray], a: str, b: str) -> float:
    both = seen[a] & seen[b]
    spans = length(joints[a] - joints[b])
    return float(np.median(spans[both] if both.any() else spans))


def _bent(top: np.ndarray, middle: np.ndarray, end: np.ndarray, upper: float, lower: float) -> np.ndarray:
    """The middle joint [T,3] of a limb between its seen ends, on the side where it is taken to be."""
    line, far = unit(end - top), np.clip(length(end - top), abs(upper - lower), upper + lower)
    along = (upper**2 - lower**2 + far**2) / (2 * np.maximum(far, 1e-9))
    return top + along[:, None] * line + np.sqrt(np.maximum(upper**2 - along**2, 0))[:, None] * unit(across(middle - top, line))
