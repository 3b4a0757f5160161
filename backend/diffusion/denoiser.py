"""The motion denoiser: the transformer encoder of MDM as MAS uses it (Tevet et al. 2023; settings of the MAS paper's program)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import nn

from backend.diffusion.schedule import Schedule


@dataclass(frozen=True)
class DenoiserSettings:
    """Sizes of the network. `keypoints` x 2 features a frame.

    skip: the output is sqrt(abar) x_t + sqrt(1 - abar) F instead of F, so that a nearly clean input passes through and F
    learns what is missing (the v-parameterisation of Salimans & Ho 2022). The paper's network has no such path; small
    ones that train for an hour need it.
    """

    keypoints: int
    width: int = 512
    feedforward: int = 1024
    layers: int = 8
    heads: int = 4
    dropout: float = 0.1
    skip: bool = False

    def as_card(self) -> dict:
        return asdict(self)


def sinusoids(count: int, width: int) -> torch.Tensor:
    """Table [count,width] of the transformer's position code: sine at even, cosine at odd columns."""
    position = torch.arange(count).unsqueeze(1)
    frequency = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    table = torch.zeros(count, width)
    table[:, 0::2], table[:, 1::2] = torch.sin(position * frequency), torch.cos(position * frequency)
    return table


class Denoiser(nn.Module):
    """Predicts x0 from x_t. One token a frame, one for the diffusion step; post-norm encoder layers."""

    MAX_TOKENS = 5000

    def __init__(self, settings: DenoiserSettings, schedule: Schedule | None = None):
        super().__init__()
        self.settings = settings
        features, width = settings.keypoints * 2, settings.width
        self.frame_in = nn.Linear(features, width)
        self.step_in = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        layer = nn.TransformerEncoderLayer(width, settings.heads, settings.feedforward, settings.dropout, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, settings.layers, enable_nested_tensor=False)
        self.frame_out = nn.Linear(width, features)
        self.dropout = nn.Dropout(settings.dropout)
        self.register_buffer("abar", torch.tensor((schedule or Schedule()).abar, dtype=torch.float32), persistent=False)
        self.register_buffer("positions", sinusoids(self.MAX_TOKENS, width), persistent=False)

    def forward(self, x: torch.Tensor, steps: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """x [B,T,J,2] normalised; steps [B] int64; lengths [B] valid frames, None for all. Returns x0 [B,T,J,2]."""
        batch, frames = x.shape[:2]
        tokens = torch.cat([self.step_in(self.positions[steps]).unsqueeze(1), self.frame_in(x.flatten(2))], 1)
        tokens = self.dropout(tokens + self.positions[: frames + 1])
        padding = None
        if lengths is not None and int(lengths.min()) < frames:
            padding = torch.arange(frames + 1, device=x.device) > lengths.unsqueeze(1)
        tokens = self.encoder(tokens, src_key_padding_mask=padding)
        output = self.frame_out(tokens[:, 1:]).view(batch, frames, -1, 2)
        if self.settings.skip:
            abar = self.abar[steps].view(-1, 1, 1, 1)
            output = abar.sqrt() * x + (1 - abar).sqrt() * output
        return output
