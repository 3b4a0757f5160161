"""What the MAS paper compares itself with: DreamFusion's score distillation (Poole et al. 2022) on motions, and views that turn
from step to step (MAS section 4.3, and its program). Its other ablations are settings of the sampler."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from backend.devices import network_precision
from backend.mas.sampler import Noise, Report, SamplerSettings, camera_ring
from backend.mas.triangulation import project_at_fixed_depth, reproject, triangulate
from backend.motion.cameras import project_orthographic, view_axes
from backend.packs.model import MasModel


@dataclass(frozen=True)
class DreamFusionSettings:
    """iterations: 200 in the paper, 1000 in its program; views: cameras an iteration; learning_rate: Adam's, in metres a step;
    annealed: begin with much noise and end with any, instead of any all along; bfloat16: as in SamplerSettings."""

    iterations: int = 200
    views: int = 1
    learning_rate: float = 0.01
    annealed: bool = False
    bfloat16: bool = False


def dreamfusion(model: MasModel, frames: int, seeds: Sequence[int], settings: DreamFusionSettings,
                report: Report = lambda fraction, message: None, lengths: torch.Tensor | None = None) -> torch.Tensor:
    """Optimises a 3D motion until its views look clean to the 2D model: every iteration films it from random sides, noises the
    views to a random step, and takes one Adam step towards the network's clean version.

    The official program draws its azimuths from 0..1 radians; here they come from the full circle, else no side but the front is
    ever looked at. Every motion has its own generator, so that it does not depend on its batch mates.

    Args: as for `backend.mas.sampler.sample`.
    Returns: [B,T,J,3] metres, centred, objects after joints.
    """
    batch, points = len(seeds), len(model.skeleton.keypoints)
    views, device = settings.views, model.device
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    low, high = model.card["camera"]["elevation"]
    motion = torch.zeros(batch, frames, points, 3, device=device, requires_grad=True)
    optimiser = torch.optim.Adam([motion], settings.learning_rate)
    valid = torch.ones(batch, frames) if lengths is None else torch.arange(frames) < lengths.cpu().unsqueeze(1)
    weight = valid.to(device)[None, :, :, None, None]
    repeated = None if lengths is None else lengths.to(device).repeat(views)
    for iteration in range(settings.iterations):
        report(iteration / settings.iterations, f"iteration {iteration + 1} of {settings.iterations}")
        sides = torch.stack([torch.rand(2, views, generator=one) for one in generators], -1)  # [2,V,B]
        least = max(1, round((model.schedule.steps - 1) * (1 - iteration / settings.iterations))) if settings.annealed else 1
        steps = torch.stack([torch.randint(least, model.schedule.steps, (views,), generator=one) for one in generators], -1).to(device)
        noise = torch.stack([torch.randn(views, frames, points, 2, generator=one) for one in generators], 1).to(device)
        axes = view_axes(2 * math.pi * sides[0], low + (high - low) * sides[1]).to(device)[:, :, None, None]
        seen = project_at_fixed_depth(motion, axes, model.distance, model.scale)
        with torch.no_grad(), network_precision(settings.bfloat16, device):
            noised = model.schedule.add_noise(model.normalise(seen).flatten(0, 1), steps.flatten(), noise.flatten(0, 1))
            clean = model.denormalise(model.denoiser(noised, steps.flatten(), repeated).float().unflatten(0, (views, batch)))
        loss = (weight * (seen - clean) ** 2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return motion.detach()


@torch.no_grad()
def turning_views(model: MasModel, frames: int, seeds: Sequence[int], settings: SamplerSettings,
                  report: Report = lambda fraction, message: None) -> torch.Tensor:
    """MAS whose ring of views is turned by a random angle at every step (the paper's "random angles").

    What a new view would have become by now is told from the past: its noise is the 3D noise of all steps seen from there, and
    its signal all earlier motions seen from there, each with the share that the steps since have left of it.

    Args: as for `backend.mas.sampler.sample`; of the settings, `views`, `calls`, `spacing`, `eta` and `bfloat16` count.
    Returns: [B,T,J,3] metres, centred, objects after joints.
    """
    batch, points, views, device = len(seeds), len(model.skeleton.keypoints), settings.views, model.device
    noise, geometry = Noise(seeds), (model.distance, model.scale)
    turns = torch.Generator().manual_seed(0)  # the same for all motions, so that batch mates don't matter
    steps = model.schedule.strided(settings.calls, settings.spacing)
    noise_3d = noise.draw(frames, points, 3).to(device)
    past: list[tuple[float, torch.Tensor]] = []
    for index, t in enumerate(steps):
        report(index / len(steps), f"step {index + 1} of {len(steps)}")
        axes = camera_ring(model, settings, turn=2 * math.pi * float(torch.rand(1, generator=turns)))
        x = project_orthographic(noise_3d, axes[:, None, None, None])
        for share, motion in past:
            x = x + share * model.normalise(reproject(motion, axes, *geometry))
        with network_precision(settings.bfloat16, device):
            predicted = model.denoiser(x.flatten(0, 1), torch.full((views * batch,), t, device=device))
        seen = model.denormalise(predicted.float().unflatten(0, (views, batch)))
        motion = triangulate(seen, axes, *geometry, sweeps=4)
        if index + 1 < len(steps):
            of_x0, of_x, deviation = model.schedule.step(t, steps[index + 1], settings.eta)
            past = [(share * of_x, earlier) for share, earlier in past] + [(of_x0, motion)]
            noise_3d = of_x * noise_3d + deviation * noise.draw(frames, points, 3).to(device)
    return motion
