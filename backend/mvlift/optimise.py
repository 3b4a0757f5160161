"""Stage 2 of MVLift (section 3.3, and its program): views that nobody filmed are drawn for a window, so that they agree.

The official program starts from nothing and makes 5,000 steps, each an evaluation of the network for every unseen view. Here the views are first
sampled, given the lines of the view that filmed, and then need a tenth of that; cameras are computed once, the losses of all pairs
of neighbouring views at once, and no gradient goes through the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from backend.devices import network_precision
from backend.mas.sampler import Noise
from backend.mvlift.depth import held_to_size
from backend.mvlift.model import LiftModel
from backend.mvlift.views import epipolar_lines, intersect, off_line, ring, see

Report = Callable[[float, str], None]


@dataclass(frozen=True)
class OptimiseSettings:
    """How views are optimised.

    views: on the ring, with the one that filmed; calls: network evaluations a view of the first sample, 0 to begin with nothing; agree:
    make its views one 3D motion at every call; iterations: steps of Adam; noise: shares of the diffusion steps between which the noise
    falls, or from which it is drawn when not `annealed`; consistency: weight of the distances from epipolar lines; bfloat16: run the network in
    half precision where the device has it.
    """

    views: int = 6
    calls: int = 20
    agree: bool = True
    iterations: int = 480
    learning_rate: float = 0.02
    noise: tuple[float, float] = (0.98, 0.02)
    annealed: bool = True
    consistency: float = 10.0
    bfloat16: bool = True

    @property
    def rows(self) -> int:
        """Network rows a window costs."""
        return (self.views - 1) * (self.calls + self.iterations)


FAST = OptimiseSettings()
PAPER = OptimiseSettings(calls=0, iterations=5000, learning_rate=1e-3, noise=(0.001, 0.999), annealed=False)


class Optimiser:
    """The unseen views of a batch of windows.

    model: the line-conditioned network; pictures [B,T,J,2] of the view that filmed, seen [B,T,J] in 0..1, lengths [B], distance [B];
    first [B]: its elevations, radians; seeds: one a window.
    """

    def __init__(self, model: LiftModel, pictures: torch.Tensor, seen: torch.Tensor, lengths: torch.Tensor, distance: torch.Tensor, first: torch.Tensor,
                 seeds: Sequence[int], settings: OptimiseSettings):
        self.model, self.settings, self.filmed, self.lengths, self.distance = model, settings, pictures, lengths, distance
        self.axes = ring(settings.views, first, model.elevation)
        self.valid = torch.arange(pictures.shape[1], device=pictures.device) < lengths[:, None]
        self.weights = seen * self.valid[..., None]
        unseen = self.axes[:, 1:]
        lines = epipolar_lines(pictures.unsqueeze(1), self.axes[:, :1].expand_as(unseen), unseen, distance[:, None].expand(unseen.shape[:2]))
        self.lines = lines * (self.weights > 0)[:, None, ..., None]
        self.given = model.features.given_lines(self.lines, model.official) * self.valid[:, None, :, None]
        self.noise = Noise(seeds)

    def draw(self) -> torch.Tensor:
        """Noise [B,V-1,T,J,2] for the unseen views."""
        return self.noise.draw(self.settings.views - 1, *self.filmed.shape[1:]).to(self.filmed)

    @torch.no_grad()
    def predict(self, x: torch.Tensor, t: int) -> torch.Tensor:
        """x0 of the unseen views [B,V-1,T,J,2]; every view is a row of its own."""
        rows = x.flatten(0, 1).unsqueeze(1)
        steps = torch.full((len(rows), 1), t, device=x.device)
        with network_precision(self.settings.bfloat16, x.device):
            predicted = self.model.denoiser(rows, steps, self.given.flatten(0, 1).unsqueeze(1), self.lengths.repeat_interleave(x.shape[1]))
        predicted = predicted.float().view_as(x)
        return predicted.clamp(-1, 1) if self.model.official else predicted

    def agreed(self, x: torch.Tensor) -> torch.Tensor:
        """The unseen views as the one 3D motion shows them that fits them and the view that filmed."""
        pictures = torch.cat([self.filmed.unsqueeze(1), self.model.features.denormalise(x)], 1)
        weights = torch.cat([self.weights.unsqueeze(1), self.weights.new_full((1, 1, 1, 1), 0.3).expand(*x.shape[:-1])], 1)
        points, _ = intersect(pictures, self.axes, self.distance, weights)
        eye = -self.distance[:, None] * self.axes[:, 0, 2]
        points = held_to_size(points, eye, self.weights, self.model.skeleton.parents, self.model.body.bones, self.lengths)
        return self.model.features.normalise(see(points, self.axes[:, 1:], self.distance))

    def sample(self, report: Report = lambda fraction, message: None) -> torch.Tensor:
        """The unseen views, sampled given the lines alone: [B,V-1,T,J,2] features."""
        settings, schedule = self.settings, self.model.schedule
        steps, x = schedule.strided(settings.calls), self.draw()
        for index, t in enumerate(steps):
            report(index / len(steps), f"sampling, step {index + 1} of {len(steps)}")
            predicted = self.predict(x, t)
            if settings.agree:
                predicted = self.agreed(predicted)
            if index + 1 < len(steps):
                of_x0, of_x, _ = schedule.step(t, steps[index + 1], 0.0)
                x = of_x0 * predicted + of_x * x
        return predicted

    def consistency(self, x: torch.Tensor) -> torch.Tensor:
        """Sum of distances from epipolar lines, in pictures' units: from the view that filmed, and between neighbouring unseen views both ways, as the
        official program takes them; its paper's equation 5 takes all pairs, with which views came out farther from the truth."""
        pictures, views = self.model.features.denormalise(x), x.shape[1]
        counted = torch.tensor([1.0] + [2.0] * (views - 2) + [1.0], device=x.device)
        from_filmed = (off_line(pictures, self.lines).abs() * self.weights[:, None] * counted.view(1, -1, 1, 1)).sum()
        of, to = [*range(views - 1), *range(1, views)], [*range(1, views), *range(views - 1)]
        axes = self.axes[:, 1:]
        lines = epipolar_lines(pictures[:, of].detach(), axes[:, of], axes[:, to], self.distance[:, None].expand(-1, len(of)))
        between = (off_line(pictures[:, to], lines).abs() * self.valid[:, None, :, None]).sum()
        return (from_filmed + between) / (views - 1)

    def run(self, report: Report = lambda fraction, message: None) -> tuple[torch.Tensor, list[float]]:
        """Pictures of all views [B,V,T,J,2], the one that filmed first, and the mean distance from epipolar lines at every step."""
        settings, schedule = self.settings, self.model.schedule
        x = self.sample(lambda fraction, message: report(fraction * settings.calls / (settings.calls + settings.iterations), message)) \
            if settings.calls else torch.zeros_like(self.draw())
        x = x.clone().requires_grad_(True)
        optimiser = torch.optim.Adam([x], settings.learning_rate)
        levels = torch.Generator().manual_seed(int(self.noise.generators[0].initial_seed()))
        points, distances = float(self.valid.sum()) * x.shape[3] * x.shape[1], []
        for index in range(settings.iterations):
            done = index / settings.iterations
            report((settings.calls + index) / (settings.calls + settings.iterations), f"optimising, step {index + 1} of {settings.iterations}")
            share = float(torch.rand((), generator=levels)) if not settings.annealed else done
            t = max(1, round((settings.noise[0] + (settings.noise[1] - settings.noise[0]) * share) * (schedule.steps - 1)))
            signal, deviation = schedule.signal_and_noise(t)
            noise = self.draw()
            predicted = self.predict(signal * x.detach() + deviation * noise, t)
            away = signal / deviation * (x.detach() - predicted)  # the predicted noise less the true one
            optimiser.zero_grad()
            loss = self.consistency(x)
            (settings.consistency * loss).backward()
            x.grad += torch.nan_to_num(away) * self.valid[:, None, :, None, None]
            if settings.annealed:
                optimiser.param_groups[0]["lr"] = settings.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)
            optimiser.step()
            distances.append(float(loss.detach()) / points)
        return torch.cat([self.filmed.unsqueeze(1), self.model.features.denormalise(x.detach())], 1), distances
