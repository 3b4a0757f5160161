"""Sampling the views of a whole track (MVLift section 3.4): all its windows together, so that there is nothing to stitch.

At every step the views of each window are made one 3D motion, as MAS does; the windows' motions are blended where they overlap, in the space
of the camera that filmed, and go on from what that looks like in their views. What the camera saw weighs most, by its confidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from backend.devices import network_precision
from backend.mas.sampler import Noise
from backend.motion.bones import median_lengths
from backend.motion.cameras import view_axes
from backend.mvlift.depth import held_to_size
from backend.mvlift.model import LiftModel
from backend.mvlift.views import intersect, ring, see
from backend.mvlift.windows import elevation_of, frame, up_of

Report = Callable[[float, str], None]

FILMED = 20.0  # weight of a point that was surely seen against one in a view that was drawn
OVERLAP_SECONDS = 1.0
SCALED_FROM = 0.1  # abar from which bones tell the windows' scale
BONES_DEVIATION, DEPTH_DEVIATION = 0.03, 0.01  # of the logarithm of a window's scale as its bones tell it, and of that against its neighbour
WINDOWS_AT_ONCE = 16
ELEVATIONS = torch.linspace(-0.4, 1.0, 57)  # that are tried, radians
SKIPPED = 3  # every so many frames are looked at to tell them apart


@dataclass(frozen=True)
class DenoiseSettings:
    """calls: network evaluations a view; spacing: how they spread (`Schedule.strided`); eta: 0 deterministic, 1 ancestral; bfloat16: the
    network in half precision where the device has it."""

    calls: int = 14
    spacing: float = 1.0
    eta: float = 0.0
    bfloat16: bool = True


@dataclass(frozen=True)
class Denoised:
    """points [F,J,3] in the camera's axes right, up, forward, in the units of windows; normal [F,J,3,3] their inverse covariances; ups [W,3]:
    where each window takes up to be, in those axes, and sharpness [W], how surely."""

    points: torch.Tensor
    normal: torch.Tensor
    ups: torch.Tensor
    sharpness: torch.Tensor


def window_starts(frames: int, length: int, overlap: int) -> list[int]:
    """First frames of windows that overlap by at least `overlap` frames; the last one ends with the track."""
    if frames <= length:
        return [0]
    steps = -(-(frames - length) // max(1, length - overlap))
    return [round(number * (frames - length) / steps) for number in range(steps + 1)]


def fading(starts: list[int], length: int, frames: int) -> torch.Tensor:
    """How much of each frame of each window goes into the whole [W,T]; the shares of a frame sum to 1, and none begins or ends at once."""
    here = torch.arange(length)
    ramp = torch.minimum(here + 1, length - here).double()
    weights = torch.zeros(len(starts), length, dtype=torch.float64)
    total = torch.zeros(max(frames, length), dtype=torch.float64)
    for number, start in enumerate(starts):
        left = starts[number - 1] + length - start if number else 0
        right = start + length - starts[number + 1] if number + 1 < len(starts) else 0
        rise = torch.clamp((here + 1) / (left + 1), max=1) if left else torch.ones(length)
        fall = torch.clamp((length - here) / (right + 1), max=1) if right else torch.ones(length)
        share = torch.minimum(ramp, torch.minimum(rise, fall).double())
        weights[number] = share**2 * (3 - 2 * share)
        total[start : start + length] += weights[number]
    return torch.stack([weights[number] / total[start : start + length] for number, start in enumerate(starts)]).float()


class Track:
    """One track in windows. rays [F,J,2], gaps filled; trust [F,J] in 0..1; up [3] in the camera's axes."""

    def __init__(self, model: LiftModel, rays: torch.Tensor, trust: torch.Tensor, up: torch.Tensor):
        self.model, self.frames, self.seen = model, len(rays), trust
        self.starts = window_starts(self.frames, model.frames, min(round(OVERLAP_SECONDS * model.fps), model.frames // 4))
        length = model.frames if model.official else min(model.frames, self.frames)  # official networks look at padding
        self.index = (torch.tensor(self.starts)[:, None] + torch.arange(length)).clamp(max=self.frames - 1).to(rays.device)
        self.lengths = torch.full((len(self.starts),), min(length, self.frames), device=rays.device)
        self.valid = torch.arange(length, device=rays.device) < self.lengths[:, None]
        self.fade = fading(self.starts, min(length, self.frames), self.frames).to(rays.device)
        self.trust = trust[self.index] * self.valid[..., None]
        self.filmed, self.framing = frame(rays[self.index], self.trust > 0, up, model.body)
        self.axes = ring(model.denoiser.settings.views, elevation_of(self.framing, up), model.elevation)
        self.scale = torch.ones(len(self.starts), device=rays.device)
        self.given = model.features.given_view(self.filmed, self.trust, model.denoiser.settings.conditions) * self.valid[..., None]

    @property
    def distance(self) -> torch.Tensor:
        return self.framing.distance

    @property
    def turns(self) -> torch.Tensor:
        """From the camera's axes to each window's world [W,3,3]."""
        return self.axes[:, 0].transpose(1, 2) @ self.framing.turn

    def triangulated(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Points [W,T,J,3] of the views [W,V,T,J,2], and their normal matrices; what was filmed takes the place of what was drawn of it."""
        sure = self.trust[..., None]
        mixed = torch.cat([(sure * self.filmed + (1 - sure) * pictures[:, 0]).unsqueeze(1), pictures[:, 1:]], 1)
        weights = torch.ones(mixed.shape[:-1], device=mixed.device)
        weights[:, 0] = 1 + (FILMED - 1) * self.trust
        return intersect(mixed, self.axes, self.distance, weights)

    def to_camera(self, points: torch.Tensor) -> torch.Tensor:
        """Points [W,T,J,3] of the windows' worlds in the camera's axes."""
        seen = points @ self.axes[:, None, 0].transpose(-1, -2)
        seen = torch.cat([seen[..., :2], seen[..., 2:] + self.distance.view(-1, 1, 1, 1)], -1)
        return self.scale.view(-1, 1, 1, 1) * (seen @ self.framing.turn[:, None])

    def from_camera(self, points: torch.Tensor) -> torch.Tensor:
        """The inverse of `to_camera`."""
        seen = points / self.scale.view(-1, 1, 1, 1) @ self.framing.turn[:, None].transpose(-1, -2)
        seen = torch.cat([seen[..., :2], seen[..., 2:] - self.distance.view(-1, 1, 1, 1)], -1)
        return seen @ self.axes[:, None, 0]

    def merged(self, parts: torch.Tensor) -> torch.Tensor:
        """What belongs to the windows' frames [W,T,...] blended to the track's [F,...]."""
        whole = parts.new_zeros(self.frames, *parts.shape[2:])
        for number, start in enumerate(self.starts):
            length = self.fade.shape[1]
            whole[start : start + length] += parts[number, :length] * self.fade[number].view(-1, *[1] * (parts.ndim - 2))
        return whole

    def solve_scale(self, points: torch.Tensor) -> None:
        """Finds the windows' scales: the bones keep their length from window to window, and where windows overlap they agree in depth."""
        skeleton = self.model.skeleton
        lengths = median_lengths(points[:, :, : len(skeleton.joints)], skeleton.parents, frames=self.lengths)
        bones = lengths[:, [child for _, child in self.model.body.bones]].sum(1).clamp(min=1e-3).log().double()
        self.scale = torch.ones_like(self.scale)
        depth = self.model.body.root(self.to_camera(points))[..., 2].clamp(min=1e-3).log().double()
        count = len(bones)
        normal = torch.eye(count, dtype=torch.float64, device=points.device) / BONES_DEVIATION**2
        right = (bones.median() - bones) / BONES_DEVIATION**2
        for one in range(count - 1):
            shared = self.starts[one] + self.fade.shape[1] - self.starts[one + 1]
            apart = (depth[one, -shared:] - depth[one + 1, :shared]).median()
            row = torch.zeros(count, dtype=torch.float64, device=points.device)
            row[one], row[one + 1] = 1, -1
            normal += torch.outer(row, row) / DEPTH_DEVIATION**2
            right -= row * apart / DEPTH_DEVIATION**2
        self.scale = torch.linalg.solve(normal, right).exp().float()

    def held_to_size(self, points: torch.Tensor) -> torch.Tensor:
        """`held_to_size` of the track's points [F,J,3] in the camera's axes."""
        body = self.model.body
        return held_to_size(points[None], points.new_zeros(1, 3), self.seen[None], self.model.skeleton.parents, body.bones)[0]

    def believed_up(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where each window's drawn views take up to be [W,3], in the camera's axes, and how surely [W].

        Drawn views look down by a known angle, so they alone say how their motion stands; by which angle the camera that filmed looks
        down is found by trying which one shows it as it was filmed.
        """
        weights = torch.ones(pictures[:, :, ::SKIPPED].shape[:-1], device=pictures.device)
        weights[:, 0] = 1e-3
        points, _ = intersect(pictures[:, :, ::SKIPPED], self.axes, self.distance, weights)
        tried = ELEVATIONS.to(pictures)
        axes = view_axes(torch.zeros_like(tried), tried).expand(len(points), -1, -1, -1)
        shown, filmed = see(points, axes, self.distance), self.filmed[:, None, ::SKIPPED]
        weight = self.trust[:, None, ::SKIPPED, :, None]
        total = weight.sum((2, 3), keepdim=True).clamp(min=1e-6)
        shown, filmed = (part - (weight * part).sum((2, 3), keepdim=True) / total for part in (shown, filmed))
        size = (weight * shown * filmed).sum((2, 3, 4)) / (weight * shown**2).sum((2, 3, 4)).clamp(min=1e-9)
        error = (weight * (size[..., None, None, None] * shown - filmed) ** 2).sum((2, 3, 4)) / total[..., 0, 0, 0]
        best = error.argmin(1).clamp(1, len(tried) - 2)
        low, middle, high = (error.gather(1, (best + offset)[:, None])[:, 0] for offset in (-1, 0, 1))
        step, curvature = tried[1] - tried[0], (low - 2 * middle + high).clamp(min=1e-9)
        elevation = tried[best] + step * ((low - high) / (2 * curvature)).clamp(-1, 1)
        return (up_of(elevation).unsqueeze(1) @ self.framing.turn)[:, 0], curvature / (error.amin(1) + 1e-4)


@torch.no_grad()
def denoise(track: Track, seed: int, settings: DenoiseSettings, report: Report = lambda fraction, message: None) -> Denoised:
    """Samples a track's motion. The same seed gives the same motion; windows share the noise of the frames they share."""
    model = track.model
    views, points_count = model.denoiser.settings.views, len(model.skeleton.keypoints)
    noise = Noise([seed])

    def draw() -> torch.Tensor:
        whole = noise.draw(max(track.frames, track.index.shape[1]), views, points_count, 2)[0].to(model.device)
        return whole[torch.tensor(track.starts, device=model.device)[:, None] + torch.arange(track.index.shape[1], device=model.device)].transpose(1, 2)

    steps, x = model.schedule.strided(settings.calls, settings.spacing), draw()
    for index, t in enumerate(steps):
        predicted = []
        for first in range(0, len(x), WINDOWS_AT_ONCE):
            report((index + first / len(x)) / len(steps), f"step {index + 1} of {len(steps)}")
            rows = slice(first, first + WINDOWS_AT_ONCE)
            level = torch.full(x[rows].shape[:2], t, device=x.device)
            with network_precision(settings.bfloat16, x.device):
                given = track.given[rows].unsqueeze(1).expand(-1, views, -1, -1)
                predicted.append(model.denoiser(x[rows], level, given, track.lengths[rows]).float())
        clean = torch.cat(predicted)
        clean = clean.clamp(-1, 1) if model.official else clean
        pictures = model.features.denormalise(clean)
        points, normal = track.triangulated(pictures)
        if model.schedule.abar[t] > SCALED_FROM or index + 1 == len(steps):
            track.solve_scale(points)
        merged = track.held_to_size(track.merged(track.to_camera(points)))
        if index + 1 < len(steps):
            agreed = track.from_camera(merged[track.index])
            clean = model.features.normalise(see(agreed, track.axes, track.distance)) * track.valid[:, None, :, None, None]
            of_x0, of_x, deviation = model.schedule.step(t, steps[index + 1], settings.eta)
            x = of_x0 * clean + of_x * x
            if deviation:
                x = x + deviation * draw()
    turns = (track.turns / track.scale.view(-1, 1, 1))[:, None, None]
    ups, sharpness = track.believed_up(pictures)
    return Denoised(merged, track.merged(turns.transpose(-1, -2) @ normal @ turns), ups, sharpness)
