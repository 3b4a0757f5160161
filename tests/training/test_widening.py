from __future__ import annotations

import numpy as np
import pytest

from backend.motion.bones import bone_lengths
from backend.motion.contacts import skating, spells
from backend.motion.planting import size_of
from backend.training.widening import (
    GRAVITY,
    MOST_STRETCH,
    at_rate,
    ballistic,
    bend,
    distances,
    facing_ahead,
    flights,
    lean,
    low,
    plant_drawn,
    random_curve,
    reach,
    stances,
)
from tests.training.animals import FEET, FPS, HOOF, LEGS, SKELETON, STANDING, gait, standing


def sent(motion: np.ndarray, speed: float) -> np.ndarray:
    """A motion in place that goes along -Y at a constant speed."""
    gone = distances(np.full(len(motion), speed), FPS)
    return motion - gone[:, None, None] * [0, 1, 0]


def test_a_rate_plays_faster_through_the_same_poses():
    motion = gait(61, 1.0, 1.5)
    assert len(at_rate(motion, 2.0)) == 31
    assert np.allclose(at_rate(motion, 2.0), motion[::2])
    assert len(at_rate(motion, 0.8)) == 76
    assert np.allclose(at_rate(motion, 1.0), motion)
    assert at_rate(motion[:1], 1.3).shape == (1, 17, 3)


def test_a_path_is_as_long_as_the_speed_says():
    assert np.allclose(distances(np.full(31, 1.5), 30), np.arange(31) / 20)
    assert distances(np.linspace(0, 4, 31), 30)[-1] == pytest.approx(2.0)


def test_a_recording_is_turned_to_go_ahead():
    motion = sent(standing(30), 1.0)
    turn = np.radians(130)
    turned = motion @ np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]]) + [3, 4, 0]
    middle = motion[0].mean(0) * [1, 1, 0]
    assert np.allclose(facing_ahead(turned), motion - middle)


@pytest.mark.parametrize("slide", [0.0, 1.5])
def test_stances_are_what_is_drawn_on_the_floor(slide: float):
    motion = sent(gait(90, 1.0, 1.5, slide), 1.5)
    carrying = stances(motion, LEGS, STANDING, FPS)
    on_floor = np.abs(motion[:, FEET, 2] - HOOF) < 1e-6
    assert (carrying == on_floor).mean() > 0.95
    assert [len(spells(column)) for column in carrying.T] == [len(spells(column)) for column in on_floor.T]


def test_small_animals_take_small_steps():
    """A cat is a small horse that hurries: its paws lift by three centimetres only, and are as slow to go as they are low."""
    small = 0.2
    horse = sent(gait(90, 1.0, 1.5), 1.5)
    cat, fps = horse * small, FPS / np.sqrt(small)
    assert size_of(horse, LEGS) == 1
    assert size_of(cat, LEGS) == pytest.approx(small * 1.28 / 0.8, rel=0.01)
    on_floor = np.abs(horse[:, FEET, 2] - HOOF) < 1e-6
    assert (stances(cat, LEGS, STANDING * small, fps) == on_floor).mean() > 0.92
    planted = plant_drawn(cat, LEGS, STANDING * small, stances(cat, LEGS, STANDING * small, fps))
    assert planted[:, FEET, 2].max() < cat[:, FEET, 2].max() + 1e-6


def test_a_foot_that_swings_low_is_no_jump():
    motion = sent(standing(60), 1.0)
    motion[20:40, :, 2] += 0.2
    assert len(flights(low(motion, LEGS, STANDING), FPS)) == 1
    motion[30:32, FEET[0], 2] -= 0.19
    assert len(flights(low(motion, LEGS, STANDING), FPS)) == 2


def test_a_low_foot_that_swings_does_not_stand():
    motion = sent(gait(90, 1.0, 1.5, lift=0.01), 1.5)
    carrying = stances(motion, LEGS, STANDING, FPS)
    assert 0.45 < carrying.mean() < 0.65


