"""The rows that draw unseen views with the line-conditioned network of a lifting pack: stages 1 and 2 of MVLift, the paper's ablations, and
MAS adapted to an input sequence. What all share: windows framed as the lift frames them, triangulation, a body of constant bones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from backend.evaluation.lifting.results import Lifted, from_camera, rays_of
from backend.evaluation.lifting.scenes import Scene
from backend.mas.sampler import Noise, Report
from backend.motion.cameras import project_orthographic
from backend.mvlift.model import LiftModel
from backend.mvlift.optimise import Optimiser, OptimiseSettings
from backend.mvlift.skeleton_fit import fit_skeleton
from backend.mvlift.views import epipolar_lines, intersect, off_line, see
from backend.mvlift.windows import Framing, elevation_of, fill_gaps, frame, up_of

BATCH = 8


@dataclass(frozen=True)
class DistilSettings:
    """"SDS for 3D": iterations of Adam, 3,000 in the paper's program; views, the one that filmed included; filmed: weight of the squared
    distance from what was filmed against the distilled score, where the program's losses have about 3; noise: shares of the diffusion
    steps between which the noise falls."""

    iterations: int = 300
    views: int = 6
    learning_rate: float = 0.02
    filmed: float = 3.0
    noise: tuple[float, float] = (0.98, 0.02)
    bfloat16: bool = True


class Windows:
    """A batch of scenes as a pack's windows: pictures [B,T,P,2], weights [B,T,P], lengths [B], how they were framed, and the elevations [B]
    from which they were filmed."""

    def __init__(self, scenes: Sequence[Scene], condition: str, model: LiftModel):
        frames = max(model.frames if model.official else 0, *(len(scene.points) for scene in scenes))
        seen = [rays_of(scene, condition) for scene in scenes]
        lengths = [len(rays) for rays, _ in seen]
        filled = np.stack([np.pad(fill_gaps(rays, sure > 0), ((0, frames - len(rays)), (0, 0), (0, 0)), "edge") for rays, sure in seen])
        weights = np.stack([np.pad(sure, ((0, frames - len(sure)), (0, 0))) for _, sure in seen])
        ups = torch.stack([up_of(scene.pitch) for scene in scenes]).float()
        pictures, framing = frame(torch.from_numpy(filled).float(), torch.from_numpy(weights) > 0, ups, model.body)
        device = model.device
        self.scenes, self.pictures, self.weights = scenes, pictures.to(device), torch.from_numpy(weights).float().to(device)
        self.framing = Framing(*(part.to(device) for part in (framing.turn, framing.zoom, framing.distance)))
        self.lengths, self.first = torch.tensor(lengths, device=device), elevation_of(framing, ups).to(device)

    def optimiser(self, model: LiftModel, seeds: Sequence[int], settings: OptimiseSettings) -> Optimiser:
        return Optimiser(model, self.pictures, self.weights, self.lengths, self.framing.distance, self.first, seeds, settings)

    def to_camera(self, points: torch.Tensor, axes: torch.Tensor) -> list[np.ndarray]:
        """Points [B,T,P,3] of the windows' worlds in the cameras' axes right, up, forward; axes [B,V,3,3]."""
        seen = points @ axes[:, None, 0].transpose(-1, -2)
        seen = torch.cat([seen[..., :2], seen[..., 2:] + self.framing.distance.view(-1, 1, 1, 1)], -1) @ self.framing.turn[:, None]
        return [one[:length].double().cpu().numpy() for one, length in zip(seen, self.lengths.tolist())]

    def fitted(self, points: torch.Tensor, normal: torch.Tensor, model: LiftModel) -> torch.Tensor:
        """Of triangulated points and their normal matrices: bodies of constant bones, and things of constant shape."""
        return fit_skeleton(points, normal, model.skeleton, self.lengths)

    def lifted(self, points: torch.Tensor, axes: torch.Tensor, **drawn: torch.Tensor) -> list[Lifted]:
        """The windows' motions for their scenes; drawn: `off_lines` and `apart` [B] of their views, in the pictures' units."""
        pixels = {key: off.cpu() / self.framing.distance.cpu() * torch.tensor([scene.focal for scene in self.scenes]) for key, off in drawn.items()}
        return [from_camera(one, scene, **{key: float(off[row]) for key, off in pixels.items()})
                for row, (one, scene) in enumerate(zip(self.to_camera(points, axes), self.scenes))]


def draw_views(windows: Windows, model: LiftModel, seeds: Sequence[int], settings: OptimiseSettings, report: Report) -> list[Lifted]:
    """Stages 1 and 2: views are drawn as `settings` say, and triangulated."""
    optimiser = windows.optimiser(model, seeds, settings)
    pictures, _ = optimiser.run(report)
    axes, distance = optimiser.axes, windows.framing.distance
    weights = torch.cat([optimiser.weights[:, None], torch.ones_like(pictures[:, 1:, ..., 0])], 1)
    found = windows.fitted(*intersect(pictures, axes, distance, weights), model)
    counted = (optimiser.weights > 0).float()[:, None].expand(-1, len(axes[0]), -1, -1)  # what was filmed can be compared
    return windows.lifted(found, axes, off_lines=off_lines(pictures, axes, distance, counted[:, 1:]),
                          apart=mean_of((see(found, axes, distance) - pictures).norm(dim=-1), counted))


def off_lines(pictures: torch.Tensor, axes: torch.Tensor, distance: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Mean distance [B] of the unseen views' points from the epipolar lines of the first view, which filmed. pictures [B,V,T,P,2]; axes [B,V,3,3];
    counted [B,V-1,T,P]."""
    unseen = axes[:, 1:]
    lines = epipolar_lines(pictures[:, :1], axes[:, :1].expand_as(unseen), unseen, distance[:, None].expand(unseen.shape[:2]))
    return mean_of(off_line(pictures[:, 1:], lines).abs(), counted)


