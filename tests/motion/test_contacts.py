from __future__ import annotations

import numpy as np
import pytest

from backend.motion.contacts import contact_weights, skating


def feet(heights: list[float], speed: float = 0.0, fps: float = 30.0) -> np.ndarray:
    """One foot [T,1,3] at the given heights, moving along x at `speed` metres a second."""
    positions = np.zeros((len(heights), 1, 3))
    positions[:, 0, 2] = heights
    positions[:, 0, 0] = np.arange(len(heights)) * speed / fps
    return positions


def test_a_foot_carries_while_it_is_low():
    weights = contact_weights(feet([0.08] * 20 + [0.3] * 10), [0])[:, 0]
    assert (weights[:20] == 1).all()
    assert (weights[20:] == 0).all()


def test_skating_is_the_speed_of_standing_feet():
    assert skating(feet([0.08] * 30, speed=0.5), [0], 30.0) == pytest.approx(0.5)
    assert skating(feet([0.08] * 30), [0], 30.0) == 0


def test_a_swinging_foot_does_not_skate():
    positions = feet([0.08] * 15 + [0.4] * 15)
    positions[15:, 0, 0] = np.linspace(0, 2, 15)
    assert skating(positions, [0], 30.0) == 0


def test_one_frame_has_no_speed():
    assert skating(feet([0.1]), [0], 30.0) == 0
