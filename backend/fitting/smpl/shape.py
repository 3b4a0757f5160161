"""The shape of a body: once a clip, from the lengths of its bones."""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from backend.errors import KineliftError
from backend.fitting.smpl.body import BODY, BodyModel
from backend.fitting.vectors import length

JOINTS = {f"{role}.{side}": BODY.index(f"{name}_{joint}") for side, name in (("L", "left"), ("R", "right")) for role, joint in (
    ("hip", "hip"), ("knee", "knee"), ("ankle", "ankle"), ("shoulder", "shoulder"), ("elbow", "elbow"), ("wrist", "wrist"))} | {"neck": BODY.index("neck")}
"""Joint role -> joint of the body."""

LIMBS = (("hip", "knee", 0.012), ("knee", "ankle", 0.003), ("shoulder", "elbow", 0.012), ("elbow", "wrist", 0.003))
LENGTHS = tuple((f"{a}.{side}", f"{b}.{side}", sigma) for side in "LR" for a, b, sigma in LIMBS) + (
    ("hip.L", "hip.R", 0.05), ("shoulder.L", "shoulder.R", 0.05), *((f"hip.{side}", f"shoulder.{side}", 0.05) for side in "LR"))
"""Joints, and the metres by which their distance in a motion may differ from the body's: the spine bends, and what a keypoint of a hip or shoulder
means differs."""

FARTHEST = 6.0
"""Standard deviations among people that a number of a shape may be from the mean: beyond, the motion is not that of a person in metres."""


def fit_shape(model: BodyModel, joints: dict[str, np.ndarray], place: str) -> np.ndarray:
    """The numbers [B] of the body whose bones are as long as those between joints by role [T,3]: of all such bodies the most usual one.

    Raises KineliftError naming `place` where nobody has such bones.
    """
    measured = np.array([np.median(length(joints[a] - joints[b])) for a, b, _ in LENGTHS])
    sigmas = np.array([sigma for _, _, sigma in LENGTHS])
    ends = np.array([[JOINTS[a], JOINTS[b]] for a, b, _ in LENGTHS])

    def lengths(betas: np.ndarray) -> np.ndarray:
        rest = model.shaped(betas)
        return length(rest[ends[:, 0]] - rest[ends[:, 1]])

    betas = least_squares(lambda betas: np.concatenate([(lengths(betas) - measured) / sigmas, betas]), np.zeros(model.shapes)).x
    if np.abs(betas).max() > FARTHEST:
        leg = sum(measured[number] for number, (_, b, _) in enumerate(LENGTHS) if b.split(".")[0] in ("knee", "ankle")) / 2
        raise KineliftError(f"nobody has such bones: the legs of the motion are {leg:.2f} m long", "Use a motion of a person in metres; import-motion "
                            "--scale makes one", place, "bad-motion")
    return betas
