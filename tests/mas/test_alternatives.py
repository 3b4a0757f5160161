from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from backend.mas.alternatives import DreamFusionSettings, dreamfusion, turning_views
from backend.mas.sampler import SamplerSettings
from backend.packs.model import MasModel

QUICK = DreamFusionSettings(iterations=8, views=2)


def test_a_motion_does_not_depend_on_its_batch_mates_or_padding(tiny: MasModel):
    together = dreamfusion(tiny, 12, [0, 1, 2], QUICK, lengths=torch.tensor([12, 7, 12]))
    assert torch.allclose(together[2], dreamfusion(tiny, 12, [2], QUICK)[0], atol=1e-4)
    assert not together[1, 7:].any()
    assert together[1, :7].abs().max() > 0.01


def test_a_motion_that_looks_right_from_everywhere_is_found(tiny: MasModel):
    """Points on the vertical axis look alike from all sides, so a network can know them without knowing the side."""
    heights = torch.linspace(-0.6, 0.6, 18)

    class Knowing:
        def __call__(self, x, steps, lengths=None):
            flat = torch.stack([torch.zeros(18), heights], -1)
            return tiny.normalise(flat).expand_as(x)

    level = {**tiny.card, "camera": {**tiny.card["camera"], "elevation": [0.0, 0.0]}}
    model = replace(tiny, denoiser=Knowing(), card=level)
    found = dreamfusion(model, 5, [0], DreamFusionSettings(iterations=200))[0]
    assert torch.allclose(found[..., 2], heights.expand(5, 18), atol=0.02)
    assert found[..., :2].abs().max() < 0.02


def test_annealing_begins_with_much_noise(tiny: MasModel):
    class Listening:
        steps: list[int] = []

        def __call__(self, x, steps, lengths=None):
            self.steps.append(int(steps.min()))
            return x

    listening = Listening()
    dreamfusion(replace(tiny, denoiser=listening), 4, [0], DreamFusionSettings(iterations=100, annealed=True))
    assert all(step >= 98 - index for index, step in enumerate(listening.steps))
    assert min(listening.steps) < 40


def test_all_sides_are_looked_at(tiny: MasModel):
    """A point that every camera wants to its right is pulled nowhere on average; with the front alone it would go right."""

    class ToTheRight:
        def __call__(self, x, steps, lengths=None):
            flat = torch.zeros_like(x)
            flat[..., 0] = 1.0
            return tiny.normalise(flat)

    found = dreamfusion(replace(tiny, denoiser=ToTheRight()), 2, [0], DreamFusionSettings(iterations=200, views=4))
    assert found[..., 0].abs().max() < 0.3


TURNING = SamplerSettings(views=4, calls=8)


def test_turning_views_find_what_a_knowing_network_sees(tiny: MasModel):
    """Points on the vertical axis look alike from all sides."""
    heights = torch.linspace(-0.6, 0.6, 18)

    class Knowing:
        def __call__(self, x, steps, lengths=None):
            return tiny.normalise(torch.stack([torch.zeros(18), heights], -1)).expand_as(x)

    level = {**tiny.card, "camera": {**tiny.card["camera"], "elevation": [0.0, 0.0]}}
    found = turning_views(replace(tiny, denoiser=Knowing(), card=level), 5, [0], TURNING)[0]
    assert torch.allclose(found[..., 2], heights.expand(5, 18), atol=1e-4)
    assert found[..., :2].abs().max() < 1e-4


def test_turning_views_see_signal_and_noise_of_their_level(tiny: MasModel):
    """With a network that knows nothing but the mean pose, what is left in x_t beside it is noise of the step's level."""
    spreads = []

    class Blank:
        def __call__(self, x, steps, lengths=None):
            spreads.append((int(steps[0]), float(x.std())))
            return torch.zeros_like(x)

    flat = replace(tiny, denoiser=Blank(), mean=torch.zeros_like(tiny.mean))
    turning_views(flat, 60, [0, 1], TURNING)
    for t, spread in spreads:
        assert spread == pytest.approx(tiny.schedule.signal_and_noise(t)[1], rel=0.1)


def test_turning_views_keep_motions_apart(tiny: MasModel):
    together = turning_views(tiny, 12, [3, 4], TURNING)
    assert torch.allclose(together[1], turning_views(tiny, 12, [4], TURNING)[0], atol=1e-4)
