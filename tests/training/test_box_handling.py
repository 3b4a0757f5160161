from __future__ import annotations

import numpy as np
import pytest

from backend.motion.bones import bone_lengths
from backend.training import box_handling
from backend.training.box_handling import handle_box
from rigs import load_skeleton
from tests.motions import JOINTS, walk_with_ball

SKELETON = load_skeleton("openpose18-ball-box")
FPS = 30.0
SOURCES = {"Neck": ("LShoulder", "RShoulder"), "Nose": ("Nose",), "LeftEye": ("Nose", "Head"), "RightEye": ("Nose", "Head"), "LeftEar": ("Head",),
           "RightEar": ("Head",)}
FEET = [SKELETON.joints.index(name) for name in SKELETON.feet]
WRISTS = [SKELETON.joints.index(name) for name in ("LeftWrist", "RightWrist")]


def walker(seconds: float = 4.0, still: bool = False) -> np.ndarray:
    """The walk of tests.motions, or its first moment that lasts, on the skeleton's joints [T,18,3]."""
    positions = walk_with_ball(seconds)["positions"].astype(np.float64)
    columns = [SOURCES.get(name, (name.replace("Left", "L").replace("Right", "R"),)) for name in SKELETON.joints]
    joints = np.stack([positions[:, [JOINTS.index(source) for source in sources]].mean(1) for sources in columns], 1)
    return np.repeat(joints[:1], len(joints), 0) if still else joints


def handled(task: str, monkeypatch: pytest.MonkeyPatch, seed: int, still: bool = False) -> tuple[np.ndarray, np.ndarray]:
    monkeypatch.setattr(box_handling, "TASKS", {True: {task: 1.0}, False: {task: 1.0}})
    made = handle_box(walker(still=still), SKELETON, FPS, np.random.default_rng(seed))
    assert made is not None
    return made


def in_box(joints: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The wrists [T,2,3] along the box's own axes, from its middle."""
    middle, front_left, front_right, back_left, _ = points.transpose(1, 0, 2)
    across, along = front_left - front_right, back_left - front_left
    across, along = (axis / np.linalg.norm(axis, axis=-1, keepdims=True) for axis in (across, along))
    axes = np.stack([across, along, np.cross(across, along)], 1)
    return np.einsum("tij,twj->twi", axes, joints[:, WRISTS] - middle[:, None])


@pytest.mark.parametrize(("task", "still"), [("carry", False), ("lift", False), ("lift", True), ("place", False), ("place", True),
                                             ("push", False)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_box_is_held_by_both_hands_or_lies_on_the_floor(task: str, still: bool, seed: int, monkeypatch):
    joints, points = handled(task, monkeypatch, seed, still)
    assert joints.shape[1:] == (18, 3)
    assert points.shape == (len(joints), 5, 3)
    size = np.array([np.linalg.norm(points[0, 1] - points[0, 2]), np.linalg.norm(points[0, 1] - points[0, 3]), 0])
    assert np.linalg.norm(points[:, :, None] - points[:, None], axis=-1).std(0).max() < 1e-9
    size[2] = 2 * np.sqrt(np.linalg.norm(points[0, 0] - points[0, 1]) ** 2 - (size[:2] ** 2).sum() / 4)
    lying = np.abs(points[:, 0, 2] - size[2] / 2) < 1e-6
    still_lying = lying[1:] & lying[:-1]
    hands = in_box(joints, points)
    moved = np.linalg.norm(np.diff(points[:, 0], axis=0), axis=-1)
    # Whatever moves the box holds it: the wrists keep their places on it, one on each side.
    carried = moved > 1e-4
    assert carried.any()
    for hand in hands.transpose(1, 0, 2):
        assert np.linalg.norm(hand[1:][carried] - hand[1:][carried].mean(0), axis=-1).max() < 5e-3
    assert np.allclose(hands[1:][carried].mean(0)[0], hands[1:][carried].mean(0)[1] * [-1, 1, 1], atol=5e-3)
    assert points[..., 2].min() > 0
    if task in ("lift", "place"):
        assert still_lying.sum() > 10
        assert moved[still_lying].max() < 1e-9
        held = np.flatnonzero(carried)
        assert (lying[0], lying[-1]) == ((True, False) if task == "lift" else (False, True))
        assert points[held, 0, 2].max() > 0.7
        assert joints[:, WRISTS, 2].min() < 0.5  # somebody has bent down for it
    if task == "push":
        assert lying.all()
        assert np.linalg.norm(points[-1, 0] - points[0, 0]) > 1.0


@pytest.mark.parametrize("task", ["carry", "lift", "place", "push"])
def test_bodies_keep_their_bones_and_feet_and_move_without_a_jump(task: str, monkeypatch):
    recorded = walker()
    joints, points = handled(task, monkeypatch, 3)
    rigid = [child for _, child in SKELETON.bones if child not in SKELETON.elastic_joints]
    lengths = bone_lengths(np.concatenate([recorded, joints]), list(SKELETON.parents))[:, [child - 1 for child in rigid]]
    assert np.abs(lengths / lengths[0] - 1).max() < 0.03
    speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * FPS
    assert speed[:, FEET].max() < 1.3 * np.linalg.norm(np.diff(recorded, axis=0), axis=-1)[:, FEET].max() * FPS
    assert speed.max() < 8
    assert np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).max() < 0.05  # metres a frame a frame
    assert joints[:, FEET, 2].min() == pytest.approx(recorded[:, FEET, 2].min(), abs=0.01)


def test_a_clip_that_is_too_short_gets_no_box(monkeypatch):
    monkeypatch.setattr(box_handling, "TASKS", {True: {"lift": 1.0}, False: {"lift": 1.0}})
    assert handle_box(walker()[:20], SKELETON, FPS, np.random.default_rng(0)) is None


def test_who_has_no_arms_holds_no_box():
    with pytest.raises(ValueError, match=r"no joint with the role 'hip.L'"):
        handle_box(walker(), load_skeleton("openpose18").__class__("x", "x", ("a",), (-1,), (), "", "a", (), (), {}), FPS, np.random.default_rng(0))
