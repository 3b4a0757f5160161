"""How good a motion sits on an armature: pure functions of arrays, for every kind of character.

Positions are metres in the world, Z up; T frames, J joints, P points, N bones, H hinges.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

FLIP = 60.0
"""Degrees a frame at 30 frames a second beyond which a bone has flipped; a galloping horse's fastest bone turns by some 50."""

TELLS_PLANE = 15.0
"""Degrees of bend from which the joints of a limb tell the plane in which it lies."""

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


def limb_speeds(carrier: np.ndarray, top: np.ndarray, middle: np.ndarray, end: np.ndarray, fps: float) -> np.ndarray:
    """[T-1,2] what `turn_speeds` would be of the two bones of a limb that has its joints at these places [T,3], and hangs on `carrier` [T,3,3].

    The plane of a limb that is nearly straight is not known: it counts as turning the shortest way.
    """
    upper, lower = (np.einsum("tji,tj->ti", carrier, _unit(b - a)) for a, b in ((top, middle), (middle, end)))
    normals = np.cross(upper, lower)
    bends = np.arctan2(np.linalg.norm(normals, axis=-1), np.sum(upper * lower, axis=-1))
    bent = bends > np.radians(TELLS_PLANE)
    normals = _unit(normals)
    axes = np.stack([upper, normals, np.cross(upper, normals)], axis=-1)
    turned = Rotation.from_matrix(np.where(bent[:, None, None], axes, np.eye(3)))
    whole = (turned[1:] * turned[:-1].inv()).magnitude()
    swing = np.arctan2(np.linalg.norm(np.cross(upper[1:], upper[:-1]), axis=-1), np.sum(upper[1:] * upper[:-1], axis=-1))
    return np.degrees(np.stack([np.where(bent[1:] & bent[:-1], whole, swing), np.abs(np.diff(bends))], axis=-1)) * fps / 30


def limb_flips(carrier: np.ndarray, top: np.ndarray, middle: np.ndarray, end: np.ndarray, fps: float) -> int:
    """How often a part of a limb jumps as the joints have it; as in `limb_speeds`."""
    return int((limb_speeds(carrier, top, middle, end, fps) > FLIP).sum())


def penetration(points: np.ndarray, floor: float = 0.0) -> float:
    """How deep the deepest point [T,P,3] goes below the floor, cm."""
    return float(100 * max(floor - points[..., 2].min(), 0.0))


def jerk(positions: np.ndarray, fps: float) -> float:
    """Mean size of the third derivative of positions [T,J,3], m/s³; 0 for fewer than four frames."""
    return float(np.linalg.norm(np.diff(positions, n=3, axis=0), axis=-1).mean() * fps**3) if len(positions) > 3 else 0.0


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
