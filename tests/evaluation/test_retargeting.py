from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.evaluation.retargeting import flips, jerk, joint_error, limb_flips, limb_speeds, penetration, turn_speeds, wrong_way_frames


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


def test_the_joints_of_a_limb_tell_how_fast_its_bones_turn():
    """As the bones turn that pose them: the upper one swings and twists on a carrier that turns too, the lower one bends."""
    time = np.arange(40)[:, None]
    carrier = Rotation.from_rotvec(time * [0.1, 0.2, -0.1])
    upper = Rotation.from_rotvec(time * [0.02, 0.0, 0.05]) * Rotation.from_rotvec(np.sin(time / 5) * [0.0, 0.0, 1.2])
    lower = Rotation.from_rotvec((0.5 + 0.2 * np.sin(time / 3)) * [1.0, 0.0, 0.0])
    top = carrier.apply([0.1, 0.2, 0.3])
    middle = top + (carrier * upper).apply([0.0, 0.0, -0.4])
    end = middle + (carrier * upper * lower).apply([0.0, 0.0, -0.5])
    turns = np.stack([upper.as_matrix(), lower.as_matrix()], axis=1)
    places = carrier.as_matrix(), top, middle, end
    np.testing.assert_allclose(limb_speeds(*places, 60.0), turn_speeds(turns, 60.0), atol=1e-6)
    assert limb_flips(*places, 30.0) == 0
    assert limb_flips(*places, 300.0) == flips(turns, 300.0) > 0
    straight = top, middle, middle + (middle - top) + 1e-3 * np.random.default_rng(0).standard_normal(middle.shape)
    assert limb_speeds(carrier.as_matrix(), *straight, 30.0).max() < 20, "noise of a straight limb is no turn"


def test_penetration_and_jerk():
    points = np.zeros((8, 1, 3))
    points[3, 0, 2] = -0.02
    assert penetration(points) == pytest.approx(2.0)
    assert penetration(points + [0, 0, 1]) == 0
    time = np.arange(20) / 30
    cubic = np.stack([time**3, 0 * time, 0 * time], axis=-1)[:, None]
    assert jerk(cubic, 30.0) == pytest.approx(6.0)
    assert jerk(cubic[:3], 30.0) == 0
