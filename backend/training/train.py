"""Training a 2D diffusion model on a set of 2D motions (MAS section 3.1)."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import distributed

from backend.devices import choose_device, network_precision
from backend.diffusion.denoiser import Denoiser, DenoiserSettings
from backend.diffusion.schedule import Schedule
from backend.errors import KineliftError
from backend.motion.files import write_bytes
from backend.motion.motion2d import Motion2DSet
from backend.motion.planting import seen_standing_height
from backend.packs.catalogue import own_packs
from backend.packs.model import load_model, save_pack
from backend.training.domain import Domain

STEADY_COORDINATE = 0.02  # metres: a coordinate that moves less is noise and is not blown up to unit variance


@dataclass(frozen=True)
class TrainingSettings:
    """Optimisation settings. `velocity_weight` adds the mean squared error of frame differences, which MDM uses and
    the MAS paper does not; 0 is the paper's loss. Differences of normalised frames are a hundred times smaller than the
    frames, hence the weight. `clean_weight` is the most a nearly clean clip counts: clips count 1 / (1 - abar_t), since their
    errors are that much smaller and would leave motions jittering; 1 is the paper's equal weight."""

    steps: int = 100_000
    minutes: float = math.inf
    batch: int = 32
    learning_rate: float = 5e-4
    warmup: int = 300
    weight_decay: float = 0.01
    ema: float = 0.999
    velocity_weight: float = 20.0
    clean_weight: float = 10.0
    min_frames: int = 60
    save_minutes: float = 3.0
    seed: int = 0


@dataclass
class TrainingState:
    """What a resumed run continues from, besides the tensors."""

    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)


def normalisation(motions: Motion2DSet) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation [J,2] of the seen keypoints."""
    weight = torch.from_numpy(motions.confidences).unsqueeze(-1) > 0
    keypoints = torch.from_numpy(motions.keypoints)
    count = weight.sum((0, 1)).clamp(min=1)
    mean = (keypoints * weight).sum((0, 1)) / count
    std = (((keypoints - mean) ** 2 * weight).sum((0, 1)) / count).sqrt()
    return mean, torch.where(std < STEADY_COORDINATE, torch.ones_like(std), std)


def masked_loss(predicted: torch.Tensor, x0: torch.Tensor, mask: torch.Tensor, velocity_weight: float, clip_weight: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of each clip's masked squared error, plus that of frame differences.

    predicted, x0 [B,T,J,2]; mask [B,T,J] confidence of valid frames; clip_weight [B].
    """
    weight = mask.unsqueeze(-1).expand_as(x0)

    def clip_mean(error, w):
        return ((error**2 * w).sum((1, 2, 3)) / w.sum((1, 2, 3)).clamp(min=1) * clip_weight).mean()

    loss = clip_mean(predicted - x0, weight)
    if velocity_weight:
        pairs = weight[:, 1:] * weight[:, :-1]
        loss = loss + velocity_weight * clip_mean((predicted - x0).diff(dim=1), pairs)
    return loss


