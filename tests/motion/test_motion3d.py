from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.motion.motion3d import Motion3D


def motion(**changes) -> Motion3D:
    rng = np.random.default_rng(0)
    fields = {"positions": rng.normal(size=(4, 3, 3)), "joint_names": ["a", "b", "c"], "parents": [-1, 0, 1], "fps": 30.0, "skeleton": "nba16-ball",
              "object_names": ["Ball"], "object_positions": rng.normal(size=(4, 1, 3)), "rotations": np.tile([1.0, 0, 0, 0], (4, 3, 1)),
              "provenance": {"seed": 3, "mode": "fast"}}
    return Motion3D(**{**fields, **changes})


def test_round_trip(tmp_path: Path):
    first = motion()
    second = Motion3D.load(first.save(tmp_path / "folder" / "motion.npz"))
    for name in ("positions", "object_positions", "rotations"):
        assert np.allclose(getattr(second, name), getattr(first, name), atol=1e-6)
    for name in ("joint_names", "parents", "fps", "skeleton", "object_names", "provenance", "frames"):
        assert getattr(second, name) == getattr(first, name)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["motion.npz"]


def test_round_trip_without_the_optional_parts(tmp_path: Path):
    plain = Motion3D.load(motion(object_names=[], object_positions=None, rotations=None, provenance={}, skeleton="").save(tmp_path / "m.npz"))
    assert plain.object_positions is None
    assert plain.rotations is None
    assert plain.provenance == {}


NAN = np.full((4, 3, 3), np.nan)


@pytest.mark.parametrize(("changes", "said"), [
    ({"positions": np.zeros((4, 2, 3))}, "'positions' has shape"),
    ({"positions": np.zeros((4, 3))}, "'positions' has shape"),
    ({"positions": np.zeros((0, 3, 3)), "object_positions": np.zeros((0, 1, 3)), "rotations": None}, "no frames"),
    ({"positions": NAN}, "not a number at frame 0, point 0"),
    ({"parents": [-1, 0]}, "'parents' has 2 entries for 3 joints"),
    ({"parents": [-1, 2, 1]}, "parent 2 of joint 'b' does not come before it"),
    ({"fps": 0.0}, "fps is 0"),
    ({"fps": float("nan")}, "fps is nan"),
    ({"object_positions": None}, "object names without"),
    ({"object_positions": np.zeros((4, 2, 3))}, "'object_positions' has shape"),
    ({"object_positions": np.zeros((5, 1, 3))}, "'object_positions' has shape"),
    ({"rotations": np.zeros((4, 3, 3))}, "'rotations' has shape"),
    ({"object_rotations": np.zeros((4, 4))}, "'object_rotations' is not made of numbers"),
    ({"object_rotations": np.zeros((4, 1, 4))}, "turns nothing"),
    ({"confidences": np.ones((4, 2))}, "'confidences' is not made of numbers"),
    ({"confidences": np.full((4, 3), 1.5)}, "in 0..1"),
    ({"confidences": np.full((4, 3), np.nan)}, "in 0..1"),
    ({"object_sizes": np.zeros((3, 1))}, "'object_sizes' is not made of numbers"),
])
def test_what_does_not_fit_is_named(changes: dict, said: str):
    with pytest.raises(KineliftError, match=said) as caught:
        motion(**changes)
    assert caught.value.remedy
    assert caught.value.code == "bad-motion"


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(KineliftError, match="no such motion file") as caught:
        Motion3D.load(tmp_path / "none.npz")
    assert caught.value.code == "missing-file"


@pytest.mark.parametrize("keep", [0, 1, 100, -20])
def test_a_truncated_file(keep: int, tmp_path: Path):
    path = motion().save(tmp_path / "m.npz")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(KineliftError, match="not a readable motion file") as caught:
        Motion3D.load(path)
    assert str(path) in str(caught.value)


def rewrite(path: Path, **changes) -> None:
    with np.load(path) as data:
        arrays = {key: data[key] for key in data.files}
    np.savez(path, **{key: value for key, value in {**arrays, **changes}.items() if value is not None})


class Trap:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickled_array_is_refused_unread(tmp_path: Path):
    path = motion().save(tmp_path / "m.npz")
    rewrite(path, joint_names=np.array([Trap(tmp_path / "ran")], dtype=object))
    with pytest.raises(KineliftError, match="not a readable motion file"):
        Motion3D.load(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("changes", "said"), [
    ({"positions": None}, "positions"),
    ({"parents": None}, "parents"),
    ({"positions": np.array(["a"])}, "wrong kind of data"),
    ({"provenance": np.array("{")}, "wrong kind of data"),
    ({"positions": NAN}, "not a number"),
    ({"provenance": np.array("[]")}, "'provenance' is no table"),
    ({"provenance": np.array('{"first_frame": "two"}')}, "'first_frame' of 'provenance' is 'two'"),
    ({"camera_K": np.eye(3), "camera_R": np.eye(3)}, "camera_t, image_size"),
])
def test_wrong_content_names_the_file(changes: dict, said: str, tmp_path: Path):
    path = motion().save(tmp_path / "m.npz")
    rewrite(path, **changes)
    with pytest.raises(KineliftError, match=said) as caught:
        Motion3D.load(path)
    assert caught.value.place.startswith(str(path))


def test_a_folder_that_can_not_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KineliftError, match="could not be written") as caught:
        motion().save(tmp_path / "file" / "m.npz")
    assert caught.value.code == "write-failed"
