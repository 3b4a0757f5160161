"""The motion made by code is one a body could do: tests that use it must not fail because of it."""

from __future__ import annotations

import numpy as np
import pytest

from backend.motion.motion3d import Motion3D
from rigs.skeletons import load_skeleton
from tests.motions import BALL_RADIUS, JOINTS, PARENTS, SKELETON, walk_with_ball


@pytest.mark.parametrize("fps", [24.0, 30.0, 60.0])
def test_bones_keep_their_lengths(fps):
    positions = walk_with_ball(4.0, fps)["positions"]
    for child, parent in enumerate(PARENTS):
        if parent >= 0:
            assert np.ptp(np.linalg.norm(positions[:, child] - positions[:, parent], axis=1)) < 1e-5


def test_one_foot_stands_still_and_none_sinks():
    feet = walk_with_ball(4.0)["positions"][:, [JOINTS.index("RAnkle"), JOINTS.index("LAnkle")]]
    steps = np.linalg.norm(np.diff(feet, axis=0), axis=-1)
    assert steps.min(1).max() < 1e-6
    assert feet[..., 2].min() > 0


def test_the_ball_stays_above_the_floor():
    assert walk_with_ball(4.0)["object_positions"][..., 2].min() >= BALL_RADIUS


def test_it_is_a_motion_file_of_the_basketball_skeleton(walk_file):
    motion = Motion3D.load(walk_file)
    skeleton = load_skeleton(SKELETON)
    assert tuple(motion.joint_names) == skeleton.joints
    assert tuple(motion.parents) == skeleton.parents
    assert tuple(motion.object_names) == skeleton.objects
    assert motion.frames == 60
