"""Small vector helpers: the last axis holds x, y, z."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation


def length(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Unit vectors; those without a length stay zero."""
    return vectors / np.maximum(length(vectors), 1e-9)[..., None]


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sum(a * b, axis=-1)


def across(vectors: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The part of `vectors` that is square to the unit vectors `axes`."""
    return vectors - dot(vectors, axes)[..., None] * axes


def frames(left: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Rotation matrices [T,3,3] with the columns left, back and up; exact in `up`.

    Frames in which the two are (nearly) parallel or missing take the nearest frame that is defined.
    """
    up = unit(up)
    left = across(unit(left), up)
    defined = np.flatnonzero((length(left) > 0.05) & (length(up) > 0.5))
    left = unit(left)
    matrices = np.stack([left, np.cross(up, left), up], axis=-1)
    if not len(defined):
        return np.broadcast_to(np.eye(3), matrices.shape)
    times = np.arange(len(matrices))
    nearest = defined[np.abs(times[:, None] - defined[None]).argmin(axis=1)] if len(defined) < len(times) else times
    return matrices[nearest]


def smoothed(values: np.ndarray, frames_wide: float) -> np.ndarray:
    """Gaussian smoothing along the first axis; the ends are held."""
    return gaussian_filter1d(values, frames_wide, axis=0, mode="nearest") if len(values) > 1 and frames_wide > 0 else values


def smoothstep(values: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 up to `start`, 1 from `end`, an S in between."""
    x = np.clip((values - start) / (end - start), 0, 1)
    return x * x * (3 - 2 * x)


def about(axes: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Rotation matrices [T,3,3] about unit axes [T,3] by angles [T]."""
    return Rotation.from_rotvec(axes * angles[:, None]).as_matrix()


def swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The shortest turns [T,3,3] that bring unit vectors `start` to `end`."""
    axis = np.cross(start, end)
    sine, cosine = length(axis), dot(start, end)
    spare = np.cross(start, np.eye(3)[np.abs(start).argmin(axis=-1)])
    axis = np.where((sine > 1e-6)[:, None], axis, spare)
    return about(unit(axis), np.arctan2(sine, cosine))
