"""Which way is up, and where the floor is: what standing feet say.

Lengths, times and speeds here are those of people; of smaller ones they are as much smaller as `size_of` says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from backend.motion.contacts import LANDS, LIFTED, find_contacts, spells
from backend.motion.planting import limbs, size_of
from rigs import Skeleton

TILT = 0.05  # radians, standard deviation of the tilt that a motion comes with
UNEVEN = 0.03  # metres, that of the height of a foot's contact over the floor
ROUNDS = (LIFTED, 0.04, LANDS[0], LANDS[0])  # metres; the floor is levelled by its contacts, which then are found more strictly
REWEIGHTED = 3


def contact_points(motions: Sequence[np.ndarray], skeleton: Skeleton, fps: float, lands: float = LANDS[0]) -> tuple[np.ndarray, np.ndarray]:
    """Where feet stood in motions [T,J,3], one point for each contact [N,3] metres, and for how many seconds [N], 1 at most, as somebody as large
    as people would have taken. lands: how low a foot must be, as for `find_contacts`."""
    feet, points, seconds = [skeleton.joints.index(name) for name in skeleton.feet], [], []
    for motion in motions:
        size = size_of(motion, limbs(skeleton))
        rate = fps * math.sqrt(size)
        contacts = find_contacts(motion[:, feet] / size, rate, lands)
        for column, foot in enumerate(feet):
            for start, end in spells(contacts[:, column]):
                points.append(motion[start:end, foot].mean(0))
                seconds.append(min(1.0, (end - start) / rate))
    return np.reshape(points, (-1, 3)), np.array(seconds)


def level(motions: Sequence[np.ndarray], skeleton: Skeleton, fps: float) -> np.ndarray:
    """The turn [3,3] about the origin that makes the floor of motions [T,J,3] level: the plane through the feet's contacts, less tilted the
    less they say."""
    turn, size = np.eye(3), mean_size(motions, skeleton)
    for lands in ROUNDS:
        points, weights = contact_points([motion @ turn.T for motion in motions], skeleton, fps, lands)
        if len(points) < 3:
            return turn
        turn = _plane_upright(points @ turn / size, weights)
    return turn


def mean_size(motions: Sequence[np.ndarray], skeleton: Skeleton) -> float:
    """How much smaller than people the subjects of motions [T,J,3] are."""
    return float(np.mean([size_of(motion, limbs(skeleton)) for motion in motions]))


def _plane_upright(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The turn [3,3] that makes the plane through points [N,3] level; weights [N]. Steps and false contacts count less."""
    middle = np.average(points, axis=0, weights=weights)
    rows, height = np.column_stack([points[:, :2] - middle[:2], np.ones(len(points))]), points[:, 2] - middle[2]
    trust, prior = weights, np.diag([1.0, 1.0, 0.0]) * (UNEVEN / TILT) ** 2
    for _ in range(REWEIGHTED):
        slope = np.linalg.solve(rows.T @ (trust[:, None] * rows) + prior, rows.T @ (trust * height))
        trust = weights / np.maximum(1, np.abs(height - rows @ slope) / UNEVEN)
    return upright(np.array([-slope[0], -slope[1], 1.0]))


def upright(normal: np.ndarray) -> np.ndarray:
    """The shortest turn [3,3] that brings a direction [3] to Z."""
    return Rotation.align_vectors([[0, 0, 1]], [normal])[0].as_matrix()


def floor_height(motions: Sequence[np.ndarray], skeleton: Skeleton, fps: float) -> float:
    """The height in metres at which the feet of motions [T,J,3] stand; without a contact, where the lowest foot is at its lowest."""
    points, weights = contact_points(motions, skeleton, fps)
    if len(points):
        order = np.argsort(points[:, 2])
        share = np.cumsum(weights[order]) / weights.sum()
        return float(points[order][np.searchsorted(share, 0.5), 2])
    feet = [skeleton.joints.index(name) for name in skeleton.feet]
    return float(np.percentile(np.concatenate([motion[:, feet, 2].min(1) for motion in motions]), 5))
