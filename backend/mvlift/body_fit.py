"""A body of known bones fitted to what one camera saw, over all frames at once (Bogo et al.: "Keep it SMPL", ECCV 2016, and the
smoothness of the MVLift paper's program).

A latent pose for every frame, the body's direction and place, Adam in stages; a prior on poses and one on their change. Depth is told by
the body's size. Points that were hidden weigh nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import roma
import torch
from scipy.ndimage import gaussian_filter1d, median_filter
from torch.nn import functional

from backend.motion.cameras import view_axes
from backend.mvlift.pose_prior import PosePrior
from backend.mvlift.track import Floor
from backend.mvlift.windows import fill_gaps, hips_of
from rigs import Skeleton

YAWS = 24
START_DEVIATION, TURN_DEVIATION = 0.03, 0.3  # that the mean pose is off, in sizes of the body, and radians a frame that a body turns
SIZED = 25  # frames over which the size in the picture is looked at: poses change it from frame to frame, the way of the body slowly
DEEPER = 3.0  # how much faster a body may move along the line of sight, which the picture tells worst
AIRBORNE = 0.05  # sizes of the body; a foot that is higher over the floor is in the air, and how high it is says little
FLIGHT, LANDED = 31, 10.0  # frames within which every body lands, and how much more it costs where it doesn't: it is wrongly far away
LOW = 0.3  # quantile of the heights of the lowest foot at which the floor is looked for
LOWEST = 0.005  # sizes of the body by which a foot is lower than another to count as the lowest
TILT, UNEVEN = 0.02, 0.0045  # radians and sizes of the body, deviations of the floor from level and of feet from the floor
HANDED = torch.tensor([1.0, 1.0, -1.0])  # right, up, forward is left-handed: a body is turned to right, up, backward


@dataclass(frozen=True)
class FitSettings:
    """Iterations of Adam for direction and place, and with the pose, and its rates for the body and for the floor.

    Weights against the mean squared distance in the picture at the body's depth, where 1 is the length of all its bones: prior, of the squared
    latents (that of a detector which is off by 1.5 cm in each direction); change and path, of the change of the pose and of the root's acceleration from
    frame to frame; drawn, of the distance from a motion that was drawn; stretch, of the squared logarithms by which bones are longer than usual;
    floor, of the squared height of the lowest foot over the floor.
    """

    place_iterations: int = 150
    iterations: int = 600
    learning_rate: float = 0.02
    floor_rate: float = 0.003
    prior: float = 1.1e-6
    change: float = 6e-5
    path: float = 1.0
    drawn: float = 9e-4
    stretch: float = 1e-3
    floor: float = 0.3

    @property
    def adam(self) -> int:
        """Steps of Adam."""
        return self.place_iterations + self.iterations


class BodyFit:
    """Bodies [B,T,J,3] in the cameras' axes right, up, forward, in the prior's units.

    prior: how they are posed; rays [B,T,J,2] and how surely they were seen [B,T,J]; lengths [B]: valid frames; turns [B,T,3,3] (from the body's axes
    to the camera's) and places [B,T,3] of the hips: where to begin; up [B,3], None where feet should say nothing: then one of them mostly is
    on a floor, whose height and tilt are found, and how far the body can be away from a camera that looks down on it is told better than by its size.
    """

    def __init__(self, prior: PosePrior, rays: np.ndarray, sure: np.ndarray, lengths: list[int], turns: np.ndarray, places: np.ndarray,
                 settings: FitSettings, up: torch.Tensor | None = None):
        self.prior, self.settings, self.up = prior, settings, up
        self.target, self.weight, turn, place = (torch.from_numpy(part).float() for part in (rays, sure, turns, places))
        self.valid = (torch.arange(rays.shape[1]) < torch.tensor(lengths)[:, None]).float()
        self.weight = self.weight * self.valid[..., None]
        self.away = ((place[..., 2] * self.valid).sum(1) / self.valid.sum(1))[:, None, None]
        self.direction = (HANDED[:, None] * turn)[..., :2].clone().requires_grad_(True)
        self.began = place
        self.shift = torch.zeros_like(place).requires_grad_(True)
        self.latents = torch.zeros(*place.shape[:2], len(prior.basis), requires_grad=True)
        self.stretch = torch.zeros(len(place), len(prior.lengths), requires_grad=True)
        self.mirror = prior.skeleton.mirror_order[: len(prior.lengths)]
        self.hips = hips_of(prior.skeleton)
        self.feet = [prior.skeleton.joints.index(name) for name in prior.skeleton.feet]
        self.tilt = torch.zeros(len(place), 2, requires_grad=True)
        self.floor = torch.zeros(len(place), 1)
        if up is not None:
            lowest = self._lowest(self.bodies()).detach().masked_fill(self.valid == 0, torch.nan)
            self.floor = lowest.nanquantile(LOW, dim=1, keepdim=True)
        self.floor.requires_grad_(True)

    def row(self, number: int) -> BodyFit:
        """A fit of one row alone, as far as it has come."""
        one = copy(self)
        for name in ("target", "weight", "valid", "away", "direction", "began", "shift", "latents", "stretch", "tilt", "floor", "up"):
            if (part := getattr(self, name)) is not None:
                setattr(one, name, part.detach()[number : number + 1].clone().requires_grad_(part.requires_grad))
        return one

    @property
    def place(self) -> torch.Tensor:
        """Where the hips are [B,T,3]. What changes is where they are seen and, along that line, how far away, so that one leaves the other."""
        depth = self.began[..., 2:]
        return torch.cat([self.began[..., :2] + self.shift[..., :2], depth], -1) * (DEEPER * self.shift[..., 2:] / depth).exp()

    def _posed(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Bodies in the camera's axes, and in their own."""
        stretch = (self.stretch + self.stretch[:, self.mirror]) / 2  # left and right alike
        pose = self.prior.pose(self.latents, stretch.exp()[:, None])
        return HANDED * (pose @ roma.special_gramschmidt(self.direction).transpose(-1, -2)) + self.place.unsqueeze(-2), pose

    def _tilted(self) -> torch.Tensor:
        """Up [B,3] as the floor has it."""
        normal = self.up + torch.stack([self.tilt[:, 0], torch.zeros_like(self.tilt[:, 0]), self.tilt[:, 1]], -1)
        return normal / normal.norm(dim=-1, keepdim=True)

    def _lowest(self, body: torch.Tensor) -> torch.Tensor:
        """Heights [B,T] of the lowest foot of bodies [B,T,J,3], in their sizes, from the camera."""
        heights = (body[:, :, self.feet] * self._tilted()[:, None, None]).sum(-1) / self.prior.size
        return -LOWEST * torch.logsumexp(-heights / LOWEST, -1)

    def _off_floor(self, body: torch.Tensor) -> torch.Tensor:
        """What feet off the floor cost [B]: all below it, above it what stands and not what jumps, for no jump lasts."""
        height = self._lowest(body) - self.floor
        squared = height**2
        squared = torch.where(height < 0, squared, AIRBORNE**2 * squared / (squared + AIRBORNE**2))
        landed = -functional.max_pool1d(-height.masked_fill(self.valid == 0, torch.inf), FLIGHT, 1, FLIGHT // 2)
        squared = squared + LANDED * landed.clamp(min=0) ** 2
        return (squared * self.valid).sum(1) / self.valid.sum(1) + UNEVEN**2 * ((self.tilt / TILT) ** 2).sum(1)

    def _costs(self, drawn: torch.Tensor | None) -> torch.Tensor:
        settings, size = self.settings, self.prior.size
        body, pose = self._posed()
        frames, both = self.valid.sum(1), self.valid[:, 1:] * self.valid[:, :-1]
        lasting = both.sum(1).clamp(min=1)
        off = (body[..., :2] / body[..., 2:].clamp(min=0.05 * size) - self.target) * (self.away / size).unsqueeze(-1)
        spread = ((off**2).sum(-1) * self.weight).sum((1, 2)) / self.weight.sum((1, 2)).clamp(min=1e-6)
        change = ((pose.diff(dim=1) ** 2).sum((2, 3)) / size**2 + 1e-12).sqrt()
        pull = (self.place.diff(n=2, dim=1) ** 2).sum(-1) / size**2
        costs = (spread + settings.prior * ((self.latents**2).sum(-1) * self.valid).sum(1) / frames + settings.change * (change * both).sum(1) / lasting
                 + settings.path * (pull * both[:, 1:]).sum(1) / lasting + settings.stretch * (self.stretch**2).mean(1))
        if self.up is not None:
            costs = costs + settings.floor * self._off_floor(body)
        if drawn is not None:
            apart = body - body[:, :, self.hips].mean(2, keepdim=True) - drawn
            costs = costs + settings.drawn * (((apart**2).sum(-1) / size**2 + 1e-7).sqrt().mean(-1) * self.valid).sum(1) / frames
        return costs

    def run(self, iterations: int, posed: bool = True, drawn: torch.Tensor | None = None, report: Callable[[float], None] = lambda fraction: None) -> None:
        """Steps of Adam on direction and place, and on the pose where `posed`; towards a motion that was `drawn` [B,T,J,3], from its hips, of the
        prior's size."""
        parameters = [self.direction, self.shift] + posed * [self.latents, self.stretch]
        rates = [(parameters, self.settings.learning_rate), ([self.floor, self.tilt], self.settings.floor_rate)]
        optimiser = torch.optim.Adam([{"params": group} for group, _ in rates])
        for index in range(iterations):
            if index % 10 == 0:
                report(index / iterations)
            for group, (_, rate) in zip(optimiser.param_groups, rates):
                group["lr"] = rate * (0.05 + 0.95 * (1 + math.cos(math.pi * index / iterations)) / 2)
            optimiser.zero_grad()
            self._costs(drawn).sum().backward()
            optimiser.step()

    @torch.no_grad()
    def bodies(self) -> torch.Tensor:
        """[B,T,J,3]"""
        return self._posed()[0]

    @torch.no_grad()
    def floors(self) -> list[Floor]:
        """The floor of each row, which feet were told to stand on."""
        return [Floor(up, float(height) * self.prior.size) for up, height in zip(self._tilted(), self.floor[:, 0])]

    @torch.no_grad()
    def costs(self) -> torch.Tensor:
        """[B]"""
        return self._costs(None)


def fit_bodies(prior: PosePrior, motions: Sequence[tuple[np.ndarray, np.ndarray]], ups: Sequence[torch.Tensor], settings: FitSettings,
               standing: bool = True, report: Callable[[float], None] = lambda fraction: None) -> tuple[BodyFit, list[int]]:
    """Bodies fitted to what cameras saw alone, each from two starts, which one view hardly tells apart.

    Args: motions: rays [T,J,2] and how surely they were seen [T,J] of each; ups [3]: in its camera's axes; standing: feet are mostly on a floor.
    Returns: the fit of all starts, and the row of each motion's better one.
    """
    lengths, rows = [len(rays) for rays, _ in motions], []
    for flipped in (False, True):
        for (rays, sure), up in zip(motions, ups, strict=True):
            axes = view_axes(torch.tensor(0.0), torch.atan2(-up[2], up[1]).cpu()).double().numpy()
            padding = (0, max(lengths) - len(rays))
            rows.append([np.pad(part, (padding, *[(0, 0)] * (part.ndim - 1)), mode="edge") for part in (rays, sure, *start(prior, rays, sure, axes, flipped))])
    rays, sure, turns, places = (np.stack(parts) for parts in zip(*rows))
    fit = BodyFit(prior, rays, sure, lengths * 2, turns, places, settings, torch.stack([*ups, *ups]).cpu() if standing else None)
    fit.run(settings.place_iterations, posed=False)
    fit.run(settings.iterations, report=report)
    better = fit.costs().view(2, len(motions)).argmin(0)
    return fit, [int(side) * len(motions) + row for row, side in enumerate(better)]


def start(prior: PosePrior, rays: np.ndarray, sure: np.ndarray, axes: np.ndarray, flipped: bool) -> tuple[np.ndarray, np.ndarray]:
    """Directions [T,3,3] (from the body's axes to the camera's right, up, forward) and places [T,3] of the hips that show the mean pose best, turning steadily.

    rays [T,J,2] and how surely they were seen [T,J]; axes [3,3]: rows right, up, forward of the camera in a world whose Z is up. `flipped`: what faces
    towards the camera by that faces away from it; one view hardly tells the two apart.
    """
    yaws = np.arange(YAWS) * 2 * math.pi / YAWS
    mean = prior.mean.numpy().astype(np.float64)
    spins = np.stack([np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]]) for yaw in yaws])
    turns = axes @ spins @ prior.upright()
    shown = (mean @ np.swapaxes(turns, -1, -2))[:, None, :, :2]  # [K,1,J,2]
    weight = sure[None, :, :, None]
    total = weight.sum(2, keepdims=True).clip(min=1e-6)
    target = rays[None]
    shown_middle, target_middle = (weight * shown).sum(2, keepdims=True) / total, (weight * target).sum(2, keepdims=True) / total
    spread = (weight * (shown - shown_middle) ** 2).sum((2, 3)).clip(min=1e-6)
    size = ((weight * (shown - shown_middle) * (target - target_middle)).sum((2, 3)) / spread).clip(min=1e-2)  # one over depth
    off = (weight * (size[..., None, None] * (shown - shown_middle) - (target - target_middle)) ** 2).sum((2, 3)) / total[..., 0, 0] / size**2
    apart = np.abs(np.angle(np.exp(1j * (yaws[:, None] - yaws[None]))))
    path = steadiest(off.T / (START_DEVIATION * prior.size) ** 2, (apart / TURN_DEVIATION) ** 2)
    if flipped:  # the same seen from the front and from behind: left and right stay, near and far change
        path = (YAWS - path) % YAWS
    rows = np.arange(len(path))
    depth = gaussian_filter1d(median_filter(1 / size[path, rows], SIZED, mode="nearest"), SIZED / 4, mode="nearest")
    middle = (target_middle - size[..., None, None] * shown_middle)[path, rows, 0]  # where the hips are seen
    return turns[path], np.concatenate([middle * depth[:, None], depth[:, None]], 1)


