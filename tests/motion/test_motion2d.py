from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.motion.motion2d import Motion2DSet


def small(count: int = 3) -> Motion2DSet:
    rng = np.random.default_rng(0)
    return Motion2DSet(rng.normal(size=(count, 6, 16, 2)).astype(np.float32), np.ones((count, 6, 16), np.float32), np.array([6, 4, 5][:count]),
                       ["a", "b", "c"][:count], "nba16", 30.0)


def test_round_trip(tmp_path: Path):
    first = small()
    second = Motion2DSet.load(first.save(tmp_path / "train.npz"))
    assert np.allclose(second.keypoints, first.keypoints, atol=2e-3)
    assert np.array_equal(second.confidences, first.confidences)
    assert (second.lengths.tolist(), second.sources, second.skeleton, second.fps, len(second)) == ([6, 4, 5], ["a", "b", "c"], "nba16", 30.0, 3)


def test_missing_damaged_and_unfinite_sets_are_named(tmp_path: Path):
    path = tmp_path / "train.npz"
    with pytest.raises(KineliftError, match="no such file"):
        Motion2DSet.load(path)
    path.write_bytes(b"PK")
    with pytest.raises(KineliftError, match="not a readable set"):
        Motion2DSet.load(path)
    bad = small()
    bad.keypoints[1, 2, 3] = np.nan
    bad.save(path)
    with pytest.raises(KineliftError, match=r"motion 1 \(b\)"):
        Motion2DSet.load(path)


def write_clips(folder: Path, count: int, points: int = 16) -> None:
    (folder / "motions").mkdir(parents=True)
    for number in range(count):
        np.save(folder / "motions" / f"clip{number:02}.npy", np.full((5 + number, points, 3), number, np.float32))


def test_the_papers_layout_splits_by_name(tmp_path: Path):
    write_clips(tmp_path, 20)
    train, test = (Motion2DSet.load_folder(tmp_path, split, "nba16", 16, 30) for split in ("train", "test"))
    assert test.sources == ["clip00", "clip01"]
    assert (len(train), train.lengths.max(), train.keypoints.shape) == (18, 24, (18, 24, 16, 2))
    assert train.confidences.max() == 1


@pytest.mark.parametrize(("array", "said"), [
    (np.zeros((5, 15, 3)), r"shape \[5, 15, 3\]"),
    (np.zeros((0, 16, 3)), r"shape \[0, 16, 3\]"),
    (np.full((5, 16, 3), np.inf), "no number at frame 0, keypoint 0"),
    (np.array([object()]), "not a readable array"),
])
def test_a_clip_that_does_not_fit_is_named(array: np.ndarray, said: str, tmp_path: Path):
    write_clips(tmp_path, 2)
    np.save(tmp_path / "motions" / "clip01.npy", array, allow_pickle=True)
    with pytest.raises(KineliftError, match=said) as caught:
        Motion2DSet.load_folder(tmp_path, "train", "nba16", 16, 30)
    assert "clip01.npy" in caught.value.place


def test_one_clip_can_not_be_split(tmp_path: Path):
    write_clips(tmp_path, 1)
    with pytest.raises(KineliftError, match="can't be split"):
        Motion2DSet.load_folder(tmp_path, "train", "nba16", 16, 30)
