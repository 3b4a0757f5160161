"""Sampling the views of a whole track (MVLift section 3.4): all its windows together, so that there is nothing to stitch.

At every step the views of each window are made one 3D motion, as MAS does; the windows' motions are blended where they overlap, in the space
of the camera that filmed, and go on from what that looks like in their views. What the camera saw weighs most, by its confidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from backend.mas.sampler import Noise
from backend.mvlift.track import Drawn, Track

Report = Callable[[float, str], None]

SCALED_FROM = 0.1  # abar from which bones tell the windows' scale


@dataclass(frozen=True)
class DenoiseSettings:
    """calls: network evaluations a view; spacing: how they spread (`Schedule.strided`); eta: 0 deterministic, 1 ancestral; bfloat16: the
    network in half precision where the device has it."""

    calls: int = 14
    spacing: float = 1.0
    eta: float = 0.0
    bfloat16: bool = True


@dataclass(frozen=True)
class Denoised(Drawn):
    """ups [W,3]: where each window takes up to be, in the camera's axes, and sharpness [W], how surely."""

    ups: torch.Tensor
    sharpness: torch.Tensor


@torch.no_grad()
def denoise(track: Track, seed: int, settings: DenoiseSettings, report: Report = lambda fraction, message: None) -> Denoised:
    """Samples a track's motion. The same seed gives the same motion; windows share the noise of the frames they share."""
    model, noise = track.model, Noise([seed])
    steps, x = model.schedule.strided(settings.calls, settings.spacing), track.noise(noise)
    for index, t in enumerate(steps):
        def within(fraction: float, index: int = index) -> None:
            report((index + fraction) / len(steps), f"step {index + 1} of {len(steps)}")

        pictures = track.predicted(x, t, settings.bfloat16, within)
        points, normal = track.triangulated(pictures)
        if model.schedule.abar[t] > SCALED_FROM or index + 1 == len(steps):
            track.solve_scale(points)
        merged = track.held_to_size(track.merged(track.to_camera(points)))
        if index + 1 < len(steps):
            of_x0, of_x, deviation = model.schedule.step(t, steps[index + 1], settings.eta)
            x = of_x0 * track.shown(merged) + of_x * x
            if deviation:
                x = x + deviation * track.noise(noise)
    return Denoised(merged, track.merged_normal(normal), *track.believed_up(pictures))
