"""How far a subject is, told by its size."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.mvlift.depth import held_to_size
from tests.mvlift.lifting import BONES, SKELETON, camera, walk
from tests.properties import patient

EYE = torch.zeros(1, 3, dtype=torch.float64)
PARENTS = SKELETON.parents


def from_eye(seconds: float = 2.0) -> torch.Tensor:
    """A walk [1,T,K,3] as its camera has it."""
    by = camera()
    return torch.from_numpy(walk(seconds) @ by.R.T + by.t)[None]


def drifting(frames: int, rng: np.random.Generator, most: float) -> torch.Tensor:
    """Factors [1,T,1,1] that depths are slowly wrong by."""
    way = np.interp(np.arange(frames), np.linspace(0, frames - 1, 4), rng.uniform(-most, most, 4))
    return torch.from_numpy(np.exp(way - np.median(way))).view(1, -1, 1, 1)


@patient
@given(seed=st.integers(0, 10_000))
def test_a_drift_in_depth_is_taken_out_and_the_picture_stays(seed: int):
    true = from_eye()
    wrong = true * drifting(true.shape[1], np.random.default_rng(seed), 0.08)
    held = wrong
    for _ in range(4):  # as every step of a sampler does
        held = held_to_size(held, EYE, torch.ones(wrong.shape[:-1]), PARENTS, BONES)
    assert torch.allclose(held[..., :2] / held[..., 2:], wrong[..., :2] / wrong[..., 2:], atol=1e-9)
    share = held[..., 2].mean(-1) / true[..., 2].mean(-1)
    before = wrong[..., 2].mean(-1) / true[..., 2].mean(-1)
    assert float(share.std()) < 0.35 * float(before.std()) + 1e-3


def test_what_is_right_stays_and_single_frames_are_not_believed():
    true = from_eye()
    trust = torch.ones(true.shape[:-1])
    assert torch.allclose(held_to_size(true, EYE, trust, PARENTS, BONES), true, rtol=3e-3)
    jumpy = true.clone()
    jumpy[:, 20] *= 1.2
    held = held_to_size(jumpy, EYE, trust, PARENTS, BONES)
    depth = held[0, :, :, 2].mean(-1) / true[0, :, :, 2].mean(-1)
    assert abs(float(depth[20]) - 1.2) < 0.12 and float((depth[:15] - 1).abs().max()) < 0.02


def test_hidden_bones_and_padding_say_nothing():
    true = from_eye()
    wrong, trust = true.clone(), torch.ones(true.shape[:-1])
    arm = [SKELETON.joints.index(name) for name in ("LElbow", "LWrist")]
    wrong[:, 40:, arm[1]] = wrong[:, 40:, arm[0]] + 2 * (wrong[:, 40:, arm[1]] - wrong[:, 40:, arm[0]])
    trust[:, 40:, arm] = 0
    assert torch.allclose(held_to_size(wrong, EYE, trust, PARENTS, BONES), wrong, rtol=1e-3)
    padded = torch.cat([true, 3 * true[:, -1:].expand(-1, 20, -1, -1)], 1)
    held = held_to_size(padded, EYE, torch.ones(padded.shape[:-1]), PARENTS, BONES, torch.tensor([true.shape[1]]))
    assert torch.allclose(held[:, : true.shape[1]], held_to_size(true, EYE, trust * 0 + 1, PARENTS, BONES), atol=1e-6)


def test_where_the_camera_stands_is_what_stays():
    true, aside = from_eye(), torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64)
    wrong = true * drifting(true.shape[1], np.random.default_rng(3), 0.1)
    trust = torch.ones(wrong.shape[:-1])
    moved = held_to_size(wrong + aside[:, None, None], aside, trust, PARENTS, BONES)
    assert torch.allclose(moved - aside[:, None, None], held_to_size(wrong, EYE, trust, PARENTS, BONES), atol=1e-9)
