"""ElePose (see `backend.evaluation.elepose`) for lifting: frames of a window, each turned to the root, as large as the window's framing says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from backend.evaluation.elepose import FILE, ElePose, ElePoseSettings, load_elepose, save_elepose, train_elepose
from backend.evaluation.lifting.results import Lifted, from_camera, rays_of
from backend.evaluation.lifting.scenes import Scene
from backend.mas.sampler import Report
from backend.motion.cameras import view_axes
from backend.motion.motion2d import Motion2DSet
from backend.mvlift.training import distances_of, elevation_between, in_rays, middle_elevation
from backend.mvlift.windows import Body, fill_gaps, frame, look_at, up_of
from backend.training.domain import Domain
from rigs import Skeleton


@dataclass(frozen=True)
class FrameModel:
    """What ElePose needs to know of the data: the skeleton, mean and std [J,2] of the frames' keypoints, and how they are filmed."""

    skeleton: Skeleton
    mean: torch.Tensor
    std: torch.Tensor
    distance: float
    elevation: tuple[float, float]
    scale: float = 1.0

    @property
    def device(self) -> torch.device:
        return self.mean.device

    @property
    def card(self) -> dict:
        return {"camera": {"elevation": list(self.elevation)}, "centring": "root"}


def turned_to_root(rays: torch.Tensor, seen: torch.Tensor, up: torch.Tensor, body: Body, skeleton: Skeleton) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rays [B,T,P,2], gaps filled, as pictures [B,T,P,2] with the skeleton's root in the middle of every frame; the turns [B,T,3,3], and the
    windows' zooms [B]."""
    _, framing = frame(rays, seen, up, body)
    root = rays[:, :, skeleton.joints.index(skeleton.root)]
    direction = torch.cat([root, torch.ones_like(root[..., :1])], -1)
    turns = look_at(direction, up.expand(len(rays), 3)[:, None].expand_as(direction))
    turned = torch.cat([rays, torch.ones_like(rays[..., :1])], -1) @ turns.transpose(-1, -2)
    return turned[..., :2] / turned[..., 2:].clamp(min=0.05) * framing.zoom.view(-1, 1, 1, 1), turns, framing.zoom


class FrameLifter:
    """An ElePose for a domain, trained on its 2D motions or read from `folder`, where it is kept."""

    def __init__(self, domain: Domain, motions: Motion2DSet, body: Body, folder: Path, seed: int, report: Report):
        self.domain, self.body, self.folder = domain, body, folder
        self._motions, self._seed, self._report = motions, seed, report

    @cached_property
    def lifter(self) -> ElePose:
        domain = self.domain
        rays, seen = in_rays(self._motions, distances_of(self._motions, domain)), self._motions.confidences > 0
        filled = torch.from_numpy(fill_gaps(rays.keypoints, seen).astype(np.float32))
        frames, _, zoom = turned_to_root(filled, torch.from_numpy(seen), up_of(middle_elevation(domain)), self.body, domain.skeleton)
        valid = torch.arange(frames.shape[1]) < torch.from_numpy(self._motions.lengths)[:, None]
        mean, std = frames[valid].mean(0), frames[valid].std(0).clamp(min=0.02)
        model = FrameModel(domain.skeleton, mean, std, round(float(zoom.median()), 3), elevation_between(domain))
        if not (self.folder / FILE).is_file():
            given = replace(self._motions, keypoints=frames.numpy(), distances=None)
            save_elepose(train_elepose(given, model, ElePoseSettings(), self._seed, self._report), self.folder)
        return load_elepose(self.folder, model)

    def lift(self, scenes: Sequence[Scene], condition: str, report: Report) -> list[Lifted]:
        """Frame by frame, so nothing is said of the way of the root."""
        lifter, made = self.lifter, []
        for number, scene in enumerate(scenes):
            report(number / len(scenes), "ElePose")
            made.append(from_camera(self._points(lifter, scene, condition), scene, rooted=False))
        return made

    @torch.no_grad()
    def _points(self, lifter: ElePose, scene: Scene, condition: str) -> np.ndarray:
        rays, sure = rays_of(scene, condition)
        filled = torch.from_numpy(fill_gaps(rays, sure > 0)).float()[None]
        frames, turns, zoom = turned_to_root(filled, torch.from_numpy(sure > 0)[None], up_of(scene.pitch).float(), self.body, self.domain.skeleton)
        points, elevation = lifter.lift_poses(frames[0].to(lifter.mean.device))
        depth = (points @ view_axes(torch.zeros_like(elevation), elevation)[:, 2, :, None])[..., 0].cpu() + zoom
        turned = torch.cat([frames[0] / zoom * depth[..., None], depth[..., None]], -1)
        return (turned @ turns[0]).double().numpy()
