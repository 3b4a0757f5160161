"""Mending: what detectors do wrong is undone, and what people do is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.poses.joint_sets import joint_set, to_skeleton
from backend.poses.mending import FILLED, mend, runs
from rigs import load_skeleton
from tests.poses.people import horse, joints, person
from tests.properties import patient

SKELETON = load_skeleton("openpose18")


def walker(frames: int = 90, turn: float = 0.1, name: str = "openpose18") -> tuple[np.ndarray, np.ndarray]:
    set_name = "ap10k" if name == "ap10k" else "coco17"
    array = joints(horse(frames) if name == "ap10k" else person(frames, turn=turn, speed=4), set_name)
    return to_skeleton(array[..., :2], array[..., 2], list(joint_set(set_name).joints), load_skeleton(name))


def columns(*names: str) -> list[int]:
    return [SKELETON.joints.index(name) for name in names]


LEGS = (columns("LeftHip", "LeftKnee", "LeftAnkle"), columns("RightHip", "RightKnee", "RightAnkle"))
ARMS = (columns("LeftShoulder", "LeftElbow", "LeftWrist"), columns("RightShoulder", "RightElbow", "RightWrist"))


def swap(array: np.ndarray, rows: slice, limbs: tuple[list[int], list[int]]) -> None:
    for row in range(*rows.indices(len(array))):
        array[row, limbs[0] + limbs[1]] = array[row, limbs[1] + limbs[0]]


@pytest.mark.parametrize("fps", [25, 30, 60])
@pytest.mark.parametrize("turn", [0.0, 0.4, 1.2, 2.5])
def test_a_walk_whose_legs_cross_is_left_alone(turn: float, fps: float):
    places, sure = walker(turn=turn)
    mended, confidences, notes = mend(places, sure, SKELETON, fps)
    assert np.array_equal(mended, places)
    assert np.array_equal(confidences, sure)
    assert notes == []


def test_an_animals_trot_is_left_alone():
    places, sure = walker(name="ap10k")
    mended, _, notes = mend(places, sure, load_skeleton("ap10k"), 30)
    assert np.array_equal(mended, places)
    assert notes == []


@pytest.mark.parametrize("limbs", [LEGS, ARMS])
@pytest.mark.parametrize("rows", [slice(0, 5), slice(20, 21), slice(40, 48), slice(85, 90)])
def test_swapped_sides_are_swapped_back(limbs: tuple[list[int], list[int]], rows: slice):
    places, sure = walker(turn=1.0)
    rng = np.random.default_rng(2)
    sure = np.where(sure > 0, rng.uniform(0.4, 1, sure.shape), 0)
    noisy = places + rng.normal(0, 1.5, places.shape)
    shown, confidences = noisy.copy(), sure.copy()
    swap(shown, rows, limbs)
    swap(confidences, rows, limbs)
    assert not np.array_equal(shown, noisy)
    mended, mended_sure, notes = mend(shown, confidences, SKELETON, 30)
    assert np.array_equal(mended, noisy)
    assert np.array_equal(mended_sure, sure)
    frames = len(range(*rows.indices(90)))
    assert notes == [f"in {frames} frames swapped sides were swapped back"]


def test_legs_that_pass_each_other_between_two_frames_go_on():
    places, sure = walker(20, turn=1.0)
    places[:] = places[:1]
    away = 40 * (np.arange(20) - 9.5)[:, None]
    places[:, LEGS[0], 0], places[:, LEGS[1], 0] = 900 + away, 900 - away
    assert np.array_equal(mend(places, sure, SKELETON, 30)[0], places)


def test_a_change_belongs_to_one_swap():
    places, sure = walker(turn=1.0)
    shown = places.copy()
    swap(shown, slice(0, 40), LEGS)
    assert np.array_equal(mend(shown, sure, SKELETON, 120)[0], places)


def test_sides_that_stay_changed_are_left():
    places, sure = walker(turn=1.0)
    shown = places.copy()
    swap(shown, slice(45, 90), LEGS)
    assert np.array_equal(mend(shown, sure, SKELETON, 30)[0], shown)


@pytest.mark.parametrize("length", [1, 2])
def test_jumps_become_filled_gaps(length: int):
    places, sure = walker()
    shown, wrist = places.copy(), columns("RightWrist")[0]
    shown[30 : 30 + length, wrist] += [250, -200]
    mended, confidences, notes = mend(shown, sure, SKELETON, 30)
    assert np.abs(mended - places).max() < 15
    assert np.allclose(confidences[30 : 30 + length, wrist], FILLED * 0.9)
    confidences[30 : 30 + length, wrist] = 0.9
    assert np.array_equal(confidences, sure)
    assert notes == [f"{length} joints that jump lost their confidence", f"{length} joints in short gaps were filled"]


def test_short_gaps_are_filled_and_long_ones_left():
    places, sure = walker()
    knee, ankle = columns("LeftKnee", "LeftAnkle")
    shown, confidences = places.copy(), sure.copy()
    for joint, rows in ((knee, slice(20, 26)), (ankle, slice(40, 60)), (knee, slice(0, 3)), (knee, slice(88, 90))):
        shown[rows, joint], confidences[rows, joint] = 0, 0
    mended, after, notes = mend(shown, confidences, SKELETON, 30)
    assert np.abs(mended[20:26, knee] - places[20:26, knee]).max() < 20
    assert np.allclose(after[20:26, knee], FILLED * 0.9)
    assert not after[40:60, ankle].any()
    assert not after[:3, knee].any()
    assert not after[88:, knee].any()
    assert notes == ["6 joints in short gaps were filled"]


def test_nobody_and_one_frame_are_left():
    for frames in (1, 4):
        places, sure = np.zeros((frames, 18, 2)), np.zeros((frames, 18))
        assert mend(places, sure, SKELETON, 30)[2] == []
    places, sure = walker(1)
    assert np.array_equal(mend(places, sure, SKELETON, 30)[0], places)


@patient
@given(st.integers(0, 2**32 - 1), st.floats(1, 240))
def test_whatever_comes_stays_finite_and_mends_once(seed: int, fps: float):
    rng = np.random.default_rng(seed)
    frames = int(rng.integers(1, 60))
    places = np.cumsum(rng.normal(0, rng.uniform(1, 80), (frames, 18, 2)), axis=0) + rng.uniform(0, 800, (1, 18, 2))
    sure = rng.uniform(0, 1, (frames, 18)) * (rng.random((frames, 18)) < rng.uniform(0, 1))
    places = np.where(sure[..., None] > 0, places, 0)
    before, before_sure = places.copy(), sure.copy()
    mended, confidences, _ = mend(places, sure, SKELETON, fps)
    assert np.array_equal(places, before)
    assert np.array_equal(sure, before_sure)
    assert np.isfinite(mended).all()
    assert ((confidences >= 0) & (confidences <= 1)).all()
    assert (mended[confidences == 0] == 0).all()


def test_runs():
    assert list(runs(np.array([1, 1, 0, 1, 0], bool))) == [(0, 2), (3, 4)]
    assert list(runs(np.zeros(3, bool))) == []