@pytest.mark.parametrize("speed", [1.5, 1.2])
def test_planted_hooves_stand_still_on_the_floor(speed: float):
    motion = sent(gait(120, 1.0, 1.5, slide=1.0), speed)
    motion[..., 2] += 0.02 * np.sin(np.arange(120) / 9)[:, None]  # and the drawing floats and sinks
    carrying = stances(motion, LEGS, STANDING, FPS)
    planted = plant_drawn(motion, LEGS, STANDING, carrying)
    assert skating(motion, FEET, FPS) > 0.15
    assert skating(planted, FEET, FPS) < 0.02
    assert np.allclose(planted[:, FEET, 2][carrying], HOOF, atol=2e-3)
    assert planted[:, FEET, 2].min() > HOOF - 2e-3
    lengths, before = bone_lengths(planted, list(SKELETON.parents)), bone_lengths(motion, list(SKELETON.parents))
    assert (np.abs(lengths / before - 1) < MOST_STRETCH - 1 + 1e-6).all()
    rest = [joint for joint in range(17) if joint not in [j for leg in LEGS for j in leg[1:]]]
    assert np.array_equal(planted[:, rest], motion[:, rest])
    assert np.linalg.norm(np.diff(planted, 2, axis=0), axis=-1).max() < 0.13  # a hoof that was drawn sliding stops when it lands


def test_a_step_that_was_drawn_along_the_floor_is_lifted():
    motion = standing(60)
    motion[:, FEET[0], 1] += 0.3 * np.clip((np.arange(60) - 25) / 8, 0, 1)
    carrying = np.ones((60, 4), bool)
    carrying[26:33, 0] = False
    planted = plant_drawn(motion, LEGS, STANDING, carrying)
    assert planted[28:31, FEET[0], 2].min() > HOOF + 0.03
    assert np.allclose(planted[[25, 33], FEET[0], 2], HOOF)


def test_feet_that_never_stand_are_left_alone():
    motion = standing(20) + [0, 0, 1.0]
    assert np.allclose(plant_drawn(motion, LEGS, STANDING, np.zeros((20, 4), bool)), motion, atol=1e-6)


def test_a_leg_reaches_with_its_own_bones():
    hip, knee, foot = (np.repeat([point], 30, 0) for point in ([0.0, 0, 1.2], [0.0, -0.25, 0.65], [0.0, 0, 0.05]))
    target = foot + np.random.default_rng(0).normal(0, 0.05, foot.shape)
    new_knee, new_foot = reach(hip, knee, foot, target)
    assert np.allclose(new_foot, target)
    assert np.allclose(np.linalg.norm(new_knee - hip, axis=1), np.linalg.norm(knee - hip, axis=1), rtol=2e-3)
    assert (new_knee[:, 1] < -0.15).all()  # bent to where it was bent


def test_a_straight_leg_stretches_rather_than_jumps_out():
    hip, foot = np.repeat([[0.0, 0, 1.2]], 30, 0), np.repeat([[0.0, 0, 0.05]], 30, 0)
    knee = (hip + foot) / 2 + [0, -0.01, 0]
    new_knee = reach(hip, knee, foot, foot + [0, 0, 0.005])[0]
    assert np.abs(new_knee - knee).max() < 0.02
    far_knee, far_foot = reach(hip, knee, foot, foot - [0, 0, 1.0])
    assert np.linalg.norm(far_foot - hip, axis=1) == pytest.approx(1.15 * MOST_STRETCH, rel=0.01)
    assert np.isfinite(far_knee).all()


