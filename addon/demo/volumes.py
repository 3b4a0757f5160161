"""Solid shapes as plain arrays: elliptical sections swept along a path, and ellipsoids. Metres, Z up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

SEGMENTS = 28
RINGS = 40


class Section(NamedTuple):
    """One cross-section: its centre, and its half sizes along the sweep's side axis and across it."""

    centre: tuple[float, float, float]
    side: float
    depth: float


@dataclass
class Solid:
    """Closed surface: vertices [V,3] and polygons."""

    vertices: np.ndarray
    faces: list[tuple[int, ...]]

    def mirrored(self) -> Solid:
        """The same solid on the other side of x = 0."""
        return Solid(self.vertices * [-1, 1, 1], [face[::-1] for face in self.faces])


def merge(solids: list[Solid]) -> Solid:
    """All solids as one set of vertices and faces; overlaps stay."""
    starts = np.cumsum([0, *(len(solid.vertices) for solid in solids)])
    faces = [tuple(index + start for index in face) for solid, start in zip(solids, starts) for face in solid.faces]
    return Solid(np.concatenate([solid.vertices for solid in solids]), faces)


def sweep(sections: list[Section], side_axis: tuple[float, float, float], squareness: float = 2.0) -> Solid:
    """A solid through `sections` with smoothly changing size. `side_axis` is the direction a section's `side` counts along;
    `squareness` 2 makes ellipses, more makes boxier sections."""
    centres = np.array([section.centre for section in sections], float)
    sizes = np.array([[section.side, section.depth] for section in sections], float)
    knots = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(centres, axis=0), axis=1))])
    places = np.linspace(0, knots[-1], RINGS)
    path = np.stack([_smooth(knots, centres[:, axis], places) for axis in range(3)], 1)
    radii = np.maximum(np.stack([_smooth(knots, sizes[:, axis], places) for axis in range(2)], 1), 1e-4)
    tangents = np.gradient(path, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    side = np.array(side_axis, float) - tangents * (tangents @ np.array(side_axis, float))[:, None]
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    depth = np.cross(tangents, side)
    angles = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    power = 2 / squareness
    cos, sin = (np.sign(value) * np.abs(value) ** power for value in (np.cos(angles), np.sin(angles)))
    rings = path[:, None] + side[:, None] * (radii[:, :1] * cos)[..., None] + depth[:, None] * (radii[:, 1:] * sin)[..., None]
    return Solid(rings.reshape(-1, 3), _ring_faces(RINGS, SEGMENTS))


def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Solid:
    """An ellipsoid along the world's axes."""
    latitudes = np.linspace(-np.pi / 2, np.pi / 2, 14)[1:-1]
    angles = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(SEGMENTS)], 1)
    points = ring[None] * np.cos(latitudes)[:, None, None] + [0, 0, 1] * np.sin(latitudes)[:, None, None]
    return Solid(points.reshape(-1, 3) * radii + centre, _ring_faces(len(latitudes), SEGMENTS))


def _ring_faces(rings: int, segments: int) -> list[tuple[int, ...]]:
    sides = [(ring * segments + at, ring * segments + (at + 1) % segments,
              (ring + 1) * segments + (at + 1) % segments, (ring + 1) * segments + at)
             for ring in range(rings - 1) for at in range(segments)]
    last = (rings - 1) * segments
    return [*sides, tuple(range(segments - 1, -1, -1)), tuple(range(last, last + segments))]


def _smooth(knots: np.ndarray, values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Monotone cubic interpolation: through every value, without overshoot that would make limbs bulge."""
    steps, slopes = np.diff(knots), np.diff(values) / np.diff(knots)
    inner = np.where(slopes[:-1] * slopes[1:] > 0,
                     2 * slopes[:-1] * slopes[1:] / np.where(slopes[:-1] + slopes[1:] == 0, 1, slopes[:-1] + slopes[1:]), 0)
    tangents = np.concatenate([slopes[:1], inner, slopes[-1:]])
    index = np.clip(np.searchsorted(knots, places, side="right") - 1, 0, len(steps) - 1)
    step = steps[index]
    t = (places - knots[index]) / step
    return ((1 + 2 * t) * (1 - t) ** 2 * values[index] + t * (1 - t) ** 2 * step * tangents[index]
            + t * t * (3 - 2 * t) * values[index + 1] + t * t * (t - 1) * step * tangents[index + 1])
