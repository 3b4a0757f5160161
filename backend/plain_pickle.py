"""Values out of a pickle, whose instructions are read one by one and never run: texts, numbers, lists, tables and numpy arrays.

Files of `joblib`, whose arrays lie between the pickle's instructions, are read likewise; compressed ones are not.
"""

from __future__ import annotations

import codecs
import io
import math
import pickletools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

FAILURES = (KeyError, ValueError, TypeError, AttributeError, UnicodeError, IndexError, OverflowError, MemoryError, RecursionError, StopIteration)

VALUES = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2", "STRING",
          "SHORT_BINSTRING", "BINSTRING", "FLOAT", "BINFLOAT", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict}
NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
KNOWN = {f"{module} {name}": name for module in NUMPY for name in ("_reconstruct", "_frombuffer", "ndarray", "dtype", "scalar")} | {
    "_codecs encode": "encode", "__builtin__ bytes": "bytes", "builtins bytes": "bytes", "__builtin__ dict": "dict", "builtins dict": "dict",
    "collections OrderedDict": "dict", "collections defaultdict": "defaultdict", "joblib.numpy_pickle NumpyArrayWrapper": "joblib",
    "copy_reg _reconstructor": "reconstructor", "copyreg _reconstructor": "reconstructor", "__builtin__ object": "object", "builtins object": "object"}
"""The names of functions that arrays and tables mention, and what stands for each of them here."""


class NeedsCode(Exception):  # noqa: N818  what the pickle is, not what went wrong
    """A pickle that could be read only by running what it names."""


class BrokenPickle(Exception):  # noqa: N818
    """A pickle that is damaged or no pickle."""


class _Name(str):
    """A function that a pickle mentions; it is never called."""


@dataclass
class Record:
    """What is told of an object of another program: its class as `module name`, what it was made of, and its state. Nothing of it is made."""

    kind: str
    arguments: tuple = ()
    state: Any = None


class _Class(_Name):
    """The name of a class of which only records are made."""


class _Array:
    """An array whose content is still to come."""


class _Following:
    """An array of joblib's: its bytes follow the instruction that says what it is."""


class _Buffer(bytes):
    """Bytes that may change, of which protocol 5 makes arrays."""


class _Type:
    """The type of an array's numbers; `text` as numpy writes it."""

    def __init__(self, text: str):
        self.text, self.order = text, "|"


def plain_pickle(data: bytes, records: Collection[str] = ()) -> Any:
    """The value. An array of objects comes as a list, and one without dimensions as its object; tables of all kinds come as dictionaries.
    records: classes, as `module name`, whose objects come as a Record.

    Raises NeedsCode for an instruction that could do more than make a value, and BrokenPickle.
    """
    try:
        value = _read(io.BytesIO(bytes(data)), records)
        _check(value, set(), set())
        return value
    except FAILURES as error:
        raise BrokenPickle(str(error)[:200] or type(error).__name__) from error


def _read(file: BinaryIO, records: Collection[str]) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    mark = object()

    def since_mark() -> list[Any]:
        start = len(stack) - 1 - next(place for place, item in enumerate(reversed(stack)) if item is mark)
        items = stack[start + 1 :]
        del stack[start:]
        return items

    for opcode, argument, _ in _instructions(file):
        name = opcode.name
        if name == "MARK":
            stack.append(mark)
        elif name in VALUES:
            stack.append(argument)
        elif name == "BYTEARRAY8":
            stack.append(_Buffer(argument))
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name in ("LIST", "TUPLE", "DICT"):
            items = since_mark()
            stack.append(_table(items) if name == "DICT" else items if name == "LIST" else tuple(items))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            items = [stack.pop() for _ in range(int(name[-1]))]
            stack.append(tuple(items[::-1]))
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else since_mark()
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else since_mark()
            stack[-1].update(_table(items))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if argument is None else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            known = argument if name == "GLOBAL" else " ".join([stack.pop(), stack.pop()][::-1])
            stack.append(_Class(known) if known in records else _known(known))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            stack.append(_made(function, arguments) if name == "REDUCE" else _new(function, arguments))
        elif name == "BUILD":
            state, unfinished = stack.pop(), stack.pop()
            finished = _following(file, state) if isinstance(unfinished, _Following) else _finished(unfinished, state)
            stack.append(finished)
            memo.update({key: finished for key, value in memo.items() if value is unfinished})
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise NeedsCode(name)
    return stack.pop()


def _instructions(file: BinaryIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int]]:
    """As pickletools tells them, but the texts that Python 2 writes in protocol 0 may hold any bytes."""
    while True:
        place = file.tell()
        if file.read(1) == b"S":
            line = file.readline()
            if len(line) < 3 or line[:1] not in (b"'", b'"') or line[-2:] != line[:1] + b"\n":
                raise ValueError("a text does not end")
            yield pickletools.code2op["S"], codecs.escape_decode(line[1:-2])[0].decode("latin-1"), place
            continue
        file.seek(place)
        instruction = next(pickletools.genops(file))
        yield instruction
        if instruction[0].name == "STOP":
            return