def mean_of(off: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Means [B] of what counts among distances [B,V,T,P]."""
    return (off * counted).sum((1, 2, 3)) / counted.sum((1, 2, 3)).clamp(min=1)


def distil(windows: Windows, model: LiftModel, seeds: Sequence[int], settings: DistilSettings, lines: bool, report: Report) -> list[Lifted]:
    """"SDS for 3D": 3D points are optimised so that they look as filmed, and their unseen views as the network wants them. Without `lines` the
    network is not told on which lines the points lie.

    The paper's program starts at the origin; here every point starts where it was filmed, at the subject's distance.
    """
    optimiser = windows.optimiser(model, seeds, OptimiseSettings(views=settings.views, bfloat16=settings.bfloat16))
    if not lines:
        optimiser.given = torch.zeros_like(optimiser.given)
    axes, distance, schedule, features = optimiser.axes, windows.framing.distance, model.schedule, model.features
    flat = torch.cat([windows.pictures, torch.zeros_like(windows.pictures[..., :1])], -1)
    points = (flat @ axes[:, None, 0]).requires_grad_(True)
    adam = torch.optim.Adam([points], settings.learning_rate)
    valid, unit = optimiser.valid[:, None, :, None, None], float(features.std.mean())
    for index in range(settings.iterations):
        done = index / settings.iterations
        report(done, f"distilling, step {index + 1} of {settings.iterations}")
        t = max(1, round((settings.noise[0] + (settings.noise[1] - settings.noise[0]) * done) * (schedule.steps - 1)))
        signal, deviation = schedule.signal_and_noise(t)
        pictures = see(points, axes, distance)
        x = features.normalise(pictures[:, 1:])
        predicted = optimiser.predict(signal * x.detach() + deviation * optimiser.draw(), t)
        away = torch.nan_to_num(signal / deviation * (x.detach() - predicted)) * valid
        off = ((pictures[:, 0] - windows.pictures) / unit) ** 2 * optimiser.weights.unsqueeze(-1)
        for group in adam.param_groups:
            group["lr"] = settings.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)
        adam.zero_grad()
        ((away * x).sum() + settings.filmed * (settings.views - 1) * off.sum() / 2).backward()
        adam.step()
    found = points.detach()
    _, normal = intersect(see(found, axes, distance), axes, distance, torch.ones(*axes.shape[:2], *found.shape[1:3], device=found.device))
    return windows.lifted(windows.fitted(found, normal, model), axes)


@torch.no_grad()
def mas_given(windows: Windows, model: LiftModel, seeds: Sequence[int], settings: OptimiseSettings, report: Report) -> list[Lifted]:
    """MAS adapted to an input sequence: its sampler with one view that is always what was filmed. The 2D model is the line-conditioned
    network that is told no lines; noise is one 3D noise seen from all views, and every step makes the views one 3D motion."""
    optimiser = windows.optimiser(model, seeds, settings)
    optimiser.given = torch.zeros_like(optimiser.given)
    axes, distance, schedule = optimiser.axes, windows.framing.distance, model.schedule
    noise, shape = Noise(seeds), (*windows.pictures.shape[1:3], 3)

    def view_noise() -> torch.Tensor:
        return project_orthographic(noise.draw(*shape).to(model.device).unsqueeze(1), axes[:, 1:, None, None])

    steps, x = schedule.strided(settings.calls), view_noise()
    for index, t in enumerate(steps):
        report(index / len(steps), f"sampling, step {index + 1} of {len(steps)}")
        pictures = torch.cat([windows.pictures[:, None], model.features.denormalise(optimiser.predict(x, t))], 1)
        weights = torch.cat([optimiser.weights[:, None], torch.ones_like(pictures[:, 1:, ..., 0])], 1)
        points, normal = intersect(pictures, axes, distance, weights)
        if index + 1 < len(steps):
            agreed = model.features.normalise(see(points, axes[:, 1:], distance))
            of_x0, of_x, deviation = schedule.step(t, steps[index + 1])
            x = of_x0 * agreed + of_x * x + deviation * view_noise()
    return windows.lifted(windows.fitted(points, normal, model), axes)


def in_batches(scenes: Sequence[Scene], condition: str, model: LiftModel, seed: int, report: Report,
               make: Callable[[Windows, Sequence[int], Report], list[Lifted]]) -> list[Lifted]:
    """Every scene by `make`, which gets windows, a seed for each, and where to report."""
    made: list[Lifted] = []
    for start in range(0, len(scenes), BATCH):
        some = scenes[start : start + BATCH]

        def within(fraction: float, message: str, start: int = start, count: int = len(some)) -> None:
            report((start + fraction * count) / len(scenes), message)

        made += make(Windows(some, condition, model), [seed + start + number for number in range(len(some))], within)
    return made


@contextmanager
def rows_counted(*models: LiftModel | None) -> Iterator[list[int]]:
    """Counts in a list of one number the rows that the networks see: a row is one view of one window, once."""
    counted = [0]

    def count(_network: torch.nn.Module, given: tuple) -> None:
        counted[0] += given[0].shape[0] * given[0].shape[1]

    hooks = [model.denoiser.register_forward_pre_hook(count) for model in models if model is not None]
    try:
        yield counted
    finally:
        for hook in hooks:
            hook.remove()
