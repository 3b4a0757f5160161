"""Pickles of plain data, read without running anything: lists, tuples, dictionaries, texts, numbers and arrays of numbers.

A pickle is a program that may call any function. Here every name that it asks for is looked up in a short list, on which stand only stand-ins
of this module: even `numpy.ndarray` in a file is `_Array` here, which takes shape and bytes and checks both. Any other name is refused before anything is
called. Files of `joblib`, whose arrays lie between the pickle's instructions, are read likewise; compressed ones are not.
"""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import BinaryIO

import numpy as np

from backend.errors import KineliftError

KINDS = "biuf"
MOST_ELEMENTS = 1 << 31
PLAIN = (bool, int, float, complex, str, bytes, bytearray, type(None))
REMEDY = "Save its arrays as .npy with numpy.save where you trust the file, and give those"


class _Type:
    """Stands in for numpy.dtype: a kind, a size and an order of bytes."""

    def __init__(self, name: str = "", *_flags: object):
        self.name, self.order = name, "|"

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def plain(self) -> np.dtype:
        if not isinstance(self.name, str) or self.name[:1] not in tuple(KINDS) or self.order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"an array of the type {self.name!r}")
        return np.dtype(self.name).newbyteorder(self.order)


class _Array:
    """Stands in for numpy.ndarray."""

    value: np.ndarray | None = None

    def __init__(self, *_arguments: object):
        pass

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, fortran, content = state
        self.value = _array(shape, kind, "F" if fortran else "C", content)


class _Wrapper:
    """Stands in for joblib's NumpyArrayWrapper: says what the bytes after it are."""

    def __init__(self, *_arguments: object):
        self.facts: dict = {}

    def __setstate__(self, state: dict) -> None:
        self.facts = dict(state)


def _array(shape: object, kind: object, order: object, content: object) -> np.ndarray:
    if not isinstance(kind, _Type) or not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
        raise pickle.UnpicklingError("an array that is not one of numbers")
    dtype = kind.plain()
    if not isinstance(content, bytes | bytearray) or len(content) != math.prod(shape) * dtype.itemsize:
        raise pickle.UnpicklingError(f"an array of shape {list(shape)} with another number of bytes")
    return np.frombuffer(bytes(content), dtype).reshape(shape, order="F" if order == "F" else "C")


def _from_buffer(content: bytes, kind: _Type, shape: tuple, order: str) -> np.ndarray:
    """Stands in for the function with which the pickles of protocol 5 make arrays."""
    return _array(shape, kind, order, content)


def _scalar(kind: _Type, content: bytes) -> object:
    """Stands in for the function that makes numpy's numbers."""
    return _array((), kind, "C", content).item()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands in for `_codecs.encode`, with which old pickles write bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError("text in another encoding")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    """Stands in for `bytes`, by which old pickles write that there are none."""
    return b""


def _mapping(*_factory: object) -> dict:
    """Stands in for dictionaries of all kinds; what they would make by themselves is left out."""
    return {}


NAMES = {
    **{(module, "_reconstruct"): _Array for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{(module, "scalar"): _scalar for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{(module, "_frombuffer"): _from_buffer for module in ("numpy.core.numeric", "numpy._core.numeric")},
    ("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Type, ("_codecs", "encode"): _encode, ("__builtin__", "bytes"): _no_bytes,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _Wrapper,
    ("collections", "defaultdict"): _mapping, ("collections", "OrderedDict"): _mapping, ("builtins", "dict"): _mapping, ("__builtin__", "dict"): _mapping,
}


class _Reader(pickle._Unpickler):  # the one written in Python: its instructions can be watched
    """Reads a pickle whose names are all in NAMES, and joblib's arrays on the way."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.file = file

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return NAMES[module, name]

    def persistent_load(self, _identity: object) -> None:
        raise pickle.UnpicklingError("it asks for an object from elsewhere")

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, dict) and isinstance(state, dict):
            return  # what a subclass of a dictionary knows besides its entries
        if not isinstance(target, _Type | _Array | _Wrapper):
            raise pickle.UnpicklingError(f"it changes a {type(target).__name__}")
        target.__setstate__(state)
        if isinstance(target, _Wrapper):
            self.stack[-1] = self._following(target.facts)

    dispatch[pickle.BUILD[0]] = load_build

    def _following(self, facts: dict) -> np.ndarray:
        """The array whose bytes come next in a file of joblib."""
        shape, kind = facts.get("shape"), facts.get("dtype")
        if not isinstance(kind, _Type) or not isinstance(shape, tuple) or not all(type(side) is int and side >= 0 for side in shape):
            raise pickle.UnpicklingError("an array that is not one of numbers")
        size = math.prod(shape) * kind.plain().itemsize
        if size > MOST_ELEMENTS:
            raise pickle.UnpicklingError(f"an array of {size} bytes")
        if facts.get("numpy_array_alignment_bytes") is not None:
            self.file.read(self.file.read(1)[0])
        return _array(shape, kind, facts.get("order"), self.file.read(size))


def _plain(value: object) -> object:
    """The value with arrays in the place of stand-ins; raises for what is not plain."""
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(one) for one in value)
    if isinstance(value, _Array) and value.value is not None:
        return value.value
    if type(value) in PLAIN or isinstance(value, np.ndarray):
        return value
    raise pickle.UnpicklingError(f"a {type(value).__name__}")


def read_plain_pickle(path: Path) -> object:
    """What a pickle or an uncompressed file of joblib holds, where that is plain data. Runs nothing from the file.

    Raises KineliftError naming the file and what in it is not plain.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise KineliftError(f"the file can't be read ({error.strerror})", "Check the path", str(path), "missing-file") from error
    try:
        return _plain(_Reader(io.BytesIO(content)).load())
    except Exception as error:  # a damaged pickle fails in whatever instruction comes next
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise KineliftError(f"the file is no pickle of plain data: reading it would need code to run, or it is compressed or damaged ({reason})", REMEDY,
                            str(path), "bad-result") from error