def _table(items: list[Any]) -> dict:
    return dict(zip(items[::2], items[1::2], strict=True))


def _known(name: str) -> _Name:
    if name not in KNOWN:
        raise NeedsCode(name)
    return _Name(KNOWN[name])


def _record(function: Any, arguments: tuple) -> Record:
    if not isinstance(function, _Class):
        raise NeedsCode("an object")
    return Record(str(function), tuple(arguments))


def _new(function: Any, arguments: tuple) -> Any:
    if function == "joblib" and not isinstance(function, _Class) and arguments == ():
        return _Following()
    return _record(function, arguments)


def _made(function: Any, arguments: tuple) -> Any:
    if isinstance(function, _Class):
        return _record(function, arguments)
    if not isinstance(function, _Name):
        raise NeedsCode("REDUCE")
    if function == "_reconstruct":
        return _Array()
    if function == "dtype":
        return _Type(arguments[0])
    if function == "scalar":
        return _numbers(arguments[0], arguments[1], ())[()].item()
    if function == "_frombuffer":
        content, kind, shape, order, *axes = arguments
        return _numbers(kind, content, shape, "C").transpose(*axes) if order == "K" and axes else _numbers(kind, content, shape, order)
    if function == "encode" and arguments[1] in ("latin1", "latin-1"):  # bytes as Python 2 writes them
        return arguments[0].encode("latin-1")
    if function == "bytes" and arguments == ():
        return b""
    if function == "dict":
        return dict(*arguments)
    if function == "defaultdict":  # what it would make by itself is left out
        return dict(*arguments[1:])
    if function == "reconstructor" and arguments[1:] == ("object", None):  # an object as protocols 0 and 1 write it
        return _record(arguments[0], ())
    raise NeedsCode(function)


def _finished(unfinished: Any, state: tuple) -> Any:
    if isinstance(unfinished, _Type):
        unfinished.order = state[1]
        return unfinished
    if type(unfinished) is dict and isinstance(state, dict):
        return unfinished  # what a dictionary of another kind knows besides its entries
    if isinstance(unfinished, Record):
        unfinished.state = state
        return unfinished
    if not isinstance(unfinished, _Array):
        raise NeedsCode("BUILD")
    _, shape, kind, is_fortran, content = state
    if isinstance(content, list):
        return content if shape else content[0]
    if isinstance(content, str):  # Python 2's text is bytes
        content = content.encode("latin-1")
    return _numbers(kind, content, shape, "F" if is_fortran else "C")


def _following(file: BinaryIO, facts: dict) -> np.ndarray:
    """The array whose bytes come next in a file of joblib."""
    if facts.get("numpy_array_alignment_bytes") is not None:
        file.read(file.read(1)[0])
    dtype, shape = _dtype(facts["dtype"]), facts["shape"]
    return _numbers(facts["dtype"], file.read(max(0, dtype.itemsize * math.prod(shape))), shape, facts["order"])


def _dtype(kind: _Type) -> np.dtype:
    if not re.fullmatch(r"b1|[iu][1248]|f[248]|[SU]\d{1,6}", kind.text) or kind.order not in ("|", "<", ">", "="):
        raise NeedsCode(f"numpy.dtype {kind.text}")
    return np.dtype(f"{kind.order}{kind.text}")


def _numbers(kind: _Type, content: bytes, shape: tuple, order: str = "C") -> np.ndarray:
    dtype = _dtype(kind)
    if dtype.itemsize * math.prod(shape) != len(content):
        raise ValueError(f"an array of shape {list(shape)} has {len(content)} bytes")
    if order not in ("C", "F"):
        raise NeedsCode(f"an array of the order {order!r}")
    return np.frombuffer(bytes(content), dtype).reshape(shape, order=order) if len(content) else np.zeros(shape, dtype)


def _check(value: Any, around: set[int], done: set[int]) -> None:
    """Raises for what only stands for something else, and for what is inside of itself. around: identities of what the value is in; done: of what was
    looked at before."""
    if isinstance(value, _Name | _Type | _Array | _Following | _Buffer):
        raise NeedsCode(value if isinstance(value, _Name) else type(value).__name__.strip("_").lower())
    if not isinstance(value, dict | list | tuple | Record) or id(value) in done:
        return
    if isinstance(value, Record):  # may know itself
        done.add(id(value))
        _check([value.arguments, value.state], around, done)
        return
    if id(value) in around:
        raise ValueError("a list in itself")
    for one in [*value, *value.values()] if isinstance(value, dict) else value:
        _check(one, around | {id(value)}, done)
    done.add(id(value))