def steadiest(costs: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """The cheapest way [T] through states: costs [T,K] of being there and changes [K,K] of going on (Viterbi)."""
    best, back = costs[0], np.zeros(costs.shape, np.int64)
    for frame in range(1, len(costs)):
        ways = best[:, None] + changes
        back[frame] = ways.argmin(0)
        best = ways.min(0) + costs[frame]
    path = [int(best.argmin())]
    for frame in range(len(costs) - 1, 0, -1):
        path.append(int(back[frame, path[-1]]))
    return np.array(path[::-1])


def with_objects(body: np.ndarray, rays: np.ndarray, sure: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Points [T,P,3] of a fitted body [T,J,3] and what else the skeleton has, of which rays [T,P,2] were seen as surely as [T,P]: where the camera sees
    it, as far away as the joint that is seen next to it, which mostly is the hand that holds it. What was hidden stays there on the way."""
    count = len(skeleton.joints)
    rays = fill_gaps(rays, sure > 0)[:, count:]
    shown = body[..., :2] / body[..., 2:]
    near = np.linalg.norm(rays[:, :, None] - shown[:, None], axis=-1).argmin(-1)
    depth = np.take_along_axis(body[..., 2], near, 1)[..., None]
    return np.concatenate([body, np.concatenate([rays * depth, depth], -1)], 1)
