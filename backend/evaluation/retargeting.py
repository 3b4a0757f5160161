"""How good a motion sits on an armature: pure functions of arrays, for every kind of character.

Positions are metres in the world, Z up; T frames, J joints, P points, N bones, H hinges.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

FLIP = 60.0
"""Degrees a frame at 30 frames a second beyond which a bone has flipped; a galloping horse's fastest bone turns by some 50."""

WRONG_WAY = 2.0
"""Degrees past straight that a joint may show without bending the wrong way."""


def joint_error(found: np.ndarray, wanted: np.ndarray, height: float) -> np.ndarray:
    """Mean distance of each joint [J] from where it should be, in per cent of the character's height; found, wanted [T,J,3]."""
    return 100 * np.linalg.norm(found - wanted, axis=-1).mean(axis=0) / height


def wrong_way_frames(flexions: np.ndarray) -> int:
    """Frames in which a joint bends against the anatomy; flexions [T,H] radians, negative the wrong way (`limits.Hinge.flexion`)."""
    return int((np.degrees(flexions) < -WRONG_WAY).any(axis=1).sum())


def turn_speeds(turns: np.ndarray, fps: float) -> np.ndarray:
    """[T-1,N] degrees a frame at 30 frames a second that each bone turns against its carrier; turns [T,N,3,3] relative to the carriers'."""
    steps = turns[1:] @ np.swapaxes(turns[:-1], -1, -2)
    return np.degrees(Rotation.from_matrix(steps.reshape(-1, 3, 3)).magnitude()).reshape(steps.shape[:2]) * fps / 30


def flips(turns: np.ndarray, fps: float) -> int:
    """How often a bone jumps; turns as in `turn_speeds`."""
    return int((turn_speeds(turns, fps) > FLIP).sum())


def penetration(points: np.ndarray, floor: float = 0.0) -> float:
    """How deep the deepest point [T,P,3] goes below the floor, cm."""
    return float(100 * max(floor - points[..., 2].min(), 0.0))


def jerk(positions: np.ndarray, fps: float) -> float:
    """Mean size of the third derivative of positions [T,J,3], m/s³; 0 for fewer than four frames."""
    return float(np.linalg.norm(np.diff(positions, n=3, axis=0), axis=-1).mean() * fps**3) if len(positions) > 3 else 0.0
