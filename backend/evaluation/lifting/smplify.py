"""SMPLify-2D, the baseline of the MVLift paper: a body of known bones is fitted to one view, over all frames at once.

The paper's program fits SMPL with the pose prior VPoser, which are not free; here a body of the skeleton's bones is fitted (`mvlift.body_fit`), and
the prior is the principal components of 3D training clips, as many as VPoser has latents. So this baseline knows 3D motion, which nothing else in the
tables does, just as VPoser does.

It is given a fair start: where the program begins with a body that faces the camera, here the way the body faces is first found for all
frames together, and the depth by its size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.evaluation.lifting.results import camera_axes, rays_of
from backend.evaluation.lifting.scenes import Scene
from backend.mas.sampler import Report
from backend.mvlift.body_fit import BodyFit, FitSettings, start
from backend.mvlift.pose_prior import PosePrior

BATCH = 32


def fit(scenes: Sequence[Scene], condition: str, prior: PosePrior, settings: FitSettings,
        report: Report = lambda fraction, message: None) -> list[np.ndarray]:
    """Bodies [T,J,3] in the axes right, up, forward of the scenes' cameras, metres; from two starts the one that fits better."""
    fitted: list[np.ndarray] = []
    for first in range(0, len(scenes), BATCH):
        some, tries = scenes[first : first + BATCH], []
        for number, flipped in enumerate((False, True)):
            def within(fraction: float, first: int = first, count: int = len(some), number: int = number) -> None:
                report((first + count * (number + fraction) / 2) / len(scenes), "SMPLify-2D")

            one = _begin(some, condition, prior, settings, flipped)
            one.run(settings.place_iterations, posed=False)
            one.run(settings.iterations, report=within)
            tries.append((one.bodies().double().numpy(), one.costs()))
        for row, scene in enumerate(some):
            bodies, _ = min(tries, key=lambda one, row=row: float(one[1][row]))
            fitted.append(bodies[row, : len(scene.points)])
    return fitted


def _begin(scenes: Sequence[Scene], condition: str, prior: PosePrior, settings: FitSettings, flipped: bool) -> BodyFit:
    count, frames = len(prior.skeleton.joints), max(len(scene.points) for scene in scenes)
    rays, sure = np.zeros((len(scenes), frames, count, 2)), np.zeros((len(scenes), frames, count))
    turns, places = np.zeros((len(scenes), frames, 3, 3)), np.zeros((len(scenes), frames, 3))
    for row, scene in enumerate(scenes):
        length = len(scene.points)
        rays[row, :length], sure[row, :length] = (part[:, :count] for part in rays_of(scene, condition))
        turns[row, :length], places[row, :length] = start(prior, rays[row, :length], sure[row, :length], camera_axes(scene), flipped)
        turns[row, length:], places[row, length:] = turns[row, length - 1], places[row, length - 1]
    return BodyFit(prior, rays, sure, [len(scene.points) for scene in scenes], turns, places, settings)
