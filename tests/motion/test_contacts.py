from __future__ import annotations

import numpy as np
import pytest

from backend.motion.contacts import contact_weights, find_contacts, skating, slide_speed, spells


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


def test_a_contact_is_low_and_slow():
    assert find_contacts(feet([0.08] * 30), 30.0).all()
    assert not find_contacts(feet([0.08] * 30, speed=1.0), 30.0).any()
    step = feet([0.08] * 15 + [0.3] * 10 + [0.08] * 15)
    assert spells(find_contacts(step, 30.0)[:, 0]) == [(0, 14), (26, 40)]


def test_a_contact_outlasts_a_tremor_and_is_not_made_by_a_rest_in_the_air():
    tremor = feet([0.08] * 30)
    tremor[14:, 0, 0] += 0.02  # 0.6 metres a second from frame to frame
    assert find_contacts(tremor, 30.0).all()
    time = np.arange(30) / 30
    thrown = feet(list(0.08 + np.maximum(0, 3 * time - 4.9 * time**2)))
    assert not find_contacts(thrown, 30.0)[2:18].any()


def test_a_sinking_floor_is_a_floor():
    assert find_contacts(feet(list(np.linspace(0.12, 0.04, 90))), 30.0, lands=0.06).all()


def test_one_frame_is_no_contact():
    assert not find_contacts(feet([0.08]), 30.0).any()


def test_spells_are_first_frames_and_ends():
    assert spells(np.array([True, False, True, True])) == [(0, 1), (2, 4)]
    assert spells(np.zeros(3, bool)) == []
def test_only_standing_feet_slide():
    feet = np.zeros((6, 2, 3))
    feet[:, 0, 0] = 0.01 * np.arange(6)
    feet[:, 1, 1] = 1.0 * np.arange(6)
    contacts = np.array([[True, False]] * 6)
    assert slide_speed(feet, contacts, 30.0) == pytest.approx(0.3)
    assert slide_speed(feet, np.zeros_like(contacts), 30.0) == 0
