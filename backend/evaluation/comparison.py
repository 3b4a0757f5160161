"""What the rows of the table are made of: 2D motions without gaps, comparable between recorded and generated ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from backend.motion.motion2d import Motion2DSet

SEEN_SHARE = 0.5


def fill_gaps(motions: Motion2DSet, mean: torch.Tensor) -> Motion2DSet:
    """Recorded motions as a generated one looks: no point is ever missing.

    A point missed for a while goes straight from where it was last seen to where it is seen next (at an end it stays); a point
    never seen rests at `mean` [J,2], the pack's mean pose, which normalises to 0. Confidences stay as they are.
    """
    keypoints = motions.keypoints.copy()
    for row, length in enumerate(motions.lengths):
        frames = np.arange(length)
        seen = motions.confidences[row, :length] > 0
        for joint in np.flatnonzero(~seen.all(0)):
            known = frames[seen[:, joint]]
            for axis in (0, 1):
                track = keypoints[row, :length, joint, axis]
                track[:] = np.interp(frames, known, track[known]) if len(known) else float(mean[joint, axis])
    return replace(motions, keypoints=keypoints)


def with_objects_seen(motions: Motion2DSet, objects: list[int]) -> np.ndarray:
    """Indices of the motions that show every object (keypoint columns `objects`) in at least half of their frames.

    A generated motion always has its ball. Comparing it with recordings that have none would measure the recording, not the
    motion, so they are left out of every row.
    """
    valid = np.arange(motions.keypoints.shape[1]) < motions.lengths[:, None]
    share = ((motions.confidences[:, :, objects] > 0) & valid[..., None]).sum(1) / motions.lengths[:, None]
    return np.flatnonzero((share >= SEEN_SHARE).all(1))


def take(motions: Motion2DSet, rows: np.ndarray) -> Motion2DSet:
    """The motions of the given rows."""
    return replace(motions, keypoints=motions.keypoints[rows], confidences=motions.confidences[rows], lengths=motions.lengths[rows],
                   sources=[motions.sources[row] for row in rows])