def test_a_jump_falls_freely():
    frames = 40
    motion = standing(frames)
    motion[10:31, :, 2] += 0.8 * np.sin(np.linspace(0, np.pi, 21))[:, None] ** 0.5
    motion[:, :, 1] -= np.linspace(0, 5, frames)[:, None] + 0.2 * np.sin(np.arange(frames) / 4)[:, None]
    carrying = np.ones((frames, 4), bool)
    carrying[11:30] = False
    carrying[36] = False  # a gait's short time off the floor
    found = flights(carrying, FPS)
    assert found == [(10, 30)]
    fallen = ballistic(motion, found, FPS)
    middle = fallen.mean(1)
    falling = np.diff(middle[10:31], 2, axis=0) * FPS**2
    assert np.allclose(falling, [0, 0, -GRAVITY], atol=1e-6)
    assert np.array_equal(fallen[:10], motion[:10])
    assert np.allclose(fallen[[10, 30]], motion[[10, 30]])
    assert np.allclose(fallen - fallen[:, :1], motion - motion[:, :1])
    assert flights(np.zeros((20, 4), bool), FPS) == []  # never on the floor


def test_a_bent_line_is_a_circle_of_the_radius_asked_for():
    places = np.arange(-3, 12, 0.05)
    line = np.zeros((100, 1, 3))
    line[:, 0, 1] = -np.linspace(0, 9, 100)
    bent = bend(line, places, np.full(len(places), 0.2))[:, 0]
    assert np.allclose(np.linalg.norm(bent - [5, 0, 0], axis=1), 5, atol=1e-3)  # +X is its left
    assert np.linalg.norm(np.diff(bent, axis=0), axis=1).sum() == pytest.approx(9, rel=1e-3)
    assert np.allclose(bend(line, places, np.zeros(len(places))), line)
    mirrored = bend(line * [-1, 1, 1], places, np.full(len(places), -0.2))
    assert np.allclose(mirrored[:, 0], bent * [-1, 1, 1])


def test_hooves_planted_on_a_straight_path_stay_planted_on_a_curved_one():
    motion = sent(gait(120, 1.0, 1.5), 1.5)
    motion = plant_drawn(motion, LEGS, STANDING, stances(motion, LEGS, STANDING, FPS))
    gone = distances(np.full(120, 1.5), FPS)
    places, curvature = random_curve(gone, np.full(120, 1.5), 0.3, 2.5, np.random.default_rng(3))
    curved = bend(lean(motion, 1.5**2 * np.interp(gone, places, curvature), HOOF), places, curvature)
    assert skating(curved, FEET, FPS) < 0.02
    assert np.array_equal(curved[..., 2], motion[..., 2])
    lengths, before = bone_lengths(curved, list(SKELETON.parents)), bone_lengths(motion, list(SKELETON.parents))
    assert np.abs(lengths / before - 1).max() < 0.15
    # It faces where it goes.
    ahead = (curved[:, SKELETON.joints.index("Neck")] - curved[:, SKELETON.joints.index("Tail")])[:, :2]
    way = np.gradient(curved[:, 0, :2], axis=0)
    assert ((ahead * way).sum(1) / np.linalg.norm(ahead, axis=1) / np.linalg.norm(way, axis=1)).min() > 0.95


def test_curves_are_no_sharper_than_asked_and_wider_at_speed():
    gone, speed = np.linspace(0, 30, 180), np.linspace(1, 8, 180)
    sharpest = []
    for seed in range(20):
        places, curvature = random_curve(gone, speed, 0.2, 2.5, np.random.default_rng(seed))
        assert places[0] <= -3
        assert places[-1] >= 32
        assert np.abs(curvature).max() < 0.2 + 1e-9
        sideways = np.interp(gone, places, curvature) * speed**2
        assert np.abs(sideways).max() < 2.7
        sharpest.append(curvature[np.abs(curvature).argmax()])
    assert max(sharpest) > 0.1
    assert min(sharpest) < -0.1
    again = random_curve(gone, speed, 0.2, 2.5, np.random.default_rng(19))[1]
    assert np.array_equal(again, curvature)


def test_the_body_leans_into_the_curve():
    motion = standing(10)
    leaned = lean(motion, np.full(10, GRAVITY / 10), HOOF)
    assert np.array_equal(leaned[:, FEET], motion[:, FEET])
    assert np.allclose(leaned[:, 0, 0], (1.45 - HOOF) / 10)
    assert np.array_equal(leaned[..., 1:], motion[..., 1:])
