"""How plausible a 3D motion is as movement: rigid bones, feet on the floor and at rest there, smoothness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.motion.bones import bone_lengths
from backend.motion.contacts import skating
from backend.motion.folds import sidedness
from rigs import Skeleton

MEASURES = {"bone_variation": "bone length variation (%)", "penetration": "floor penetration (cm)", "skating": "foot skate (cm/s)",
            "jerk": "jerk (m/s^3)", "wrong_sides": "left and right exchanged (% of frames)"}


def standing_height(clips: Sequence[np.ndarray], feet: list[int]) -> float:
    """Height in metres at which the foot joints of recorded clips [T,J,3] stand: the median of each foot's 5th percentile."""
    return float(np.median([np.percentile(clip[:, feet, 2], 5, axis=0) for clip in clips]))


def bone_variation(positions: np.ndarray, parents: list[int], elastic: Sequence[int] = ()) -> float:
    """Standard deviation of each bone's length over time as a percentage of its mean, averaged over the bones but those to
    `elastic` joints; positions [T,J,3]."""
    lengths = bone_lengths(positions, [-1 if child in elastic else parent for child, parent in enumerate(parents)])
    return float((lengths.std(0) / lengths.mean(0).clip(min=1e-9)).mean() * 100)


def penetration(positions: np.ndarray, feet: list[int], standing: float) -> float:
    """Mean over frames of how far the lowest foot joint sinks below the height `standing` (metres) at which it stands, in centimetres."""
    return float((standing - positions[:, feet, 2].min(1)).clip(min=0).mean() * 100)


def wrong_sides(positions: np.ndarray, skeleton: Skeleton) -> float:
    """Percentage of frames whose left and right lie on each other's side of the body; 0 for a skeleton that doesn't tell; positions [T,J,3]."""
    side = sidedness(positions, skeleton)
    return 0.0 if side is None else float((side < 0).mean() * 100)


def jerk(positions: np.ndarray, fps: float) -> float:
    """Mean length of the third time derivative of all joints, m/s^3; 0 for fewer than four frames."""
    return float(np.linalg.norm(np.diff(positions, 3, axis=0), axis=-1).mean() * fps**3) if len(positions) > 3 else 0.0


def measure(positions: np.ndarray, feet: list[int], fps: float, standing: float) -> dict[str, float]:
    """Floor penetration, foot skate and jerk of a motion [T,J,3] in the world, metres, Z up, floor at 0."""
    return {"penetration": penetration(positions, feet, standing), "skating": skating(positions, feet, fps) * 100,
            "jerk": jerk(positions, fps)}


def average(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure over motions."""
    return {name: float(np.mean([one[name] for one in measured])) for name in measured[0]}
