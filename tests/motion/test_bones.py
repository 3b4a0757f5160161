from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.motion.bones import bone_lengths, hold_bone_lengths, with_steady_bones
from rigs import load_skeleton, skeleton_names
from tests.properties import patient

PARENTS = [-1, 0, 1, 0, 3]
MIRROR = [0, 3, 4, 1, 2]


@patient
@given(st.integers(0, 10_000), st.floats(0, 0.2))
def test_held_bones_keep_their_direction_and_one_length(seed: int, spread: float):
    rng = np.random.default_rng(seed)
    rest = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, -1, 1.0]])
    positions = rest + rng.normal(0, spread, (20, 5, 3))
    held = hold_bone_lengths(positions, PARENTS, MIRROR)
    lengths = bone_lengths(held, PARENTS)
    assert np.allclose(lengths.std(0), 0, atol=1e-9)
    assert np.allclose(lengths[:, :2], lengths[:, 2:], atol=1e-9)
    for child, parent in enumerate(PARENTS):
        if parent >= 0:
            before, after = positions[:, child] - positions[:, parent], held[:, child] - held[:, parent]
            cosine = (before * after).sum(-1) / np.linalg.norm(before, axis=-1) / np.linalg.norm(after, axis=-1)
            assert np.allclose(cosine, 1, atol=1e-9)


def test_rigid_motion_is_left_alone():
    positions = np.tile(np.random.default_rng(0).normal(size=(1, 5, 3)), (7, 1, 1))
    assert np.allclose(hold_bone_lengths(positions, PARENTS), positions)


def test_every_skeleton_can_be_held():
    for name in skeleton_names():
        skeleton = load_skeleton(name)
        joints = len(skeleton.joints)
        positions = np.random.default_rng(0).normal(size=(6, joints, 3))
        held = hold_bone_lengths(positions, list(skeleton.parents), skeleton.mirror_order[:joints], skeleton.elastic_joints)
        for child, parent in enumerate(skeleton.parents):
            before, after = (points[:, child] - points[:, parent] for points in (positions, held))
            if skeleton.joints[child] in skeleton.elastic:
                assert np.allclose(after, before), name
            elif parent >= 0:
                assert np.allclose(np.linalg.norm(after, axis=-1).std(), 0, atol=1e-9), name


def test_each_motion_of_a_batch_has_its_own_lengths_and_padding_has_none():
    points = torch.randn(2, 6, 5, 3, dtype=torch.float64)
    points[1, 4:] *= 100
    frames = torch.tensor([6, 4])
    held = with_steady_bones(points, PARENTS, MIRROR, frames=frames)
    assert torch.equal(held[:, :, 0], points[:, :, 0])
    for row, count in enumerate(frames):
        alone = hold_bone_lengths(points[row, :count].numpy(), PARENTS, MIRROR)
        assert np.allclose(held[row, :count], alone)
