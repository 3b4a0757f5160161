from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.errors import KineliftError
from backend.evaluation.feature_vae import FILE, EvaluatorSettings, FeatureVae, load_evaluator, save_evaluator, train_evaluator, vae_loss
from backend.motion.motion2d import Motion2DSet

SIZES = EvaluatorSettings(keypoints=3, width=16, feedforward=24, layers=1, heads=2, dropout=0.0, patch=4)


def waves(count: int = 16, frames: int = 40) -> Motion2DSet:
    rng = np.random.default_rng(0)
    phase = rng.uniform(0, 6, (count, 1, 3, 2)) + np.arange(frames)[None, :, None, None] * rng.uniform(0.05, 0.4, (count, 1, 1, 1))
    return Motion2DSet(np.sin(phase).astype(np.float32), np.ones((count, frames, 3), np.float32), rng.integers(20, frames + 1, count), ["w"] * count,
                       "nba16", 30.0)


@pytest.fixture
def vae() -> FeatureVae:
    torch.manual_seed(0)
    return FeatureVae(SIZES).eval()


@pytest.mark.parametrize("length", [1, 4, 5, 11])
def test_padding_has_no_influence(length: int, vae: FeatureVae):
    x = torch.randn(2, 13, 3, 2)
    lengths = torch.tensor([13, length])
    mu, logvar = vae.encode(x, lengths)
    assert mu.shape == logvar.shape == (2, 16)
    x[1, length:] = 99
    again = vae.encode(x, lengths)
    assert torch.equal(again[0], mu)
    alone = vae.encode(x[1:, :length], lengths[1:])
    assert torch.allclose(alone[0][0], mu[1], atol=1e-5)
    assert torch.allclose(vae.decode(mu, lengths, 13)[1, :length], vae.decode(mu[1:], lengths[1:], length)[0], atol=1e-5)


def test_features_are_batched_means(vae: FeatureVae):
    motions = waves()
    found = vae.features(motions.keypoints, motions.lengths, batch=5)
    x, lengths = torch.from_numpy(motions.keypoints), torch.from_numpy(motions.lengths)
    assert np.allclose(found, vae.encode(x, lengths)[0].detach().numpy(), atol=1e-5)


def test_missed_points_do_not_teach(vae: FeatureVae):
    x, mask, lengths = torch.randn(2, 8, 3, 2), torch.ones(2, 8, 3), torch.tensor([8, 8])
    mask[0, 2:5, 1] = 0
    vae.eval()
    target = x.clone()
    target[0, 2:5, 1] = 50
    mu, logvar = vae.encode(x, lengths)
    vae.encode = lambda *_: (mu, logvar - 100)
    assert torch.allclose(vae_loss(vae, x, mask, lengths), vae_loss(vae, target, mask, lengths))


def test_training_learns_and_repeats():
    motions = waves()
    mean, std = torch.zeros(3, 2), torch.ones(3, 2)
    messages: list[str] = []
    first = train_evaluator(motions, mean, std, SIZES, steps=81, report=lambda fraction, message: messages.append(message))
    losses = [float(message.split()[-1]) for message in messages]
    assert losses[-1] < 0.85 * losses[0]
    second = train_evaluator(motions, mean, std, SIZES, steps=81)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True))


def test_an_evaluator_is_one_small_file(vae: FeatureVae, tmp_path: Path):
    vae.mean.fill_(0.25)
    loaded = load_evaluator(save_evaluator(vae, tmp_path).parent)
    assert loaded.settings == SIZES
    assert torch.equal(loaded.mean, vae.mean)
    motions = waves()
    assert np.allclose(loaded.features(motions.keypoints, motions.lengths), vae.features(motions.keypoints, motions.lengths), atol=0.02)
    large = FeatureVae(EvaluatorSettings.small(18))
    assert save_evaluator(large, tmp_path).stat().st_size < 4e6


@pytest.mark.parametrize("content", [None, b"", b"garbage that is long enough to hold a header"])
def test_a_missing_or_damaged_file_is_named(content: bytes | None, tmp_path: Path):
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(KineliftError) as caught:
        load_evaluator(tmp_path)
    assert caught.value.place == str(tmp_path / FILE)
    assert caught.value.remedy


def test_the_programs_sizes_are_the_default():
    sizes = EvaluatorSettings(16)
    with torch.device("meta"):
        evaluator = FeatureVae(sizes)
    assert sum(parameter.numel() for parameter in evaluator.parameters()) == 11_076_384
