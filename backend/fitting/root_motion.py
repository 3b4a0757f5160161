"""Where a fitted character goes on the ground, for root bones and the like to carry."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from backend.fitting.kinematics import Rig

SWAY_SECONDS = 0.2
"""The path is smoothed over so long (one sigma): the sway of a step stays with the hips."""


def ground_path(rig: Rig, turns: np.ndarray, root: np.ndarray, fps: float) -> np.ndarray:
    """[T,3] how far the place below the character is from where it rests; world metres, z = 0.

    turns [T,3,3], root [T,3]: of the root bone, away from rest and in the world. That place is the armature's origin at rest, and keeps its
    distance from hips that lie behind or before it.
    """
    level = np.array([1.0, 1.0, 0.0])
    path = (root + turns @ ((rig.origin - rig.heads[0]) * level) - rig.origin) * level
    wide = min(round(4 * SWAY_SECONDS * fps), len(path) - 1)
    padded = np.pad(path, ((wide, wide), (0, 0)), mode="reflect", reflect_type="odd")  # a steady walk stays one up to the ends
    return gaussian_filter1d(padded, SWAY_SECONDS * fps, axis=0, mode="nearest")[wide : len(padded) - wide]
