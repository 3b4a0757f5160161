"""`python -m backend train-lift`: the four stages of MVLift (section 3), from 2D motions to a pack that lifts. Each can be stopped and goes on.

In the pack's folder: `line/` holds stage 1, `windows/` the views that stage 2 drew, `motions.npz` the 3D motions of stage 3; the network of
stage 4 is the pack's own. Each stage leaves a picture and its numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from backend.devices import choose_device
from backend.errors import KineliftError
from backend.motion.bones import median_lengths
from backend.motion.files import write_bytes, write_npz
from backend.motion.motion2d import Motion2DSet
from backend.mvlift.model import LINE, LiftModel, load_lift_model
from backend.mvlift.network import LiftNetworkSettings
from backend.mvlift.optimise import FAST, PAPER, Optimiser, OptimiseSettings
from backend.mvlift.pose_prior import PosePrior
from backend.mvlift.synthesise import chunks, load_motions, synthesise, synthesise_by
from backend.mvlift.training import LineTrainer, MultiviewTrainer, distances_of, in_rays, middle_elevation, require_lift
from backend.mvlift.windows import fill_gaps, frame, up_of
from backend.packs.catalogue import CARD
from backend.training.domain import Domain
from backend.training.train import TrainingSettings, plot_losses

Report = Callable[[float, str], None]
STAGES = ("line", "optimise", "synthesise", "multiview")
LEAST_SECONDS = 2.0  # of a window that stage 2 takes


@dataclass(frozen=True)
class WindowSettings:
    """windows: how many stage 2 draws views for; batch: how many at once; seed."""

    windows: int = 2000
    batch: int = 16
    seed: int = 0


def choose_windows(motions: Motion2DSet, fps: float, settings: WindowSettings) -> np.ndarray:
    """Rows of the set, each motion once before any comes again, in an order that does not depend on how many are asked for."""
    long_enough = np.flatnonzero(motions.lengths >= min(LEAST_SECONDS * fps, motions.lengths.max()))
    order = np.random.default_rng(settings.seed).permutation(long_enough)
    return np.resize(order, min(settings.windows, len(order)))


def optimise_windows(motions: Motion2DSet, domain: Domain, model: LiftModel, settings: WindowSettings, how: OptimiseSettings, folder: Path,
                     report: Report) -> None:
    """Stage 2 for a set of 2D motions; writes a file a batch and takes up where it was stopped."""
    rows = choose_windows(motions, model.fps, settings)
    rays, distances = in_rays(motions, distances_of(motions, domain)), []
    for start in range(0, len(rows), settings.batch):
        path = folder / "windows" / f"{start:06d}.npz"
        if path.is_file():
            continue
        chosen = rows[start : start + settings.batch]
        seen = rays.confidences[chosen] > 0
        filled = torch.from_numpy(fill_gaps(rays.keypoints[chosen], seen).astype(np.float32))
        pictures, framing = frame(filled, torch.from_numpy(seen), up_of(middle_elevation(domain)), model.body)
        on_device = [part.to(model.device) for part in (pictures, torch.from_numpy(rays.confidences[chosen]), torch.from_numpy(rays.lengths[chosen]),
                                                        framing.distance)]
        first = torch.full((len(chosen),), model.elevation, device=model.device)
        optimiser = Optimiser(model, *on_device, first, [settings.seed * 1_000_003 + int(row) for row in chosen], how)
        done = f"windows {start} to {start + len(chosen)} of {len(rows)}"
        views, distances = optimiser.run(lambda fraction, message, start=start, done=done: report(
            (start + fraction * settings.batch) / len(rows), f"{done}: {message}"))
        write_npz(path, {"pictures": views.cpu().numpy().astype(np.float32), "seen": optimiser.weights.cpu().numpy().astype(np.float16),
                         "lengths": rays.lengths[chosen].astype(np.int32), "distance": framing.distance.numpy(), "first": first.cpu().numpy(),
                         "off_line": np.array(distances, np.float32)})
    curves = [np.load(path, allow_pickle=False)["off_line"] for path in chunks(folder)]
    if curves and len(curves[0]):
        mean = np.mean([curve for curve in curves if len(curve) == len(curves[0])], axis=0)
        plot_losses([(step + 1, float(value)) for step, value in enumerate(mean)], folder / "windows" / "off_line.png", "mean distance from epipolar lines")
        write_bytes(folder / "windows" / "off_line.json", json.dumps({"windows": len(rows), "rows_a_window": how.rows, "first": float(mean[0]),
                                                                      "last": float(mean[-1])}).encode())


def usual_bones(positions: np.ndarray, lengths: np.ndarray, model: LiftModel) -> float:
    """Summed length of a usual body's bones in the units of windows, which are metres / `scale` of the domain's camera."""
    body = torch.from_numpy(positions[:, :, : len(model.skeleton.joints)])
    found = median_lengths(body, model.skeleton.parents, frames=torch.from_numpy(lengths))
    return float(found[:, [child for _, child in model.body.bones]].sum(1).median())


class PackTrainer(MultiviewTrainer):
    """Stage 4, whose pack is what users get. source: where its motions are from."""

    def __init__(self, *arguments, source: dict):
        self.source = source
        super().__init__(*arguments)
        self.prior = PosePrior.learn([motion[:length] for motion, length in zip(self.motions, self.lengths)], self.line.skeleton, self.settings.seed)

    def save(self) -> None:
        super().save()
        if self.rank == 0:
            self.prior.save(self.folder)

    def card(self) -> dict:
        card = super().card()
        card["body"]["bones"] = round(usual_bones(self.motions, self.lengths, self.line) * self.domain.settings["camera"]["scale"], 4)
        card["training"] |= {"line": self.line.card["training"], "motions_from": self.source}
        return card


def add_arguments(parser) -> None:
    parser.add_argument("--domain", required=True, help="a shipped domain's name or a .toml file, with a [lift] table")
    parser.add_argument("--data", type=Path, required=True, help="a folder of 2D motions, made by `project` or in the layout of the MAS paper")
    parser.add_argument("--to", type=Path, required=True, help="the pack's folder; stages there are resumed")
    parser.add_argument("--stage", default="all", choices=[*STAGES, "all"])
    parser.add_argument("--steps", type=int, default=TrainingSettings.steps, help="of each of the two networks")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop a network's training after this much of it")
    parser.add_argument("--batch", type=int, default=TrainingSettings.batch, help="windows, of the line-conditioned network; of the other as many rows")
    parser.add_argument("--learning-rate", type=float, default=TrainingSettings.learning_rate)
    parser.add_argument("--windows", type=int, default=WindowSettings.windows, help="how many windows stage 2 draws views for, or --motions-of generates")
    parser.add_argument("--motions-of", metavar="PACK", nargs="+", help="stage 3 takes motions that these packs of the kind 'mas' generate; no stage 2 then")
    parser.add_argument("--paper", action="store_true", help="stage 2 as the official program does it: 5,000 steps from nothing")
    parser.add_argument("--iterations", type=int, help="steps of stage 2 after the first sample")
    parser.add_argument("--calls", type=int, help="network evaluations a view for the first sample of stage 2")
    parser.add_argument("--width", type=int, default=LiftNetworkSettings.width)
    parser.add_argument("--feedforward", type=int, default=LiftNetworkSettings.feedforward)
    parser.add_argument("--layers", type=int, default=LiftNetworkSettings.layers)
    parser.add_argument("--heads", type=int, default=LiftNetworkSettings.heads)
    parser.add_argument("--head-width", type=int, default=LiftNetworkSettings.head_width)
    parser.add_argument("--dropout", type=float, default=LiftNetworkSettings.dropout)
    parser.add_argument("--skip", action="store_true", help="let a nearly clean input pass through: for small networks and short training")
    parser.add_argument("--start-from", metavar="PACK", help="begin with the two networks of this pack that lifts")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)


def run(arguments) -> int:
    domain, folder = Domain.load(arguments.domain), arguments.to
    require_lift(domain)
    if arguments.windows < 1:
        raise KineliftError(f"{arguments.windows} windows can't be drawn or generated", "Ask for one or more with --windows", code="bad-setting")
    wanted = STAGES if arguments.stage == "all" else (arguments.stage,)
    keypoints = len(domain.skeleton.keypoints)
    sizes = LiftNetworkSettings(keypoints, keypoints * 3, arguments.width, arguments.feedforward, arguments.layers, arguments.heads,
                                arguments.head_width, arguments.dropout, skip=arguments.skip)
    settings = TrainingSettings(steps=arguments.steps, minutes=arguments.minutes, batch=arguments.batch, learning_rate=arguments.learning_rate,
                                seed=arguments.seed)

    def show(stage: str) -> Report:
        return lambda fraction, message: print(f"{stage} {fraction:6.1%} {message}", flush=True)

    motions = None
    if {"line", "optimise"} & set(wanted):
        motions = Motion2DSet.load_folder(arguments.data, "train", domain.skeleton.name, keypoints, domain.settings["fps"])
        if motions.skeleton != domain.skeleton.name:
            raise KineliftError(f"the motions have the skeleton {motions.skeleton!r}, the domain {domain.skeleton.name!r}",
                                "Project them again with this domain", str(arguments.data), "bad-data")
    if "line" in wanted:
        LineTrainer(motions, domain, sizes, settings, folder / "line", arguments.device, arguments.start_from).run(show("line"))
    if not (folder / "line" / CARD).is_file():
        raise KineliftError("there is no line-conditioned network yet", "Run the stage 'line' first", str(folder / "line"), "missing-file")
    line = load_lift_model(str(folder / "line"), str(choose_device(arguments.device)), LINE)
    if "optimise" in wanted and not arguments.motions_of:
        changes = {key: value for key in ("iterations", "calls") if (value := getattr(arguments, key)) is not None}
        how = replace(PAPER if arguments.paper else FAST, **changes)
        optimise_windows(motions, domain, line, WindowSettings(arguments.windows, seed=arguments.seed), how, folder, show("optimise"))
    if "synthesise" in wanted:
        on_cpu = load_lift_model(str(folder / "line"), "cpu", LINE)
        print(synthesise_by(arguments.motions_of, arguments.windows, arguments.seed, domain, on_cpu, folder, show("synthesise")) if arguments.motions_of
              else synthesise(domain, on_cpu, folder, show("synthesise")))
    if "multiview" in wanted:
        views = int(domain.settings["lift"]["views"])
        rows = replace(settings, batch=max(1, settings.batch // views))
        positions, lengths, source = load_motions(folder)
        network = replace(sizes, views=views, cross="own")
        PackTrainer(positions, lengths, line, domain, network, rows, folder, arguments.device, arguments.start_from,
                    source=source).run(show("multiview"))
    return 0
