from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from backend.motion.cameras import project_orthographic, project_perspective, ring_azimuths, view_axes
from tests.properties import patient

angles = st.floats(-2 * math.pi, 2 * math.pi)
elevations = st.floats(-1.4, 1.4)
points = arrays(np.float64, (4, 3), elements=st.floats(-2, 2))


def exact(angle: float) -> torch.Tensor:
    return torch.tensor(angle, dtype=torch.float64)


def pinhole(point: np.ndarray, azimuth: float, elevation: float, distance: float, focal: float) -> np.ndarray:
    """A camera on a sphere around the origin, looking at it, upright: made from cross products, apart from the code under test."""
    eye = distance * np.array([math.sin(azimuth) * math.cos(elevation), -math.cos(azimuth) * math.cos(elevation), math.sin(elevation)])
    forward = -eye / np.linalg.norm(eye)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, forward)
    seen = point - eye
    return focal * np.array([seen @ right, seen @ up]) / (seen @ forward)


@patient
@given(points, angles, elevations, st.floats(4, 20), st.floats(0.3, 2))
def test_perspective_is_that_of_a_pinhole_camera(shape: np.ndarray, azimuth: float, elevation: float, distance: float, scale: float):
    axes = view_axes(exact(azimuth), exact(elevation))
    flat = project_perspective(torch.from_numpy(shape), axes, distance, scale)
    expected = [pinhole(point, azimuth, elevation, distance, distance / scale) for point in shape]
    assert np.allclose(flat, expected, atol=1e-9)


@patient
@given(angles, elevations)
def test_axes_are_a_right_handed_frame(azimuth: float, elevation: float):
    axes = view_axes(exact(azimuth), exact(elevation)).numpy()
    assert np.allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.allclose(np.cross(axes[0], axes[1]), -axes[2], atol=1e-12)  # right, up, towards the camera


@patient
@given(points, angles)
def test_a_far_camera_sees_what_an_orthographic_one_sees(shape: np.ndarray, azimuth: float):
    axes = view_axes(exact(azimuth), exact(0.2))
    near = project_orthographic(torch.from_numpy(shape), axes)
    assert np.allclose(project_perspective(torch.from_numpy(shape), axes, 1e7, 1.0), near, atol=1e-5)


def test_projected_noise_is_standard_normal_in_every_view_and_shared_between_views():
    axes = view_axes(ring_azimuths(4), torch.full((4,), 0.2))
    noise = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0))
    seen = project_orthographic(noise, axes[:, None])
    assert torch.allclose(seen.std(1), torch.ones(4, 2), atol=0.03)
    opposite = (seen[0, :, 0] * seen[2, :, 0]).mean()
    assert opposite < -0.95


def test_the_ring_is_the_papers():
    assert torch.allclose(ring_azimuths(4), torch.tensor([-math.pi, -math.pi / 2, 0, math.pi / 2]))
