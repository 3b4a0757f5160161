"""The sniffer looks at content, says how sure it is, and asks where two formats fit alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from backend.errors import KineliftError
from backend.poses.content import Options
from backend.poses.sniffer import FORMATS, read_poses, sniff
from tests.poses import writers
from tests.poses.failures import failure
from tests.poses.people import HEIGHT, WIDTH, horse, joints, person


@pytest.fixture
def poses() -> np.ndarray:
    return np.stack([joints(person(12), "coco17")])


@pytest.mark.parametrize("case", [case for case in writers.CASES if "open" not in case])
def test_names_do_not_matter_where_content_tells(case: str, tmp_path: Path):
    format_, set_name, write = writers.CASES[case]
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in", np.stack([joints((horse if "39" in set_name else person)(12), set_name)]))
    other = path.rename(tmp_path / f"x{path.suffix}")
    assert sniff(other)[0].format == format_


def test_every_format_is_alone_with_its_files(tmp_path: Path):
    for number, (format_, set_name, write) in enumerate(writers.CASES.values()):
        (tmp_path / str(number)).mkdir()
        candidates = sniff(write(tmp_path / str(number), np.stack([joints(person(6), set_name)])))
        assert candidates[0].format == format_
        assert all(0 < candidate.certainty <= 1 and candidate.reason for candidate in candidates)
        assert len(candidates) == 1 or candidates[0].certainty - candidates[1].certainty > 0.2


def test_a_folder_of_two_formats_is_asked_about(poses: np.ndarray, tmp_path: Path):
    folder = writers.openpose(tmp_path, np.stack([joints(person(12), "body25")]))
    for file in writers.ultralytics(tmp_path, poses).iterdir():
        shutil.copy(file, folder)
    with pytest.raises(KineliftError, match=r"may be openpose .* or ultralytics") as caught:
        read_poses(folder)
    assert caught.value.remedy == "Say which: --format openpose or --format ultralytics"
    assert caught.value.code == "ambiguous-format"
    assert read_poses(folder, format_="openpose")[0].format == "openpose"
    assert read_poses(folder, Options(image_size=(WIDTH, HEIGHT)), "ultralytics")[0].format == "ultralytics"


def test_what_is_no_pose_file(poses: np.ndarray, tmp_path: Path):
    for name, content in (("a.json", b"{}"), ("b.json", b"[1, 2]"), ("c.txt", b"hello"), ("d.bin", bytes(range(256))), ("e.csv", b"a,b\n1,2\n"), ("f", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(KineliftError, match="no known pose format fits") as caught:
            read_poses(tmp_path / name)
        assert all(format_ in caught.value.remedy for format_ in FORMATS)
    with pytest.raises(KineliftError, match="no such file"):
        read_poses(tmp_path / "missing.json")
    with pytest.raises(KineliftError, match="no known pose format fits"):
        read_poses(tmp_path)
    (tmp_path / "latin.json").write_bytes('[{"image_id": "é"}]'.encode("latin-1"))
    with pytest.raises(KineliftError, match="UTF-8"):
        read_poses(tmp_path / "latin.json")
    with pytest.raises(KineliftError, match="no pose format 'bvh'"):
        read_poses(writers.coco(tmp_path, poses), format_="bvh")


@pytest.mark.parametrize("format_", list(FORMATS))
@pytest.mark.parametrize("case", ["coco", "openpose", "npy", "csv", "ultralytics"])
def test_a_wrong_format_is_refused_or_read_but_never_crashes(format_: str, case: str, tmp_path: Path):
    _, set_name, write = writers.CASES[case]
    path = write(tmp_path, np.stack([joints(person(6), set_name)]))
    error = failure(lambda: read_poses(path, Options(image_size=(WIDTH, HEIGHT)), format_))
    assert error is None or (error.remedy and str(path) in error.place)


def test_json_with_a_byte_order_mark(poses: np.ndarray, tmp_path: Path):
    path = writers.coco(tmp_path, poses)
    path.write_bytes(b"\xef\xbb\xbf\n " + path.read_bytes())
    assert read_poses(path)[0].format == "coco"


def test_deep_json_is_refused(tmp_path: Path):
    (tmp_path / "deep.json").write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(KineliftError, match="not readable JSON"):
        read_poses(tmp_path / "deep.json")
    (tmp_path / "digits.json").write_text(json.dumps([{"image_id": 1, "keypoints": 5}]).replace("5", "5" * 5000))
    with pytest.raises(KineliftError, match="not readable JSON"):
        read_poses(tmp_path / "digits.json")
