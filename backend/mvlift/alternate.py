"""The lift of a track whose pack knows how bodies are mostly posed: a body is fitted to what was filmed, the network draws its views anew from
some noise, and the body is fitted to both, in turn.

MVLift samples all views from noise alone (section 3.4). Starting from a fitted body takes a few evaluations of the network, keeps bones
and the size in the picture as they are, and holds where a small network draws the views of a rare motion badly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from backend.mas.sampler import Noise
from backend.motion.bones import median_lengths
from backend.mvlift.body_fit import BodyFit, FitSettings, fit_bodies, with_objects
from backend.mvlift.pose_prior import PosePrior
from backend.mvlift.track import Drawn, Track
from backend.mvlift.windows import hips_of

Report = Callable[[float, str], None]
FITTED = 0.3  # share of the time that the first fit takes
FIRST_FIT = FitSettings(place_iterations=60, iterations=200)


@dataclass(frozen=True)
class AlternateSettings:
    """calls: how often the views are drawn; noise: shares of the diffusion steps from which they are, first and last; iterations: of the fit after
    each; fit: the first one's."""

    calls: int = 6
    noise: tuple[float, float] = (0.8, 0.3)
    iterations: int = 60
    fit: FitSettings = FIRST_FIT
    bfloat16: bool = True

    @property
    def adam(self) -> int:
        """Steps of Adam."""
        return self.fit.adam + self.calls * self.iterations


def alternate(track: Track, prior: PosePrior, up: torch.Tensor, seed: int, settings: AlternateSettings,
              report: Report = lambda fraction, message: None) -> Drawn:
    """Lifts a track; up [3] in the camera's axes. The same seed gives the same motion."""
    fit = first_fit(track, prior, up, settings.fit, lambda fraction: report(FITTED * fraction, "fitting a body"))
    schedule, noise = track.model.schedule, Noise([seed])
    points = with_things(fit, track, None)
    for index, share in enumerate(np.linspace(*settings.noise, settings.calls)):
        report(FITTED + (1 - FITTED) * index / settings.calls, f"drawing views, {index + 1} of {settings.calls}")
        drawn, normal = redraw(track, points, max(1, round(share * (schedule.steps - 1))), noise, settings.bfloat16)
        drawn = from_hips(drawn, prior)
        fit.run(settings.iterations, drawn=drawn[None, :, : len(prior.lengths)])
        points = with_things(fit, track, drawn)
    return Drawn(points.to(track.rays), track.merged_normal(normal), floor=fit.floors()[0])


def first_fit(track: Track, prior: PosePrior, up: torch.Tensor, settings: FitSettings, report: Callable[[float], None]) -> BodyFit:
    """The body as what was filmed alone tells it."""
    joints = len(prior.lengths)
    rays, sure = (part[:, :joints].double().cpu().numpy() for part in (track.rays, track.seen))
    fit, (best,) = fit_bodies(prior, [(rays, sure)], [up], settings, report=report)
    return fit.row(best)


@torch.no_grad()
def redraw(track: Track, points: torch.Tensor, t: int, noise: Noise, bfloat16: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What the network makes of a motion [F,J,3] in the camera's axes when the noise of step t is on its views: points [F,J,3], and the normal
    matrices [W,T,J,3,3] of the windows'."""
    points = points.to(track.rays)
    track.take_scale(points)
    signal, deviation = track.model.schedule.signal_and_noise(t)
    pictures = track.predicted(signal * track.shown(points) + deviation * track.noise(noise), t, bfloat16)
    found, normal = track.triangulated(pictures)
    return track.merged(track.to_camera(found)).cpu(), normal


def from_hips(points: torch.Tensor, prior: PosePrior) -> torch.Tensor:
    """A motion [F,P,3] from the hips, as large as the prior's body."""
    skeleton = prior.skeleton
    lengths = median_lengths(points[None, :, : len(prior.lengths)], skeleton.parents)[0]
    return (points - points[:, hips_of(skeleton)].mean(1, keepdim=True)) * (prior.size / lengths[prior.rigid].sum().clamp(min=1e-3))


def with_things(fit: BodyFit, track: Track, drawn: torch.Tensor | None) -> torch.Tensor:
    """The fitted body and its objects [F,P,3]: beside it where they were drawn [F,P,3], from its hips, and where the camera saw them."""
    body, rays, seen = fit.bodies()[0], track.rays.cpu(), track.seen.cpu()
    count = body.shape[1]
    if rays.shape[1] == count:
        return body
    if drawn is None:
        return torch.from_numpy(with_objects(*(part.double().numpy() for part in (body, rays, seen)), fit.prior.skeleton)).float()
    things = drawn[:, count:] + body[:, fit.hips].mean(1, keepdim=True)
    depth = things[..., 2:]
    sure = seen[:, count:, None]
    return torch.cat([body, sure * torch.cat([rays[:, count:] * depth, depth], -1) + (1 - sure) * things], 1)
