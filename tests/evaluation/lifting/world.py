"""A domain for lifting walks, its clips and scenes, a pack with its line-conditioned network, and networks that know the answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from backend.evaluation.lifting.networks import Windows
from backend.evaluation.lifting.scenes import Scene
from backend.mvlift.model import LiftModel
from backend.mvlift.pose_prior import PosePrior
from backend.mvlift.views import ring, see
from backend.training.domain import Domain
from backend.training.project import project
from tests.mvlift.lifting import SKELETON, make_pack, walk
from tests.training.clips import TOML, write_clips, write_domain

LIFT = TOML.replace('centring = "root-horizontal"', 'centring = "first-frame"').replace("distance = 7.0", "distance = [3.0, 5.0]").replace(
    "elevation = [0.15, 0.25]", "elevation = [0.0, 0.25]").replace("default = 2.0", "default = 1.0").replace("max = 3.0", "max = 1.0").replace(
    "[detector]", "[lift]\nviews = 4\nheight = 1.75\nstanding_height = 0.08\n[detector]")
__all__ = ["SKELETON"]


def make_world(folder: Path) -> Path:
    """Writes walks.toml, its clips, 2D motions (2d/train.npz) and a pack (pack/) with random weights."""
    domain = Domain.load(str(write_domain(folder, LIFT)))
    write_clips(folder, seconds=1.5)
    project(domain, domain.clips(folder, "train"), 8, 0, stitch=False).save(folder / "2d" / "train.npz")
    PosePrior.learn([walk(4.0, away) for away in (0.0, 0.6)], SKELETON).save(make_pack(folder / "pack"))
    make_pack(folder / "pack" / "line", line=True)
    return folder


def in_camera(scene: Scene) -> np.ndarray:
    """A scene's points [T,P,3] in the axes right, up, forward of its camera."""
    return (scene.points @ scene.camera.R.T + scene.camera.t) * [1, -1, 1]


class LineOracle(torch.nn.Module):
    """Stands in for a line-conditioned network that is never wrong about these scenes, drawn together as one batch."""

    def __init__(self, model: LiftModel, scenes: list[Scene], condition: str, views: int = 6):
        super().__init__()
        self.settings = model.denoiser.settings
        windows = Windows(scenes, condition, model)
        axes = ring(views, windows.first, model.elevation)
        frames, worlds = windows.pictures.shape[1], []
        for row, scene in enumerate(scenes):
            turned = torch.from_numpy(in_camera(scene)).float() @ windows.framing.turn[row].T
            distance = windows.framing.distance[row]
            turned = turned * distance / model.body.root(turned[0])[2]
            world = (turned - torch.tensor([0, 0, float(distance)])) @ axes[row, 0]
            worlds.append(torch.cat([world, world[-1:].expand(frames - len(world), -1, -1)]))
        self.answer = model.features.normalise(see(torch.stack(worlds), axes[:, 1:], windows.framing.distance)).flatten(0, 1).unsqueeze(1)
        self.calls = 0

    def forward(self, x, steps, given, lengths):
        self.calls += 1
        return self.answer
