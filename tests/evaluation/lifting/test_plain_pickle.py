"""Pickles of plain data are read, and nothing in a file is run."""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import KineliftError
from backend.evaluation.lifting.plain_pickle import read_plain_pickle
from tests.properties import patient

RNG = np.random.default_rng(0)
DATA = {0: {"pose_world": RNG.standard_normal((4, 72)), "trans_world": RNG.standard_normal((4, 3)).astype(np.float32), "frames": np.arange(4),
            "name": "one", "score": 0.5, "list": [1, (2, None, True), "x"], "scalar": np.float64(1.5), "seen": np.array([True, False]),
            "turned": np.asfortranarray(RNG.standard_normal((3, 2))), "big": RNG.standard_normal(3).astype(">f8"), "none": np.zeros((0, 3))}}


def same(one: object, other: object) -> bool:
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.shape == other.shape and one.dtype == other.dtype and np.array_equal(one, other)
    return one == other


def write(folder: Path, content: bytes) -> Path:
    path = folder / "result.pkl"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol(protocol: int, tmp_path: Path):
    assert same(read_plain_pickle(write(tmp_path, pickle.dumps(DATA, protocol))), DATA)


def test_dictionaries_of_all_kinds_are_dictionaries(tmp_path: Path):
    """WHAM's results are a defaultdict of dictionaries."""
    results: defaultdict = defaultdict(dict)
    results[0]["x"] = np.ones(2)
    read = read_plain_pickle(write(tmp_path, pickle.dumps([results, OrderedDict(a=1)])))
    assert same(read, [{0: {"x": np.ones(2)}}, {"a": 1}])
    assert [type(one) for one in read] == [dict, dict]


class NumpyArrayWrapper:
    """What joblib writes in the place of an array; its bytes follow."""

    def __init__(self, array: np.ndarray, alignment: int | None):
        self.subclass, self.shape, self.order, self.dtype, self.allow_mmap = np.ndarray, array.shape, "C", array.dtype, True
        if alignment:
            self.numpy_array_alignment_bytes = alignment


class JoblibPickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def __init__(self, file: io.BytesIO, alignment: int | None):
        super().__init__(file, 4)
        self.handle, self.alignment = file, alignment

    def save(self, one, save_persistent_id=True):
        if not isinstance(one, np.ndarray):
            return super().save(one, save_persistent_id)
        self.framer.commit_frame(force=True)
        super().save(NumpyArrayWrapper(one, self.alignment))
        self.framer.commit_frame(force=True)
        if self.alignment:
            padding = self.alignment - (self.handle.tell() + 1) % self.alignment
            self.handle.write(bytes([padding]) + b"\xff" * padding)
        self.handle.write(one.tobytes())
        return None


@pytest.mark.parametrize("alignment", [None, 16])
def test_files_of_joblib_are_read(alignment: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = types.ModuleType("joblib.numpy_pickle")
    module.NumpyArrayWrapper = NumpyArrayWrapper
    monkeypatch.setitem(sys.modules, "joblib", types.ModuleType("joblib"))
    monkeypatch.setitem(sys.modules, "joblib.numpy_pickle", module)
    monkeypatch.setattr(NumpyArrayWrapper, "__module__", "joblib.numpy_pickle")
    file, data = io.BytesIO(), {7: {"pose_world": RNG.standard_normal((5, 72)), "trans_world": np.arange(15.0).reshape(5, 3), "name": "seven"}}
    JoblibPickler(file, alignment).dump(data)
    content = file.getvalue()
    assert same(read_plain_pickle(write(tmp_path, content)), data)
    with pytest.raises(KineliftError, match="no pickle of plain data"):
        read_plain_pickle(write(tmp_path, content[:-200]))


class Runs:
    def __init__(self, function: object, *arguments: object):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def canary(path: str) -> None:
    Path(path).write_text("ran")


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.system, canary, exec, getattr, np.frombuffer, np.load])
def test_what_would_run_code_is_refused_and_not_run(function: object, protocol: int, tmp_path: Path):
    mark = tmp_path / "mark"
    argument = {os.system: f"touch {mark}", exec: f"open({str(mark)!r}, 'w').close()"}.get(function, str(mark))
    with pytest.raises(KineliftError, match="would need code to run") as caught:
        read_plain_pickle(write(tmp_path, pickle.dumps({"a": [Runs(function, argument)]}, protocol)))
    assert "it asks for" in caught.value.message
    assert "numpy.save" in caught.value.remedy
    assert not mark.exists()


@pytest.mark.parametrize("value", [np.array([{}], object), np.array(["x"]), np.zeros(2, [("a", "f4")]), np.dtype("f8"), {1, 2}, range(3), Path("x"),
                                   np.datetime64(1, "s")])
def test_what_is_not_plain_is_refused(value: object, tmp_path: Path):
    with pytest.raises(KineliftError, match="no pickle of plain data"):
        read_plain_pickle(write(tmp_path, pickle.dumps([value], 4)))


def test_odd_files_are_refused(tmp_path: Path):
    loop: list = []
    loop.append(loop)
    for content in (b"", b"\x80", b"nonsense", pickle.dumps(loop), pickle.dumps(DATA)[:-30], b"\x80\x02Pid\n.", b"cos\nsystem\n(S'true'\ntR."):
        with pytest.raises(KineliftError, match="no pickle of plain data"):
            read_plain_pickle(write(tmp_path, content))
    with pytest.raises(KineliftError, match="can't be read"):
        read_plain_pickle(tmp_path / "nowhere.pkl")


@patient
@given(st.integers(0, 5), st.integers(0, 3000), st.binary(min_size=1, max_size=6))
def test_damaged_files_are_read_or_refused(protocol: int, place: int, damage: bytes):
    content = bytearray(pickle.dumps({"a": np.arange(20.0), "b": ["text", 3, {"c": (1, 2.5)}]}, protocol))
    place %= len(content)
    content[place : place + len(damage)] = damage
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"kinelift-damaged-{os.getpid()}.pkl"
    try:
        path.write_bytes(bytes(content))
        read_plain_pickle(path)
    except KineliftError as error:
        assert error.code == "bad-result"  # noqa: PT017  a file may survive its damage
    finally:
        path.unlink(missing_ok=True)
