from __future__ import annotations

from dataclasses import replace

import torch

from backend.mas.alternatives import DreamFusionSettings, dreamfusion
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


def test_all_sides_are_looked_at(tiny: MasModel):
    """A point that every camera wants to its right is pulled nowhere on average; with the front alone it would go right."""

    class ToTheRight:
        def __call__(self, x, steps, lengths=None):
            flat = torch.zeros_like(x)
            flat[..., 0] = 1.0
            return tiny.normalise(flat)

    found = dreamfusion(replace(tiny, denoiser=ToTheRight()), 2, [0], DreamFusionSettings(iterations=200, views=4))
    assert found[..., 0].abs().max() < 0.3
