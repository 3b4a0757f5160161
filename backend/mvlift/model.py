"""A network of a lifting pack in memory: what it denoises, what it is given, and what the card says about cameras and bodies.

A pack of the kind "mvlift" is a folder with the multi-view network and, in its folder `line`, the line-conditioned one of stage 1
(kind "mvlift-line"), which only the training and the evaluation read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from backend.devices import choose_device
from backend.diffusion.schedule import Schedule
from backend.errors import KineliftError
from backend.mvlift.network import LiftDenoiser, LiftNetworkSettings
from backend.mvlift.pose_prior import PRIOR, PosePrior
from backend.mvlift.windows import Body
from backend.packs.catalogue import CARD, WEIGHTS
from backend.packs.model import find_pack
from rigs import Skeleton, load_skeleton

MULTIVIEW, LINE = "mvlift", "mvlift-line"


@dataclass
class Features:
    """Between pictures and what a network sees: keypoints from the root, each at unit variance. mean, std [J,2]; mix [J,J]."""

    mean: torch.Tensor
    std: torch.Tensor
    mix: torch.Tensor

    def __post_init__(self):
        self.unmix = torch.linalg.inv(self.mix.double()).to(self.mix)

    def normalise(self, pictures: torch.Tensor) -> torch.Tensor:
        """[...,J,2] pictures to features."""
        return (self.mix @ pictures - self.mean) / self.std

    def denormalise(self, x: torch.Tensor) -> torch.Tensor:
        """[...,J,2] features to pictures."""
        return self.unmix @ (x * self.std + self.mean)

    def given_view(self, pictures: torch.Tensor, seen: torch.Tensor, conditions: int) -> torch.Tensor:
        """What the multi-view network is given of the view that filmed: [...,C] of pictures [...,J,2] and how surely each point is
        seen [...,J], which official networks aren't told."""
        clean = self.normalise(pictures).flatten(-2)
        return clean if conditions == clean.shape[-1] else torch.cat([clean, seen], -1)

    def given_lines(self, lines: torch.Tensor, official: bool) -> torch.Tensor:
        """What the line network is given of lines [...,J,3]: [...,3 J]. Official ones are in features, and a is never negative there."""
        if official:
            slope = lines[..., :2] * self.std
            lines = torch.cat([slope, lines[..., 2:] + (lines[..., :2] * self.mean).sum(-1, keepdim=True)], -1)
            lines = lines / (slope.norm(dim=-1, keepdim=True) + 1e-8) * torch.where(lines[..., :1] < 0, -1.0, 1.0)
        return lines.flatten(-2)


@dataclass
class LiftModel:
    """A network ready to use. body: how windows are framed; features: what it sees; prior: how bodies are mostly posed, None for packs that
    were not trained on motions in 3D."""

    name: str
    card: dict
    denoiser: LiftDenoiser
    features: Features
    body: Body
    schedule: Schedule
    skeleton: Skeleton
    prior: PosePrior | None = None

    @property
    def device(self) -> torch.device:
        return self.features.mean.device

    @property
    def fps(self) -> float:
        return float(self.card["fps"])

    @property
    def frames(self) -> int:
        """Frames of a window."""
        return round(float(self.card["seconds"]["default"]) * self.fps)

    @property
    def elevation(self) -> float:
        """Radians by which the views that nobody filmed look down."""
        return float(sum(self.card["camera"]["elevation"]) / 2)

    @property
    def official(self) -> bool:
        return self.body.box is not None


def make_body(card: dict, skeleton: Skeleton) -> Body:
    """How the card frames windows: by the lengths that bones show, or by the official program's box."""
    return Body.of(skeleton, card["body"].get("lengths"), card["body"].get("box"))


def make_features(mean: torch.Tensor, std: torch.Tensor, body: Body) -> Features:
    """Official networks see keypoints as they are in the picture, ours from the root."""
    mix = torch.eye(len(mean)) if body.box is not None else body.mixing()
    return Features(mean, std, mix.to(mean))


def line_folder(pack: str) -> Path:
    """The folder with the line-conditioned network of a pack that lifts. Raises KineliftError where the pack lifts nothing or comes without it."""
    folder = find_pack(pack)
    kind = json.loads((folder / CARD).read_text(encoding="utf-8"))["kind"]
    if kind != MULTIVIEW:
        raise KineliftError(f"the pack {folder.name!r} is of the kind {kind!r}", f"Choose a pack of the kind {MULTIVIEW!r}", str(folder), "wrong-pack")
    if not (folder / "line" / CARD).is_file():
        raise KineliftError(f"the pack {folder.name!r} is without its network of stage 1, which only training and evaluation need",
                            "Take the pack from a checkout of the source", str(folder / "line"), "missing-file")
    return folder / "line"


def load_lift_model(name_or_folder: str, device: str = "auto", kind: str = MULTIVIEW) -> LiftModel:
    """Loads a pack for lifting, or with `kind` LINE its folder `line`. Raises KineliftError; runs no code from the pack."""
    folder = find_pack(name_or_folder)
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    if card["kind"] != kind:
        raise KineliftError(f"the pack {folder.name!r} is of the kind {card['kind']!r}", f"Choose a pack of the kind {kind!r}", str(folder), "wrong-pack")
    target = choose_device(device)
    place = str(folder / WEIGHTS)
    try:
        skeleton = load_skeleton(card["skeleton"])
        body = make_body(card, skeleton)
        settings = LiftNetworkSettings(keypoints=len(skeleton.keypoints), conditions=int(card["conditions"]), **card["network"])
        schedule = Schedule(card["diffusion"]["steps"], card["diffusion"]["tau"])
        weights = load_file(place)
        mean, std = weights.pop("normalise.mean").float(), weights.pop("normalise.std").float()
        denoiser = LiftDenoiser(settings, schedule)
        denoiser.load_state_dict({key: value.float() for key, value in weights.items()})
        if mean.shape != std.shape or mean.shape != (settings.keypoints, 2):
            raise ValueError(f"normalisation of shape {list(mean.shape)}")
        if body.lengths is not None and body.lengths.shape != (len(body.bones),):
            raise ValueError(f"{len(body.lengths)} lengths for {len(body.bones)} bones")
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise KineliftError(f"the weights don't fit their card ({error})", "Copy or train the pack again", place, "bad-pack") from error
    features = make_features(mean.to(target), std.to(target), body)
    prior = PosePrior.load(folder, skeleton) if (folder / PRIOR).is_file() else None
    return LiftModel(folder.name, card, denoiser.to(target).eval().requires_grad_(False), features, body, schedule, skeleton, prior)
