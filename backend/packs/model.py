"""A pack in memory: the denoiser, its normalisation and what the card says about cameras and diffusion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from backend.devices import choose_device
from backend.diffusion.denoiser import Denoiser, DenoiserSettings
from backend.diffusion.schedule import Schedule
from backend.errors import KineliftError
from backend.motion.files import write_bytes
from backend.packs.catalogue import CARD, WEIGHTS, list_packs, read_pack
from rigs import Skeleton, load_skeleton, read_skeleton


@dataclass
class MasModel:
    """A 2D diffusion model ready to sample. mean, std [J,2] normalise keypoints in the pack's units."""

    name: str
    card: dict
    denoiser: Denoiser
    mean: torch.Tensor
    std: torch.Tensor
    schedule: Schedule
    skeleton: Skeleton

    @property
    def device(self) -> torch.device:
        return self.mean.device

    @cached_property
    def compiled_denoiser(self) -> torch.nn.Module:
        """The denoiser through torch.compile, which needs a C++ compiler and compiles at the first call of each shape."""
        return torch.compile(self.denoiser)

    @property
    def distance(self) -> float:
        return float(self.card["camera"]["distance"])

    @property
    def scale(self) -> float:
        return float(self.card["camera"]["scale"])

    def normalise(self, keypoints: torch.Tensor) -> torch.Tensor:
        """[...,J,2] in the pack's units to the network's."""
        return (keypoints - self.mean) / self.std

    def denormalise(self, x: torch.Tensor) -> torch.Tensor:
        """[...,J,2] from the network's units to the pack's."""
        return x * self.std + self.mean


def find_pack(name_or_folder: str) -> Path:
    """The folder of a pack named on the search path, or a folder that is one."""
    packs = list_packs()
    match = [pack for pack in packs if pack.name == name_or_folder]
    pack = match[0] if match else read_pack(Path(name_or_folder))
    if not match and not Path(name_or_folder).is_dir():
        known = ", ".join(p.name for p in packs) or "none"
        raise KineliftError(f"there is no pack {name_or_folder!r}", f"Name a pack folder or one of: {known}", code="missing-pack")
    if pack.problem:
        raise KineliftError(pack.problem.split(". ")[0], "Copy the pack again", code="bad-pack")
    return pack.folder


def load_model(name_or_folder: str, device: str = "auto") -> MasModel:
    """Loads a "mas" pack for sampling. Raises KineliftError naming the file and the remedy; runs no code from the pack."""
    folder = find_pack(name_or_folder)
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    if card["kind"] != "mas":
        raise KineliftError(f"the pack {folder.name!r} is of the kind {card['kind']!r}, which does not generate", "Choose a pack of the kind 'mas'",
                            str(folder), "wrong-pack")
    target = choose_device(device)
    place = str(folder / WEIGHTS)
    try:
        own = folder / Path(f"{card['skeleton']}.toml").name
        skeleton = read_skeleton(own) if own.is_file() else load_skeleton(card["skeleton"])
        settings = DenoiserSettings(keypoints=len(skeleton.keypoints), **card["network"])
        schedule = Schedule(card["diffusion"]["steps"], card["diffusion"]["tau"])
        weights = load_file(place)
        mean, std = weights.pop("normalise.mean").float(), weights.pop("normalise.std").float()
        denoiser = Denoiser(settings, schedule)
        denoiser.load_state_dict({key: value.float() for key, value in weights.items()})
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise KineliftError(f"the weights don't fit their card ({error})", "Copy or train the pack again", place, "bad-pack") from error
    return MasModel(folder.name, card, denoiser.to(target).eval().requires_grad_(False), mean.to(target), std.to(target), schedule, skeleton)


def save_pack(folder: Path, card: dict, state: dict[str, torch.Tensor], mean: torch.Tensor, std: torch.Tensor) -> Path:
    """Writes card.json and weights.safetensors (float16 halves the download; it is read as float32)."""
    tensors = {key: value.detach().half().cpu().contiguous() for key, value in state.items()}
    tensors |= {"normalise.mean": mean.float().cpu().contiguous(), "normalise.std": std.float().cpu().contiguous()}
    write_bytes(folder / WEIGHTS, save(tensors))
    write_bytes(folder / CARD, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())
    return folder
