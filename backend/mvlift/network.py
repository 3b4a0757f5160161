"""The networks of MVLift (section 3, and its program): one transformer, with or without attention between views."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional

from backend.diffusion.denoiser import sinusoids
from backend.diffusion.schedule import Schedule

STEP_FEATURES, STEP_HIDDEN = 64, 256
MOST_GROWTH = 2.5  # by which queries and keys may be larger than they began


@dataclass(frozen=True)
class LiftNetworkSettings:
    """Sizes of the network.

    keypoints: J, 2 J features a frame are denoised; conditions: further features a frame that are given; head_width: features of one
    head; views: how many views see the same frame; cross: after every block attention between the views by a layer of its `own`, or by
    one that all blocks `shared`, as the official program does; masked: padded frames are not looked at (officially they are, as zeros);
    skip: as `DenoiserSettings.skip`.
    """

    keypoints: int
    conditions: int
    width: int = 512
    feedforward: int = 512
    layers: int = 4
    heads: int = 4
    head_width: int = 256
    dropout: float = 0.1
    views: int = 1
    cross: str = "none"
    masked: bool = True
    skip: bool = False

    def as_card(self) -> dict:
        return {key: value for key, value in asdict(self).items() if key not in ("keypoints", "conditions")}


class Attention(nn.Module):
    """Self-attention with residual and norm."""

    def __init__(self, settings: LiftNetworkSettings):
        super().__init__()
        width, inner = settings.width, settings.heads * settings.head_width
        self.heads, self.dropout = settings.heads, settings.dropout
        self.query, self.key, self.value = (nn.Linear(width, inner) for _ in range(3))
        self.out, self.norm = nn.Linear(inner, width), nn.LayerNorm(width)
        deviation = math.sqrt(2 / (width + settings.head_width))
        for layer in (self.query, self.key, self.value):
            nn.init.normal_(layer.weight, std=deviation)
        self.most = MOST_GROWTH * deviation * math.sqrt(width * inner)
        nn.init.xavier_normal_(self.out.weight)

    @torch.no_grad()
    def hold_sharpness(self) -> None:
        """Keeps queries and keys from growing without end: each frame would look at one other alone, and gradients explode."""
        for layer in (self.query, self.key):
            share = (self.most / layer.weight.norm()).clamp(max=1.0)
            layer.weight.mul_(share)
            layer.bias.mul_(share)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        query, key, value = (layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, mask, dropout).transpose(1, 2).flatten(2)
        return self.norm(x + functional.dropout(self.out(mixed), self.dropout, self.training))


class FeedForward(nn.Module):
    def __init__(self, settings: LiftNetworkSettings):
        super().__init__()
        self.first, self.second = nn.Linear(settings.width, settings.feedforward), nn.Linear(settings.feedforward, settings.width)
        self.norm, self.dropout = nn.LayerNorm(settings.width), settings.dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x + functional.dropout(self.second(self.first(x).relu()), self.dropout, self.training))


class Layer(nn.Module):
    """One layer on tokens [R,N,D]; valid [R,N,1] zeroes what is padding."""

    def __init__(self, settings: LiftNetworkSettings):
        super().__init__()
        self.attention, self.feed = Attention(settings), FeedForward(settings)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None, valid: torch.Tensor | None) -> torch.Tensor:
        x = self.attention(x, mask)
        x = x if valid is None else x * valid
        x = self.feed(x)
        return x if valid is None else x * valid


class LiftDenoiser(nn.Module):
    """Predicts x0 of every view from x_t and what is given. One token a frame, one for the diffusion step."""

    MOST_TOKENS = 2000

    def __init__(self, settings: LiftNetworkSettings, schedule: Schedule):
        super().__init__()
        self.settings = settings
        features, width = settings.keypoints * 2, settings.width
        self.frame_in = nn.Linear(features + settings.conditions, width)
        self.step_in = nn.Sequential(nn.Linear(STEP_FEATURES, STEP_HIDDEN), nn.GELU(), nn.Linear(STEP_HIDDEN, width))
        self.layers = nn.ModuleList(Layer(settings) for _ in range(settings.layers))
        self.crosses = nn.ModuleList(Layer(settings) for _ in range({"none": 0, "own": settings.layers, "shared": 1}[settings.cross]))
        self.frame_out = nn.Linear(width, features)
        self.register_buffer("abar", torch.tensor(schedule.abar, dtype=torch.float32), persistent=False)
        self.register_buffer("positions", sinusoids(self.MOST_TOKENS, width), persistent=False)

    @torch.no_grad()
    def begin_as(self, line: LiftDenoiser) -> None:
        """Starts with the weights of a network that saw single views, where it has the same sizes: it knows how a body moves. What is given means
        something else, so that part is new; attention between the views lets tokens through unchanged at first."""
        sizes = ("keypoints", "width", "feedforward", "layers", "heads", "head_width")
        if any(getattr(self.settings, name) != getattr(line.settings, name) for name in sizes):
            return
        mine, features = self.state_dict(), self.settings.keypoints * 2
        for name, weight in line.state_dict().items():
            if name == "frame_in.weight":
                mine[name][:, :features].copy_(weight[:, :features])
            else:
                mine[name].copy_(weight)
        for layer in self.crosses:
            for last in (layer.attention.out, layer.feed.second):
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)

    def hold_sharpness(self) -> None:
        """To be called after every step of a training."""
        for layer in (*self.layers, *self.crosses):
            layer.attention.hold_sharpness()

    def forward(self, x: torch.Tensor, steps: torch.Tensor, given: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """x [B,V,T,J,2] normalised; steps [B,V] int64; given [B,V,T,C]; lengths [B] valid frames, None for all. Returns x0 [B,V,T,J,2]."""
        views, frames = x.shape[1:3]
        frequency = torch.exp(torch.arange(STEP_FEATURES // 2, device=x.device) * (-math.log(10000.0) / (STEP_FEATURES // 2 - 1)))
        angle = steps.flatten()[:, None] * frequency
        step = self.step_in(torch.cat([angle.sin(), angle.cos()], -1))
        tokens = torch.cat([step.unsqueeze(1), self.frame_in(torch.cat([x.flatten(3), given], -1)).flatten(0, 1)], 1)
        tokens = tokens + self.positions[1 : frames + 2]  # the official table begins with a row for padding
        mask = valid = None
        if lengths is not None and int(lengths.min()) < frames:
            here = (torch.arange(frames + 1, device=x.device) <= lengths[:, None]).repeat_interleave(views, 0)
            valid = here.unsqueeze(-1)
            mask = here[:, None, None] if self.settings.masked else None
        for number, layer in enumerate(self.layers):
            tokens = layer(tokens, mask, valid)
            if self.crosses:
                tokens = self._across(self.crosses[number % len(self.crosses)], tokens, views, valid)
        output = self.frame_out(tokens[:, 1:]).view(x.shape)
        if self.settings.skip:
            abar = self.abar[steps][..., None, None, None]
            output = abar.sqrt() * x + (1 - abar).sqrt() * output
        return output

    def _across(self, layer: Layer, tokens: torch.Tensor, views: int, valid: torch.Tensor | None) -> torch.Tensor:
        """Attention between the views of a frame; which view is which is told by the position code."""

        def regrouped(rows: torch.Tensor, first: int) -> torch.Tensor:
            return rows.unflatten(0, (-1, first)).transpose(1, 2).flatten(0, 1)

        length = tokens.shape[1]
        rows = regrouped(tokens, views) + self.positions[1 : views + 1]
        rows = layer(rows, None, None if valid is None else regrouped(valid, views))
        return regrouped(rows, length)
