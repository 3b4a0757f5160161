"""What programs are told of a pose file, which is what the panel shows and asks for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.poses.content import Options
from backend.poses.import_poses import import_poses
from backend.poses.poses2d import Poses2D
from tests.poses import writers
from tests.poses.people import HEIGHT, WIDTH, joints, person


@pytest.fixture
def two() -> np.ndarray:
    """[2,T,J,3] of two people, the second in the last three quarters only and smaller."""
    poses = np.stack([joints(person(40), "halpe26"), joints(person(40, x=400.0, scale=200.0), "halpe26")])
    poses[1, :10] = 0
    return poses


def tell(path: Path, options: Options | None = None, skeleton: str = "", tracks: tuple[str, ...] = (), out: Path | None = None) -> dict:
    return json.loads(json.dumps(import_poses(path, options or Options(), None, skeleton, list(tracks), out), allow_nan=False))


def test_a_file_is_told_with_what_it_lacks(two: np.ndarray, tmp_path: Path):
    found = tell(writers.alphapose(tmp_path, two))
    assert (found["format"], found["title"], found["frames"], found["joints"]) == ("alphapose", "AlphaPose", 40, 26)
    assert 0.5 < found["certainty"] <= 1
    assert (found["missing"], found["fps"], found["image_size"], found["focal"], found["poses"]) == (["fps", "image_size"], 0, [0, 0], 0, "")
    first, second = found["tracks"]
    assert [(track["id"], track["frames"], track["first"], track["last"], track["share"]) for track in (first, second)] == [
        ("1", 40, 0, 39, 1.0), ("2", 30, 10, 39, 0.75)]
    assert first["size"] > second["size"] > 100
    assert first["confidence"] == pytest.approx(0.9, abs=0.05)
    assert set(found["skeletons"]) >= {"openpose18", "nba16-ball"}
    assert "ap10k" not in found["skeletons"]
    assert tell(writers.alphapose(tmp_path, two), Options(fps=25.0, image_size=(WIDTH, HEIGHT), focal=900.0))["missing"] == []


def test_shares_of_an_image_wait_for_its_size(two: np.ndarray, tmp_path: Path):
    labels = writers.ultralytics(tmp_path, two[:, :, :17])
    found = tell(labels)
    assert (found["format"], found["tracks"], found["missing"]) == ("ultralytics", [], ["image_size"])
    assert "size" in found["notes"][0]
    found = tell(labels, Options(image_size=(WIDTH, HEIGHT)))
    assert (len(found["tracks"]), found["missing"], found["first_frame"]) == (2, ["fps"], 1)
    with pytest.raises(KineliftError, match="image"):
        import_poses(labels, Options(fps=30.0), None, "openpose18", [], tmp_path)


def test_the_tracks_wished_for_are_written(two: np.ndarray, tmp_path: Path):
    third = two[:1] + [800, 0, 0] * (two[:1, :, :, 2:] > 0)
    file, options = writers.alphapose(tmp_path, np.concatenate([two, third])), Options(fps=25.0, image_size=(WIDTH, HEIGHT))
    for tracks, wanted in (([], None), (["2"], ["2"]), (["3", "1"], ["1", "3"]), (["all"], ["1", "3", "2"]), (["9"], None)):
        if wanted is None:
            with pytest.raises(KineliftError, match="track") as caught:
                tell(file, options, "openpose18", tuple(tracks), tmp_path / "out")
            assert caught.value.code == "missing-setting"
            continue
        poses = Poses2D.load(tell(file, options, "openpose18", tuple(tracks), tmp_path / "out")["poses"])
        assert sorted(poses.track_ids) == sorted(wanted)
        assert (poses.fps, poses.image_size, poses.skeleton) == (25.0, (WIDTH, HEIGHT), "openpose18")


def test_what_cannot_be_read_is_refused(tmp_path: Path):
    (tmp_path / "poses.json").write_text("{}")
    for path in (tmp_path / "poses.json", tmp_path / "nowhere.json"):
        with pytest.raises(KineliftError) as caught:
            tell(path)
        assert str(path) in caught.value.place
        assert caught.value.remedy
