from __future__ import annotations

import numpy as np
import pytest

from backend.motion.bones import bone_lengths
from backend.training.acts import Act, crossfade, perform
from tests.training.animals import FEET, FPS, SKELETON, gait, standing

REST = {"stay": (0.5, 1.0), "blend": 0.5}


def walk(after: dict | None = None, period: float = 1.0, speed: float = 1.5, repeated: int = 60) -> Act:
    return Act.of(gait(repeated, period, speed), FPS, period, speed=speed, after=after or {}, **REST)


@pytest.mark.parametrize("period", [1.0, 0.77, 1.9])
def test_a_cycle_goes_on_without_a_seam(period: float):
    act = walk(period=period, speed=0.8)
    assert act.is_gait
    assert np.allclose(act.at(np.array([0.1])), act.at(np.array([0.1 + 3 * act.seconds])))
    fine = act.at(np.arange(0, 2 * period, 1 / 120))
    turns = np.linalg.norm(np.diff(fine, 2, axis=0), axis=-1).max(1)
    seam = round(120 * act.seconds)
    assert turns[seam - 5 : seam + 5].max() < 1.5 * turns[: seam - 5].max()
    within = act.at(np.arange(20) / FPS)
    assert np.allclose(within, gait(60, period, 0.8)[:20], atol=1e-6)


def test_a_first_key_that_is_held_for_a_frame_is_dropped():
    cycle = gait(30, 1.0, 1.5)
    held = np.concatenate([cycle[:1], cycle, cycle[:1], cycle])  # 31 frames, repeated
    act = Act.of(held, FPS, 31 / FPS, speed=1.5, after={}, **REST)
    assert act.seconds == pytest.approx(1.0)
    assert np.allclose(act.at(np.arange(60) / FPS), gait(60, 1.0, 1.5), atol=1e-6)


def test_a_clip_stands_at_its_end():
    act = Act.of(gait(31, 1.0, 1.5), FPS, 0.0, speed=0.0, after={}, **REST)
    assert not act.cyclic
    assert act.seconds == pytest.approx(1.0)
    assert np.allclose(act.at(np.array([1.0, 5.0])), gait(31, 1.0, 1.5)[-1])


def test_bones_keep_their_length_while_they_turn():
    before, after = standing(11), standing(11)
    after[:, FEET[0]] = after[:, SKELETON.parents[FEET[0]]] + [0, 0.57, 0]
    mixed = crossfade(before, after, np.linspace(0, 1, 11), SKELETON.parents)
    assert np.allclose(mixed[0], before[0])
    assert np.allclose(mixed[-1], after[-1])
    lengths = bone_lengths(mixed, list(SKELETON.parents))
    ends = bone_lengths(np.stack([before[0], after[0]]), list(SKELETON.parents))
    assert (lengths > ends.min(0) - 1e-9).all()


def test_gaits_blend_without_a_jump_in_velocity():
    """Walk to trot and back: nothing accelerates more than it does within the gaits."""
    acts = {"walk": [walk({"trot": 1})], "trot": [walk({"walk": 1}, period=0.7, speed=3.0)]}
    motion, speed = perform(acts, {"walk": 1}, SKELETON.parents, 240, 1 / FPS, np.random.default_rng(0))
    assert motion.shape == (240, 17, 3)
    assert (speed.min(), speed.max()) == (1.5, 3.0)
    assert ((speed > 1.6) & (speed < 2.9)).any()
    usual = np.linalg.norm(np.diff(gait(60, 0.7, 3.0), 2, axis=0), axis=-1).max()
    assert np.linalg.norm(np.diff(motion, 2, axis=0), axis=-1).max() < 1.3 * usual
    # In step: the hooves that swing together in both gaits do so in between, too.
    high = motion[:, FEET, 2] > 0.08
    assert (high[:, 0] == high[:, 3]).mean() > 0.97
    assert (high[:, 0] & high[:, 1]).mean() < 0.05


def test_standing_turns_into_walking_and_a_clip_into_standing():
    stand = Act.of(standing(60), FPS, 2.0, speed=0.0, after={"walk": 1}, **REST)
    nod = standing(40)
    nod[:, SKELETON.joints.index("Nose"), 2] -= 0.3 * np.sin(np.linspace(0, np.pi, 40))
    nodding = Act.of(nod, FPS, 0.0, speed=0.0, after={"stand": 1}, **REST)
    acts = {"stand": [stand], "walk": [walk({"nod": 1})], "nod": [nodding]}
    motion, speed = perform(acts, {"stand": 1}, SKELETON.parents, 240, 1 / FPS, np.random.default_rng(0))
    assert speed[0] == 0
    assert speed.max() == 1.5
    assert np.linalg.norm(np.diff(motion, axis=0), axis=-1).max() < 0.25


def test_without_a_successor_it_ends_or_goes_on():
    rng = np.random.default_rng(0)
    clip = Act.of(standing(31), FPS, 0.0, speed=0.0, after={}, **REST)
    ended, _ = perform({"clip": [clip]}, {"clip": 1}, SKELETON.parents, 90, 1 / FPS, rng)
    assert len(ended) == 31
    cycled, _ = perform({"walk": [walk({"missing": 1})]}, {"walk": 1, "missing": 1}, SKELETON.parents, 90, 1 / FPS, rng)
    assert len(cycled) == 90


def test_a_performance_is_reproducible():
    acts = {"walk": [walk({"trot": 1})], "trot": [walk({"walk": 1}, period=0.7, speed=3.0)]}
    first, again, other = (perform(acts, {"walk": 1, "trot": 1}, SKELETON.parents, 90, 1 / FPS, np.random.default_rng(seed))[0]
                           for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
