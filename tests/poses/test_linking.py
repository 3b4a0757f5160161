"""Detections without ids become the right tracks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.poses.linking import link, without_doubles
from backend.poses.sniffer import read_poses
from backend.poses.tracks import Detection
from tests.poses import writers
from tests.poses.people import joints, person
from tests.properties import patient


def assert_tracks_are_people(file, poses: np.ndarray) -> None:
    """Each person is one track over all frames in which it is there, and no track mixes people."""
    assert len(file.tracks) == len(poses)
    for track in file.tracks:
        distance = [np.abs(track.keypoints - pose[..., :2])[track.seen].max() for pose in poses]
        assert min(distance) < 0.01
        assert np.array_equal(track.seen, poses[int(np.argmin(distance)), :, :, 2].any(1))


@pytest.mark.parametrize("order", ["kept", "shuffled"])
def test_people_who_pass_each_other_stay_apart(order: str, tmp_path: Path):
    poses = np.stack([joints(person(60, x=500, speed=15, turn=0.2), "coco17"), joints(person(60, x=1400, speed=-15, turn=-0.3, scale=260), "coco17")])
    rng = np.random.default_rng(0)
    shown = np.stack([pose[rng.permutation(2)] for pose in poses.swapaxes(0, 1)], 1) if order == "shuffled" else poses
    file, _ = read_poses(writers.coco(tmp_path, shown))
    assert_tracks_are_people(file, poses)
    assert any("linked by overlap" in note for note in file.notes)


def test_people_who_run_through_each_other_keep_their_course(tmp_path: Path):
    """Between frames 9 and 10 they change places: only their motion tells them apart."""
    poses = np.stack([joints(person(20, x=500, speed=40), "coco17"), joints(person(20, x=1260, speed=-40), "coco17", confidence=0.8)])
    file, _ = read_poses(writers.coco(tmp_path, poses))
    assert_tracks_are_people(file, poses)


def test_who_appears_elsewhere_is_somebody_else(tmp_path: Path):
    poses = np.stack([joints(person(30, x=300), "coco17"), joints(person(30, x=1500), "coco17")])
    poses[0, 15:], poses[1, :15] = 0, 0
    file, _ = read_poses(writers.coco(tmp_path, poses))
    assert_tracks_are_people(file, poses)


def test_a_short_absence_is_bridged_and_a_long_one_starts_anew(tmp_path: Path):
    pose = joints(person(100, x=300, speed=8), "coco17")
    pose[20:30] = 0
    file, _ = read_poses(writers.coco(tmp_path, pose[None]))
    assert len(file.tracks) == 1
    pose[40:75] = 0
    file, _ = read_poses(writers.coco(tmp_path, pose[None]))
    assert [int(track.seen.sum()) for track in file.tracks] == [30, 25]


def test_somebody_found_twice_in_a_frame_counts_once(tmp_path: Path):
    pose = joints(person(20), "coco17")
    double = pose.copy()
    double[..., :2] += 2
    double[..., 2] *= 0.5
    file, _ = read_poses(writers.coco(tmp_path, np.stack([double, pose])))
    assert_tracks_are_people(file, pose[None])


def test_the_most_prominent_track_comes_first(tmp_path: Path):
    small, large = joints(person(30, x=400, scale=100), "coco17"), joints(person(30, x=1300, scale=350), "coco17")
    file, _ = read_poses(writers.coco(tmp_path, np.stack([small, large])))
    assert file.tracks[0].sizes().mean() > 2 * file.tracks[1].sizes().mean()
    assert "30 frames (100%), 0 to 29" in file.tracks[0].summary()
    assert "confidence 0.90" in file.tracks[0].summary()


@patient
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_every_detection_is_in_one_track_and_no_frame_twice(seed: int, count: int):
    rng = np.random.default_rng(seed)
    frames = [[Detection(frame, rng.uniform(0, 1000, (5, 2)), rng.uniform(0, 1, 5)) for _ in range(rng.integers(0, count + 1))] for frame in range(30)]
    rows = link(frames)
    entries = [entry for row in rows for _, entry in row]
    kept = [entry for found in frames for entry in without_doubles(found)]
    assert sorted(map(id, entries)) == sorted(map(id, kept))
    for row in rows:
        numbers = [frame for frame, _ in row]
        assert numbers == sorted(set(numbers))
