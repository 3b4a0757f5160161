"""Motions at the frame rate of a scene."""

from __future__ import annotations

import math

import bpy
import numpy as np

from .rotations import continuous


def scene_fps(scene: bpy.types.Scene) -> float:
    """Frames a second of a scene."""
    return scene.render.fps / scene.render.fps_base


def resample(values: np.ndarray, fps: float, new_fps: float) -> np.ndarray:
    """Values [T,...] at another frame rate, linear in between; the first frame stays the first."""
    before, share = _times(len(values), fps, new_fps)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return (1 - share) * values[before] + share * values[np.minimum(before + 1, len(values) - 1)]


def resample_rotations(turns: np.ndarray, fps: float, new_fps: float) -> np.ndarray:
    """Unit quaternions [T,N,4] at another frame rate, slerped in between."""
    turns = continuous(turns)
    before, share = _times(len(turns), fps, new_fps)
    start, end = turns[before], turns[np.minimum(before + 1, len(turns) - 1)]
    share = share[:, None, None]
    angle = np.arccos(np.clip(np.sum(start * end, axis=-1, keepdims=True), -1, 1))
    sine = np.maximum(np.sin(angle), 1e-9)
    is_small = angle < 1e-4
    mixed = np.where(is_small, 1 - share, np.sin((1 - share) * angle) / sine) * start
    mixed = mixed + np.where(is_small, share, np.sin(share * angle) / sine) * end
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)


def resample_states(values: np.ndarray, fps: float, new_fps: float) -> np.ndarray:
    """Values [T,...] that are either this or that at another frame rate: each holds until the next."""
    return values[_times(len(values), fps, new_fps)[0]]


def _times(frames: int, fps: float, new_fps: float) -> tuple[np.ndarray, np.ndarray]:
    """For every new frame the old frame before it, and how far it is past that one."""
    new_frames = math.floor((frames - 1) / fps * new_fps + 1e-6) + 1
    times = np.arange(new_frames) * (fps / new_fps)
    before = np.minimum(np.floor(times + 1e-6).astype(int), frames - 1)
    return before, np.clip(times - before, 0, 1)
