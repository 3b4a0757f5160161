"""SMPLify-2D, the baseline of the MVLift paper: a body of known bones is fitted to one view, over all frames at once.

Bogo et al.: "Keep it SMPL", ECCV 2016, as the paper's program does it: a latent pose for every frame, the body's direction and
place, Adam in stages, a prior on poses and one on their change. It fits SMPL with the pose prior VPoser, which are not free; here a body
of the skeleton's bones is fitted, and the prior is the principal components of 3D training clips, as many as VPoser has latents. So this baseline knows 3D
motion, which nothing else in the tables does, just as VPoser does.

It is given a fair start: where the program begins with a body that faces the camera, here the way the body faces is first found for all
frames together, and the depth by its size. Points that were hidden weigh nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import roma
import torch
from scipy.ndimage import gaussian_filter1d, median_filter

from backend.evaluation.lifting.metrics import hips_of, mean_joints
from backend.evaluation.lifting.results import camera_axes, rays_of
from backend.evaluation.lifting.scenes import Scene
from backend.mas.sampler import Report
from backend.mvlift.windows import fill_gaps
from rigs import Skeleton

LATENTS = 32  # as VPoser
PRIOR_FRAMES = 20_000
YAWS = 24
START_DEVIATION, TURN_DEVIATION = 0.1, 0.3  # metres that the mean pose is off, and radians a frame that a body turns
SIZED = 25  # frames over which the size in the picture is looked at: poses change it from frame to frame, the way of the body slowly
BATCH = 32


@dataclass(frozen=True)
class SmplifySettings:
    """Iterations of Adam for direction and place, and with the pose; weights against the mean squared distance in the picture, in metres
    at the body: of the squared latents (that of a detector which is off by 1.5 cm in each direction), of the change of the pose and of the
    root's acceleration from frame to frame (metres)."""

    place_iterations: int = 150
    iterations: int = 600
    learning_rate: float = 0.02
    prior: float = 1.2e-5
    change: float = 2e-4
    path: float = 1.0


@dataclass(frozen=True)
class PosePrior:
    """Poses in the body's own axes (left, up, front), metres, hips at the origin: mean [J,3], basis [D,J,3] times deviations; lengths [J] of
    the bones; up [3]: where up mostly is."""

    skeleton: Skeleton
    mean: torch.Tensor
    basis: torch.Tensor
    lengths: torch.Tensor
    up: torch.Tensor

    @classmethod
    def learn(cls, clips: Sequence[np.ndarray], skeleton: Skeleton, seed: int = 0) -> PosePrior:
        """From 3D clips [T,J,3]."""
        frames = np.concatenate([mean_joints(clip[:, : len(skeleton.joints)], skeleton) for clip in clips])
        frames = frames[np.random.default_rng(seed).permutation(len(frames))[:PRIOR_FRAMES]]
        parents = [max(parent, 0) for parent in skeleton.parents]
        spans = np.linalg.norm(frames - frames[:, parents], axis=-1)
        rigid = [child for _, child in skeleton.bones if child not in skeleton.elastic_joints]
        sizes = spans[:, rigid].sum(1)
        axes = body_axes(frames, skeleton)
        local = np.einsum("tij,tpj->tpi", axes, frames - frames[:, hips_of(skeleton)].mean(1, keepdims=True))
        local = local * (np.median(sizes) / sizes)[:, None, None]
        mean = local.mean(0)
        _, deviations, directions = np.linalg.svd((local - mean).reshape(len(local), -1), full_matrices=False)
        count = min(LATENTS, len(directions))
        basis = directions[:count].reshape(count, *mean.shape) * (deviations[:count] / math.sqrt(len(local)))[:, None, None]
        lengths = np.median(spans * (np.median(sizes) / sizes)[:, None], axis=0)
        return cls(skeleton, *(torch.from_numpy(part).float() for part in (mean, basis, lengths, axes[:, :, 2].mean(0))))

    def pose(self, latents: torch.Tensor) -> torch.Tensor:
        """Points [...,J,3] in the body's axes of latents [...,D]: every bone has its length."""
        free = self.mean + torch.einsum("...d,djc->...jc", latents, self.basis)
        parents, children = (list(ends) for ends in zip(*self.skeleton.bones))
        along = free[..., children, :] - free[..., parents, :]
        rigid = torch.tensor([child not in self.skeleton.elastic_joints for child in children])
        length = along.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        along = along * torch.where(rigid[:, None], self.lengths[children, None] / length, 1.0)
        return free[..., :1, :] + self.carried @ along

    @cached_property
    def carried(self) -> torch.Tensor:
        """[J,N]: 1 where a bone stands between the root, which is the first joint, and a joint."""
        rows, bones = torch.zeros(len(self.skeleton.joints), len(self.skeleton.bones)), self.skeleton.bones
        for index, (parent, child) in enumerate(bones):
            rows[child] = rows[parent]
            rows[child, index] = 1
        return rows

    def upright(self) -> np.ndarray:
        """The turn [3,3] from the body's axes to a world in which it stands as it mostly does."""
        up = self.up.numpy().astype(np.float64)
        up = up / max(np.linalg.norm(up), 1e-9)
        left = np.array([1.0, 0, 0]) - up * up[0]
        left = left / np.linalg.norm(left)
        return np.stack([left, np.cross(up, left), up])


