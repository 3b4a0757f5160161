"""Every format, written as its program writes it, comes back as the poses that were written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.poses.content import Options, frame_numbers
from backend.poses.sniffer import read_poses, sniff
from backend.poses.tracks import PoseFile
from tests.poses import writers
from tests.poses.people import HEIGHT, WIDTH, horse, joints, person

SIZE = Options(image_size=(WIDTH, HEIGHT))


def two(set_name: str, frames: int = 24) -> np.ndarray:
    """Two people [2,T,J,3] side by side: one missing in frames 10 and 11, the other in the last five."""
    make = horse if set_name == "superanimal39" else person
    poses = np.stack([joints(make(frames, x=600), set_name), joints(make(frames, x=1400), set_name, confidence=0.7)])
    poses[0, 10:12] = 0
    poses[1, -5:] = 0
    return poses


def assert_same(file: PoseFile, poses: np.ndarray, names: list[str], tolerance: float = 0.01) -> None:
    """Each person is one track, whatever the order, with the places and confidences of the seen joints, and 0 elsewhere."""
    assert len(file.tracks) == len(poses)
    for pose in poses:
        track = min(file.tracks, key=lambda track: abs(track.keypoints[0, 0, 0] - pose[0, 0, 0]))
        assert track.joint_names == names
        assert track.keypoints.shape == pose[..., :2].shape
        assert np.abs(track.keypoints - pose[..., :2]).max() < tolerance
        assert np.array_equal(track.confidences > 0, pose[..., 2] > 0)


@pytest.mark.parametrize("case", list(writers.CASES))
def test_what_was_written_is_sniffed_and_read(case: str, tmp_path: Path):
    format_, set_name, write = writers.CASES[case]
    poses = two(set_name)[: 1 if case == "deeplabcut" else 2]
    path = write(tmp_path, poses)
    assert sniff(path)[0].format == format_
    file, candidate = read_poses(path, SIZE)
    assert (file.format, file.source, file.image_size) == (format_, path, (WIDTH, HEIGHT))
    assert candidate.certainty >= 0.8
    assert candidate.reason
    assert_same(file, poses, writers.names(set_name))
    if case != "coco annotations":  # visibility says less than a confidence
        seen = file.tracks[0].confidences[file.tracks[0].confidences > 0]
        assert np.allclose(seen, seen[0])
        assert seen[0] == pytest.approx(0.9 if abs(file.tracks[0].keypoints[0, 0, 0] - poses[0, 0, 0, 0]) < 1 else 0.7)


@pytest.mark.parametrize(("case", "ids"), [
    ("alphapose", {"1", "2"}), ("openpose coco tracked", {"0", "1"}), ("mmpose tracked", {"3", "4"}), ("coco annotations", {"0", "1"}),
    ("easy_vitpose", {"0", "1"}), ("ultralytics", {"1", "2"}), ("ultralytics json", {"1", "2"}), ("deeplabcut animals", {"animal0", "animal1"}),
    ("csv", {"p0", "p1"})])
def test_ids_of_the_file_name_the_tracks(case: str, ids: set[str], tmp_path: Path):
    _, set_name, write = writers.CASES[case]
    file, _ = read_poses(write(tmp_path, two(set_name)), SIZE)
    assert {track.id for track in file.tracks} == ids
    assert not any("linked" in note for note in file.notes)


@pytest.mark.parametrize(("case", "first"), [("alphapose", 0), ("mmpose demo", 1), ("sapiens", 1), ("ultralytics", 1), ("openpose", 0)])
def test_frames_are_numbered_as_in_the_file(case: str, first: int, tmp_path: Path):
    _, set_name, write = writers.CASES[case]
    file, _ = read_poses(write(tmp_path, two(set_name)), SIZE)
    assert (file.first_frame, file.step, file.frames) == (first, 1, 24)


def test_frames_without_people_keep_their_place(tmp_path: Path):
    poses = two("coco17", 30)
    poses[:, 8:14] = 0  # AlphaPose writes nothing for them
    file, _ = read_poses(writers.alphapose(tmp_path, poses))
    assert file.frames == 30
    assert not any(track.seen[8:14].any() for track in file.tracks)
    assert_same(file, poses, writers.names("coco17"))


def test_every_fifth_frame_is_a_time_line_without_holes(tmp_path: Path):
    entries = json.loads(writers.alphapose(tmp_path, two("coco17", 14)[:1]).read_text())
    for entry in entries:
        entry["image_id"] = f"shot{int(entry['image_id'].split('.')[0]) * 5 + 2:05d}.png"
    file, _ = read_poses(writers.dump(tmp_path / "fifth.json", entries))
    assert (file.first_frame, file.step, file.frames) == (2, 5, 14)
    assert file.tracks[0].seen.sum() == 12


def test_image_names_without_order_or_of_a_data_set():
    assert frame_numbers(["b.jpg", "a.jpg"]) == {"a.jpg": 0, "b.jpg": 1}
    assert frame_numbers(["img10_v2.jpg", "img9_v2.jpg"]) == {"img9_v2.jpg": 0, "img10_v2.jpg": 1}
    assert frame_numbers(["clip1_000000000012_keypoints.json"]) == {"clip1_000000000012_keypoints.json": 12}


def test_image_ids_of_a_data_set_are_refused(tmp_path: Path):
    poses = two("coco17", 3)
    entries = json.loads(writers.coco(tmp_path, poses).read_text())
    for entry in entries:
        entry["image_id"] = entry["image_id"] * 190_000 + 785
    with pytest.raises(KineliftError, match="after frame 785 comes frame 190785"):
        read_poses(writers.dump(tmp_path / "val2017.json", entries))


def test_nested_ids_and_keypoints(tmp_path: Path):
    poses = two("coco17")
    entries = json.loads(writers.alphapose(tmp_path, poses).read_text())
    for entry in entries:
        entry["idx"] = [[float(entry["idx"][0])]]
        entry["keypoints"] = np.reshape(entry["keypoints"], (-1, 3)).tolist()
    file, _ = read_poses(writers.dump(tmp_path / "nested.json", entries))
    assert {track.id for track in file.tracks} == {"1", "2"}
    assert_same(file, poses, writers.names("coco17"))


def test_of_two_poses_with_one_id_in_a_frame_the_surer_stays(tmp_path: Path):
    poses = two("coco17")
    entries = json.loads(writers.alphapose(tmp_path, poses).read_text())
    ghost = dict(entries[0], keypoints=[value + 300 for value in entries[0]["keypoints"]], score=0.1)
    file, _ = read_poses(writers.dump(tmp_path / "double.json", [ghost, *entries]))
    assert_same(file, poses, writers.names("coco17"))
    assert any("1 poses share id and frame" in note for note in file.notes)


def test_heatmap_scores_above_one_become_confidences(tmp_path: Path):
    poses = two("coco17")
    high = poses.copy()
    high[..., 2] *= np.random.default_rng(0).uniform(1, 6, high.shape[:-1])
    file, _ = read_poses(writers.alphapose(tmp_path, high))
    assert_same(file, poses, writers.names("coco17"))
    assert file.tracks[0].confidences.max() <= 1
    assert file.tracks[0].confidences[file.tracks[0].confidences > 0].min() > 0.1
    assert any("scores reach" in note for note in file.notes)


def test_visibility_two_is_one_and_hidden_a_half(tmp_path: Path):
    poses = two("coco17")[:1]
    path = writers.coco_annotations(tmp_path, poses, writers.names("coco17"))
    data = json.loads(path.read_text())
    data["annotations"][0]["keypoints"][2] = 1
    file, _ = read_poses(writers.dump(path, data))
    assert file.tracks[0].confidences[0, :2].tolist() == [0.5, 1.0]


@pytest.mark.parametrize("scale", ["unit", "signed"])
def test_openpose_scales_need_the_image_size(scale: str, tmp_path: Path):
    poses = two("body25")
    unit = lambda keypoints: keypoints / [WIDTH, HEIGHT, 1]  # noqa: E731
    signed = lambda keypoints: np.where(keypoints[:, 2:] > 0, keypoints / [WIDTH / 2, HEIGHT / 2, 1] - [1, 1, 0], 0)  # noqa: E731
    path = writers.openpose(tmp_path, poses, scale=unit if scale == "unit" else signed)
    with pytest.raises(KineliftError, match="--image-size"):
        read_poses(path)
    file, _ = read_poses(path, SIZE)
    assert_same(file, poses, writers.names("body25"))


def test_files_that_say_the_image_size_and_frame_rate_need_no_options(tmp_path: Path):
    file, _ = read_poses(writers.mediapipe(tmp_path, two("mediapipe33")))
    assert (file.fps, file.image_size) == (30, (WIDTH, HEIGHT))
    file, _ = read_poses(writers.ultralytics_hub(tmp_path, two("coco17")))
    assert file.image_size == (WIDTH, HEIGHT)
    file, _ = read_poses(writers.mediapipe(tmp_path, two("mediapipe33")), Options(fps=25))
    assert file.fps == 25


@pytest.mark.parametrize("keys", ["landmarks", "poseLandmarks", "bare", "legacy"])
def test_mediapipe_in_its_other_shapes(keys: str, tmp_path: Path):
    poses = two("mediapipe33")[:1]
    frames = json.loads(writers.mediapipe(tmp_path, poses).read_text())["frames"]
    people = [frame["pose_landmarks"][0] if frame["pose_landmarks"] else [] for frame in frames]
    value = people if keys == "bare" else [{"pose_landmarks": {"landmark": one}} if keys == "legacy" else {keys: one} for one in people]
    file, _ = read_poses(writers.dump(tmp_path / "other.json", value), SIZE)
    assert_same(file, poses, writers.names("mediapipe33"))


def test_y_that_grows_upwards_is_turned(tmp_path: Path):
    poses = two("coco17")[:1]
    upwards = poses * [1, -1, 1] + np.where(poses[..., 2:] > 0, [0, HEIGHT, 0], 0)
    path = writers.plain_npz(tmp_path, upwards, writers.names("coco17"))
    assert_same(read_poses(path, Options(image_size=(WIDTH, HEIGHT), y_up=True))[0], poses, writers.names("coco17"))
    with pytest.raises(KineliftError, match="--image-size"):
        read_poses(path, Options(y_up=True))


def test_labelled_tables_of_deeplabcut(tmp_path: Path):
    """Labels by hand have no likelihood, and their rows are named by three columns: folder, video, image."""
    rows = [["scorer", "", "", "me", "me"], ["bodyparts", "", "", "nose", "nose"], ["coords", "", "", "x", "y"],
            ["labeled-data", "cat", "img004.png", 10, 20], ["labeled-data", "cat", "img006.png", "", ""], ["labeled-data", "cat", "img007.png", 12, 21]]
    path = tmp_path / "CollectedData_me.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    file, _ = read_poses(path)
    assert (file.first_frame, file.frames) == (4, 4)
    assert file.tracks[0].confidences[:, 0].tolist() == [1, 0, 0, 1]
    assert file.tracks[0].keypoints[3, 0].tolist() == [12, 21]


def test_not_a_number_is_not_seen(tmp_path: Path):
    poses = two("coco17")[:1]
    broken = poses.copy()
    broken[0, 3, 5] = np.nan
    broken[0, 4, 5, 0] = 1e30
    broken[0, 5, 5, 2] = -1
    poses[0, 3:6, 5] = 0
    for write in (writers.plain_npz, writers.coco, lambda folder, poses: writers.plain_csv(folder, poses, writers.names("coco17"))):
        file, _ = read_poses(write(tmp_path, broken))
        assert_same(file, poses, writers.names("coco17"))


def test_the_origin_is_a_missed_joint(tmp_path: Path):
    poses = two("coco17")[:1]
    poses[0, 3, 5] = 0
    np.save(tmp_path / "bare.npy", poses[0, ..., :2])
    file, _ = read_poses(tmp_path / "bare.npy")
    assert_same(file, poses, writers.names("coco17"))


@pytest.mark.parametrize(("change", "message", "place"), [
    (lambda entries: entries[3].pop("keypoints"), "'pose_keypoints_2d'|'joints'|is missing", "[3]"),
    (lambda entries: entries[3].update(keypoints=[1, 2]), "numbers a point", "[3].keypoints"),
    (lambda entries: entries[3].update(keypoints="none"), "not a text", "[3].keypoints"),
    (lambda entries: entries[3].update(image_id=None), "'image_id' is missing", "[3]"),
    (lambda entries: entries[3].update(idx={}), "not an object", "[3].idx"),
])
def test_a_broken_entry_is_named(change, message: str, place: str, tmp_path: Path):
    entries = json.loads(writers.alphapose(tmp_path, two("coco17")).read_text())
    change(entries)
    path = writers.dump(tmp_path / "broken.json", entries)
    with pytest.raises(KineliftError, match=message) as caught:
        read_poses(path)
    assert caught.value.place == f"{path}{place}"
    assert caught.value.remedy


def test_files_without_anybody_with_one_frame_and_half_written_ones(tmp_path: Path):
    nobody = two("body25") * 0
    with pytest.raises(KineliftError, match="nobody is seen"):
        read_poses(writers.openpose(tmp_path, nobody))
    with pytest.raises(KineliftError, match="only one frame"):
        read_poses(writers.mmpose(tmp_path, two("coco17")[:, :1]))
    one = next((tmp_path / "openpose").iterdir())
    with pytest.raises(KineliftError, match="Choose the folder"):
        read_poses(one)
    path = writers.mmpose(tmp_path, two("coco17"))
    path.write_text(path.read_text()[:-300])
    with pytest.raises(KineliftError, match="not readable JSON"):
        read_poses(path)


@pytest.mark.parametrize(("array", "message"), [
    (np.random.default_rng(0).normal(size=(20, 17, 3)), "should be a confidence"),
    (np.ones((20, 17)), "shape"), (np.ones((20, 17, 4)), "shape"), (np.ones((20, 9, 2)), "no joint set of 9"), (np.zeros((0, 17, 2)), "shape"),
    (np.ones((20, 17, 2), complex), "type complex"), (np.array([{}]), "not a readable array")])
def test_arrays_that_are_no_poses(array: np.ndarray, message: str, tmp_path: Path):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(KineliftError, match=message):
        read_poses(tmp_path / "a.npy")


def test_tables_with_a_row_twice_or_a_short_one(tmp_path: Path):
    path = writers.plain_csv(tmp_path, two("coco17")[:1], writers.names("coco17"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[3]]))
    with pytest.raises(KineliftError, match=r"row 26: frame 2 of track 'p0' is there twice"):
        read_poses(path)
    path.write_text("\n".join([*lines[:3], lines[3].rsplit(",", 1)[0]]))
    with pytest.raises(KineliftError, match="row 4 has 52 cells"):
        read_poses(path)
    path = writers.deeplabcut(tmp_path, two("superanimal39")[:1], writers.names("superanimal39"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]))
    with pytest.raises(KineliftError, match="frame 23 is there twice"):
        read_poses(path)
