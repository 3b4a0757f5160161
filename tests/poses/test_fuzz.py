"""No file crashes a reader: what comes is read or refused with a KineliftError, and nothing else."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.poses.content import Options
from backend.poses.poses2d import make_poses2d
from backend.poses.sniffer import FORMATS, read_poses
from tests.poses import writers
from tests.poses.failures import failure
from tests.poses.people import joints, person
from tests.properties import patient

few = settings(patient, max_examples=12)  # of each of the many cases

SIZE = Options(fps=30, image_size=(1920, 1080))
ODD = st.sampled_from([None, True, -1, 0, 1, 2.5, 1e308, -1e308, math.nan, math.inf, 10**400, "", "3", "é\0", [], [[]], {}, [None], [1, "a"], {"x": {}}])
ANYTHING = st.recursive(ODD | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
    st.sampled_from(["keypoints", "image_id", "people", "instances", "x", "y", "idx", "frames", "skeleton", "box"]), inner, max_size=4), max_leaves=10)
TABLES = ["ultralytics", "ultralytics untracked", "deeplabcut", "deeplabcut animals", "csv"]
JSON_CASES = [case for case in writers.CASES if case not in (*TABLES, "npz", "npy")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small valid file or folder of each case."""
    made = {}
    for case, (_, set_name, write) in writers.CASES.items():
        folder = tmp_path_factory.mktemp("valid")
        poses = np.stack([joints(person(4, x=500), set_name), joints(person(4, x=1300), set_name)])
        made[case] = write(folder, poses[:1] if case == "deeplabcut" else poses)
    return made


def assert_read_or_refused(path: Path, format_: str | None) -> None:
    def use():
        file, _ = read_poses(path, SIZE, format_)
        for track in file.tracks:
            assert np.isfinite(track.keypoints).all()
            assert ((track.confidences >= 0) & (track.confidences <= 1)).all()
            assert track.seen.any()
            assert track.summary()
        make_poses2d(file, "openpose18", "all")

    error = failure(use)
    assert error is None or (error.message and error.remedy and error.code != "error")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything inside a JSON value, up to the third entry of a list."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(min(3, len(value))):
            yield value, key
            yield from places(value[key])


def one_file(path: Path) -> Path:
    return path if path.is_file() else sorted(path.iterdir())[1]


@pytest.mark.parametrize("case", JSON_CASES)
@few
@given(st.data())
def test_json_with_a_changed_value(case: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    target = tmp_path_factory.mktemp("changed") / "in"
    (shutil.copytree if folders[case].is_dir() else shutil.copy)(folders[case], target)
    path = one_file(target)
    value = json.loads(path.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        spots = list(places(value))
        if spots:
            container, key = spots[data.draw(st.integers(0, len(spots) - 1))]
            if data.draw(st.booleans()):
                container[key] = deepcopy(data.draw(ODD))
            else:
                del container[key]
    path.write_text(json.dumps(value))
    assert_read_or_refused(target, data.draw(st.sampled_from([None, writers.CASES[case][0]])))


@pytest.mark.parametrize("case", TABLES)
@few
@given(st.data())
def test_tables_with_changed_cells_and_rows(case: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    target = tmp_path_factory.mktemp("changed") / f"in{folders[case].suffix}"
    (shutil.copytree if folders[case].is_dir() else shutil.copy)(folders[case], target)
    path = one_file(target)
    separator = "," if path.suffix == ".csv" else " "
    rows = [line.split(separator) for line in path.read_text().splitlines()]
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.integers(0, len(rows) - 1))
        cell = data.draw(st.integers(0, min(8, len(rows[row]) - 1))) if rows[row] else 0
        action = data.draw(st.sampled_from(["change", "drop", "double", "cut"]))
        if action == "change" and rows[row]:
            rows[row][cell] = data.draw(st.sampled_from(["", "nan", "inf", "-1", "1e308", "word", '"', "9" * 400, "²", "3.5", "-inf", "99999999999"]))
        elif action == "drop" and len(rows) > 1:
            del rows[row]
        elif action == "double":
            rows.insert(row, list(rows[row]))
        else:
            del rows[row][cell:]
    path.write_text("\n".join(separator.join(row) for row in rows))
    assert_read_or_refused(target, data.draw(st.sampled_from([None, writers.CASES[case][0]])))


@pytest.mark.parametrize("case", ["npz", "npy"])
@few
@given(st.data())
def test_damaged_arrays(case: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    target = tmp_path_factory.mktemp("changed") / folders[case].name
    content = bytearray(folders[case].read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, min(len(content) - 1, 4000)))] = data.draw(st.integers(0, 255))
    target.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2, 100]))])
    assert_read_or_refused(target, data.draw(st.sampled_from([None, "plain"])))


@pytest.mark.parametrize("key", ["keypoints", "confidences", "joint_names", "fps", "image_size", "focal", "track_ids", "first_frame"])
@few
@given(value=st.sampled_from([np.array(1), np.array("a"), np.zeros((0,)), np.full((4, 17, 2), np.inf), np.array([True]), np.array([1j]), np.full(2, -1.0),
                              np.full((2, 4, 26, 2), 1e300), np.array(["a"] * 26), np.array(1e300), np.zeros((2, 4, 26), "S3"), np.array(np.nan)]))
def test_arrays_of_the_wrong_kind(key: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, value: np.ndarray):
    target = tmp_path_factory.mktemp("changed") / "a.npz"
    np.savez(target, **(dict(np.load(folders["npz"])) | {key: value}))
    assert_read_or_refused(target, None)


@few
@given(st.data())
def test_any_json_and_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    folder = tmp_path_factory.mktemp("any")
    suffix = data.draw(st.sampled_from([".json", ".csv", ".npz", ".npy", ".txt", ".h5", ""]))
    content = data.draw(ANYTHING.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200) | st.text(
        alphabet="scoreybdpatx_,\n0.5 -", max_size=200).map(str.encode))
    start = data.draw(st.sampled_from([b"", b"", b"\x93NUMPY", b"PK\x03\x04", b"scorer,a,a,a\nbodyparts,n,n,n\ncoords,x,y,likelihood\n", b"a_x,a_y,b_x,b_y\n"]))
    path = folder / f"a{suffix}"
    path.write_bytes(start + content)
    format_ = data.draw(st.sampled_from([None, *(name for name in FORMATS if name != "sleap")]))
    assert_read_or_refused(data.draw(st.sampled_from([path, folder])), format_)
