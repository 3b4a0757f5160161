"""Which way is up, and where the floor is: what standing feet say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from backend.motion.contacts import find_contacts, spells
from rigs import Skeleton

TILT = 0.05  # radians, standard deviation of the tilt that a motion comes with
UNEVEN = 0.03  # metres, that of the height of a foot's contact over the floor
ROUNDS = 3


def contact_points(motions: Sequence[np.ndarray], skeleton: Skeleton, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Where feet stood in motions [T,J,3], one point for each contact [N,3] metres, and for how many seconds [N], 1 at most."""
    feet, points, seconds = [skeleton.joints.index(name) for name in skeleton.feet], [], []
    for motion in motions:
        contacts = find_contacts(motion[:, feet], fps)
        for column, foot in enumerate(feet):
            for start, end in spells(contacts[:, column]):
                points.append(motion[start:end, foot].mean(0))
                seconds.append(min(1.0, (end - start) / fps))
    return np.reshape(points, (-1, 3)), np.array(seconds)


def level(motions: Sequence[np.ndarray], skeleton: Skeleton, fps: float) -> np.ndarray:
    """The turn [3,3] about the origin that makes the floor of motions [T,J,3] level: the plane through the feet's contacts, less tilted the
    less they say."""
    turn = np.eye(3)
    for _ in range(ROUNDS):
        points, weights = contact_points([motion @ turn.T for motion in motions], skeleton, fps)
        if len(points) < 3:
            return turn
        middle = np.average(points, axis=0, weights=weights)
        across, height = points[:, :2] - middle[:2], points[:, 2] - middle[2]
        trust, prior = weights.copy(), (UNEVEN / TILT) ** 2 * np.eye(3)
        prior[2, 2] = 0
        rows = np.column_stack([across, np.ones(len(across))])
        for _ in range(ROUNDS):
            slope = np.linalg.solve(rows.T @ (trust[:, None] * rows) + prior, rows.T @ (trust * height))
            trust = weights / np.maximum(1, np.abs(height - rows @ slope) / UNEVEN)  # steps and false contacts count less
        normal = np.array([-slope[0], -slope[1], 1.0])
        normal /= np.linalg.norm(normal)
        axis = np.cross(normal, [0.0, 0.0, 1.0])
        size = np.linalg.norm(axis)
        if size < 1e-9:
            break
        turn = Rotation.from_rotvec(axis / size * np.arcsin(min(1.0, size))).as_matrix() @ turn
    return turn


def floor_height(motions: Sequence[np.ndarray], skeleton: Skeleton, fps: float) -> float:
    """The height in metres at which the feet of motions [T,J,3] stand; without a contact, where the lowest foot is at its lowest."""
    points, weights = contact_points(motions, skeleton, fps)
    if len(points):
        order = np.argsort(points[:, 2])
        share = np.cumsum(weights[order]) / weights.sum()
        return float(points[order][np.searchsorted(share, 0.5), 2])
    feet = [skeleton.joints.index(name) for name in skeleton.feet]
    return float(np.percentile(np.concatenate([motion[:, feet, 2].min(1) for motion in motions]), 5))
