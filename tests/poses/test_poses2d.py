"""From a pose file to ours: the tracks, the skeleton, the camera's facts, and the command that writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.__main__ import main
from backend.errors import KineliftError
from backend.poses.content import Options
from backend.poses.poses2d import Poses2D, make_poses2d
from backend.poses.sniffer import read_poses
from rigs import load_skeleton
from tests.poses import writers
from tests.poses.people import HEIGHT, WIDTH, horse, joints, person

ALL = Options(fps=30, image_size=(WIDTH, HEIGHT))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return writers.alphapose(tmp_path, np.stack([joints(person(30, x=600), "halpe26"), joints(person(30, x=1400, scale=150), "halpe26")]))


def test_the_chosen_tracks_stand_on_the_skeleton(file: Path):
    read, _ = read_poses(file, ALL)
    skeleton = load_skeleton("openpose18")
    one, notes = make_poses2d(read, "openpose18", "2")
    assert one.keypoints.shape == (1, 30, 18, 2)
    assert (one.track_ids, one.fps, one.image_size, one.focal, one.source) == (["2"], 30, (WIDTH, HEIGHT), 0, file.name)
    assert notes == []
    body = person(30, x=1400, scale=150)
    for column, joint in enumerate(skeleton.joints):
        assert np.abs(one.keypoints[0, :, column] - body[skeleton.roles[joint]]).max() < 1e-9
    both, _ = make_poses2d(read, "openpose18", "all")
    assert both.track_ids == ["1", "2"]
    assert np.array_equal(both.keypoints[1], one.keypoints[0])
    assert tuple(both.joint_names) == skeleton.joints


def test_a_file_comes_back_as_it_was_saved(file: Path, tmp_path: Path):
    options = Options(fps=24.5, image_size=(WIDTH, HEIGHT), focal=1500)
    poses, _ = make_poses2d(read_poses(file, options)[0], "coco17-ball", "all")
    again = Poses2D.load(poses.save(tmp_path / "deep" / "poses.npz"))
    for name in Poses2D.__dataclass_fields__:
        if name in ("keypoints", "confidences"):
            assert np.allclose(getattr(again, name), getattr(poses, name), atol=1e-3)
        else:
            assert getattr(again, name) == getattr(poses, name)
    assert not again.confidences[..., -1].any()  # nobody has a ball
    read, candidate = read_poses(tmp_path / "deep" / "poses.npz")
    assert (candidate.format, read.fps, read.image_size, read.focal) == ("plain", 24.5, (WIDTH, HEIGHT), 1500)


def test_what_is_missing_names_its_option(file: Path):
    for options, track, option in ((Options(image_size=(WIDTH, HEIGHT)), "1", "--fps"), (Options(fps=30), "1", "--image-size"), (ALL, None, "--track"),
                                   (ALL, "7", "--track")):
        with pytest.raises(KineliftError) as caught:
            make_poses2d(read_poses(file, options)[0], "openpose18", track)
        assert option in caught.value.remedy
        assert caught.value.place == str(file)
        assert caught.value.code == "missing-setting"
    with pytest.raises(KineliftError, match="no skeleton 'dog'"):
        make_poses2d(read_poses(file, ALL)[0], "dog", "1")


def test_people_are_no_horses_and_horses_no_people(file: Path, tmp_path: Path):
    with pytest.raises(KineliftError, match="are not those of ap10k"):
        make_poses2d(read_poses(file, ALL)[0], "ap10k", "1")
    animal = writers.deeplabcut(tmp_path, joints(horse(30), "superanimal39")[None], writers.names("superanimal39"))
    poses, _ = make_poses2d(read_poses(animal, ALL)[0], "ap10k")
    assert (poses.confidences > 0).all()
    with pytest.raises(KineliftError, match="are not those of nba16"):
        make_poses2d(read_poses(animal, ALL)[0], "nba16")


def test_an_image_size_that_cannot_be_is_refused(file: Path):
    with pytest.raises(KineliftError, match=r"outside of an image of 640x480"):
        make_poses2d(read_poses(file, Options(fps=30, image_size=(640, 480)))[0], "openpose18", "2")


@pytest.mark.parametrize(("name", "value", "message"), [
    ("keypoints", np.zeros((1, 5, 18, 3)), "shapes"), ("confidences", np.full((1, 30, 18), 2.0), "not in 0..1"), ("fps", 0.0, "fps is 0"),
    ("skeleton", "dog", "no skeleton"), ("joint_names", np.array(["a"] * 18), "not those of"), ("image_size", np.array([0, 5]), "image_size"),
    ("focal", -1.0, "focal"), ("keypoints", np.full((1, 30, 18, 2), np.nan), "no number at frame 0, joint 'Neck'"),
    ("fps", np.array("fast"), "wrong kind of data"), ("track_ids", np.array([]), "shapes"), ("step", 0, "step"), ("source", None, "lacks source")])
def test_a_file_of_ours_that_is_broken_is_refused(name: str, value, message: str, file: Path, tmp_path: Path):
    path = make_poses2d(read_poses(file, ALL)[0], "openpose18", "1")[0].save(tmp_path / "poses.npz")
    arrays = dict(np.load(path))
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    np.savez(path, **arrays)
    with pytest.raises(KineliftError, match=message) as caught:
        Poses2D.load(path)
    assert caught.value.place == str(path)


def test_the_command_tells_and_writes(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    assert main(["poses", str(file)]) == 0
    told = capsys.readouterr().out
    assert "format      alphapose: AlphaPose (95%: poses whose image_id is a file name)" in told
    assert "fps         unknown: say it with --fps" in told
    assert "image size  unknown: say it with --image-size" in told
    assert "track 1     30 frames (100%), 0 to 29" in told
    assert "track 2     30 frames" in told
    assert "openpose18 100%" in told
    assert "ap10k" not in told
    to = tmp_path / "out.npz"
    arguments = ["poses", str(file), "--fps", "30", "--image-size", f"{WIDTH}x{HEIGHT}", "--focal", "1500", "--to", str(to)]
    assert main(arguments) == 1
    assert "--skeleton" in capsys.readouterr().err
    assert main([*arguments, "--skeleton", "openpose18"]) == 1
    assert "--track: 1, 2 or all" in capsys.readouterr().err
    assert not to.exists()
    assert main([*arguments, "--skeleton", "openpose18", "--track", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(to)
    poses = Poses2D.load(to)
    assert (poses.track_ids, poses.focal, poses.image_size) == (["2"], 1500, (WIDTH, HEIGHT))


@pytest.mark.parametrize("arguments", [["--image-size", "1920"], ["--image-size", "0x10"], ["--image-size", "axb"], ["--fps", "0"], ["--fps", "nan"],
                                       ["--focal", "-3"], ["--format", "bvh"], ["--skeleton", "dog"]])
def test_settings_that_mean_nothing_are_refused(arguments: list[str], file: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as caught:
        main(["poses", str(file), *arguments])
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_poses_that_stand_on_their_heads_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture):
    upwards = joints(person(20), "coco17") * [1, -1, 1] + [0, HEIGHT, 0]
    path = writers.plain_npz(tmp_path, upwards[None], writers.names("coco17"))
    assert main(["poses", str(path)]) == 0
    assert "--y-up" in capsys.readouterr().out
    assert main(["poses", str(path), "--y-up", "--image-size", f"{WIDTH}x{HEIGHT}"]) == 0
    assert "--y-up" not in capsys.readouterr().out
