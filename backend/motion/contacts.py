"""When feet stand on the floor, and how much they slide there."""

from __future__ import annotations

import numpy as np

LIFTED = 0.06  # metres above the standing height from which a foot is off the floor


def foot_heights(positions: np.ndarray, feet: list[int]) -> np.ndarray:
    """Height of each foot above its own standing height (5th percentile over the clip): [T,F] metres, Z up."""
    heights = positions[:, feet, 2]
    return heights - np.percentile(heights, 5, axis=0)


def contact_weights(positions: np.ndarray, feet: list[int]) -> np.ndarray:
    """How much each foot carries: [T,F] in 0..1, 1 on the floor, fading to 0 at LIFTED."""
    return np.clip(1 - foot_heights(positions, feet) / LIFTED, 0, 1)


def skating(positions: np.ndarray, feet: list[int], fps: float) -> float:
    """Mean horizontal speed of standing feet in metres a second; 0 for a clip without contact."""
    if len(positions) < 2:
        return 0.0
    speed = np.linalg.norm(np.diff(positions[:, feet, :2], axis=0), axis=-1) * fps
    weight = contact_weights(positions, feet) > 0.7
    both = weight[1:] & weight[:-1]
    return float(speed[both].mean()) if both.any() else 0.0
