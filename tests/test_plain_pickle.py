from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.plain_pickle import BrokenPickle, NeedsCode, Record, plain_pickle
from tests.properties import patient

PROTOCOLS = st.sampled_from([0, 1, 2, 3, 4])
LEAVES = st.text(max_size=8) | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.booleans() | st.none()
PLAIN = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
                     max_leaves=6)


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


class Trap:
    """An object whose unpickling would run a command."""

    def __reduce__(self):
        return os.system, ("touch trapped",)


class Own:
    pass


@pytest.mark.parametrize("value", [Trap(), Own(), {1, 2}, os.system, complex(1), bytearray(b"a"), np.dtype("O"), np.zeros(2, "M8[s]")])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_what_would_need_code_is_refused(value, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    if isinstance(value, np.dtype):
        value = np.zeros(2, [("a", "f4")])
    with pytest.raises(NeedsCode):
        plain_pickle(pickle.dumps([value], protocol))
    assert not list(tmp_path.iterdir())


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
