"""What is compared with recorded motions: the rows of the MAS paper's Table 3, its other ablations, and how each is sampled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from backend.mas.alternatives import DreamFusionSettings, dreamfusion, turning_views
from backend.mas.sampler import MODES, Report, SamplerSettings, sample, sample_2d
from backend.motion.cameras import project_perspective, view_axes
from backend.packs.model import MasModel

BATCH = 16
TABLE_3 = ("model", "fast", "paper", "two-views", "no-3d-noise", "dreamfusion")
SIDES = {"all": (-math.pi, math.pi), "side": (math.pi / 2, math.pi / 2), "hybrid": (math.pi / 4, 3 * math.pi / 4)}


@dataclass(frozen=True)
class Subject:
    """A way to make motions with a pack: `sampler` (model, frames, seeds, settings, report) gives 3D motions, or plain 2D samples."""

    title: str
    settings: SamplerSettings | DreamFusionSettings
    sampler: Callable[..., torch.Tensor] = sample

    @property
    def flat(self) -> bool:
        return self.sampler is sample_2d


def subjects(bfloat16: bool = True, dreamfusion_iterations: int = 200) -> dict[str, Subject]:
    """The generated rows by name. bfloat16 runs the network in half precision where the device has it."""
    paper, distilled = replace(MODES["paper"], bfloat16=bfloat16), DreamFusionSettings(dreamfusion_iterations, bfloat16=bfloat16)
    return {
        "model": Subject("2D model", paper, sample_2d),
        "fast": Subject("MAS, fast (the default)", MODES["fast"] if bfloat16 else replace(MODES["fast"], bfloat16=False)),
        "paper": Subject("MAS, as in the paper", paper),
        "two-views": Subject("two views, 120 degrees apart", replace(paper, views=2, apart_degrees=120.0)),
        "no-3d-noise": Subject("no 3D noise", replace(paper, consistent_noise=False)),
        "dreamfusion": Subject("DreamFusion adaptation", distilled, dreamfusion),
        "dreamfusion-annealed": Subject("DreamFusion adaptation, annealed", replace(distilled, annealed=True), dreamfusion),
        "random-angles": Subject("random angles", paper, turning_views),
        "prominent-angle": Subject("prominent angle", replace(paper, prominent=True)),
        "prominent-angle-no-3d-noise": Subject("prominent angle, no 3D noise", replace(paper, prominent=True, consistent_noise=False)),
    }


def generate(subject: Subject, model: MasModel, lengths: np.ndarray, seed: int,
             report: Report = lambda fraction, message: None) -> np.ndarray:
    """One motion a length: [N,T,J,3] metres, centred, or [N,T,J,2] in the pack's units for a flat subject; zeros beyond a length.

    Motion i has the seed `seed` + i. Motions of one length share a batch, so that no time goes into padding.
    """
    points = len(model.skeleton.keypoints)
    made = np.zeros((len(lengths), int(lengths.max()), points, 2 if subject.flat else 3), np.float32)
    done = 0
    for rows in batches(lengths):
        frames, seeds = int(lengths[rows[0]]), [seed + int(row) for row in rows]

        def within(fraction: float, _message: str, done: int = done, rows: np.ndarray = rows) -> None:
            report((done + fraction * len(rows)) / len(lengths), f"{subject.title}: {done} of {len(lengths)} motions")

        made[rows, :frames] = subject.sampler(model, frames, seeds, subject.settings, within).cpu().numpy()
        done += len(rows)
    return made


def batches(lengths: np.ndarray, most: int = BATCH) -> Iterator[np.ndarray]:
    """Index arrays of at most `most` rows of equal length, that together hold every row once."""
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        yield from (rows[start : start + most] for start in range(0, len(rows), most))


def film(motions: np.ndarray, model: MasModel, rng: np.random.Generator, sides: str = "all") -> np.ndarray:
    """Every motion [N,T,J,3] seen by one camera at a random azimuth of SIDES and the pack's elevation: [N,T,J,2] in the pack's units."""
    low, high = model.card["camera"]["elevation"]
    azimuths = torch.from_numpy(rng.uniform(*SIDES[sides], len(motions)))
    elevations = torch.from_numpy(rng.uniform(low, high, len(motions)))
    axes = view_axes(azimuths, elevations)[:, None, None]
    return project_perspective(torch.from_numpy(motions).double(), axes, model.distance, model.scale).numpy()


def draw(of: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of `count` out of `of` motions, without replacement where there are enough."""
    return rng.choice(of, count, replace=count > of)
