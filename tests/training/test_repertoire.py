from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.motion.bones import bone_lengths
from backend.motion.contacts import skating
from backend.training.domain import Clip
from backend.training.domain_file import DomainFile
from backend.training.repertoire import Repertoire, Widening, legs, standing_heights, vary
from backend.training.widening import distances
from tests.training.animals import FEET, FPS, HOOF, LEGS, SKELETON, gait, standing

ACTS = {"stand": {"clips": ["*__Idle"], "next": {"walk": 1}},
        "walk": {"clips": ["*__Walk"], "stay": [2.0, 4.0], "next": {"stand": 1, "jump": 1}, "opening": 2},
        "jump": {"clips": ["*__Jump"], "speed": "walk", "blend": 0.2, "opening": 0, "next": {"walk": 1}}}


FARM = DomainFile(Path("farm.toml"), "[widening.herd]\n", {})


def clips() -> list[Clip]:
    """One performer that stands, walks and jumps, and another, larger one that only walks."""
    seen, jump = np.ones(17, bool), gait(45, 0.75, 1.5)
    jump[..., 2] += 0.7 * np.sin(np.linspace(0, np.pi, 21)).repeat([1] * 21)[np.clip(np.arange(45) - 12, 0, 20)][:, None]
    return [Clip("farm/Pony__Idle", standing(60), seen, 0, "Pony", 2.0),
            Clip("farm/Pony__Walk", gait(60, 1.0, 1.5, slide=0.8), seen, 0, "Pony", 1.0, 1.5),
            Clip("farm/Pony__Jump", jump, seen, 0, "Pony"), Clip("farm/Ox__Walk", 1.2 * gait(60, 1.0, 1.5), seen, 0, "Ox", 1.0, 1.8)]


def widening(**settings) -> Widening:
    return Widening.parse({"acts": ACTS, "plant": True, **settings}, "herd", FARM)


def test_the_animals_of_the_tests_have_these_legs():
    assert legs(SKELETON) == LEGS
    assert np.allclose(standing_heights([standing(10), standing(10) + [0, 0, 0.4], standing(10)], LEGS), HOOF)


def test_a_walk_goes_at_the_speed_its_feet_claim():
    repertoire = Repertoire(clips()[3:], widening(), SKELETON, FPS)
    motion = repertoire.motion(121, np.random.default_rng(0))
    assert np.allclose(motion[-1, 0, :2] - motion[0, 0, :2], [0, -1.8 * 4], atol=0.02)
    assert skating(motion, FEET, FPS) < 0.02
    assert motion[:, FEET, 2].min() > 1.2 * HOOF - 2e-3


@pytest.mark.parametrize("seed", range(6))
def test_performances_stay_on_the_floor_and_with_their_performer(seed: int):
    repertoire = Repertoire(clips(), widening(curvature=0.2), SKELETON, FPS)
    motion = repertoire.motion(180, np.random.default_rng(seed))
    assert motion.shape == (180, 17, 3)
    assert skating(motion, FEET, FPS) < 0.12
    assert np.linalg.norm(np.diff(motion, 2, axis=0), axis=-1).max() < 0.2
    trunk = np.linalg.norm(motion[:, 1] - motion[:, 0], axis=1)
    assert np.ptp(trunk) < 0.1
    assert min(abs(np.median(trunk) - 1.5), abs(np.median(trunk) - 1.8)) < 0.05
    assert np.array_equal(motion, repertoire.motion(180, np.random.default_rng(seed)))


def test_a_jump_of_any_pace_and_size_falls_freely():
    acts = {**ACTS, "walk": {**ACTS["walk"], "stay": [0.5, 0.6], "next": {"jump": 1}}}
    repertoire = Repertoire(clips()[:3], widening(rate=[0.8, 1.3], size=[0.8, 1.2], acts=acts), SKELETON, FPS)
    falls = []
    for seed in range(8):
        motion = repertoire.motion(150, np.random.default_rng(seed))
        high = motion[:, FEET, 2].min(1) > 0.2
        for start in np.flatnonzero(high[1:] & ~high[:-1]):
            flight = slice(start + 1, start + 1 + int(np.argmin(np.append(high[start + 1 :], False))))
            falls += list(np.diff(motion[flight].mean(1), 2, axis=0)[:, 2] * FPS**2)
    assert len(falls) > 20
    assert np.allclose(falls, -9.81, atol=0.5)  # planting moves a knee


