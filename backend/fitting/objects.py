"""Objects on the rig's proportions: a held ball or box stays in the hands, a bouncing ball on the floor."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from backend.fitting.source import Body
from backend.fitting.vectors import length, smoothed, smoothstep

HELD, FREE = 0.30, 0.40
"""Distances from the wrist, in leg lengths, within which a ball's middle is in the hand and beyond which it isn't."""

RADIUS = 0.14
"""A ball's radius in leg lengths: a box is in the hand where a ball would be whose surface is as near."""

LOST = 0.25
"""How far the certainty of a hold falls until the object is let go; it begins at a half."""

SHORTEST_HOLD = 0.1
"""Seconds: a shorter hold is a touch, and a shorter gap between two is none."""

BOUNCE = 0.18
"""In leg lengths: a turn of the path this close to its lowest point is a bounce."""


def holds(body: Body, objects: np.ndarray, turns: np.ndarray | None = None, sizes: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """How sure it is that each hand holds each of the objects [T,K,3]: side -> [T,K] 0..1. turns [T,K,4] and sizes [K,3]: of boxes, 0 for a
    ball; a box is as far from a wrist as its surface is."""
    certainty = {}
    for side in "LR":
        away = body[f"wrist.{side}"][:, None] - objects
        far = length(away) / body.leg
        for number in np.flatnonzero((sizes > 0).all(axis=1)) if turns is not None and sizes is not None else ():
            inside = Rotation.from_quat(turns[:, number], scalar_first=True).apply(away[:, number], inverse=True)
            far[:, number] = length(np.maximum(np.abs(inside) - sizes[number] / 2, 0)) / body.leg + RADIUS
        certainty[side] = 1 - smoothstep(far, HELD, FREE)
    return certainty


def place_objects(body: Body, objects: np.ndarray, certainty: dict[str, np.ndarray], wrists: dict[str, np.ndarray], scale: float) -> np.ndarray:
    """Where objects [T,K,3] of the motion belong in the world of the rig, [T,K,3] metres.

    certainty: of `holds`; wrists: side -> [T,3] where the rig's wrists are. While a hand holds an object, the object keeps its place at that
    hand, between two hands that in their middle. In between, the shift this takes changes evenly from one hold to the next, so that a free flight stays a
    parabola; at a bounce the height is that of the scaled motion.
    """
    ground = np.array([0.0, 0.0, body.floor])
    placed = scale * (objects - ground)
    for number in range(objects.shape[1]):
        path = objects[:, number]
        total = certainty["L"][:, number] + certainty["R"][:, number]
        held = total > 0.5
        if not held.any():
            continue
        shifts = sum(certainty[side][:, number, None] * (wrists[side] - scale * (body[f"wrist.{side}"] - ground)) for side in "LR")
        shifts = shifts / np.maximum(total, 1e-9)[:, None]
        bounces = _bounces(path[:, 2], BOUNCE * body.leg) & ~held
        shifts[bounces] = 0.0
        times = np.arange(len(path))
        for axis, known in ((0, held), (1, held), (2, held | bounces)):
            placed[:, number, axis] += smoothed(np.interp(times, times[known], shifts[known, axis]), 0.03 * body.fps)
        placed[:, number, 2] = np.maximum(placed[:, number, 2], scale * (path[:, 2].min() - body.floor))
    return placed


def holders(certainty: dict[str, np.ndarray], fps: float) -> np.ndarray:
    """[T,K] text: the role of the hand that holds each of the objects, "hand.L" or "hand.R"; "" while none does. certainty: of `holds`."""
    shortest = max(round(SHORTEST_HOLD * fps), 1)
    result = np.full(certainty["L"].shape, "", dtype="U6")
    for number in range(result.shape[1]):
        hand = ""
        for frame in range(len(result)):
            surest = max("LR", key=lambda side, frame=frame, number=number: certainty[side][frame, number])
            if not hand or certainty[hand][frame, number] < LOST:
                hand = surest if certainty[surest][frame, number] > 0.5 else ""
            result[frame, number] = f"hand.{hand}" if hand else ""
        for first, after in _runs(result[:, number]):
            beside = result[first - 1, number] if first else ""
            if not result[first, number] and beside and after < len(result) and after - first < shortest and result[after, number] == beside:
                result[first:after, number] = beside
        for first, after in _runs(result[:, number]):
            if after - first < shortest:
                result[first:after, number] = ""
    return result


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """First frame, and the one after the last, of every run of the same value."""
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1), len(values)]
    return [(int(first), int(after)) for first, after in pairwise(edges)]


def _bounces(heights: np.ndarray, margin: float) -> np.ndarray:
    """[T] bool: local minima within `margin` of the lowest height."""
    padded = np.pad(heights, 1, mode="edge")
    return (heights <= padded[:-2]) & (heights <= padded[2:]) & (heights < heights.min() + margin)