def body_axes(points: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Rows left, up, front [T,3,3] of bodies [T,J,3]: from hip to hip, and from the hips to the shoulders."""
    roles = {role: skeleton.joints.index(name) for name, role in skeleton.roles.items()}
    hips = hips_of(skeleton)
    shoulders = [roles[role] for role in ("shoulder.L", "shoulder.R") if role in roles] or [roles["neck"]]

    def unit(vector: np.ndarray) -> np.ndarray:
        return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)

    left = unit(points[:, hips[0]] - points[:, hips[-1]])
    up = points[:, shoulders].mean(1) - points[:, hips].mean(1)
    up = unit(up - left * (up * left).sum(-1, keepdims=True))
    return np.stack([left, up, np.cross(left, up)], 1)


def start(scene: Scene, rays: np.ndarray, confidences: np.ndarray, prior: PosePrior, flipped: bool) -> tuple[np.ndarray, np.ndarray]:
    """Directions [T,3,3] (from the body's axes to the camera's right, up, forward) and places [T,3] of the hips that show the mean pose best, turning steadily.

    `flipped`: what faces towards the camera by that faces away from it; one view hardly tells the two apart.
    """
    yaws = np.arange(YAWS) * 2 * math.pi / YAWS
    axes, mean = camera_axes(scene), prior.mean.numpy().astype(np.float64)
    spins = np.stack([np.array([[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]]) for yaw in yaws])
    turns = axes @ spins @ prior.upright()
    shown = (mean @ np.swapaxes(turns, -1, -2))[:, None, :, :2]  # [K,1,J,2]
    weight = confidences[None, :, :, None]
    total = weight.sum(2, keepdims=True).clip(min=1e-6)
    target = rays[None]
    shown_middle, target_middle = (weight * shown).sum(2, keepdims=True) / total, (weight * target).sum(2, keepdims=True) / total
    spread = (weight * (shown - shown_middle) ** 2).sum((2, 3)).clip(min=1e-6)
    size = ((weight * (shown - shown_middle) * (target - target_middle)).sum((2, 3)) / spread).clip(min=1e-2)  # one over depth
    off = (weight * (size[..., None, None] * (shown - shown_middle) - (target - target_middle)) ** 2).sum((2, 3)) / total[..., 0, 0] / size**2
    apart = np.abs(np.angle(np.exp(1j * (yaws[:, None] - yaws[None]))))
    path = steadiest(off.T / START_DEVIATION**2, (apart / TURN_DEVIATION) ** 2)
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


def fit(scenes: Sequence[Scene], condition: str, prior: PosePrior, settings: SmplifySettings,
        report: Report = lambda fraction, message: None) -> list[np.ndarray]:
    """Bodies [T,J,3] in the axes right, up, forward of the scenes' cameras, metres; from two starts the one that fits better."""
    fitted: list[np.ndarray] = []
    for first in range(0, len(scenes), BATCH):
        some = scenes[first : first + BATCH]
        tries = []
        for number, flipped in enumerate((False, True)):
            def within(fraction: float, first: int = first, count: int = len(some), number: int = number) -> None:
                report((first + count * (number + fraction) / 2) / len(scenes), "SMPLify-2D")

            tries.append(_fit(some, condition, prior, settings, flipped, within))
        for row, scene in enumerate(some):
            bodies, _ = min(tries, key=lambda one, row=row: float(one[1][row]))
            fitted.append(bodies[row, : len(scene.points)])
    return fitted


def _fit(scenes: Sequence[Scene], condition: str, prior: PosePrior, settings: SmplifySettings, flipped: bool, report) -> tuple[np.ndarray, np.ndarray]:
    """Bodies [B,T,J,3] and what they cost [B]."""
    count, frames = len(prior.skeleton.joints), max(len(scene.points) for scene in scenes)
    rays, weights = np.zeros((len(scenes), frames, count, 2)), np.zeros((len(scenes), frames, count))
    turns, places = np.zeros((len(scenes), frames, 3, 3)), np.zeros((len(scenes), frames, 3))
    for row, scene in enumerate(scenes):
        length = len(scene.points)
        seen, sure = (part[:, :count] for part in rays_of(scene, condition))
        rays[row, :length], weights[row, :length] = seen, sure
        turns[row, :length], places[row, :length] = start(scene, seen, sure, prior, flipped)
        turns[row, length:], places[row, length:] = turns[row, length - 1], places[row, length - 1]
    target, weight, turn, place = (torch.from_numpy(part).float() for part in (rays, weights, turns, places))
    valid = (weight.sum(-1) > 0).float()
    away = place[..., 2].mean(1)[:, None, None]
    handed = torch.tensor([1.0, 1, -1])  # right, up, forward is left-handed: a body is turned to right, up, backward
    direction = (handed[:, None] * turn)[..., :2].clone().requires_grad_(True)
    place = place.clone().requires_grad_(True)
    latents = torch.zeros(*place.shape[:2], len(prior.basis), requires_grad=True)

    def bodies() -> tuple[torch.Tensor, torch.Tensor]:
        pose = prior.pose(latents)
        return handed * (pose @ roma.special_gramschmidt(direction).transpose(-1, -2)) + place.unsqueeze(-2), pose

    def costs() -> torch.Tensor:
        body, pose = bodies()
        off = (body[..., :2] / body[..., 2:].clamp(min=0.1) - target) * away.unsqueeze(-1)
        spread = ((off**2).sum(-1) * weight).sum((1, 2)) / weight.sum((1, 2))
        both = valid[:, 1:] * valid[:, :-1]
        change = ((pose.diff(dim=1) ** 2).sum((2, 3)) + 1e-10).sqrt()
        pull = (place.diff(n=2, dim=1) ** 2).sum(-1)
        lasting = both.sum(1).clamp(min=1)
        return (spread + settings.prior * ((latents**2).sum(-1) * valid).sum(1) / valid.sum(1) + settings.change * (change * both).sum(1) / lasting
                + settings.path * (pull * both[:, 1:]).sum(1) / lasting)

    done = 0
    total = settings.place_iterations + settings.iterations
    for parameters, iterations in (([direction, place], settings.place_iterations), ([direction, place, latents], settings.iterations)):
        optimiser = torch.optim.Adam(parameters, settings.learning_rate)
        for index in range(iterations):
            if index % 10 == 0:
                report(done / total)
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * index / iterations)) / 2)
            optimiser.zero_grad()
            costs().sum().backward()
            optimiser.step()
            done += 1
    with torch.no_grad():
        return bodies()[0].double().numpy(), costs().double().numpy()


def with_objects(body: np.ndarray, scene: Scene, condition: str, skeleton: Skeleton) -> np.ndarray:
    """Points [T,P,3] of a fitted body [T,J,3] and what else the skeleton has: where the camera sees it, as far away as the joint that is
    seen next to it, which mostly is the hand that holds it. What was hidden stays there on the way."""
    count = len(skeleton.joints)
    rays, confidences = rays_of(scene, condition)
    rays = fill_gaps(rays, confidences > 0)[:, count:]
    shown = body[..., :2] / body[..., 2:]
    near = np.linalg.norm(rays[:, :, None] - shown[:, None], axis=-1).argmin(-1)
    depth = np.take_along_axis(body[..., 2], near, 1)[..., None]
    return np.concatenate([body, np.concatenate([rays * depth, depth], -1)], 1)
