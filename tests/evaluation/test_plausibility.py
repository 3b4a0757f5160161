from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.evaluation import plausibility
from rigs import load_skeleton

PARENTS = [-1, 0, 1]


def still(frames: int = 60) -> np.ndarray:
    return np.tile(np.array([[0, 0, 0.9], [0, 0, 0.5], [0, 0, 0.08]]), (frames, 1, 1))


def test_a_rigid_still_figure_is_faultless():
    found = {"bone_variation": plausibility.bone_variation(still(), PARENTS), "wrong_sides": 0.0, **plausibility.measure(still(), [2], 30.0, 0.08)}
    assert found == {name: pytest.approx(0, abs=1e-9) for name in plausibility.MEASURES}


def test_exchanged_sides_are_counted():
    """Half of the frames show a figure whose left and right have changed places."""
    player = load_skeleton("nba16-ball")
    pose = np.zeros((len(player.joints), 3))
    places = {"hip": (0.1, 0, 0.9), "knee": (0.1, -0.05, 0.5), "ankle": (0.1, 0, 0.1), "shoulder": (0.2, 0, 1.4), "neck": (0, 0, 1.45),
              "nose": (0, -0.1, 1.6), "head_top": (0, 0, 1.75)}
    for index, name in enumerate(player.joints):
        part, _, side = player.roles[name].partition(".")
        pose[index] = np.array(places.get(part, (0, 0, 1))) * [{"L": 1, "R": -1, "": 1}[side], 1, 1]
    motion = np.stack([pose, pose, pose[player.mirror_order[: len(pose)]], pose])
    assert plausibility.wrong_sides(motion, player) == 25
    assert plausibility.wrong_sides(motion[:, :5], replace(player, roles={})) == 0


def test_bones_that_stretch():
    positions = still(1000)
    positions[:, 0, 2] += 0.04 * np.sin(np.arange(1000))
    assert plausibility.bone_variation(positions, PARENTS) == pytest.approx(100 * (0.04 / np.sqrt(2) / 0.4) / 2, rel=0.01)


def test_a_foot_under_the_floor():
    positions = still()
    positions[:30, 2, 2] -= 0.02
    assert plausibility.penetration(positions, [2], 0.08) == pytest.approx(1.0)
    assert plausibility.penetration(positions, [2], 0.0) == 0


def test_a_sliding_foot_in_centimetres():
    positions = still()
    positions[:, 2, 1] = np.arange(60) * 0.3 / 30
    assert plausibility.measure(positions, [2], 30.0, 0.08)["skating"] == pytest.approx(30)


def test_jerk_of_a_cubic_path():
    positions = still()
    positions[..., 0] += ((np.arange(60) / 30.0) ** 3)[:, None]
    assert plausibility.jerk(positions, 30.0) == pytest.approx(6.0)
    assert plausibility.jerk(positions[:3], 30.0) == 0


def test_where_recorded_feet_stand():
    low, high = still(), still()
    high[:, 2, 2] = 0.12
    assert plausibility.standing_height([low, high], [2]) == pytest.approx(0.10)


def test_averages():
    assert plausibility.average([{"jerk": 1.0}, {"jerk": 2.0}]) == {"jerk": 1.5}
