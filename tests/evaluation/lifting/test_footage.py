"""What other cameras see of a lifted motion, on footage made by code."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.__main__ import main
from backend.evaluation.lifting import footage
from backend.evaluation.lifting.footage import fit_camera, flat, left_over
from backend.motion.motion3d import Motion3D
from backend.mvlift.body_fit import FitSettings
from backend.poses.poses2d import Poses2D
from tests.mvlift.lifting import IMAGE, SKELETON, camera, walk
from tests.properties import patient

JOINTS = len(SKELETON.joints)


def turned(motion: np.ndarray, yaw: float) -> np.ndarray:
    middle = motion[0, 0] * [1, 1, 0]
    cos, sin = math.cos(yaw), math.sin(yaw)
    return (motion - middle) @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) + middle


def seen(*motions: np.ndarray) -> Poses2D:
    """What one camera each sees of motions [T,K,3]."""
    known = JOINTS + len(SKELETON.objects)
    keypoints = np.stack([camera().project(motion) for motion in motions])[:, :, :known]
    return Poses2D(keypoints, np.ones(keypoints.shape[:3]), list(SKELETON.keypoints[:known]), SKELETON.name, 30.0, IMAGE, 0.0,
                   [str(number + 1) for number in range(len(motions))], "walk.npz")


@patient
@given(yaw=st.floats(-3.1, 3.1), share=st.floats(0.7, 1.4))
def test_a_camera_anywhere_is_found(yaw: float, share: float):
    motion = walk(1.0)[:, :JOINTS] - walk(1.0)[:, :1]
    shown = turned(motion, yaw)
    pixels = 250 * shown[..., [0, 2]] * [1, -1]
    found = fit_camera(share * motion[::5], pixels[::5], np.ones((6, JOINTS)))
    assert np.linalg.norm(found.project(share * motion) - pixels, axis=-1).max() < 0.5
    assert found.scale == pytest.approx(250 / share, rel=1e-3)


def test_what_is_left_over_tells_right_from_flat():
    motion = walk(1.0)
    filmed, aside = seen(motion), seen(turned(motion, 1.5))
    lifted = Motion3D(motion[:, :JOINTS], list(SKELETON.joints), list(SKELETON.parents), 30.0, SKELETON.name, camera=camera())
    cardboard = flat(filmed.keypoints[0, :, :JOINTS], lifted, [0])
    everything, hips = slice(0, 30), [1, 4]
    assert max(left_over(motion[:, :JOINTS], filmed, everything, hips), left_over(motion[:, :JOINTS], aside, everything, hips)) < 2
    assert left_over(cardboard, filmed, everything, hips) < 2
    assert left_over(cardboard, aside, everything, hips) > 3.5
    hidden = Poses2D(**{**vars(aside), "confidences": np.zeros_like(aside.confidences)})
    assert left_over(motion[:, :JOINTS], hidden, everything, hips) is None


def test_unsure_points_do_not_count():
    motion = walk(1.0)
    poses = seen(motion)
    poses.keypoints[0, :, 3], poses.confidences[0, :, 3] = 0.0, 0.1
    assert left_over(motion[:, :JOINTS], poses, slice(0, 30), [1, 4]) < 2


def write_cameras(path: Path, seconds: float = 2.0, blind: int | None = None) -> None:
    """A plain pose file of three cameras at 60 frames a second."""
    motion = np.repeat(walk(seconds), 2, axis=0)
    poses = seen(motion, turned(motion, 1.0), turned(motion, -2.0))
    if blind is not None:
        poses.confidences[blind] = 0.2
    keypoints = np.concatenate([poses.keypoints, poses.confidences[..., None]], -1).astype(np.float32)
    np.savez(path, keypoints=keypoints, joint_names=np.array(poses.joint_names), fps=np.float32(60), image_size=np.array(IMAGE, np.int32))


def run(world: Path, folder: Path, *more: str) -> int:
    return main(["evaluate", "footage", "--domain", str(world / "walks.toml"), "--data", str(world), "--pack", str(world / "pack"), "--footage", str(folder),
                 "--start", "0.5", "--seconds", "1", "--calls", "2", "--device", "cpu", *more])


def test_the_command(world: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(footage, "FitSettings", lambda: FitSettings(3, 3))
    folder = tmp_path / "cameras"
    folder.mkdir()
    assert run(world, folder) == 1
    assert "no pose file in the folder" in capsys.readouterr().err
    write_cameras(folder / "a.npz")
    write_cameras(folder / "b.npz")
    assert run(world, folder, "--filmed", "2", "--write", str(tmp_path / "page.md"), "--json", str(tmp_path / "scores.json")) == 0
    page, scores = (tmp_path / "page.md").read_text(), json.loads((tmp_path / "scores.json").read_text())
    assert "2 sequences of 1 s, filmed by 3 cameras" in page and "--filmed 2" in page
    assert set(scores) == set(footage.TITLES)
    for row in scores.values():
        assert len(row["filmed"]) == len(row["others"]) == 2
        assert row["filmed"][0] == pytest.approx(row["filmed"][1], rel=1e-3)  # the files are the same
    assert scores["flat"]["filmed"][0] < 2 < 3.5 < scores["flat"]["others"][0]
    assert run(world, folder, "--filmed", "7") == 1
    assert "there is no camera '7'" in capsys.readouterr().err
    write_cameras(folder / "a.npz", blind=2)
    capsys.readouterr()
    assert run(world, folder, "--filmed", "2") == 0
    assert "done: a, without the cameras 3, which hardly see the person" in capsys.readouterr().out
    assert run(world, folder, "--filmed", "3", "--json", str(tmp_path / "fewer.json")) == 0
    assert "left out: a: its cameras hardly see the person" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "fewer.json").read_text())["ours"]["others"]) == 1
    write_cameras(folder / "b.npz", blind=2)
    assert run(world, folder, "--filmed", "3") == 1
    assert "no camera sees the person" in capsys.readouterr().err
    assert run(world, folder, "--start", "1.5") == 1
    assert "lasts 2.0 s" in capsys.readouterr().err
