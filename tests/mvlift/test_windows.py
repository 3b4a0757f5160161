from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.motion.cameras import view_axes
from backend.mvlift.views import see
from backend.mvlift.windows import Body, Framing, elevation_of, fill_gaps, frame, look_at, shown_lengths, up_of
from rigs import load_skeleton
from tests.properties import patient

SKELETON = load_skeleton("nba16-ball")
angles = st.floats(-0.5, 0.5)


def rays_of(points: torch.Tensor, eye: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    """What a pinhole camera at `eye` sees of points [T,J,3] in the world."""
    seen = (points - eye) @ axes.T
    return seen[..., :2] / seen[..., 2:]


@patient
@given(angles, angles, angles, st.floats(3, 9), st.integers(0, 1000))
def test_a_turned_and_zoomed_picture_is_that_of_a_camera_that_looks_at_the_root(yaw, pitch, elevation, distance, seed):
    """The homography against the picture a second camera would take from the same place, in the window's unit of length."""
    noise = np.random.default_rng(seed)
    points = torch.from_numpy(noise.normal(0, 0.4, (5, 18, 3)))
    body = replace(Body.of(SKELETON, [1.0] * 15), centre=torch.eye(18)[0])  # the mean of two joints in a picture is not that in space
    root = body.root(points[0])
    looking = view_axes(torch.tensor(0.0), torch.tensor(elevation)).double()
    eye = root - distance * looking[2]
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    turned_away = look_at(looking[2] + math.tan(yaw) * looking[0] + math.tan(pitch) * looking[1], up)
    turned_away[0] *= -1  # the world is right-handed, cameras' axes right, up, forward are not
    rays = rays_of(points, eye, turned_away)
    pictures, framing = frame(rays[None], torch.ones(1, 5, 18, dtype=torch.bool), turned_away @ up, body)
    unit = float(framing.distance) / distance  # metres to the window's units
    expected = see((points - root)[None] * unit, view_axes(torch.tensor([[0.0]]), torch.tensor([[elevation]])).double(), framing.distance)
    assert torch.allclose(pictures, expected[:, 0], atol=1e-6)
    assert abs(float(elevation_of(framing, turned_away @ up)) - elevation) < 1e-6
    assert body.root(pictures[0, 0]).abs().max() < 1e-7


def test_the_zoom_gives_the_subject_its_usual_size():
    body = Body.of(SKELETON, [0.4] * 15)
    rays = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (3, 30, 18, 2)))
    seen = torch.ones(3, 30, 18, dtype=torch.bool)
    seen[1, :, 5] = False  # a bone or two that never show change little
    pictures, framing = frame(rays, seen, up_of(0.1), body)
    shown = shown_lengths(pictures, seen, body.bones)
    assert torch.allclose(shown[0].sum(), torch.tensor(6.0, dtype=torch.float64))
    assert torch.equal(framing.zoom, framing.distance)
    again, _ = frame(rays * 0.3, seen, up_of(0.1), body)
    assert torch.allclose(shown_lengths(again, seen, body.bones).nansum(1), shown.nansum(1))


def test_a_window_in_which_nothing_shows_is_framed_like_the_others():
    body, seen = Body.of(SKELETON, [0.4] * 15), torch.ones(2, 4, 18, dtype=torch.bool)
    seen[1] = False
    rays = torch.rand(2, 4, 18, 2)
    pictures, framing = frame(rays, seen, up_of(0.0), body)
    assert framing.zoom[1] == framing.zoom[0]
    assert pictures.isfinite().all()


def test_an_official_window_is_scaled_to_its_box():
    body = Body.of(SKELETON, box=(0.5, 0.5))
    rays = torch.from_numpy(np.random.default_rng(0).normal(0, [0.05, 0.2], (2, 6, 18, 2)))
    pictures, framing = frame(rays, torch.ones(2, 6, 18, dtype=torch.bool), up_of(0.0), body)
    height = (pictures[:, 0, :, 1].amax(1) - pictures[:, 0, :, 1].amin(1)) / 3.0 * 1000 / 1080
    assert torch.allclose(height, torch.full_like(height, 0.5))
    assert torch.equal(framing.distance, torch.full_like(framing.distance, 3.0))


def test_mixing_can_be_undone_and_holds_the_root():
    body = Body.of(SKELETON)
    mix, points = body.mixing(), torch.rand(4, 18, 2)
    mixed = mix @ points
    assert torch.allclose(torch.linalg.inv(mix) @ mixed, points, atol=1e-5)
    assert torch.allclose(mixed[:, int(body.centre.argmax())], body.root(points), atol=1e-6)
    moved = mix @ (points + 1)
    assert ((moved - mixed).abs().amax((0, 2)) > 1e-5).sum() == 1


def test_gaps_are_gone_over_straight():
    points = np.cumsum(np.ones((1, 10, 3, 2)), axis=1)
    seen = np.ones((1, 10, 3), bool)
    seen[0, 3:6, 1] = seen[0, :, 2] = False
    broken = np.where(seen[..., None], points, 99.0)
    filled = fill_gaps(broken, seen)
    assert np.allclose(filled[:, :, :2], points[:, :, :2])
    assert np.allclose(filled[:, :, 2], points[:, :, 0])


def test_framings_stack_over_windows():
    framing = Framing(torch.eye(3).expand(2, 3, 3), torch.tensor([1.0, 2.0]), torch.ones(2))
    rays = torch.rand(2, 3, 4, 2)
    assert torch.allclose(framing.apply(rays), rays * torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))
