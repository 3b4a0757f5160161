"""A pack small enough for tests: a real network with random weights around a real mean pose. It runs the whole path in
a second; its motions hold together because the network's output is damped towards the mean."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from backend.diffusion.denoiser import Denoiser, DenoiserSettings
from backend.packs.model import save_pack
from rigs import load_skeleton

# Front view of a standing player, metres, hips' height 0.9 taken off.
STANDING = {
    "Hip": (0, 0.0), "RHip": (-0.1, 0.0), "RKnee": (-0.1, -0.42), "RAnkle": (-0.1, -0.82), "LHip": (0.1, 0.0), "LKnee": (0.1, -0.42),
    "LAnkle": (0.1, -0.82), "Neck": (0, 0.52), "Nose": (0, 0.66), "Head": (0, 0.8), "LShoulder": (0.18, 0.48), "LElbow": (0.22, 0.2),
    "LWrist": (0.22, -0.05), "RShoulder": (-0.18, 0.48), "RElbow": (-0.22, 0.2), "RWrist": (-0.22, -0.05), "Ball": (-0.3, -0.2), "Travel": (0, -0.9),
}


def make_tiny_pack(folder: Path, name: str = "tiny") -> Path:
    """Writes `folder/name` and returns it."""
    skeleton = load_skeleton("nba16-ball")
    network = {"width": 32, "feedforward": 64, "layers": 1, "heads": 2, "dropout": 0.0}
    torch.manual_seed(0)
    denoiser = Denoiser(DenoiserSettings(keypoints=len(skeleton.keypoints), **network))
    state = denoiser.state_dict()
    state["frame_out.weight"] *= 0.3
    mean = torch.tensor([STANDING[point] for point in skeleton.keypoints])
    std = torch.full_like(mean, 0.1)
    card = {
        "name": name, "title": "Tiny (tests)", "kind": "mas", "description": "Random weights for tests.", "skeleton": skeleton.name, "fps": 30,
        "seconds": {"default": 2.0, "max": 6.0}, "camera": {"distance": 7.0, "elevation": [0.196, 0.196], "scale": 1.0},
        "centring": "root-horizontal", "centre_height": 0.9, "network": network, "diffusion": {"steps": 100, "tau": 2.0},
        "training": {}, "data": [], "scores": {},
    }
    return save_pack(Path(folder) / name, card, state, mean, std)


if __name__ == "__main__":
    print(make_tiny_pack(Path(sys.argv[1])))
