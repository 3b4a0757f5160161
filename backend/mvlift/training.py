"""Training the two networks of MVLift (sections 3.2 and 3.4, and its program)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from backend.devices import network_precision
from backend.diffusion.schedule import Schedule
from backend.errors import KineliftError
from backend.motion.motion2d import Motion2DSet
from backend.mvlift.model import LINE, MULTIVIEW, Features, LiftModel, line_folder, load_lift_model, make_features
from backend.mvlift.network import LiftDenoiser, LiftNetworkSettings
from backend.mvlift.views import epipoles, lines_through, off_line, ring, see
from backend.mvlift.windows import Body, absent, fill_gaps, frame, shown_lengths, up_of
from backend.packs.model import find_pack
from backend.training.domain import Domain
from backend.training.project import CLEAR
from backend.training.train import StartingPoint, Trainer, TrainingSettings, crops, data_card, masked_loss
from rigs import Skeleton

STEPS, TAU = 1000, 1.0  # the paper's schedule
LINE_WEIGHT = 1.0
FARTHEST_EPIPOLE = 6.0  # units; half of the virtual epipoles are anywhere, the others are those of cameras
NORMALISING_BATCHES = 20
HIDDEN_WINDOWS, HIDDEN_SECONDS = 0.5, (0.2, 2.0)  # share of windows that lose points, and for how long
MOST_SECONDS = 3600.0  # of footage; it is lifted in windows
MOST_NOISE = 0.02  # units; what a detector adds to the view that filmed


@dataclass(frozen=True)
class WindowBatch:
    """pictures [B,T,J,2], seen [B,T,J] in 0..1, lengths [B], distance [B]."""

    pictures: torch.Tensor
    seen: torch.Tensor
    lengths: torch.Tensor
    distance: torch.Tensor


def require_lift(domain: Domain) -> None:
    """Raises KineliftError for a domain that is not for lifting."""
    if domain.settings["centring"] != "first-frame" or not {"views", "height", "standing_height"} <= domain.settings.get("lift", {}).keys():
        raise KineliftError(f"the domain {domain.name!r} is not for lifting",
                            "Give it the centring \"first-frame\" and [lift] with views, height and standing_height", str(domain.path), "bad-domain")


def elevation_between(domain: Domain) -> tuple[float, float]:
    low, high = domain.settings["camera"]["elevation"]
    return float(low), float(high)


def middle_elevation(domain: Domain) -> float:
    """What all cameras of 2D data are taken to look down by, since 2D data don't say."""
    return sum(elevation_between(domain)) / 2


def distances_of(motions: Motion2DSet, domain: Domain) -> np.ndarray:
    """Distances of the cameras [N], in the set's units."""
    if motions.distances is not None:
        return motions.distances
    camera = domain.settings["camera"]
    return np.full(len(motions), float(np.mean(camera["distance"])) / camera["scale"])


def usual_body(motions: Motion2DSet, skeleton: Skeleton) -> Body:
    """The body of a set of 2D motions: its bones as long as most show them."""
    body = Body.of(skeleton)
    shown = shown_lengths(torch.from_numpy(motions.keypoints), torch.from_numpy(motions.confidences) > 0, body.bones).nanmedian(0).values
    if not shown.isfinite().all():
        parent, child = body.bones[int((~shown.isfinite()).nonzero()[0])]
        raise KineliftError(f"the bone from {skeleton.joints[parent]} to {skeleton.joints[child]} is never seen",
                            "Add motions that show every joint", motions.sources[0], "bad-motion")
    return replace(body, lengths=shown.float())


def in_rays(motions: Motion2DSet, distances: np.ndarray) -> Motion2DSet:
    """The set with keypoints over depth, as an ideal camera sees them."""
    return replace(motions, keypoints=(motions.keypoints / distances[:, None, None, None]).astype(np.float32), distances=None)


