"""Stage 3 of MVLift (section 3.3): 3D motions, on whose views the network that lifts is trained.

They are triangulated from the views that stage 2 drew for recorded windows. Or MAS packs of the same subject generate them: they learned from 2D
poses as well, the views of their motions agree, and a window takes some 80 rows of a network in place of 400.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from backend.errors import KineliftError
from backend.mas.generate import to_motion
from backend.mas.sampler import MODES, Report, sample
from backend.motion.files import read_npz, write_npz
from backend.motion.motion3d import Motion3D
from backend.motion.rigid_fit import keypoints_of
from backend.mvlift.ground import level
from backend.mvlift.model import LiftModel
from backend.mvlift.skeleton_fit import fit_skeleton
from backend.mvlift.views import intersect, ring, see
from backend.mvlift.windows import absent
from backend.packs.model import MasModel, load_model
from backend.training.domain import Domain
from backend.training.widening import at_rate
from rigs import Skeleton

KEPT = 0.95  # share of the windows whose views agree best that are kept
AGAIN = "Run the stage before again"
BATCH = 16  # motions generated at once


def chunks(folder: Path) -> list[Path]:
    """Files of stage 2, in order."""
    return sorted((folder / "windows").glob("*.npz"))


def read_windows(folder: Path, model: LiftModel) -> Iterator[tuple[torch.Tensor, ...]]:
    """Of every file of stage 2: pictures [B,V,T,J,2], weights [B,V,T,J], 0 for objects that aren't there, lengths [B], distance [B] and axes
    [B,V,3,3]."""
    paths = chunks(folder)
    if not paths:
        raise KineliftError("stage 2 has drawn no views", "Run the stage 'optimise' first", str(folder / "windows"), "missing-file")
    for path in paths:
        arrays = read_npz(path, "file of stage 2", AGAIN, "bad-data", ("pictures", "seen", "lengths", "distance", "first"))
        pictures, seen, lengths, distance, first = (torch.from_numpy(arrays[key].astype(np.int64 if key == "lengths" else np.float32))
                                                    for key in ("pictures", "seen", "lengths", "distance", "first"))
        weights = torch.ones(pictures.shape[:-1])
        weights[:, 0] = seen
        weights *= ~absent(seen, model.skeleton)[:, None, None]
        yield pictures, weights, lengths, distance, ring(pictures.shape[1], first, model.elevation)


def synthesise(domain: Domain, model: LiftModel, folder: Path, report: Report) -> Path:
    """Stage 3: one 3D motion a window, its bones of constant length, its floor level; those whose views agree least are left out.

    Writes motions.npz: positions [N,T,J,3] in the windows' units, the root of the first frame at the origin, nan for objects that aren't there;
    lengths [N].
    """
    positions, lengths, errors = [], [], []
    objects, scale = np.isin(model.skeleton.keypoints, model.skeleton.objects), float(domain.settings["camera"]["scale"])
    paths = len(chunks(folder))
    for number, (pictures, weights, valid, distance, axes) in enumerate(read_windows(folder, model)):
        report(number / paths, f"file {number + 1} of {paths}")
        points, normal = intersect(pictures, axes, distance, weights)
        fitted = fit_skeleton(points, normal, model.skeleton, valid)
        off = (see(fitted, axes, distance) - pictures).norm(dim=-1) * weights
        for one, length, error, weight in zip(fitted.double().numpy(), valid.tolist(), off, weights):
            upright = one.copy()
            upright[:length] = one[:length] @ level([one[:length] * scale], model.skeleton, model.fps).T
            upright[length:] = upright[length - 1]
            upright[:, ~(weight > 0).any((0, 1)).numpy() & objects] = np.nan
            positions.append(upright.astype(np.float32))
            lengths.append(length)
            errors.append(float(error[:, :length].sum() / weight[:, :length].sum().clamp(min=1)))
    kept = np.flatnonzero(np.isfinite(errors) & (np.array(errors) <= np.quantile(errors, KEPT)))
    plot_histogram(np.array(errors), folder / "motions.png", "distance from what the views show (units)")
    return save_motions(folder, np.stack(positions)[kept], np.array(lengths)[kept], model, {"windows": len(errors)})


def synthesise_by(packs: Sequence[str], count: int, seed: int, domain: Domain, model: LiftModel, folder: Path, report: Report) -> Path:
    """Stage 3 in which packs of the kind "mas" generate the motions, as many each, whole windows of them. Writes motions.npz as `synthesise` does."""
    scale, seconds = float(domain.settings["camera"]["scale"]), float(domain.settings["seconds"]["max"])
    found, sources = [], []
    for number, pack in enumerate(packs):
        mas, share = load_model(pack, str(model.device)), (count + number) // len(packs)
        if not share:
            continue
        found.append(generate_windows(mas, model.skeleton, model.fps, seconds, share, seed, lambda fraction, message, number=number: report(
            (number + fraction) / len(packs), message)) / scale)
        sources.append({"generated_by": mas.name, "motions": share, "training": mas.card["training"]})
    positions = np.concatenate(found)
    positions -= model.body.root(torch.from_numpy(np.nan_to_num(positions[:, 0]))).numpy()[:, None, None]
    return save_motions(folder, positions.astype(np.float32), np.full(count, positions.shape[1]), model, {"packs": sources, "seed": seed})


def save_motions(folder: Path, positions: np.ndarray, lengths: np.ndarray, model: LiftModel, source: dict) -> Path:
    """Writes motions.npz. source: where the motions are from, for the pack's card."""
    return write_npz(folder / "motions.npz", {"positions": positions, "lengths": lengths, "fps": np.float64(model.fps),
                                              "skeleton": np.array(model.skeleton.name), "source": np.array(json.dumps(source))})


