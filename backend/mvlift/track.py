"""A track in windows that overlap: what the network is given of each, and how their motions become one in the space of the camera that filmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from backend.devices import network_precision
from backend.mas.sampler import Noise
from backend.motion.bones import median_lengths
from backend.motion.cameras import view_axes
from backend.mvlift.depth import held_to_size
from backend.mvlift.model import LiftModel
from backend.mvlift.views import intersect, ring, see
from backend.mvlift.windows import elevation_of, frame, up_of

FILMED = 20.0  # weight of a point that was surely seen against one in a view that was drawn
OVERLAP_SECONDS = 1.0
BONES_DEVIATION, DEPTH_DEVIATION = 0.03, 0.01  # of the logarithm of a window's scale as its bones tell it, and of that against its neighbour
WINDOWS_AT_ONCE = 16
ELEVATIONS = torch.linspace(-0.4, 1.0, 57)  # that are tried, radians
SKIPPED = 3  # every so many frames are looked at to tell them apart


@dataclass(frozen=True)
class Floor:
    """The plane in which feet mostly stand: up [3] in the camera's axes, and its height from the camera along that, in the units of windows."""

    up: torch.Tensor
    height: float


@dataclass(frozen=True)
class Drawn:
    """A track's motion: points [F,J,3] in the camera's axes right, up, forward, in the units of windows; normal [F,J,3,3] their inverse covariances; the
    floor where it was found along with it."""

    points: torch.Tensor
    normal: torch.Tensor
    floor: Floor | None = field(default=None, kw_only=True)


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
        self.model, self.frames, self.rays, self.seen = model, len(rays), rays, trust
        self.starts = window_starts(self.frames, model.frames, min(round(OVERLAP_SECONDS * model.fps), model.frames // 4))
        length = model.frames if model.official else min(model.frames, self.frames)  # official networks look at padding
        self.index_of_windows = (torch.tensor(self.starts)[:, None] + torch.arange(length)).to(rays.device)
        self.index = self.index_of_windows.clamp(max=self.frames - 1)
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

    def noise(self, of: Noise) -> torch.Tensor:
        """Noise [W,V,T,J,2] of which windows share what belongs to the frames they share."""
        whole = of.draw(max(self.frames, self.index.shape[1]), self.axes.shape[1], self.filmed.shape[2], 2)[0].to(self.filmed)
        return whole[self.index_of_windows].transpose(1, 2)

    def predicted(self, x: torch.Tensor, t: int, bfloat16: bool, report: Callable[[float], None] = lambda fraction: None) -> torch.Tensor:
        """The pictures [W,V,T,J,2] that the network believes in, of features with the noise of step t."""
        model, parts = self.model, []
        for first in range(0, len(x), WINDOWS_AT_ONCE):
            report(first / len(x))
            rows = slice(first, first + WINDOWS_AT_ONCE)
            level = torch.full(x[rows].shape[:2], t, device=x.device)
            with network_precision(bfloat16, x.device):
                given = self.given[rows].unsqueeze(1).expand(-1, x.shape[1], -1, -1)
                parts.append(model.denoiser(x[rows], level, given, self.lengths[rows]).float())
        clean = torch.cat(parts)
        return model.features.denormalise(clean.clamp(-1, 1) if model.official else clean)

    def shown(self, points: torch.Tensor) -> torch.Tensor:
        """Features [W,V,T,J,2] of what the windows' views show of the track's points [F,J,3] in the camera's axes."""
        pictures = see(self.from_camera(points[self.index]), self.axes, self.distance)
        return self.model.features.normalise(pictures) * self.valid[:, None, :, None, None]

    def merged(self, parts: torch.Tensor) -> torch.Tensor:
        """What belongs to the windows' frames [W,T,...] blended to the track's [F,...]."""
        whole = parts.new_zeros(self.frames, *parts.shape[2:])
        for number, start in enumerate(self.starts):
            length = self.fade.shape[1]
            whole[start : start + length] += parts[number, :length] * self.fade[number].view(-1, *[1] * (parts.ndim - 2))
        return whole

    def merged_normal(self, normal: torch.Tensor) -> torch.Tensor:
        """The normal matrices [W,T,J,3,3] of the windows' points as those of the track's [F,J,3,3], in the camera's axes."""
        turns = (self.axes[:, 0].transpose(1, 2) @ self.framing.turn / self.scale.view(-1, 1, 1))[:, None, None]
        return self.merged(turns.transpose(-1, -2) @ normal @ turns)

    def take_scale(self, points: torch.Tensor) -> None:
        """Takes the windows' scales from a motion [F,J,3] in the camera's axes, whose size is right: every window's subject stands at its origin at first."""
        depth = (self.framing.turn[:, 2] * self.model.body.root(points[self.index[:, 0]])).sum(-1)
        self.scale = depth.clamp(min=1e-3) / self.distance

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
