"""The metrics: known errors give known numbers, and what they ignore they ignore."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backend.evaluation.lifting import metrics
from backend.mvlift.windows import hips_of
from rigs import load_skeleton
from tests.properties import patient

HIPS, FRAMES, JOINTS = [1, 2], 20, 6
seeds, sizes = st.integers(0, 2**31), st.floats(0.2, 5.0)
shifts = st.tuples(*[st.floats(-3, 3)] * 3).map(np.array)
turns = st.integers(0, 2**31).map(lambda seed: Rotation.random(rng=np.random.default_rng(seed)).as_matrix())


def motion(seed: int, dimensions: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((FRAMES, JOINTS, dimensions)) + np.cumsum(0.1 * rng.standard_normal((FRAMES, 1, dimensions)), 0)


def everything(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    return {name: getattr(metrics, name)(found, true, HIPS) for name in
            ("root_error", "root_error_official", "global_error", "joint_error", "aligned_joint_error")}


@patient
@given(seeds)
def test_nothing_is_wrong_with_the_truth(seed: int):
    true, flat = motion(seed), motion(seed, 2)
    assert max(everything(true, true).values()) < 1e-6
    assert metrics.picture_error(flat, flat, HIPS) == 0
    assert metrics.centred_picture_error(flat, flat, HIPS) < 1e-9
    assert metrics.object_root_error(true, true, np.full(true.shape[1], 1 / true.shape[1])) == metrics.object_error(true, true) == 0


def test_a_shift_after_the_first_frame_is_the_papers_example():
    """An offset of (100, 100, 100) mm in all of 120 frames but the first reports 99.2, and is 171.8."""
    true = np.zeros((120, JOINTS, 3))
    found = true.copy()
    found[1:] += 0.1
    assert metrics.root_error_official(found, true, HIPS) == pytest.approx(99.17, abs=0.01)
    assert metrics.root_error(found, true, HIPS) == pytest.approx(171.76, abs=0.01)
    assert metrics.global_error(found, true, HIPS) == pytest.approx(171.76, abs=0.01)
    assert metrics.joint_error(found, true, HIPS) == pytest.approx(0)


@patient
@given(seeds, shifts)
def test_where_a_motion_stands_makes_no_difference(seed: int, shift: np.ndarray):
    found, true = motion(seed), motion(seed + 1)
    for name, value in everything(found + shift, true).items():
        assert value == pytest.approx(everything(found, true)[name], rel=1e-6, abs=1e-6)
    assert metrics.picture_error(found[..., :2] + shift[:2], true[..., :2], HIPS) == pytest.approx(
        metrics.picture_error(found[..., :2], true[..., :2], HIPS))


@patient
@given(seeds, st.floats(0.01, 0.5))
def test_a_motion_of_another_size_is_off_by_it(seed: int, more: float):
    true = motion(seed)
    centred = metrics.root_centred(true, HIPS)
    assert metrics.joint_error((1 + more) * true, true, HIPS) == pytest.approx(1000 * more * np.linalg.norm(centred, axis=-1).mean())
    assert metrics.aligned_joint_error((1 + more) * true, true, HIPS) < 1e-6


@patient
@given(seeds, sizes, turns, shifts)
def test_pa_mpjpe_ignores_similarities(seed: int, size: float, turn: np.ndarray, shift: np.ndarray):
    found, true = motion(seed), motion(seed + 1)
    moved = size * found @ turn.T + shift
    assert metrics.aligned_joint_error(moved, true, HIPS) == pytest.approx(metrics.aligned_joint_error(found, true, HIPS), rel=1e-6)
    assert metrics.aligned_joint_error(size * true @ turn.T + shift, true, HIPS) < 1e-6


def test_pa_mpjpe_is_one_fit_for_a_whole_window():
    """Two frames that are turned apart can't both be fitted; and a mirror image is no similarity."""
    true = motion(3)
    apart = true.copy()
    apart[10:] = apart[10:] @ Rotation.from_rotvec([0, 0, 1.0]).as_matrix().T
    assert metrics.aligned_joint_error(apart, true, HIPS) > 100
    assert metrics.aligned_joint_error(true * [-1, 1, 1], true, HIPS) > 100