def load_motions(folder: Path) -> tuple[np.ndarray, np.ndarray, dict]:
    """Positions [N,T,J,3] and lengths [N] of stage 3, and where they are from."""
    arrays = read_npz(folder / "motions.npz", "file of stage 3", AGAIN, "bad-data", ("positions", "lengths", "source"))
    return arrays["positions"].astype(np.float32), arrays["lengths"].astype(np.int64), json.loads(str(arrays["source"]))


def generate_windows(model: MasModel, skeleton: Skeleton, fps: float, seconds: float, count: int, seed: int, report: Report) -> np.ndarray:
    """Motions of a pack as windows: positions [N,T,J,3] in metres, Z up, on a lifting pack's skeleton and at its rate; nan for objects that the
    motions lack. Raises KineliftError for a pack of another subject."""
    rate, found = float(model.card["fps"]) / fps, []
    frames = round(seconds * fps)
    for first in range(0, count, BATCH):
        seeds = [seed + number for number in range(first, min(first + BATCH, count))]

        def within(fraction: float, message: str, first: int = first, batch: int = len(seeds)) -> None:
            report((first + fraction * batch) / count, f"motions {first} to {first + batch} of {count} by {model.name}: {message}")

        for points in sample(model, 1 + math.ceil((frames - 1) * rate), seeds, MODES["fast"], within).cpu().double().numpy():
            window = on_skeleton(to_motion(points, model, False, {}), model.skeleton, skeleton, model.name)
            played = at_rate(np.nan_to_num(window), rate)[:frames]
            found.append(np.where(np.isnan(window[:1]), np.nan, played))
    return np.stack(found)


def on_skeleton(motion: Motion3D, own: Skeleton, skeleton: Skeleton, place: str) -> np.ndarray:
    """Positions [T,P,3] of a skeleton's keypoints in a motion whose skeleton is `own`, by name; joints that are means of others from those, nan
    for objects that aren't there."""
    known = {name: places for name, places in zip(own.keypoints, keypoints_of(motion, own).transpose(1, 0, 2), strict=True)
             if own.roles.get(name) == skeleton.roles.get(name)}  # the elbow of AP-10K is a horse's carpus and a cat's elbow
    known |= {name: (known[one] + known[other]) / 2 for name, (one, other) in skeleton.means.items() if one in known and other in known}
    missing = [name for name in skeleton.joints if name not in known]
    if missing:
        raise KineliftError(f"motions of the pack {place!r} have no {', '.join(missing)}", "Name a pack that generates the domain's subject", code="wrong-pack")
    nowhere = np.full((motion.frames, 3), np.nan)
    return np.stack([known.get(name, nowhere) for name in skeleton.keypoints], axis=1)


def plot_histogram(values: np.ndarray, path: Path, label: str) -> None:
    """A histogram as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    axes.hist(values[np.isfinite(values)], bins=40)
    axes.set_xlabel(label)
    axes.set_ylabel("windows")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