def crops(motions: Motion2DSet, settings: TrainingSettings, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A batch of random crops: keypoints [B,T,J,2], confidences [B,T,J], lengths [B]. Half of the batches are as long as
    the set allows, the others of a random length, so that the model knows every length a user may ask for."""
    rows = rng.integers(len(motions), size=settings.batch)
    longest = motions.keypoints.shape[1]
    frames = longest if rng.random() < 0.5 else int(rng.integers(min(settings.min_frames, longest), longest + 1))
    keypoints = np.zeros((len(rows), frames, *motions.keypoints.shape[2:]), np.float32)
    confidences = np.zeros(keypoints.shape[:3], np.float32)
    lengths = np.minimum(motions.lengths[rows], frames)
    for slot, (row, length) in enumerate(zip(rows, lengths)):
        start = int(rng.integers(motions.lengths[row] - length + 1))
        keypoints[slot, :length] = motions.keypoints[row, start : start + length]
        confidences[slot, :length] = motions.confidences[row, start : start + length]
    return keypoints, confidences, lengths


def standing_height(motions: Motion2DSet, domain: Domain) -> float | None:
    """The card's `standing_height`: metres at which foot joints stand; None where the centring loses heights or no foot rests."""
    if domain.settings["centring"] != "root-horizontal":
        return None
    feet, settings = [domain.skeleton.joints.index(name) for name in domain.skeleton.feet], domain.settings
    found = seen_standing_height(motions.keypoints, motions.confidences, feet, motions.fps, settings["camera"], settings.get("centre_height", 0.0))
    return None if found is None else round(found, 4)


@dataclass(frozen=True)
class StartingPoint:
    """A trained network that another begins with: its pack's name and card, its keypoints, weights, and mean and std [J,2] of what it sees."""

    name: str
    card: dict
    keypoints: tuple[str, ...]
    weights: dict[str, torch.Tensor]
    mean: torch.Tensor
    std: torch.Tensor

    @torch.no_grad()
    def give_to(self, network: torch.nn.Module, keypoints: tuple[str, ...], features: tuple[int, ...]) -> list[tuple[int, int]]:
        """Sets a network's weights. What belongs to a keypoint goes to the one of that name; for keypoints that are new the network keeps what it has.

        Args: keypoints of the network; features: how many numbers of a keypoint it is told, part by part. Returns: the indices of keypoints
        both know, in the network and here. Raises RuntimeError for a network of other sizes.
        """
        shared = [(keypoints.index(name), self.keypoints.index(name)) for name in keypoints if name in self.keypoints]
        mine, theirs = (list(side) for side in zip(*shared)) if shared else ([], [])

        def moved(own: torch.Tensor, weight: torch.Tensor, sizes: tuple[int, ...]) -> torch.Tensor:
            parts = zip(own.split([len(keypoints) * size for size in sizes]), weight.split([len(self.keypoints) * size for size in sizes]), sizes)
            merged = []
            for kept, given, size in parts:
                new = kept.unflatten(0, (len(keypoints), size)).clone()
                new[mine] = given.unflatten(0, (len(self.keypoints), size))[theirs]
                merged.append(new.flatten(0, 1))
            return torch.cat(merged)

        own = network.state_dict()
        network.load_state_dict(self.weights | {
            "frame_in.weight": moved(own["frame_in.weight"].T, self.weights["frame_in.weight"].T, features).T,
            **{name: moved(own[name], self.weights[name], features[:1]) for name in ("frame_out.weight", "frame_out.bias")}})
        return shared


class Trainer:
    """Owns the network, its moving average and the optimiser; resumes from `folder`/training.pt when it is there."""

    keypoint_features = (2,)  # what a network is told of a keypoint, part by part

    def __init__(self, motions: Motion2DSet, domain: Domain, network: DenoiserSettings, settings: TrainingSettings, folder: Path,
                 device: str, start_from: str | None = None):
        self.motions, self.domain, self.settings, self.folder = motions, domain, settings, folder
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if self.world > 1:
            distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
            if torch.cuda.is_available():
                device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        self.device = choose_device(device)
        torch.manual_seed(settings.seed)
        self.schedule = self.make_schedule()
        self.denoiser = self.make_network(network).to(self.device)
        self.average = {key: value.detach().clone() for key, value in self.denoiser.state_dict().items()}
        self.parallel = torch.nn.parallel.DistributedDataParallel(self.denoiser) if self.world > 1 else self.denoiser
        self.optimiser = torch.optim.AdamW(self.denoiser.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        self.mean, self.std = (tensor.to(self.device) for tensor in self.find_normalisation())
        self.state = TrainingState()
        self.before: list[dict] = []
        if start_from and not self.checkpoint.is_file():
            self._start_from(start_from)
        self._resume()

    def make_schedule(self) -> Schedule:
        return Schedule()

    def make_network(self, settings: DenoiserSettings) -> torch.nn.Module:
        return Denoiser(settings, self.schedule)

    def find_normalisation(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation [J,2] of what the network sees."""
        return normalisation(self.motions)

    @cached_property
    def standing_height(self) -> float | None:
        return standing_height(self.motions, self.domain)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "training.pt"

    def load_start(self, pack: str) -> StartingPoint:
        """The network of the pack that training begins with."""
        model = load_model(pack, str(self.device))
        return StartingPoint(model.name, model.card, model.skeleton.keypoints, model.denoiser.state_dict(), model.mean, model.std)

    def _start_from(self, pack: str) -> None:
        start = self.load_start(pack)
        settings = self.denoiser.settings
        sizes = {name: value for name, value in settings.as_card().items() if name not in ("keypoints", "dropout")}
        other = {name: start.card["network"].get(name, getattr(type(settings), name, None)) for name in sizes}
        if other != sizes:
            differ = ", ".join(f"{name} {other[name]}, here {value}" for name, value in sizes.items() if other[name] != value)
            raise KineliftError(f"the pack to start from has another network ({differ})", "Give the same sizes", pack, "bad-pack")
        shared = start.give_to(self.denoiser, self.domain.skeleton.keypoints, self.keypoint_features)
        self.average = {key: value.detach().clone() for key, value in self.denoiser.state_dict().items()}
        self.mean, self.std = self.mean.clone(), self.std.clone()
        for mine, theirs in shared:
            self.mean[mine], self.std[mine] = start.mean[theirs], start.std[theirs]
        earlier = dict(start.card["training"])
        self.before = [*earlier.pop("before", []), {"pack": start.name, **earlier}]

    def _resume(self) -> None:
        if not self.checkpoint.is_file():
            return
        saved = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        try:
            self.denoiser.load_state_dict(saved["model"])
        except RuntimeError as error:
            raise KineliftError(f"the run in this folder has another network ({error})", "Give the same sizes, or another --to",
                                str(self.checkpoint), "bad-checkpoint") from error
        self.average, self.mean, self.std = saved["average"], saved["mean"], saved["std"]
        self.before = saved["before"]
        self.optimiser.load_state_dict(saved["optimiser"])
        self.state = TrainingState(saved["step"], saved["seconds"], [tuple(pair) for pair in saved["losses"]])

    def progress(self) -> float:
        """Share of the run that is done, by steps or by minutes, whichever is further."""
        return max(self.state.step / self.settings.steps, self.state.seconds / 60 / self.settings.minutes)

    def train_step(self) -> float:
        """One optimiser step; returns its loss."""
        settings, step = self.settings, self.state.step
        rng = np.random.default_rng([settings.seed, self.rank, step])
        torch.manual_seed(int(rng.integers(2**62)))  # noise and dropout of a resumed run are those of an unbroken one
        cosine = 0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, self.progress()))) / 2
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, (step + 1) / settings.warmup) * cosine
        self.parallel.train()
        loss = self.loss(rng)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.denoiser.parameters(), 1.0)
        self.optimiser.step()
        decay = min(settings.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            current = self.denoiser.state_dict()
            torch._foreach_lerp_(list(self.average.values()), [current[key] for key in self.average], 1 - decay)
        return float(loss.detach()) if self.device.type == "cpu" or step % 20 == 0 else math.nan

    def loss(self, rng: np.random.Generator) -> torch.Tensor:
        """The loss of a batch drawn with `rng`."""
        settings = self.settings
        keypoints, confidences, lengths = crops(self.motions, settings, rng)
        confidence = torch.from_numpy(confidences).to(self.device)
        x0 = (torch.from_numpy(keypoints).to(self.device) - self.mean) / self.std * (confidence > 0).unsqueeze(-1)
        t = torch.from_numpy(rng.integers(self.schedule.steps, size=len(x0))).to(self.device)
        noised = self.schedule.add_noise(x0, t, torch.randn_like(x0))
        with network_precision(True, self.device):
            predicted = self.parallel(noised, t, torch.from_numpy(lengths).to(self.device))
        return masked_loss(predicted.float(), x0, confidence, settings.velocity_weight, self.clip_weights(t))

    def clip_weights(self, t: torch.Tensor) -> torch.Tensor:
        """How much clips at the steps t count."""
        return (1 / (1 - self.denoiser.abar[t])).clamp(max=self.settings.clean_weight)

    def run(self, report) -> None:
        """Trains until the steps or the minutes are used up; saves now and then and at the end, also when interrupted."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped farm job saves like an interrupted one
        last_save, window = time.monotonic(), []
        try:
            while self.progress() < 1:
                began = time.monotonic()
                loss = self.train_step()
                self.state.step += 1
                self.state.seconds += self._agreed(time.monotonic() - began)
                if math.isfinite(loss):
                    window.append(loss)
                if self.state.step % 100 == 0 and window:
                    self.state.losses.append((self.state.step, float(np.mean(window))))
                    window.clear()
                if self.state.step % 20 == 0 and self.rank == 0:
                    done = self.progress()
                    left = self.state.seconds * (1 - done) / done if done else 0
                    recent = window or [loss for _, loss in self.state.losses[-1:]]
                    shown = f", loss {np.mean(recent):.4f}" if recent else ""
                    report(done, f"step {self.state.step}{shown}, {self.state.seconds / self.state.step:.2f} s a step, {left / 60:.0f} min left")
                if time.monotonic() - last_save > self.settings.save_minutes * 60:
                    self.save()
                    last_save = time.monotonic()
        finally:
            self.save()
        if self.world > 1:
            distributed.barrier()  # the first process saves; one that leaves meanwhile breaks the connection
            distributed.destroy_process_group()

    def _agreed(self, seconds: float) -> float:
        """The first process's clock for all of them, so that they keep one learning rate and stop together."""
        if self.world == 1:
            return seconds
        clock = torch.tensor(seconds, device=self.device)
        distributed.broadcast(clock, 0)
        return float(clock)

    def save(self) -> None:
        """Writes the pack (moving average), the loss curve and what a resumed run needs."""
        if self.rank:
            return
        state = self.state
        content = {"model": self.denoiser.state_dict(), "average": self.average, "optimiser": self.optimiser.state_dict(), "mean": self.mean,
                   "std": self.std, "step": state.step, "seconds": state.seconds, "losses": [list(pair) for pair in state.losses], "before": self.before}
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(".part")
        torch.save(content, temporary)
        os.replace(temporary, self.checkpoint)
        save_pack(self.folder, self.card(), self.average, self.mean, self.std)
        if self.domain.skeleton_file:
            write_bytes(self.folder / self.domain.skeleton_file.name, self.domain.skeleton_file.read_bytes())
        write_bytes(self.folder / "loss.json", json.dumps(state.losses).encode())
        plot_losses(state.losses, self.folder / "loss.png")

    def card(self) -> dict:
        """The pack's card: what it is, from which data and under which licences, and how it was trained."""
        domain, network = self.domain.settings, self.denoiser.settings.as_card()
        network.pop("keypoints")
        elevation = float(np.mean(domain["camera"]["elevation"]))
        return {
            "name": self.folder.name, "title": domain["title"], "kind": "mas", "description": domain.get("description", ""),
            "skeleton": self.motions.skeleton, "fps": self.motions.fps,
            "seconds": {key: domain["seconds"][key] for key in ("default", "max")},
            "camera": {"distance": domain["camera"]["distance"], "elevation": [elevation, elevation], "scale": domain["camera"]["scale"]},
            "centring": domain["centring"], "centre_height": domain.get("centre_height", 0.0),
            **({} if self.standing_height is None else {"standing_height": self.standing_height}),
            "network": network, "diffusion": {"steps": self.schedule.steps, "tau": 2.0}, "training": self.training_card(), "data": data_card(domain),
            "scores": {},
        }

    def training_card(self) -> dict:
        """How it was trained, for the card."""
        return {"motions": len(self.motions), "steps": self.state.step, "batch": self.settings.batch * self.world,
                "minutes": round(self.state.seconds / 60, 1), "device": self.device.type,
                "loss": self.state.losses[-1][1] if self.state.losses else None, "velocity_weight": self.settings.velocity_weight,
                "clean_weight": self.settings.clean_weight, "before": self.before}


def data_card(settings: dict) -> list[dict]:
    """The sources of a domain for the card, those with the largest share first."""
    used = sorted({source["name"]: source for source in settings["sources"]}.values(), key=lambda source: -source.get("share", 0.0))
    return [{key: source[key] for key in ("name", "share", "licence", "credit") if key in source} for source in used]


def plot_losses(losses: list[tuple[int, float]], path: Path, label: str = "masked loss (normalised units)") -> None:
    """The loss curve as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    if losses:
        axes.plot(*zip(*losses))
        axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def add_arguments(parser) -> None:
    parser.add_argument("--domain", required=True, help="a shipped domain's name or a .toml file")
    parser.add_argument("--data", type=Path, required=True, help="a folder of 2D motions, made by `project` or in the layout of the MAS paper")
    parser.add_argument("--to", type=Path, help="the pack's folder, where a run is resumed; one named as the domain among your own packs without it")
    parser.add_argument("--steps", type=int, default=TrainingSettings.steps)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this much training time")
    parser.add_argument("--batch", type=int, default=TrainingSettings.batch)
    parser.add_argument("--learning-rate", type=float, default=TrainingSettings.learning_rate)
    parser.add_argument("--velocity-weight", type=float, default=TrainingSettings.velocity_weight)
    parser.add_argument("--clean-weight", type=float, default=TrainingSettings.clean_weight)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--feedforward", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--skip", action="store_true", help="let a nearly clean input pass through: for small networks and short training")
    parser.add_argument("--start-from", help="begin with the weights of this pack")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)


def run(arguments) -> int:
    domain = Domain.load(arguments.domain)
    if domain.settings["centring"] == "first-frame":
        raise KineliftError(f"the domain {domain.name!r} is for lifting", "Train it with `python -m backend train-lift`", str(domain.path), "bad-domain")
    motions = Motion2DSet.load_folder(arguments.data, "train", domain.skeleton.name, len(domain.skeleton.keypoints), domain.settings["fps"])
    if motions.skeleton != domain.skeleton.name:
        raise KineliftError(f"the motions have the skeleton {motions.skeleton!r}, the domain {domain.skeleton.name!r}",
                            "Project them again with this domain", str(arguments.data), "bad-data")
    network = DenoiserSettings(len(domain.skeleton.keypoints), arguments.width, arguments.feedforward, arguments.layers, arguments.heads,
                               arguments.dropout, arguments.skip)
    settings = TrainingSettings(steps=arguments.steps, minutes=arguments.minutes, batch=arguments.batch, learning_rate=arguments.learning_rate,
                                velocity_weight=arguments.velocity_weight, clean_weight=arguments.clean_weight, seed=arguments.seed)
    folder = arguments.to or own_packs() / domain.name
    trainer = Trainer(motions, domain, network, settings, folder, arguments.device, arguments.start_from)
    if trainer.rank == 0:
        parameters = sum(p.numel() for p in trainer.denoiser.parameters())
        print(f"training {parameters / 1e6:.1f} M parameters on {trainer.device} from step {trainer.state.step}", flush=True)
    trainer.run(lambda fraction, message: print(f"{fraction:6.1%} {message}", flush=True))
    if trainer.rank == 0:
        print(folder)
    return 0