def mirrored(points: np.ndarray, seen: np.ndarray, order: list[int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Every second window with its sides exchanged: points [B,T,J,2 or 3], x to the right; seen [B,T,J]."""
    flip = rng.random(len(points)) < 0.5
    swapped = points[:, :, order] * np.append(-1, np.ones(points.shape[-1] - 1)).astype(points.dtype)
    return np.where(flip[:, None, None, None], swapped, points), np.where(flip[:, None, None], seen[:, :, order], seen)


def hide(shape: tuple[int, int, int], fps: float, rng: np.random.Generator) -> np.ndarray:
    """What others stand in front of: bool [B,T,J], True where a point can't be seen. Some joints of some windows for some time."""
    hidden = np.zeros(shape, bool)
    for window in np.flatnonzero(rng.random(shape[0]) < HIDDEN_WINDOWS):
        for _ in range(int(rng.integers(1, 4))):
            joints = rng.permutation(shape[2])[: int(rng.integers(1, shape[2] // 2 + 1))]
            start, length = int(rng.integers(shape[1])), round(rng.uniform(*HIDDEN_SECONDS) * fps)
            hidden[window, start : start + length, joints] = True
    return hidden


def feature_weights(seen: torch.Tensor, body: Body, official: bool = False) -> torch.Tensor:
    """How much each feature [...,J] counts: where the root wasn't seen nothing is known that is told from the root."""
    if official:
        return seen
    roots = (body.centre > 0).to(seen.device)
    root = seen[..., roots].amin(-1, keepdim=True)
    return torch.where(torch.arange(len(roots), device=seen.device) == int(body.centre.argmax()), root, seen * root)


class LiftTrainer(Trainer):
    """What the two stages share: the schedule, the network, and the pack of their kind."""

    kind = LINE
    body: Body

    def load_start(self, pack: str) -> StartingPoint:
        model = load_lift_model(str(line_folder(pack)) if self.kind == LINE else pack, str(self.device), self.kind)
        return StartingPoint(find_pack(pack).name, model.card, model.skeleton.keypoints, model.denoiser.state_dict(), model.features.mean, model.features.std)

    def make_schedule(self) -> Schedule:
        return Schedule(STEPS, TAU)

    def make_network(self, settings: LiftNetworkSettings) -> LiftDenoiser:
        return LiftDenoiser(settings, self.schedule)

    def train_step(self) -> float:
        loss = super().train_step()
        self.denoiser.hold_sharpness()
        return loss

    @property
    def features(self) -> Features:
        return make_features(self.mean, self.std, self.body)

    def predict(self, x0: torch.Tensor, given: torch.Tensor, lengths: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network makes of x0 [B,V,T,J,2] with noise, and the steps [B]; one noise level a window."""
        t = torch.from_numpy(rng.integers(self.schedule.steps, size=len(x0))).to(self.device)
        noised = self.schedule.add_noise(x0, t, torch.randn_like(x0))
        with network_precision(True, self.device):
            predicted = self.parallel(noised, t[:, None].expand(x0.shape[:2]), given, lengths)
        return predicted.float(), t

    def card(self) -> dict:
        """The card of the stage's network."""
        domain, network = self.domain.settings, self.denoiser.settings
        return {
            "name": self.folder.name, "title": domain["title"], "kind": self.kind, "description": domain.get("description", ""),
            "skeleton": self.domain.skeleton.name, "fps": domain["fps"], "seconds": {"default": domain["seconds"]["default"], "max": MOST_SECONDS},
            "camera": {"distance": domain["camera"]["distance"], "elevation": list(elevation_between(self.domain))},
            "body": {"lengths": [round(float(length), 4) for length in self.body.lengths], "height": domain["lift"]["height"],
                     "standing_height": domain["lift"]["standing_height"]},
            "network": network.as_card(), "conditions": network.conditions, "diffusion": {"steps": STEPS, "tau": TAU},
            "training": self.training_card(), "data": data_card(domain), "scores": {},
        }

    def as_model(self) -> LiftModel:
        """The moving average as it will be loaded."""
        denoiser = LiftDenoiser(self.denoiser.settings, self.schedule).to(self.device)
        denoiser.load_state_dict(self.average)
        return LiftModel(self.folder.name, self.card(), denoiser.eval().requires_grad_(False), self.features, self.body, self.schedule,
                         self.domain.skeleton)


class LineTrainer(LiftTrainer):
    """Stage 1: a view is denoised that may be told the line on which each of its points lies."""

    keypoint_features = (2, 3)

    def __init__(self, motions: Motion2DSet, domain: Domain, network: LiftNetworkSettings, settings: TrainingSettings, folder: Path, device: str,
                 start_from: str | None = None):
        require_lift(domain)
        self.body = usual_body(motions, domain.skeleton)
        super().__init__(in_rays(motions, distances_of(motions, domain)), domain, network, settings, folder, device, start_from)

    def find_normalisation(self) -> tuple[torch.Tensor, torch.Tensor]:
        rng, mix = np.random.default_rng(self.settings.seed), self.body.mixing()
        batches = [self.batch(rng) for _ in range(NORMALISING_BATCHES)]
        mixed = torch.cat([(mix @ batch.pictures).flatten(0, 1) for batch in batches])
        sure = torch.cat([feature_weights(batch.seen, self.body).flatten(0, 1) > 0 for batch in batches])[..., None]
        mixed = torch.where(sure, mixed, torch.nan)
        mean = mixed.nanmean(0)
        if not mean.isfinite().all():
            name = self.domain.skeleton.keypoints[int((~mean.isfinite()).any(-1).nonzero()[0])]
            raise KineliftError(f"the keypoint {name!r} is never seen", "Add motions that show it, or name a skeleton without it", self.motions.sources[0],
                                "bad-motion")
        return mean, (mixed - mean).square().nanmean(0).sqrt().clamp(min=0.02)

    def batch(self, rng: np.random.Generator) -> WindowBatch:
        """Random windows, framed."""
        keypoints, confidences, lengths = crops(self.motions, self.settings, rng)
        keypoints, confidences = mirrored(keypoints, confidences, self.domain.skeleton.mirror_order, rng)
        seen = confidences > 0
        rays = torch.from_numpy(fill_gaps(keypoints, seen).astype(np.float32))
        pictures, framing = frame(rays, torch.from_numpy(seen), up_of(middle_elevation(self.domain)), self.body)
        return WindowBatch(pictures, torch.from_numpy(confidences), torch.from_numpy(lengths), framing.distance)

    def virtual_epipoles(self, distance: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """One epipole a window [B,3]: of another camera of the ring, or anywhere."""
        count = len(distance)

        def uniform(low: float, high: float) -> torch.Tensor:
            return torch.from_numpy(rng.uniform(low, high, count)).float()

        here, there = ring(1, uniform(*elevation_between(self.domain)), 0.0), ring(1, uniform(*elevation_between(self.domain)), 0.0,
                                                                                  uniform(0.2, 2 * math.pi - 0.2))
        anywhere = torch.stack([uniform(-FARTHEST_EPIPOLE, FARTHEST_EPIPOLE), uniform(-FARTHEST_EPIPOLE, FARTHEST_EPIPOLE), torch.ones(count)], -1)
        return torch.where(torch.from_numpy(rng.random(count) < 0.5)[:, None], epipoles(there[:, 0], here[:, 0], distance), anywhere)

    def loss(self, rng: np.random.Generator) -> torch.Tensor:
        batch = self.batch(rng)
        lines = lines_through(batch.pictures, self.virtual_epipoles(batch.distance, rng)[:, None, None])
        shown = torch.from_numpy(~hide(tuple(batch.seen.shape), self.motions.fps, rng)) & (batch.seen > 0)
        lines = (lines * shown[..., None]).to(self.device)
        pictures, seen, lengths = (part.to(self.device) for part in (batch.pictures, batch.seen, batch.lengths))
        valid = torch.arange(seen.shape[1], device=self.device) < lengths[:, None]
        features = self.features
        x0 = features.normalise(pictures) * valid[..., None, None]
        given = features.given_lines(lines, False) * valid[..., None]
        predicted, t = self.predict(x0.unsqueeze(1), given.unsqueeze(1), lengths, rng)
        predicted = predicted[:, 0]
        drawn = absent(seen, self.domain.skeleton)[:, None] & valid[..., None]
        weights = feature_weights(torch.where(drawn, 1.0, seen), self.body)
        loss = masked_loss(predicted, x0, weights, self.settings.velocity_weight, self.clip_weights(t))
        return loss + LINE_WEIGHT * off_line(features.denormalise(predicted), lines).abs().mul(weights).sum() / weights.sum().clamp(min=1)


class MultiviewTrainer(LiftTrainer):
    """Stage 4: the views of a ring are denoised together, given what one of them saw.

    motions: [N,T,J,3] in the units of windows, Z up, on the domain's keypoints, nan for objects that aren't there; lengths [N]. line: the model of
    stage 1, whose body and features the network shares.
    """

    kind = MULTIVIEW
    keypoint_features = (2, 2, 1)

    def __init__(self, motions: np.ndarray, lengths: np.ndarray, line: LiftModel, domain: Domain, network: LiftNetworkSettings,
                 settings: TrainingSettings, folder: Path, device: str, start_from: str | None = None):
        require_lift(domain)
        self.body, self.line, self.lengths = line.body, line, lengths
        super().__init__(motions, domain, network, settings, folder, device, start_from)

    def make_network(self, settings: LiftNetworkSettings) -> LiftDenoiser:
        network = super().make_network(settings)
        network.begin_as(self.line.denoiser)
        return network

    def find_normalisation(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.line.features.mean, self.line.features.std

    def crop(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Random windows [B,T,J,3], the root of the first frame at the origin, their lengths [B], and which points are there [B,J]; the others
        are amid those."""
        settings, longest = self.settings, self.motions.shape[1]
        rows = rng.integers(len(self.motions), size=settings.batch)
        frames = longest if rng.random() < 0.5 else int(rng.integers(min(settings.min_frames, longest), longest + 1))
        lengths = np.minimum(self.lengths[rows], frames)
        points = np.zeros((len(rows), frames, *self.motions.shape[2:]), np.float32)
        for slot, (row, length) in enumerate(zip(rows, lengths)):
            start = int(rng.integers(self.lengths[row] - length + 1))
            points[slot, :length] = self.motions[row, start : start + length]
            points[slot, length:] = points[slot, length - 1]
        points, _ = mirrored(points, np.ones(points.shape[:3], bool), self.domain.skeleton.mirror_order, rng)
        points = torch.from_numpy(points)
        there = points.isfinite().all((1, 3))
        points = torch.where(there[:, None, :, None], points, points.nanmean(2, keepdim=True))
        return points - self.body.root(points[:, 0])[:, None, None], torch.from_numpy(lengths), there

    def film(self, points: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The pictures [B,V,T,J,2] that a ring has of points [B,T,J,3], framed by its first view, and the distances [B]."""
        count, camera = len(points), self.domain.settings["camera"]
        first, turn = (torch.from_numpy(rng.uniform(*between, count)).float() for between in (elevation_between(self.domain), (-math.pi, math.pi)))
        reach = points[..., :2].norm(dim=-1).amax((1, 2))
        away = torch.from_numpy(rng.uniform(*np.broadcast_to(camera["distance"], 2), count)).float() / camera["scale"]
        distance = torch.maximum(away, reach + CLEAR / camera["scale"])
        pictures = see(points, ring(self.denoiser.settings.views, first, middle_elevation(self.domain), turn), distance)
        shown = shown_lengths(pictures[:, 0], torch.ones(pictures[:, 0].shape[:-1], dtype=torch.bool), self.body.bones)
        zoom = self.body.lengths.cpu().sum() / shown.sum(1)
        return pictures * zoom.view(-1, 1, 1, 1, 1), distance * zoom

    def filmed(self, pictures: np.ndarray, there: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """What a detector makes of the first view [B,T,J,2], where points are there [B,J]: noise, and gaps that are gone over straight. Also what
        it saw [B,T,J]."""
        noise = gaussian_filter1d(rng.standard_normal(pictures.shape), 1.0, axis=1) * 1.9 * rng.uniform(0, MOST_NOISE, (len(pictures), 1, 1, 1))
        seen = ~hide(pictures.shape[:3], float(self.domain.settings["fps"]), rng) & there[:, None]
        return fill_gaps((pictures + noise).astype(np.float32), seen), seen

    def loss(self, rng: np.random.Generator) -> torch.Tensor:
        points, lengths, there = self.crop(rng)
        pictures, _ = self.film(points, rng)
        given, seen = (torch.from_numpy(part).to(self.device) for part in self.filmed(pictures[:, 0].numpy(), there.numpy(), rng))
        pictures, lengths = pictures.to(self.device), lengths.to(self.device)
        valid = torch.arange(pictures.shape[2], device=self.device) < lengths[:, None]
        features, views = self.features, self.denoiser.settings.views
        x0 = features.normalise(pictures) * valid[:, None, :, None, None]
        told = features.given_view(given, seen.float(), self.denoiser.settings.conditions) * valid[..., None]
        predicted, t = self.predict(x0, told.unsqueeze(1).expand(-1, views, -1, -1), lengths, rng)
        weights = valid[:, None, :, None].expand(x0.shape[:-1]).float()
        return masked_loss(predicted.flatten(0, 1), x0.flatten(0, 1), weights.flatten(0, 1), self.settings.velocity_weight,
                           self.clip_weights(t).repeat_interleave(views))
