from __future__ import annotations

import contextlib
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

from backend.plain_pickle import BrokenPickle, NeedsCode, Record, plain_pickle
from tests.properties import patient

PROTOCOLS = st.integers(0, pickle.HIGHEST_PROTOCOL)
LEAVES = st.text(max_size=8) | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.booleans() | st.none()
PLAIN = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
                     max_leaves=6)
RNG = np.random.default_rng(0)
DATA = {0: {"pose_world": RNG.standard_normal((4, 72)), "trans_world": RNG.standard_normal((4, 3)).astype(np.float32), "frames": np.arange(4),
            "name": "one", "score": 0.5, "list": [1, (2, None, True), "x"], "scalar": np.float64(1.5), "seen": np.array([True, False]),
            "turned": np.asfortranarray(RNG.standard_normal((3, 2))), "big": RNG.standard_normal(3).astype(">f8"), "none": np.zeros((0, 3)),
            "moved": np.moveaxis(RNG.standard_normal((2, 3, 4)), 0, 1), "fixed": np.frombuffer(bytes(range(6)), np.uint8)}}


def same(one: object, other: object) -> bool:
    if isinstance(one, dict):
        return type(other) is dict and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.shape == other.shape and one.dtype == other.dtype and np.array_equal(one, other)
    return one == other


@patient
@given(PLAIN, PROTOCOLS)
def test_plain_values_come_out(value, protocol: int):
    assert plain_pickle(pickle.dumps([value, value], protocol)) == [value, value]


@patient
@given(st.sampled_from(["<f4", ">f8", "<i8", "|u1", "|b1", "<U5"]), st.lists(st.integers(0, 3), max_size=3), st.booleans(), PROTOCOLS)
def test_arrays_come_out(kind: str, shape: list[int], is_fortran: bool, protocol: int):
    array = np.asarray((np.arange(np.prod(shape, dtype=int)) % 7).reshape(shape).astype(kind), order="F" if is_fortran else "C")
    read = plain_pickle(pickle.dumps({"a": array, "again": [array, array[..., :1].sum() if array.dtype.kind in "fiu" and shape else 1]}, protocol))
    assert np.array_equal(read["a"], array)
    assert read["a"].dtype == array.dtype
    assert read["again"][0] is read["a"]


def test_an_array_of_objects_is_a_list_or_its_object():
    assert plain_pickle(pickle.dumps(np.array({"a": 1}, dtype=object))) == {"a": 1}
    assert plain_pickle(pickle.dumps(np.array([{"a": 1}, None], dtype=object))) == [{"a": 1}, None]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol(protocol: int):
    assert same(DATA, plain_pickle(pickle.dumps(DATA, protocol)))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_dictionaries_of_all_kinds_are_dictionaries(protocol: int):
    """WHAM's results are a defaultdict of dictionaries."""
    results: defaultdict = defaultdict(dict)
    results[0]["x"] = np.ones(2)
    ordered = OrderedDict(a=1)
    ordered.note = "left out"
    assert same([{0: {"x": np.ones(2)}}, {"a": 1}], plain_pickle(pickle.dumps([results, ordered], protocol)))


class NumpyArrayWrapper:
    """What joblib writes in the place of an array; its bytes follow."""

    def __init__(self, array: np.ndarray, alignment: int | None):
        self.subclass, self.shape, self.dtype, self.allow_mmap = np.ndarray, array.shape, array.dtype, True
        self.order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
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
        wrapper = NumpyArrayWrapper(one, self.alignment)
        super().save(wrapper)
        self.framer.commit_frame(force=True)
        if self.alignment:
            padding = self.alignment - (self.handle.tell() + 1) % self.alignment
            self.handle.write(bytes([padding]) + b"\xff" * padding)
        self.handle.write(one.tobytes(wrapper.order))
        return None


@pytest.mark.parametrize("alignment", [None, 16])
def test_files_of_joblib_are_read(alignment: int | None, monkeypatch: pytest.MonkeyPatch):
    module = types.ModuleType("joblib.numpy_pickle")
    module.NumpyArrayWrapper = NumpyArrayWrapper
    monkeypatch.setitem(sys.modules, "joblib", types.ModuleType("joblib"))
    monkeypatch.setitem(sys.modules, "joblib.numpy_pickle", module)
    monkeypatch.setattr(NumpyArrayWrapper, "__module__", "joblib.numpy_pickle")
    file, data = io.BytesIO(), {7: {"pose_world": RNG.standard_normal((5, 72)), "trans_world": np.asfortranarray(np.arange(15.0).reshape(5, 3)),
                                    "name": "seven"}}
    JoblibPickler(file, alignment).dump(data)
    content = file.getvalue()
    assert same(data, plain_pickle(content))
    with pytest.raises(BrokenPickle):
        plain_pickle(content[:-200])
    file = io.BytesIO()
    JoblibPickler(file, alignment).dump([np.array([{}], object)])  # joblib writes them as a pickle of their own
    with pytest.raises(NeedsCode):
        plain_pickle(file.getvalue())


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
    with pytest.raises(NeedsCode, match=getattr(function, "__name__", "")):
        plain_pickle(pickle.dumps({"a": [Runs(function, argument)]}, protocol))
    assert not mark.exists()