def test_size_keeps_proportions_and_slows_down():
    motion = gait(90, 1.0, 1.5)
    large = vary(motion, Widening(size=[1.21, 1.21]), SKELETON, FPS, np.random.default_rng(0))
    assert len(large) == pytest.approx(99, abs=1)
    ratio = bone_lengths(large, list(SKELETON.parents)).mean(0) / bone_lengths(motion, list(SKELETON.parents)).mean(0)
    assert np.allclose(ratio, 1.21, rtol=5e-3)
    built = vary(motion, Widening(build=0.1), SKELETON, FPS, np.random.default_rng(0))
    assert np.allclose(built[..., 0] / built[..., 0].max(), motion[..., 0] / motion[..., 0].max())
    assert not np.allclose(built[0, 0, 2] / built[0, 0, 1], motion[0, 0, 2] / motion[0, 0, 1], rtol=1e-3)
    assert np.allclose(vary(motion, Widening(), SKELETON, FPS, np.random.default_rng(0)), motion)


def test_a_recorded_walk_is_laid_along_a_curve():
    motion = gait(120, 1.0, 1.5)
    motion[..., 1] -= distances(np.full(120, 1.5), FPS)[:, None]
    motion = motion[..., [1, 0, 2]] * [-1, 1, 1]  # it goes along +X
    turned = []
    for seed in range(6):
        curved = vary(motion, Widening(curvature=0.3, plant=True), SKELETON, FPS, np.random.default_rng(seed))
        assert skating(curved, FEET, FPS) < 0.05
        way = np.gradient(curved[:, 0, :2], axis=0)
        turned.append(np.unwrap(np.arctan2(way[:, 1], way[:, 0]))[[0, -1]])
    assert np.ptp(np.diff(turned, axis=1)) > 0.5
    stays = standing(60)
    assert np.allclose(vary(stays, Widening(curvature=0.3), SKELETON, FPS, np.random.default_rng(0)), stays)


@pytest.mark.parametrize(("table", "said"), [
    ({"speed": 2}, "entry 'speed'"),
    ({"rate": 1.0}, "'rate' of .widening.herd. is 1.0"),
    ({"size": [1.2, 0.8]}, "'size'"),
    ({"build": -1}, "'build'"),
    ({"plant": "yes"}, "'plant'"),
    ({"acts": {"walk": {}}}, "'clips' of .widening.herd.acts.walk. is missing"),
    ({"acts": {"walk": {"clips": "*"}}}, "'clips' of .widening.herd.acts.walk."),
    ({"acts": {"walk": {"clips": ["*"], "next": {"fly": 1}}}}, "names the act 'fly'"),
    ({"acts": {"walk": {"clips": ["*"], "speed": "gallop"}}}, "names the act 'gallop'"),
    ({"acts": {"walk": {"clips": ["*"], "next": ["walk"]}}}, "'next'"),
    ({"acts": {"walk": {"clips": ["*"], "blend": 0}}}, "'blend'"),
])
def test_mistakes_in_a_widening_are_named(table: dict, said: str):
    with pytest.raises(KineliftError, match=said) as caught:
        Widening.parse(table, "herd", FARM)
    assert caught.value.place == "farm.toml, line 1"
    assert caught.value.remedy


def test_clips_that_no_act_can_open_with_are_named():
    with pytest.raises(KineliftError, match="can come first") as caught:
        Repertoire(clips()[2:3], widening(), SKELETON, FPS)
    assert caught.value.place == "farm/Pony__Jump"


def test_a_single_frame_is_left_alone():
    still = standing(1)
    assert np.allclose(vary(still, Widening(plant=True, curvature=0.1), SKELETON, FPS, np.random.default_rng(0)), still)
    alone = Repertoire([*clips()[3:], Clip("farm/Ox__Idle", still, np.ones(17, bool), 0, "Ox")], widening(), SKELETON, FPS)
    assert len(alone.motion(60, np.random.default_rng(0))) == 60
