from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.mvlift.denoise import DenoiseSettings, denoise
from backend.mvlift.model import LiftModel
from backend.mvlift.track import Track, fading, window_starts
from backend.mvlift.windows import up_of
from tests.mvlift.lifting import FOCAL, IMAGE, Oracle, camera, load, make_pack, seen_by, walk
from tests.properties import patient

QUICK = DenoiseSettings(calls=4, bfloat16=False)
PITCH = 0.12


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LiftModel:
    return load(make_pack(tmp_path_factory.mktemp("pack") / "tiny"))


def track_of(model: LiftModel, motion: np.ndarray, trust: np.ndarray | None = None, pitch: float = PITCH) -> Track:
    pixels = camera().project(motion)
    rays = torch.from_numpy((pixels - np.array(IMAGE) / 2) / FOCAL * [1, -1]).float()
    trust = np.ones(rays.shape[:2]) if trust is None else trust
    return Track(model, rays, torch.from_numpy(trust).float(), up_of(pitch))


def with_oracle(model: LiftModel, motion: np.ndarray) -> LiftModel:
    oracle = Oracle(model, [seen_by(camera(), motion)])
    return LiftModel(model.name, model.card, oracle, model.features, model.body, model.schedule, model.skeleton)


@patient
@given(st.integers(1, 700), st.integers(2, 120), st.integers(0, 40))
def test_windows_cover_every_frame_and_fade_into_each_other(frames: int, length: int, overlap: int):
    overlap = min(overlap, length // 2)
    starts = window_starts(frames, length, overlap)
    length = min(length, frames)
    assert starts[0] == 0
    assert starts[-1] + length == max(frames, length)
    assert all(0 < after - before <= length - overlap for before, after in pairwise(starts))
    fade = fading(starts, length, frames)
    total = torch.zeros(frames)
    for start, share in zip(starts, fade):
        total[start : start + length] += share
    assert torch.allclose(total, torch.ones(frames), atol=1e-5)
    assert (fade > 0).all()
    if len(starts) > 1 and overlap >= 10:
        assert fade.diff(dim=1).abs().max() < 2.5 / overlap


def test_views_that_are_right_give_the_motion(model: LiftModel):
    """Perfect pictures of every view, three windows at different distances: the motion comes back to less than a millimetre."""
    motion = walk(3.0)
    truth = seen_by(camera(), motion)
    known = with_oracle(model, motion)
    track = track_of(known, motion)
    known.denoiser.tracks = [track]
    assert len(track.starts) > 2
    found = denoise(track, 0, QUICK).points.double().numpy()
    size = (found * truth).sum() / (found**2).sum()
    assert np.linalg.norm(found * size - truth, axis=-1).max() < 1e-3
    assert np.ptp(track.scale.numpy()) > 1e-3  # else the windows had nothing to agree about


def test_windows_that_disagree_join_without_a_jump(model: LiftModel):
    """Every window is wrong in its own way, by centimetres: across a seam the motion goes on as steadily as elsewhere."""
    motion = np.repeat(walk(1 / 30), 120, axis=0)
    known = with_oracle(model, motion)
    track = track_of(known, motion)
    known.denoiser.tracks = [track]
    answer = known.denoiser.forward
    wrong = torch.randn(len(track.starts), 3, 1, 18, 2, generator=torch.Generator().manual_seed(0))

    def mistaken(x, steps, given, lengths):
        views = answer(x, steps, given, lengths)
        return torch.cat([views[:, :1], views[:, 1:] + 0.3 * wrong], 1)

    known.denoiser.forward = mistaken
    found = denoise(track, 0, QUICK).points
    apart = found.diff(dim=0).norm(dim=-1)
    assert (found.amax(0) - found.amin(0)).norm(dim=-1).max() > 0.05  # windows do disagree
    assert apart.max() < 0.06


def test_drawn_views_tell_which_way_is_up(model: LiftModel):
    """The camera's pitch is taken wrongly by five degrees; the views, which are upright, say so."""
    motion = walk(1.0)
    known = with_oracle(model, motion)
    right = track_of(known, motion)
    known.denoiser.tracks = [right]
    upright = denoise(right, 0, QUICK)
    assert float(torch.atan2(-upright.ups[0, 2], upright.ups[0, 1])) == pytest.approx(PITCH, abs=0.005)


def test_hidden_points_are_drawn_and_seen_points_kept(model: LiftModel):
    motion = walk(1.0)
    trust = np.ones(motion.shape[:2])
    trust[8:20, 11] = 0  # LElbow
    known = with_oracle(model, motion)
    truth = seen_by(camera(), motion)
    broken = motion.copy()
    broken[8:20, 11] += 0.4
    track = track_of(known, broken, trust)
    known.denoiser.tracks = [track]
    found = denoise(track, 0, QUICK).points.double().numpy()
    size = (found * truth).sum() / (found**2).sum()
    assert np.linalg.norm(found * size - truth, axis=-1).max() < 0.02


def test_a_seed_is_a_motion_and_padding_says_nothing(model: LiftModel):
    motion = walk(2.0)
    first, again, other = (denoise(track_of(model, motion), seed, QUICK).points for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first - other).norm(dim=-1).mean() > 1e-4
    assert first.shape == (60, 18, 3)
    assert first.isfinite().all()
    alone = denoise(track_of(model, motion[:20]), 1, QUICK).points
    assert alone.shape == (20, 18, 3)


def test_what_was_filmed_outweighs_what_was_drawn(model: LiftModel):
    """A network that knows nothing moves the picture of the camera that filmed by little."""
    motion = walk(1.0)
    track = track_of(model, motion)
    found = denoise(track, 3, QUICK).points
    pixels = found[..., :2] / found[..., 2:] * FOCAL * torch.tensor([1.0, -1.0]) + torch.tensor(IMAGE) / 2
    off = np.linalg.norm(pixels.numpy() - camera().project(motion), axis=-1)
    assert np.median(off) < 15
