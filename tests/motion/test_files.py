"""A full disk and a folder that may not be written: the error says what to do, and what was there before stays whole."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.fitting.fit import fit_motion
from backend.motion.motion3d import Motion3D
from tests.fitting.human import dance, human, joints_of, motion_of

Save = Callable[[Path], Path]


@pytest.fixture
def save_motion() -> Save:
    return Motion3D(np.zeros((4, 3, 3)), ["a", "b", "c"], [-1, 0, 1], 30.0).save


@pytest.fixture
def save_fit(tmp_path: Path) -> Save:
    armature, rig = human(tmp_path)
    motion = motion_of(joints_of(rig, *dance(rig, frames=4))).save(tmp_path / "short.npz")
    return lambda path: Path(fit_motion(motion, armature, path, lambda fraction, message: None)["fit"])


def refuse_with(number: int) -> Callable[[Path, bytes], int]:
    """A write that gets half of the content to the disk before the system refuses the rest."""
    def write_bytes(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(number, os.strerror(number), str(path))

    return write_bytes


@pytest.mark.parametrize("kind", ["save_motion", "save_fit"])
@pytest.mark.parametrize(("number", "remedy"), [(errno.ENOSPC, "Free disk space"), (errno.EDQUOT, "Free disk space"),
                                                (errno.EACCES, "write permission"), (errno.EROFS, "write permission")])
def test_a_refused_write_leaves_the_earlier_file_and_no_half_one(kind: str, number: int, remedy: str, tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    save: Save = request.getfixturevalue(kind)
    earlier = save(tmp_path / "job" / "result.npz")
    content = earlier.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", refuse_with(number))
    for path in (earlier, tmp_path / "job" / "second.npz"):
        with pytest.raises(KineliftError) as caught:
            save(path)
        assert (caught.value.place, caught.value.code) == (str(path), "write-failed")
        assert os.strerror(number) in caught.value.message
        assert remedy in caught.value.remedy
    assert earlier.read_bytes() == content
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["result.npz"]