@patient
@given(seeds, st.floats(0.05, 3.0))
def test_squares_are_never_smaller_than_the_fit(seed: int, noise: float):
    true = motion(seed)
    found = true + noise * np.random.default_rng(seed).standard_normal(true.shape)
    source, target = (metrics.root_centred(points, HIPS).reshape(-1, 3) for points in (found, true))
    scale, rotation, shift = metrics.similarity(source, target)
    assert np.linalg.det(rotation) == pytest.approx(1)
    fitted = ((scale * source @ rotation.T + shift - target) ** 2).sum()
    assert fitted <= ((source - target) ** 2).sum() + 1e-9


@patient
@given(seeds, st.lists(st.floats(0.3, 3.0), min_size=FRAMES, max_size=FRAMES))
def test_centred_pictures_may_be_of_any_size_in_every_frame(seed: int, scales: list[float]):
    true = motion(seed, 2)
    found = true * np.array(scales)[:, None, None] + np.arange(FRAMES)[:, None, None]
    assert metrics.centred_picture_error(found, true, HIPS) < 1e-6


def test_pictures_are_compared_in_pixels():
    true = np.zeros((4, JOINTS, 2))
    found = true.copy()
    found[2:] += [3, 4]
    assert metrics.picture_error(found, true, HIPS) == pytest.approx(2.5)
    assert metrics.centred_picture_error(found, true, HIPS) == 0


@patient
@given(st.floats(-math.pi, math.pi), st.floats(-math.pi, math.pi), st.floats(-2, 2))
def test_a_yaw_brings_directions_together(first: float, second: float, height: float):
    one, other = (np.array([math.cos(angle), math.sin(angle), height]) for angle in (first, second))
    assert np.allclose(metrics.yaw_between(one, other) @ one, other, atol=1e-9)
    assert np.array_equal(metrics.yaw_between(np.array([0, 0, 1.0]), other), np.eye(3))


def test_objects():
    true = np.random.default_rng(0).standard_normal((5, 3, 3))
    found = true + [0.03, 0.04, 0]
    shares = np.full(3, 1 / 3)
    assert metrics.object_root_error(found, true, shares) == pytest.approx(50)
    assert metrics.object_error(found, true) == pytest.approx(0, abs=1e-9)
    found = true.copy()
    found[:, 0] += [0, 0, 0.3]
    assert metrics.object_root_error(found, true, shares) == pytest.approx(100)
    assert metrics.object_error(found, true) == pytest.approx((200 + 100 + 100) / 3)
    assert math.isnan(metrics.object_error(found[:, :1], true[:, :1]))


def test_the_centre_of_an_object_is_its_own_or_the_mean_of_loose_points():
    skeleton = load_skeleton("openpose18-ball-box")
    assert metrics.objects_of(skeleton, np.arange(24) < 18) == []
    there = np.ones(24, bool)
    (ball, whole), (box, shares) = metrics.objects_of(skeleton, there)
    assert (ball, box) == (skeleton.things["Ball"], skeleton.things["Box"])
    assert whole.tolist() == [1]
    assert np.allclose(shares, [1, 0, 0, 0, 0])
    there[box[-1]] = False  # a part of a box has no centre
    assert [own for own, _ in metrics.objects_of(skeleton, there)] == [ball]
    corners = replace(skeleton, objects=skeleton.objects[2:] + ("BoxLow",), rigid={"Box": {
        **{name: place for name, place in skeleton.rigid["Box"].items() if name != "BoxCentre"}, "BoxLow": (0.5, 0.5, -0.5)}})
    (_, shares), = metrics.objects_of(corners, np.ones(23, bool))
    assert np.allclose(shares @ np.array(list(corners.rigid["Box"].values())), 0)
    assert shares.sum() == pytest.approx(1)
    (five, shares), = metrics.objects_of(load_skeleton("openpose18-object5"), np.ones(23, bool))
    assert len(five) == 5
    assert np.allclose(shares, 0.2)


def test_the_root_is_between_the_hips_and_the_neck_between_the_shoulders():
    skeleton = load_skeleton("openpose18")
    assert [skeleton.joints[joint] for joint in hips_of(skeleton)] == ["LeftHip", "RightHip"]
    points = np.random.default_rng(0).standard_normal((2, 18, 3))
    meant = metrics.mean_joints(points, skeleton)
    shoulders = [skeleton.joints.index(name) for name in ("LeftShoulder", "RightShoulder")]
    assert np.allclose(meant[:, 0], points[:, shoulders].mean(1))
    assert np.array_equal(meant[:, 1:], points[:, 1:])
