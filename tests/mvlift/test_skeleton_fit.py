from __future__ import annotations

import numpy as np
import torch

from backend.motion.bones import bone_lengths
from backend.mvlift.skeleton_fit import fit_skeleton
from rigs import load_skeleton
from tests.motions import walk_with_ball

SKELETON = load_skeleton("nba16-ball")
RIGID = [child - 1 for child in range(1, 16) if child not in SKELETON.elastic_joints]


def walk() -> torch.Tensor:
    arrays = walk_with_ball(1.0)
    return torch.from_numpy(np.concatenate([arrays["positions"], arrays["object_positions"]], 1)).double()[None]


def firm(points: torch.Tensor, across: float = 0.0) -> torch.Tensor:
    """Normal matrices of points that are known in x and z, and in y `across` as well."""
    return torch.diag_embed(torch.tensor([1.0, across, 1.0], dtype=points.dtype).expand(points.shape))


def test_a_body_of_constant_bones_stays_as_it_is():
    points = walk()
    body = points[:, :, :16]
    lengths = torch.from_numpy(bone_lengths(body[0].numpy(), list(SKELETON.parents)))
    assert (lengths.std(0)[RIGID] < 1e-6).all()
    fitted = fit_skeleton(points, firm(points, 1.0), SKELETON)
    assert (fitted - points).norm(dim=-1).max() < 2e-3  # left and right get one length


def test_bones_get_one_length_and_sure_points_stay():
    """Points that are off in depth, which nobody sees, go back; in the picture they stay."""
    points = walk()
    noise = torch.Generator().manual_seed(0)
    off = points.clone()
    off[..., 1] += 0.03 * torch.randn(off.shape[:-1], generator=noise, dtype=torch.float64)
    fitted = fit_skeleton(off, firm(points, 0.01), SKELETON)
    lengths = bone_lengths(fitted[0, :, :16].numpy(), list(SKELETON.parents))
    assert lengths.std(0)[RIGID].max() < 1e-9
    assert (fitted - off)[..., [0, 2]].abs().mean() < 4e-3
    before, after = (bone_lengths(m[0, :, :16].numpy(), list(SKELETON.parents))[:, RIGID].std(0).mean() for m in (off, fitted))
    assert after < 0.01 * before
    assert torch.equal(fitted[:, :, 16:], off[:, :, 16:])


def test_padding_does_not_change_the_lengths():
    points = walk()
    padded = torch.cat([points, torch.zeros_like(points[:, :20])], 1)
    normal = firm(padded, 1.0)
    alone = fit_skeleton(points, normal[:, :30], SKELETON)
    fitted = fit_skeleton(padded, normal, SKELETON, torch.tensor([30]))
    assert torch.allclose(fitted[:, :30], alone, atol=1e-9)
