from __future__ import annotations

import numpy as np
import torch

from backend.evaluation.comparison import fill_gaps, take, with_objects_seen
from backend.motion.motion2d import Motion2DSet

MEAN = torch.tensor([[0.5, 0.6], [0.7, 0.8]])


def motions() -> Motion2DSet:
    """Point 0 goes along a line and is missed at frames 0, 3, 4 and 9; point 1 is never seen in motion 1."""
    line = np.stack([np.arange(10.0), 2 * np.arange(10.0)], -1)
    keypoints = np.repeat(np.repeat(line[None, :, None], 2, 0), 2, 2).astype(np.float32)
    confidences = np.ones((2, 10, 2), np.float32)
    confidences[:, [0, 3, 4, 9], 0] = 0
    confidences[1, :, 1] = 0
    keypoints[confidences == 0] = 0
    return Motion2DSet(keypoints, confidences, np.array([10, 8]), ["a", "b"], "nba16", 30.0)


def test_gaps_are_filled_in_time():
    filled = fill_gaps(motions(), MEAN).keypoints
    assert filled[0, :, 0, 0].tolist() == [1, 1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert filled[0, :, 0, 1].tolist() == [2, 2, 4, 6, 8, 10, 12, 14, 16, 16]


def test_a_point_never_seen_rests_at_the_mean():
    filled = fill_gaps(motions(), MEAN).keypoints
    assert np.allclose(filled[1, :8, 1], MEAN[1])
    assert not filled[1, 8:].any() or np.allclose(filled[1, 8:], motions().keypoints[1, 8:])


def test_the_given_motions_stay_as_they_are():
    before = motions()
    kept = before.keypoints.copy()
    fill_gaps(before, MEAN)
    assert np.array_equal(before.keypoints, kept)


def test_motions_without_their_object_are_left_out():
    assert with_objects_seen(motions(), [1]).tolist() == [0]
    assert with_objects_seen(motions(), [0]).tolist() == [0, 1]
    assert with_objects_seen(motions(), []).tolist() == [0, 1]


def test_rows_are_taken():
    one = take(motions(), np.array([1]))
    assert (len(one), one.sources, one.lengths.tolist(), one.keypoints.shape) == (1, ["b"], [8], (1, 10, 2, 2))
