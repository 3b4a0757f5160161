"""`python -m backend compare-optimise`: what stage 2 costs and how well it does, against the official program's way (section 3.3; code facts 7).

3D clips are filmed, one view each, by exact cameras. Both ways draw the other views of the same windows with the same network and the same seeds,
and what they drew is compared with what was there.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from backend.devices import choose_device
from backend.motion.files import write_bytes
from backend.mvlift.model import LINE, LiftModel, load_lift_model
from backend.mvlift.optimise import FAST, PAPER, Optimiser, OptimiseSettings
from backend.mvlift.skeleton_fit import fit_skeleton
from backend.mvlift.training import elevation_between, middle_elevation, require_lift
from backend.mvlift.views import epipolar_lines, intersect, off_line, ring, see
from backend.mvlift.windows import fill_gaps, frame, up_of
from backend.training.domain import Domain
from backend.training.project import bodies, clear_distance

COLUMNS = {"rows": "network rows", "seconds": "seconds", "off_line": "off the lines", "apart": "views apart", "mpjpe": "MPJPE mm", "root": "T_root mm",
           "things": "objects mm"}


@dataclass(frozen=True)
class Windows:
    """Filmed windows whose 3D is known. pictures [B,T,J,2], seen [B,T,J] in 0..1, lengths [B], distance [B]; truth [B,T,J,3] in the windows'
    units and in the axes right, up, forward of the camera that filmed; metres [B] of a unit."""

    pictures: torch.Tensor
    seen: torch.Tensor
    lengths: torch.Tensor
    distance: torch.Tensor
    truth: torch.Tensor
    metres: torch.Tensor


def film_windows(domain: Domain, clips: list, model: LiftModel, count: int, seed: int) -> Windows:
    """`count` windows of a domain's clips, each seen by one random camera without noise."""
    rng, scale, frames = np.random.default_rng(seed), float(domain.settings["camera"]["scale"]), model.frames
    keypoints = len(domain.skeleton.keypoints)
    points, seen = np.zeros((count, frames, keypoints, 3)), np.zeros((count, frames, keypoints), bool)
    lengths, distances = np.zeros(count, np.int64), np.zeros(count)
    for row, (body, there, _) in zip(range(count), bodies(domain, clips, rng, stitch=True)):
        body = body[:frames]
        lengths[row] = len(body)
        distances[row] = clear_distance(body, list(np.broadcast_to(domain.settings["camera"]["distance"], 2)), rng) / scale
        points[row] = np.concatenate([body, np.repeat(body[-1:], frames - len(body), 0)]) / scale
        seen[row, : len(body)] = there
    points = torch.from_numpy(points).float()
    points = points - model.body.root(points[:, 0])[:, None, None]
    first, turn = (torch.from_numpy(rng.uniform(*between, count)).float() for between in (elevation_between(domain), (-np.pi, np.pi)))
    distance = torch.from_numpy(distances).float()
    axes = ring(1, first, 0.0, turn)
    rays = see(points, axes, distance)[:, 0] / distance.view(-1, 1, 1, 1)
    rays = torch.from_numpy(fill_gaps(rays.numpy(), seen).astype(np.float32))
    pictures, framing = frame(rays, torch.from_numpy(seen), up_of(middle_elevation(domain)), model.body)
    unit = framing.distance / distance
    truth = points @ axes[:, 0].transpose(1, 2)[:, None] * unit.view(-1, 1, 1, 1)
    return Windows(pictures, torch.from_numpy(seen).float(), torch.from_numpy(lengths), framing.distance, truth, scale / unit)


def off_lines(drawn: torch.Tensor, weights: torch.Tensor, axes: torch.Tensor, distance: torch.Tensor) -> float:
    """Mean distance of the points of unseen views from the epipolar lines of the view that filmed. drawn [B,V,T,J,2]; weights [B,T,J]."""
    others = axes[:, 1:]
    lines = epipolar_lines(drawn[:, :1], axes[:, :1].expand_as(others), others, distance[:, None].expand(others.shape[:2]))
    off = off_line(drawn[:, 1:], lines).abs() * weights[:, None]
    return float(off.sum() / (weights.sum() * others.shape[1]).clamp(min=1))


