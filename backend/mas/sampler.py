"""Multi-view Ancestral Sampling (MAS, algorithm 1): all views are denoised together and made one 3D motion at every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from backend.devices import network_precision
from backend.mas.stopwatch import Stopwatch
from backend.mas.triangulation import AdamTriangulation, reproject, triangulate
from backend.motion.bones import with_steady_bones
from backend.motion.cameras import project_orthographic, ring_azimuths, view_axes
from backend.motion.folds import exchanged_frames
from backend.packs.model import MasModel

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class SamplerSettings:
    """How to sample.

    views: cameras on the ring; calls: network evaluations a view; spacing: how they spread over the noise levels
    (`Schedule.strided`); eta: 1 ancestral, 0 deterministic; order: 2 to extrapolate x0 from the last step
    (`Schedule.extrapolation`); consistent_noise: the same 3D noise seen by all views (the paper's ablation turns it off);
    adam: triangulate as the official program does; apart_degrees: the angle between neighbouring views, 0 to spread them over
    the circle; prominent: one view counts a thousandfold (an ablation of the paper's program); hold_bones: after
    triangulation, give every bone its median length; keep_sides: after triangulation, put left and right joints on their sides of
    the body (`folds.exchanged_frames`), which single views can't tell; bfloat16: run the network in half precision where the device has
    arithmetic for it, which moves joints by some 2 mm; compiled: run the network through torch.compile.
    """

    views: int = 5
    calls: int = 99
    spacing: float = 1.0
    eta: float = 1.0
    order: int = 1
    consistent_noise: bool = True
    adam: bool = False
    apart_degrees: float = 0.0
    prominent: bool = False
    hold_bones: bool = False
    keep_sides: bool = False
    bfloat16: bool = False
    compiled: bool = False


MODES = {
    "reference": SamplerSettings(views=7, adam=True),
    "paper": SamplerSettings(views=5),
    "fast": SamplerSettings(views=3, calls=28, spacing=0.7, order=2, keep_sides=True, bfloat16=True),
}
PROMINENCE = 1000.0
SIDES_FROM, SIDES_UNTIL = 0.02, 0.9  # abar from which the prediction has sides, and until which it can still be changed
ROOT_HELD = {"root": [1.0, 1.0, 1.0], "root-horizontal": [1.0, 1.0, 0.0], "mean": [0.0, 0.0, 0.0]}  # by centring: along which axes it is at 0
BONES_FROM = 0.2  # abar from which the prediction is a pose and no longer a mean of poses, whose bones are rightly short


class Noise:
    """Reproducible noise: each motion of the batch has its own generator, so that it does not depend on its batch mates."""

    def __init__(self, seeds: Sequence[int]):
        self.generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]

    def draw(self, *shape: int) -> torch.Tensor:
        """Standard normal [B,*shape], made on the CPU so that a seed means the same everywhere."""
        return torch.stack([torch.randn(*shape, generator=generator) for generator in self.generators])


def camera_ring(model: MasModel, settings: SamplerSettings, turn: float = 0.0) -> torch.Tensor:
    """The views' axes [V,3,3], the ring turned by `turn` radians. A pack with a range of elevations gets them spread over its views."""
    views = settings.views
    azimuths = torch.arange(views) * math.radians(settings.apart_degrees) if settings.apart_degrees else ring_azimuths(views)
    low, high = model.card["camera"]["elevation"]
    elevations = low + (high - low) * ((torch.arange(views) * 0.618034) % 1)
    return view_axes(azimuths + turn, elevations).to(model.device)


def exchanged(motion: torch.Tensor, model: MasModel, lengths: torch.Tensor | None) -> torch.Tensor:
    """The frames [B,T] bool of motions [B,T,J,3] in which left and right are exchanged; none beyond a length."""
    wrong = np.zeros(motion.shape[:2], bool)
    for row, points in enumerate(motion.cpu().numpy()):
        length = len(points) if lengths is None else int(lengths[row])
        wrong[row, :length] = exchanged_frames(points[:length], model.skeleton, float(model.card["fps"]))
    return torch.from_numpy(wrong).to(motion.device)


def with_sides_exchanged(motion: torch.Tensor, wrong: torch.Tensor, model: MasModel) -> torch.Tensor:
    """Motions [B,T,J,3] with left and right joints exchanged in the frames `wrong` [B,T]. A root that has a side stays where it was, as the pack's
    centring has it."""
    mirrored, root = motion[:, :, list(model.skeleton.mirror_order)], model.skeleton.keypoints.index(model.skeleton.root)
    held = torch.tensor(ROOT_HELD[model.card["centring"]], device=motion.device)
    mirrored = mirrored - (mirrored[:, :, root] - motion[:, :, root])[:, :, None] * held
    return torch.where(wrong[..., None, None], mirrored, motion)


def on_the_sides_of(other: torch.Tensor, motion: torch.Tensor, model: MasModel) -> torch.Tensor:
    """A motion [B,T,J,3] with left and right exchanged in the frames in which that brings it nearer to another of the same shape."""
    mirrored = with_sides_exchanged(motion, torch.ones_like(motion[..., 0, 0], dtype=torch.bool), model)
    far, near = ((points - other).norm(dim=-1).sum(-1) for points in (motion, mirrored))
    return torch.where((near < far)[..., None, None], mirrored, motion)


def noise_exchanged(x: torch.Tensor, motion: torch.Tensor, kept: torch.Tensor, wrong: torch.Tensor, t: int, axes: torch.Tensor,
                    model: MasModel) -> torch.Tensor:
    """What noisy views x [V,B,T,J,2] at the step t of motions are for motions whose sides were exchanged: else x would go on saying what it said,
    and pull the two sides together."""
    share, geometry = math.sqrt(model.schedule.abar[t]), (model.distance, model.scale)
    noise = x - share * model.normalise(reproject(motion, axes, *geometry))
    mirrored = share * model.normalise(reproject(kept, axes, *geometry)) + noise[..., list(model.skeleton.mirror_order), :]
    return torch.where(wrong[..., None, None], mirrored, x)


@torch.no_grad()
def sample(model: MasModel, frames: int, seeds: Sequence[int], settings: SamplerSettings, report: Report = lambda fraction, message: None,
           lengths: torch.Tensor | None = None, watch: Stopwatch | None = None) -> torch.Tensor:
    """Samples one motion a seed.

    Args:
        frames: T; lengths: [B] valid frames of each motion, None for all.
        report: called at every step; may raise Cancelled.
        watch: times the parts "network" and "triangulation" and counts "calls" and "rows" of the network, and
            "iterations" of Adam.
    Returns: [B,T,J,3] metres, centred as the pack is, objects after joints. Frames beyond a length mean nothing.
    """
    batch, points = len(seeds), len(model.skeleton.keypoints)
    axes = camera_ring(model, settings)
    views = len(axes)
    noise = Noise(seeds)
    geometry = (model.distance, model.scale)
    watch = watch or Stopwatch(model.device)

    def view_noise() -> torch.Tensor:
        if not settings.consistent_noise:
            return noise.draw(views, frames, points, 2).to(model.device).transpose(0, 1)
        return project_orthographic(noise.draw(frames, points, 3).to(model.device).unsqueeze(0), axes[:, None, None, None])

    steps = model.schedule.strided(settings.calls, settings.spacing)
    repeated = None if lengths is None else lengths.to(model.device).repeat(views)
    adam = AdamTriangulation((batch, frames, points), axes, *geometry) if settings.adam else None
    joints, parents = len(model.skeleton.joints), model.skeleton.parents
    mirror, elastic = model.skeleton.mirror_order[:joints], model.skeleton.elastic_joints
    denoiser = model.compiled_denoiser if settings.compiled else model.denoiser
    weights = torch.tensor([PROMINENCE] + [1.0] * (views - 1), device=model.device) if settings.prominent else None
    motion = previous = None
    x = view_noise()
    for index, t in enumerate(steps):
        report(index / len(steps), f"step {index + 1} of {len(steps)}")
        with watch.part("network", calls=1, rows=views * batch), network_precision(settings.bfloat16, model.device):
            predicted = denoiser(x.flatten(0, 1), torch.full((views * batch,), t, device=model.device), repeated)
        with watch.part("triangulation"):
            seen = model.denormalise(predicted.float().unflatten(0, (views, batch)))
            motion = adam(seen, weights) if adam else triangulate(seen, axes, *geometry, motion, 2 if index else 4, weights)
            if settings.keep_sides and SIDES_FROM < model.schedule.abar[t] < SIDES_UNTIL:
                wrong = exchanged(motion, model, lengths)
                kept = with_sides_exchanged(motion, wrong, model)
                previous = None if previous is None else on_the_sides_of(kept, previous, model)
                x = noise_exchanged(x, motion, kept, wrong, t, axes, model)
                motion = kept
            if settings.hold_bones and model.schedule.abar[t] > BONES_FROM:
                body = with_steady_bones(motion[:, :, :joints], parents, mirror, elastic, lengths)
                motion = torch.cat([body, motion[:, :, joints:]], 2)
        if index + 1 < len(steps):
            ahead = motion
            if settings.order == 2 and previous is not None:
                ahead = motion + model.schedule.extrapolation(steps[index - 1], t, steps[index + 1]) * (motion - previous)
            previous = motion
            consistent = model.normalise(reproject(ahead, axes, *geometry))
            of_x0, of_x, deviation = model.schedule.step(t, steps[index + 1], settings.eta)
            x = of_x0 * consistent + of_x * x
            if deviation:
                x = x + deviation * view_noise()
    if adam:
        watch.counts["iterations"] = adam.iterations
    return motion


@torch.no_grad()
def sample_2d(model: MasModel, frames: int, seeds: Sequence[int], settings: SamplerSettings,
              report: Report = lambda fraction, message: None, lengths: torch.Tensor | None = None) -> torch.Tensor:
    """Plain 2D samples of the diffusion model (the paper's "2D model" row): [B,T,J,2] in the pack's units. Of the settings, `calls`,
    `spacing`, `eta` and `bfloat16` count; the rest is as for `sample`."""
    noise = Noise(seeds)
    points = len(model.skeleton.keypoints)
    x = noise.draw(frames, points, 2).to(model.device)
    steps = model.schedule.strided(settings.calls, settings.spacing)
    lengths = None if lengths is None else lengths.to(model.device)
    for index, t in enumerate(steps):
        report(index / len(steps), f"step {index + 1} of {len(steps)}")
        with network_precision(settings.bfloat16, model.device):
            predicted = model.denoiser(x, torch.full((len(x),), t, device=model.device), lengths)
        predicted = predicted.float()
        if index + 1 < len(steps):
            of_x0, of_x, deviation = model.schedule.step(t, steps[index + 1], settings.eta)
            x = of_x0 * predicted + of_x * x + deviation * noise.draw(frames, points, 2).to(model.device)
    return model.denormalise(predicted)
