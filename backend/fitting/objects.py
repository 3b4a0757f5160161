"""Objects on the rig's proportions: a held ball stays in the hands, a bouncing one on the floor."""

from __future__ import annotations

import numpy as np

from backend.fitting.source import Body
from backend.fitting.vectors import length, smoothed, smoothstep

HELD, FREE = 0.30, 0.40
"""Distances from the wrist, in leg lengths, within which a ball is in the hand and beyond which it isn't."""

BOUNCE = 0.18
"""In leg lengths: a turn of the path this close to its lowest point is a bounce."""


def place_objects(body: Body, objects: np.ndarray, wrists: dict[str, np.ndarray], scale: float) -> np.ndarray:
    """Where objects [T,K,3] of the motion belong in the world of the rig, [T,K,3] metres.

    wrists: side -> [T,3] where the rig's wrists are. While a hand holds an object, the object keeps its place at that
    hand. In between, the shift this takes changes evenly from one hold to the next, so that a free flight stays a
    parabola; at a bounce the height is that of the scaled motion.
    """
    ground = np.array([0.0, 0.0, body.floor])
    placed = scale * (objects - ground)
    for number in range(objects.shape[1]):
        path = objects[:, number]
        holds = {side: 1 - smoothstep(length(path - body[f"wrist.{side}"]) / body.leg, HELD, FREE) for side in "LR"}
        total = holds["L"] + holds["R"]
        held = total > 0.5
        if not held.any():
            continue
        shifts = sum(holds[side][:, None] * (wrists[side] - scale * (body[f"wrist.{side}"] - ground)) for side in "LR")
        shifts = shifts / np.maximum(total, 1e-9)[:, None]
        bounces = _bounces(path[:, 2], BOUNCE * body.leg) & ~held
        shifts[bounces] = 0.0
        times = np.arange(len(path))
        for axis, known in ((0, held), (1, held), (2, held | bounces)):
            placed[:, number, axis] += smoothed(np.interp(times, times[known], shifts[known, axis]), 0.03 * body.fps)
        placed[:, number, 2] = np.maximum(placed[:, number, 2], scale * (path[:, 2].min() - body.floor))
    return placed


def _bounces(heights: np.ndarray, margin: float) -> np.ndarray:
    """[T] bool: local minima within `margin` of the lowest height."""
    padded = np.pad(heights, 1, mode="edge")
    return (heights <= padded[:-2]) & (heights <= padded[2:]) & (heights < heights.min() + margin)