def measure(model: LiftModel, windows: Windows, how: OptimiseSettings, seed: int, report) -> dict[str, float]:
    """What a way of stage 2 costs a window, and its errors: distances in the pictures' units, and of the motion that follows in millimetres, seen
    from the camera that filmed. A thing's error is that of its middle from the root's."""
    device, skeleton = model.device, model.skeleton
    parts = [part.to(device) for part in (windows.pictures, windows.seen, windows.lengths, windows.distance)]
    first = torch.full((len(windows.lengths),), model.elevation, device=device)
    optimiser = Optimiser(model, *parts, first, [seed * 1_000_003 + row for row in range(len(first))], how)
    begun = time.perf_counter()
    drawn, _ = optimiser.run(report)
    seconds = time.perf_counter() - begun
    drawn, axes, weights, distance = (part.cpu() for part in (drawn, optimiser.axes, optimiser.weights, optimiser.distance))
    sure = torch.cat([weights[:, None], (weights > 0).float()[:, None].expand(-1, drawn.shape[1] - 1, -1, -1)], 1)
    points, normal = intersect(drawn, axes, distance, sure)
    found = fit_skeleton(points, normal, skeleton, windows.lengths)
    apart = (see(found, axes, distance) - drawn).norm(dim=-1) * sure
    found = found @ axes[:, 0].transpose(1, 2)[:, None]
    millimetres = 1000 * windows.metres.view(-1, 1, 1)
    root, true_root = (model.body.root(motion) for motion in (found, windows.truth))
    local = (found - root[..., None, :] - windows.truth + true_root[..., None, :]).norm(dim=-1) * millimetres
    moved = ((root - root[:, :1]) - (true_root - true_root[:, :1])).norm(dim=-1) * millimetres[..., 0]
    joints = weights[..., : len(skeleton.joints)] > 0
    valid = torch.arange(drawn.shape[2]) < windows.lengths[:, None]
    middles = [own[0] for own in skeleton.things.values()]
    things = weights[..., middles] > 0
    errors = {"mpjpe": float(local[..., : len(skeleton.joints)][joints].mean()), "root": float(moved[valid].mean())}
    if things.any():
        errors["things"] = float(local[..., middles][things].mean())
    return {"rows": float(how.rows), "seconds": seconds / len(first), "off_line": off_lines(drawn, weights, axes, distance),
            "apart": float(apart.sum() / sure.sum()), **errors}


def table(results: dict[str, dict[str, float]]) -> str:
    """The results as Markdown."""
    shown = [key for key in COLUMNS if all(key in result for result in results.values())]
    lines = ["| | " + " | ".join(COLUMNS[key] for key in shown) + " |", "|---" * (len(shown) + 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join([name, *(f"{result[key]:.4g}" for key in shown)]) + " |" for name, result in results.items()])


def add_arguments(parser) -> None:
    parser.add_argument("--pack", required=True, help="a pack that lifts; its folder line/ is looked at")
    parser.add_argument("--domain", required=True, help="a shipped domain's name or a .toml file, with a [lift] table")
    parser.add_argument("--data", type=Path, required=True, help="the folder the domain's paths start from: its 3D test clips")
    parser.add_argument("--windows", type=int, default=32, help="how many are filmed")
    parser.add_argument("--iterations", type=int, default=FAST.iterations, help="steps of ours after the first sample")
    parser.add_argument("--calls", type=int, default=FAST.calls, help="network evaluations a view for our first sample")
    parser.add_argument("--paper-iterations", type=int, default=PAPER.iterations, help="steps of the official program's way")
    parser.add_argument("--to", type=Path, help="a .json file for the figures")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)


def run(arguments) -> int:
    domain = Domain.load(arguments.domain)
    require_lift(domain)
    model = load_lift_model(str(Path(arguments.pack) / "line"), str(choose_device(arguments.device)), LINE)
    windows = film_windows(domain, domain.clips(arguments.data, "test"), model, arguments.windows, arguments.seed)
    ways = {"ours": replace(FAST, calls=arguments.calls, iterations=arguments.iterations),
            "first sample alone": replace(FAST, calls=arguments.calls, iterations=0),
            "the paper's": replace(PAPER, iterations=arguments.paper_iterations)}
    results = {}
    for name, how in ways.items():
        results[name] = measure(model, windows, how, arguments.seed,
                                lambda fraction, message, name=name: print(f"\r{name} {fraction:6.1%} {message}", end="", flush=True))
        print()
    print(table(results))
    if arguments.to:
        write_bytes(arguments.to, json.dumps({"windows": arguments.windows, "results": results}, indent=1).encode())
    return 0
