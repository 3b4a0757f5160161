from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.evaluation.retargeting import flips, jerk, joint_error, penetration, turn_speeds, wrong_way_frames


def turning(degrees: np.ndarray) -> np.ndarray:
    """[T,1,3,3] one bone at these angles."""
    return Rotation.from_rotvec(np.radians(degrees)[:, None] * [1.0, 0, 0]).as_matrix()[:, None]


def test_joint_error_is_in_per_cent_of_the_height_for_each_joint():
    wanted = np.zeros((5, 2, 3))
    found = wanted + [[0, 0, 0], [0.03, 0.04, 0]]
    assert joint_error(found, wanted, 2.0) == pytest.approx([0, 2.5])


def test_frames_with_a_joint_bent_the_wrong_way_are_counted_once():
    flexions = np.radians([[10, 5], [-1, 5], [-5, -9], [20, -3]])
    assert wrong_way_frames(flexions) == 2


def test_a_flip_is_a_jump():
    smooth = turning(np.linspace(0, 100, 11))
    jumping = turning(np.where(np.arange(11) < 5, 0.0, 170.0))
    assert turn_speeds(smooth, 30.0) == pytest.approx(np.full((10, 1), 10.0))
    assert (flips(smooth, 30.0), flips(jumping, 30.0)) == (0, 1)
    assert flips(turning(np.arange(5) * 40.0), 60.0) == 4, "speeds count, not frames"


def test_penetration_and_jerk():
    points = np.zeros((8, 1, 3))
    points[3, 0, 2] = -0.02
    assert penetration(points) == pytest.approx(2.0)
    assert penetration(points + [0, 0, 1]) == 0
    time = np.arange(20) / 30
    cubic = np.stack([time**3, 0 * time, 0 * time], axis=-1)[:, None]
    assert jerk(cubic, 30.0) == pytest.approx(6.0)
    assert jerk(cubic[:3], 30.0) == 0
