from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import root

from backend.mas.triangulation import AdamTriangulation, reproject, triangulate
from backend.motion.cameras import ring_azimuths, view_axes
from tests.properties import patient

DISTANCE, SCALE = 7.0, 0.75
seeds = st.integers(0, 10_000)


def ring(views: int, elevation: float = math.pi / 16) -> torch.Tensor:
    return view_axes(ring_azimuths(views).double(), torch.full((views,), elevation, dtype=torch.float64))


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@patient
@given(seeds, st.integers(3, 7), st.floats(-0.3, 0.6))
def test_exact_views_give_the_exact_motion(seed: int, views: int, elevation: float):
    points = random(2, 3, 5, 3, seed=seed).clamp(-1.5, 1.5)
    axes = ring(views, elevation)
    found = triangulate(reproject(points, axes, DISTANCE, SCALE), axes, DISTANCE, SCALE, sweeps=12)
    assert (found - points).norm(dim=-1).max() < 1e-4


def test_two_views_120_degrees_apart_are_enough():
    axes = view_axes(torch.tensor([0.0, 2 * math.pi / 3]).double(), torch.full((2,), 0.2).double())
    points = random(1, 4, 5, 3).clamp(-1.5, 1.5)
    found = triangulate(reproject(points, axes, DISTANCE, SCALE), axes, DISTANCE, SCALE, sweeps=20)
    assert (found - points).norm(dim=-1).max() < 1e-4


@patient
@given(seeds)
def test_disagreeing_views_give_the_stationary_point_of_the_papers_loss(seed: int):
    """The loss of the paper's program does not send its gradient through the depth: at its stationary point the errors, moved back
    into the world at their views' magnification, cancel out. Scipy finds that point on its own."""
    axes = ring(5)
    seen = reproject(random(1, 1, 1, 3, seed=seed).clamp(-1.2, 1.2), axes, DISTANCE, SCALE) + 0.1 * random(5, 1, 1, 1, 2, seed=seed + 1)
    a, x = axes.numpy(), seen.numpy()[:, 0, 0, 0]

    def gradient(point: np.ndarray) -> np.ndarray:
        rotated = a @ point
        magnification = (DISTANCE / SCALE) / (rotated[:, 2] + DISTANCE)
        return np.einsum("v,vi,vik->k", magnification, rotated[:, :2] * magnification[:, None] - x, a[:, :2])

    expected = root(gradient, np.zeros(3), tol=1e-12).x
    found = triangulate(seen, axes, DISTANCE, SCALE, sweeps=30)[0, 0, 0].numpy()
    assert np.abs(found - expected).max() < 1e-7


def test_adam_comes_to_the_same_place():
    axes = ring(7).float()
    seen = reproject(random(1, 2, 3, 3).float() * 0.3, axes, DISTANCE, SCALE) + 0.02 * random(7, 1, 2, 3, 2, seed=1).float()
    exact = triangulate(seen, axes, DISTANCE, SCALE, sweeps=10)
    adam = AdamTriangulation((1, 2, 3), axes, DISTANCE, SCALE)
    assert (adam(seen) - exact).norm(dim=-1).max() < 0.01
    assert 50 < adam.iterations <= 1000


def test_a_warm_start_saves_sweeps():
    axes = ring(5)
    points = random(1, 3, 4, 3).clamp(-1.5, 1.5)
    seen = reproject(points, axes, DISTANCE, SCALE)
    warm = triangulate(seen, axes, DISTANCE, SCALE, start=points + 1e-3, sweeps=1)
    cold = triangulate(seen, axes, DISTANCE, SCALE, sweeps=1)
    assert (warm - points).abs().max() < 0.01 * (cold - points).abs().max()


def test_points_are_problems_of_their_own():
    axes = ring(5)
    seen = reproject(random(3, 4, 5, 3), axes, DISTANCE, SCALE)
    changed = seen.clone()
    changed[:, 1] = 1e3
    changed[:, :, 2] = -50
    before, after = (triangulate(s, axes, DISTANCE, SCALE) for s in (seen, changed))
    kept = [0, 1, 3]
    assert torch.equal(before[[0, 2]][:, kept], after[[0, 2]][:, kept])


def test_a_heavy_view_is_followed():
    axes = ring(5)
    seen = random(5, 1, 1, 1, 2) * 0.3
    weights = torch.ones(5, dtype=torch.float64)
    weights[2] = 1000
    found = reproject(triangulate(seen, axes, DISTANCE, SCALE, sweeps=10, view_weights=weights), axes, DISTANCE, SCALE)
    errors = (found - seen).norm(dim=-1).flatten()
    assert errors[2] < 0.01 * errors.mean()
