"""Fewer keys for the same curves: those that matter, with straight lines or smooth curves in between. Arrays only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

Error = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(values [n,C], values that stand for them [n,C]) -> [n], above 1 where that is too far."""


def turned_too_far(property: str, degrees: float) -> Error:
    """How far apart turns are, in tolerances; `property` is the name of the rotation's channels."""
    limit = np.radians(max(degrees, 1e-6))

    def quaternions(values: np.ndarray, others: np.ndarray) -> np.ndarray:
        # The sine of a quarter: exact also where the cosine is one to the last digit.
        values, others = (turns / np.maximum(np.linalg.norm(turns, axis=-1, keepdims=True), 1e-12) for turns in (values, others))
        apart = np.minimum(np.linalg.norm(values - others, axis=-1), np.linalg.norm(values + others, axis=-1))
        return 4 * np.arcsin(np.minimum(apart / 2, 1)) / limit

    def eulers(values: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.abs(values - others).sum(axis=-1) / limit  # never less than the angle between the two

    def axis_angles(values: np.ndarray, others: np.ndarray) -> np.ndarray:
        return (np.abs(values[:, 0] - others[:, 0]) + np.abs(values[:, 0]) * np.linalg.norm(values[:, 1:] - others[:, 1:], axis=-1)) / limit

    return {"rotation_quaternion": quaternions, "rotation_axis_angle": axis_angles}.get(property, eulers)


def apart(limit: float) -> Error:
    """Distances in tolerances."""
    return lambda values, others: np.linalg.norm(values - others, axis=-1) / max(limit, 1e-12)


def slopes(values: np.ndarray, breaks: Iterable[int] = ()) -> np.ndarray:
    """Change a frame [T,C] of values [T,C], not across `breaks`, frames at which something new begins."""
    result = np.zeros_like(values)
    for first, after in _pieces(len(values), breaks):
        if after - first > 1:
            result[first:after] = np.gradient(values[first:after], axis=0)
    return result


def keys_that_matter(values: np.ndarray, tangents: np.ndarray | None, error: Error, breaks: Iterable[int] = ()) -> np.ndarray:
    """Sorted frames [K] to keep of values [T,C], so that what lies between them stays within the error.

    tangents [T,C] are the slopes for smooth curves (cubic Hermite, which a Bezier curve with handles at a third is); None is for straight
    lines. Keys are set where the error is largest until it is small everywhere, then those are taken out that can be missed, the
    least needed first. The first and last frame of every piece between breaks are kept.
    """
    kept = []
    for first, after in _pieces(len(values), breaks):
        kept += _of_piece(values, tangents, error, first, after - 1)
    return np.array(kept)


def between(values: np.ndarray, tangents: np.ndarray | None, start: int, end: int) -> np.ndarray:
    """What keys at two frames make of the frames between them, [end - start - 1, C]."""
    share = (np.arange(start + 1, end) - start)[:, None] / (end - start)
    if tangents is None:
        return values[start] + share * (values[end] - values[start])
    back = 1 - share
    return ((1 + 2 * share) * back**2 * values[start] + share**2 * (3 - 2 * share) * values[end]
            + (end - start) * (share * back**2 * tangents[start] - share**2 * back * tangents[end]))


def _pieces(frames: int, breaks: Iterable[int]) -> list[tuple[int, int]]:
    edges = sorted({0, frames, *(frame for frame in breaks if 0 < frame < frames)})
    return list(pairwise(edges))


def _of_piece(values: np.ndarray, tangents: np.ndarray | None, error: Error, first: int, last: int) -> list[int]:
    def worst(start: int, end: int) -> tuple[float, int]:
        if end - start < 2:
            return 0.0, start
        errors = error(values[start + 1:end], between(values, tangents, start, end))
        place = int(errors.argmax())
        return float(errors[place]), start + 1 + place

    kept, open_ends = {first, last}, [(first, last)]
    while open_ends:
        start, end = open_ends.pop()
        size, place = worst(start, end)
        if size > 1:
            kept.add(place)
            open_ends += [(start, place), (place, end)]
    keys = sorted(kept)
    costs = [worst(before, after)[0] for before, after in zip(keys[:-2], keys[2:], strict=True)]
    while costs and min(costs) <= 1:
        spare = int(np.argmin(costs))
        del keys[spare + 1], costs[spare]
        for changed in (spare - 1, spare):
            if 0 <= changed < len(costs):
                costs[changed] = worst(keys[changed], keys[changed + 2])[0]
    return keys
