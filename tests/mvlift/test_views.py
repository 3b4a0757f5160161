from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.mvlift.views import epipolar_lines, epipoles, intersect, lines_through, off_line, ring, see
from tests.properties import patient

seeds = st.integers(0, 10_000)
elevations = st.floats(-0.4, 0.9)
distances = st.floats(3.0, 12.0)


def walk(seed: int, batch: int = 2, spread: float = 0.8, travel: float = 1.0) -> torch.Tensor:
    """Points [B,T,J,3] that go some way from the origin."""
    noise = torch.Generator().manual_seed(seed)
    points = (torch.rand(batch, 6, 5, 3, generator=noise, dtype=torch.float64) - 0.5) * 2 * spread
    way = (torch.rand(batch, 1, 1, 3, generator=noise, dtype=torch.float64) - 0.5) * 2 * travel
    return points + way * torch.linspace(0, 1, 6, dtype=torch.float64).view(1, 6, 1, 1) * torch.tensor([1, 1, 0.1])


def two(value: float) -> torch.Tensor:
    return torch.full((2,), value, dtype=torch.float64)


@patient
@given(seeds, elevations, elevations, distances, st.integers(2, 6))
def test_what_one_view_sees_lies_on_its_line_in_another(seed: int, first: float, others: float, distance: float, views: int):
    axes, points, d = ring(views, two(first), others, turn=1.1), walk(seed), two(distance)
    pictures = see(points, axes, d)
    for a in range(views):
        for b in range(views):
            if a == b:
                continue
            lines = epipolar_lines(pictures[:, a], axes[:, a], axes[:, b], d)
            assert off_line(pictures[:, b], lines).abs().max() < 1e-8
            through = lines_through(pictures[:, b], epipoles(axes[:, a], axes[:, b], d)[:, None, None])
            known = through.norm(dim=-1) > 0
            assert ((lines - through).abs().sum(-1)[known & (lines[..., 1] > 1e-6)] < 1e-6).all()


@patient
@given(st.floats(0.2, 2 * math.pi - 0.2), distances)
def test_on_a_level_ring_the_epipole_is_the_cotangent_of_half_the_angle(angle: float, distance: float):
    """(cot(angle / 2), 0) in units of the focal length, whatever the distance."""
    axes = ring(1, two(0.0), 0.0)[:, 0]
    other = ring(1, two(0.0), 0.0, turn=angle)[:, 0]
    epipole = epipoles(other, axes, two(distance))[0]
    assert np.isclose(abs(float(epipole[0])), abs(distance * float(epipole[2]) / math.tan(angle / 2)), atol=1e-9)
    assert abs(float(epipole[1])) < 1e-9


@patient
@given(seeds, elevations, elevations, distances, st.integers(2, 6))
def test_exact_pictures_give_the_exact_motion(seed: int, first: float, others: float, distance: float, views: int):
    axes, points, d = ring(max(3, views), two(first), others), walk(seed), two(distance)
    pictures = see(points, axes, d)
    found, _ = intersect(pictures, axes, d, torch.ones(pictures.shape[:-1], dtype=torch.float64))
    assert (found - points).norm(dim=-1).max() < 1e-5


def test_a_view_without_weight_says_nothing():
    axes, points, d = ring(4, two(0.3), 0.1), walk(1), two(5.0)
    pictures = see(points, axes, d)
    weights = torch.ones(pictures.shape[:-1], dtype=torch.float64)
    pictures[:, 2, :, 3] += 1.0
    weights[:, 2, :, 3] = 0
    assert (intersect(pictures, axes, d, weights)[0] - points).norm(dim=-1).max() < 1e-5


def test_triangulation_is_the_least_squares_fit_in_the_pictures():
    axes, points, d = ring(4, two(0.2), 0.1), walk(2), two(4.0)
    pictures = see(points, axes, d) + 0.01 * torch.randn(2, 4, 6, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.rand(2, 4, 6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.2
    found, normal = intersect(pictures, axes, d, weights, sweeps=6)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return (weights[..., None] * (see(x, axes, d) - pictures) ** 2).sum((1, 4))

    best = loss(found)
    for axis in range(3):
        for step in (-2e-3, 2e-3):
            moved = found.clone()
            moved[..., axis] += step
            assert (loss(moved) > best - 1e-7).all()
    assert (torch.linalg.eigvalsh(normal) > 0).all()


def test_lines_change_steadily_and_a_point_on_the_epipole_has_none():
    level = torch.stack([torch.linspace(-1, 1, 50), torch.zeros(50)], -1)
    lines = lines_through(level + torch.tensor([0.0, 0.01]), torch.tensor([1.0, 0.0, 0.0]))
    assert (lines[1:] - lines[:-1]).abs().max() < 1e-6
    assert torch.equal(lines_through(torch.tensor([0.5, 0.25]), torch.tensor([0.5, 0.25, 1.0])), torch.zeros(3))


def test_what_passes_a_camera_that_was_thought_up_stays_finite():
    """A horse gallops out of the ring: its pictures, and the points that follow from them, are numbers."""
    axes, distance = ring(4, torch.zeros(1), 0.1), torch.full((1,), 3.0)
    points = torch.linspace(0, 9, 50)[None, :, None, None] * torch.tensor([[1.0, 0.3, 0], [0.2, 1, 0]])
    pictures = see(points, axes, distance)
    assert pictures.isfinite().all()
    assert pictures.abs().max() < 9 / 0.05 * 1.01
    found, _ = intersect(pictures, axes, distance, torch.ones(pictures.shape[:-1]))
    assert found.isfinite().all()
    assert torch.allclose(found[:, :10], points[:, :10], atol=1e-3)