class Trap:
    """An object whose unpickling would run a command."""

    def __reduce__(self):
        return os.system, ("touch trapped",)


class Own:
    pass


@pytest.mark.parametrize("value", [Trap(), Own(), {1, 2}, os.system, complex(1), bytearray(b"a"), np.dtype("O"), np.zeros(2, "M8[s]"),
                                   np.dtype("f8"), range(3), Path("x"), np.datetime64(1, "s"), np.zeros(2, [("a", "f4")]), dict, np.ndarray])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_what_would_need_code_is_refused(value, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NeedsCode):
        plain_pickle(pickle.dumps([value], protocol))
    assert not list(tmp_path.iterdir())


def test_odd_files_are_refused():
    loop: list = []
    loop.append(loop)
    inside: dict = {"a": [1]}
    inside["a"].append((inside,))
    for content in (b"", b"\x80", b"nonsense", pickle.dumps(loop), pickle.dumps(inside), pickle.dumps(DATA)[:-30]):
        with pytest.raises(BrokenPickle):
            plain_pickle(content)
    for content in (b"\x80\x02Pid\n.", b"cos\nsystem\n(S'true'\ntR."):
        with pytest.raises(NeedsCode):
            plain_pickle(content)


def test_what_is_there_many_times_is_looked_at_once():
    value: list = [1]
    for _ in range(60):
        value = [value, value]
    read = plain_pickle(pickle.dumps(value))
    assert read[0] is read[1]


@patient
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes):
    with contextlib.suppress(NeedsCode, BrokenPickle):
        plain_pickle(data)


@patient
@given(st.data())
def test_a_damaged_pickle_is_read_or_refused(data: st.DataObject):
    content = bytearray(pickle.dumps({"motions": np.arange(12.0).reshape(2, 2, 3), "names": ["a", ("b", 3)], "n": None}, data.draw(PROTOCOLS)))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NeedsCode, BrokenPickle):
        plain_pickle(bytes(content))


@patient
@given(st.integers(0, 5), st.integers(0, 3000), st.binary(min_size=1, max_size=6))
def test_damaged_places_are_read_or_refused(protocol: int, place: int, damage: bytes):
    content = bytearray(pickle.dumps({"a": np.arange(20.0), "b": ["text", 3, {"c": (1, 2.5)}]}, protocol))
    place %= len(content)
    content[place : place + len(damage)] = damage
    with contextlib.suppress(NeedsCode, BrokenPickle):
        plain_pickle(bytes(content))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_objects_come_as_records_where_their_class_is_named(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    own = Own()
    own.numbers, own.again = np.arange(3), own
    kind = f"{Own.__module__} Own"
    read = plain_pickle(pickle.dumps({"one": own, "two": own}, protocol), {kind})
    assert isinstance(read["one"], Record) and read["two"] is read["one"] and read["one"].kind == kind
    assert read["one"].state["numbers"].tolist() == [0, 1, 2] and read["one"].state["again"] is read["one"]
    for others in (Trap(), object(), {1, 2}):
        with pytest.raises(NeedsCode):
            plain_pickle(pickle.dumps([own, others], protocol), {kind})
    assert not list(tmp_path.iterdir())


def test_what_is_named_is_told_but_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    read = plain_pickle(pickle.dumps(Trap(), 2), {"posix system", "nt system"})
    assert read.arguments == ("touch trapped",)
    assert not list(tmp_path.iterdir())


def test_arrays_of_python_2_come_out():
    """Their bytes are texts; protocol 0 escapes them."""
    before = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'u1'\nI0\nI1\ntR"
    dtype = b"(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb"
    assert plain_pickle(before + dtype + b"I00\nS'\\xff\\n'\ntb.").tolist() == [255, 10]
    assert plain_pickle(before + dtype + b"I00\nU\x02\xff\ntb.").tolist() == [255, 10]
    for broken in (b"S'ab\ntb.", b"Sab\ntb.", b"S'\ntb.", b"S'ab'"):
        with pytest.raises(BrokenPickle):
            plain_pickle(before + dtype + b"I00\n" + broken)
