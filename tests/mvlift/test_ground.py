from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backend.mvlift.ground import contact_points, floor_height, level
from tests.motions import ANKLE_HEIGHT, SHIN, THIGH, walk_with_ball
from tests.mvlift.lifting import SKELETON
from tests.properties import patient


def walk(seconds: float = 4.0) -> np.ndarray:
    return walk_with_ball(seconds)["positions"].astype(np.float64)


@patient
@given(st.floats(-0.08, 0.08), st.floats(-0.08, 0.08), st.floats(-3, 3))
def test_a_tilted_walk_is_made_level(forth: float, aside: float, far: float):
    """Along the way feet tell the tilt well, across it by the width of the stance only."""
    tilted = (walk() + [0, far, 0]) @ Rotation.from_euler("xy", [forth, aside]).as_matrix().T
    upright = tilted @ level([tilted], SKELETON, 30.0).T
    standing = np.concatenate([upright[[frame], foot] for foot, first in ((3, 5), (6, 20)) for frame in range(first, 120, 30)])  # in mid-stance
    along = np.polyfit(standing[:, 1], standing[:, 2], 1)[0]
    assert abs(along) < 0.012


def test_several_motions_tell_more_than_one():
    turn = Rotation.from_euler("xy", [0.05, -0.05]).as_matrix()
    across = walk() @ Rotation.from_euler("z", 90, degrees=True).as_matrix().T
    alone, both = (level([motion @ turn.T for motion in motions], SKELETON, 30.0) for motions in ([walk()], [walk(), across]))
    off = [np.arccos(np.clip((found @ turn)[2, 2], -1, 1)) for found in (alone, both)]
    assert off[1] < 0.01
    assert off[1] < off[0]


def test_a_level_walk_and_one_without_contacts_stay():
    assert np.allclose(level([walk()], SKELETON, 30.0), np.eye(3), atol=3e-3)
    flying = walk() + np.arange(120)[:, None, None] * [0, 0.2, 0.1]
    assert np.array_equal(level([flying], SKELETON, 30.0), np.eye(3))


@pytest.mark.parametrize("small", [0.9, 0.2])
def test_what_is_small_is_as_level_as_a_person(small: float):
    """A person and a cat, who walks as a person does, only smaller and sooner: the floor is as level, and feet of the cat that step stand nowhere."""
    turn, hurry = Rotation.from_euler("xy", [0.05, -0.05]).as_matrix(), 1 / np.sqrt(small)
    shorter = walk() * 0.75 / (THIGH + SHIN)  # legs of 0.75 m
    usual = level([shorter @ turn.T], SKELETON, 30.0)
    assert np.allclose(level([small * shorter @ turn.T], SKELETON, 30.0 * hurry), usual, atol=1e-9)
    points, seconds = contact_points([shorter], SKELETON, 30.0)
    again, as_long = contact_points([small * shorter], SKELETON, 30.0 * hurry)
    assert len(points) >= 6
    assert np.allclose(again, small * points)
    assert np.allclose(as_long, seconds)
    assert floor_height([small * shorter], SKELETON, 30.0 * hurry) == pytest.approx(small * floor_height([shorter], SKELETON, 30.0))


def test_the_floor_is_where_feet_stand():
    assert floor_height([walk() + [0, 0, 1.5]], SKELETON, 30.0) == pytest.approx(1.5 + ANKLE_HEIGHT, abs=0.005)
    flying = walk() + np.arange(120)[:, None, None] * [0, 0.2, 0]
    assert floor_height([flying], SKELETON, 30.0) == pytest.approx(ANKLE_HEIGHT, abs=0.03)
