from __future__ import annotations

import math
from dataclasses import asdict

import pytest
import torch

from backend.diffusion.denoiser import Denoiser, DenoiserSettings, sinusoids
from backend.diffusion.schedule import Schedule

SIZES = DenoiserSettings(keypoints=5, width=16, feedforward=24, layers=2, heads=2, dropout=0.1)


@pytest.fixture
def denoiser() -> Denoiser:
    torch.manual_seed(0)
    return Denoiser(SIZES).eval().requires_grad_(False)


def test_padding_and_batch_mates_have_no_influence(denoiser: Denoiser):
    x, steps, lengths = torch.randn(3, 12, 5, 2), torch.tensor([3, 50, 99]), torch.tensor([12, 7, 1])
    together = denoiser(x, steps, lengths)
    for row, length in enumerate(lengths):
        alone = denoiser(x[row : row + 1, :length], steps[row : row + 1])
        assert torch.allclose(together[row, :length], alone[0], atol=1e-5)
    x[1, 7:] = 1e3
    assert torch.allclose(denoiser(x, steps, lengths)[1, :7], together[1, :7], atol=1e-5)


def test_training_and_inference_compute_the_same(denoiser: Denoiser):
    """Inference takes torch's fused layers."""
    x, steps, lengths = torch.randn(2, 9, 5, 2), torch.tensor([10, 20]), torch.tensor([9, 4])
    fused = denoiser(x, steps, lengths)
    plain = Denoiser(DenoiserSettings(**{**asdict(SIZES), "dropout": 0.0})).train()
    plain.load_state_dict(denoiser.state_dict())
    assert torch.allclose(plain(x, steps, lengths)[1, :4], fused[1, :4], atol=1e-5)


def test_a_skip_passes_a_clean_input_through(denoiser: Denoiser):
    skipping = Denoiser(DenoiserSettings(**{**asdict(SIZES), "skip": True})).eval()
    skipping.load_state_dict(denoiser.state_dict())
    x, steps = torch.randn(2, 9, 5, 2), torch.tensor([0, 99])
    signal, noise = zip(*(Schedule().signal_and_noise(int(t)) for t in steps), strict=True)
    expected = torch.tensor(signal).view(2, 1, 1, 1) * x + torch.tensor(noise).view(2, 1, 1, 1) * denoiser(x, steps)
    assert torch.allclose(skipping(x, steps), expected, atol=1e-5)


def test_the_position_code_is_that_of_the_transformer():
    table = sinusoids(50, 8)
    assert float(table[7, 4]) == pytest.approx(math.sin(7 / 10000 ** (4 / 8)), abs=1e-6)
    assert float(table[7, 5]) == pytest.approx(math.cos(7 / 10000 ** (4 / 8)), abs=1e-6)
