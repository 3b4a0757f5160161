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
import torch

from backend.evaluation.lifting.results import camera_axes, rays_of
from backend.evaluation.lifting.scenes import Scene
from backend.mas.sampler import Report
from backend.mvlift.body_fit import FitSettings, fit_bodies
from backend.mvlift.pose_prior import PosePrior

BATCH = 32


def fit(scenes: Sequence[Scene], condition: str, prior: PosePrior, settings: FitSettings,
        report: Report = lambda fraction, message: None) -> list[np.ndarray]:
    """Bodies [T,J,3] in the axes right, up, forward of the scenes' cameras, metres; from two starts the one that fits better."""
    fitted: list[np.ndarray] = []
    for first in range(0, len(scenes), BATCH):
        some, count = scenes[first : first + BATCH], len(prior.skeleton.joints)
        motions = [tuple(part[:, :count] for part in rays_of(scene, condition)) for scene in some]
        ups = [torch.from_numpy(camera_axes(scene)[:, 2]).float() for scene in some]

        def within(fraction: float, first: int = first, some: Sequence[Scene] = some) -> None:
            report((first + len(some) * fraction) / len(scenes), "SMPLify-2D")

        tries, best = fit_bodies(prior, motions, ups, settings, False, within)
        bodies = tries.bodies().double().numpy()
        fitted += [bodies[row, : len(scene.points)] for row, scene in zip(best, some)]
    return fitted
