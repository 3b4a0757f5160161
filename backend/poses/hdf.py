"""HDF5 files with h5py alone: pandas tables too, whose column labels are read from their pickle's text without running it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from backend.plain_pickle import BrokenPickle, NeedsCode, plain_pickle
from backend.poses.content import refuse

AS_CSV = "Export the predictions as CSV and choose that file"
FAILURES = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, UnicodeError, IndexError, OverflowError, MemoryError)
"""What h5py raises where a file is broken or not what it seems."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The open h5py.File. What h5py can't read inside the block becomes a KineliftError."""
    try:
        import h5py
    except ImportError:
        refuse("HDF5 files need the package h5py", "Set the backend up again, or install what backend/requirements.lock lists", path, "missing-package")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except FAILURES as error:
        refuse(f"this is not a readable HDF5 file ({str(error)[:200]})", AS_CSV, path)


def pandas_table(path: Path) -> tuple[list[tuple[str, ...]], np.ndarray, np.ndarray]:
    """The one data frame of a file that pandas wrote, in either of its layouts: column labels, row index [T] and values [T,columns]."""
    with opened(path) as file:
        groups = [group for group in file.values() if "pandas_type" in group.attrs]
        if len(groups) != 1:
            refuse(f"there are {len(groups)} tables in the file", AS_CSV, path)
        labels, index, values = (_appendable if "table" in groups[0] else _fixed)(groups[0], path)
        if index.ndim != 1 or values.shape != (len(index), len(labels)):
            refuse(f"the table has {list(values.shape)} values for {len(index)} rows and {len(labels)} columns", AS_CSV, path)
        return labels, index, values


def _appendable(group, path: Path) -> tuple[list[tuple[str, ...]], np.ndarray, np.ndarray]:
    """format="table", which DeepLabCut writes: a row is an index and blocks of numbers, an attribute of each block holds its labels."""
    table = group["table"]
    rows = table[:]
    labels, blocks = [], []
    for name in rows.dtype.names:
        if name != "index":
            labels += _labels(table.attrs[f"{name}_kind"], path)
            blocks.append(rows[name].reshape(len(rows), -1))
    return labels, rows["index"], np.concatenate(blocks, 1).astype(np.float64)


def _fixed(group, path: Path) -> tuple[list[tuple[str, ...]], np.ndarray, np.ndarray]:
    """format="fixed": the labels are arrays of level values and, for each column, numbers into them."""
    labels, blocks = [], []
    for block in range(int(group.attrs["nblocks"])):
        levels = int(group.attrs[f"block{block}_items_nlevels"])
        names = [group[f"block{block}_items_level{level}"][:] for level in range(levels)]
        numbers = [group[f"block{block}_items_label{level}"][:] for level in range(levels)]
        if any(len(name) and (number.min(initial=0) < 0 or number.max(initial=0) >= len(name)) for name, number in zip(names, numbers)):
            refuse("a column has no label", AS_CSV, path)
        labels += [_label(label, path) for label in zip(*([name[index] for index in number] for name, number in zip(names, numbers)))]
        blocks.append(group[f"block{block}_values"][:])
    return labels, group["axis1"][:], np.concatenate(blocks, 1).astype(np.float64)


def _label(label: Any, path: Path) -> tuple[str, ...]:
    words = [word.decode("utf-8", "replace") if isinstance(word, bytes) else word for word in label] if isinstance(label, list | tuple) else []
    if not words or not all(isinstance(word, str) for word in words):
        refuse("a column has no names", AS_CSV, path)
    return tuple(words)


def _labels(data: bytes, path: Path) -> list[tuple[str, ...]]:
    """Column labels out of their pickle, which is read without being run. Raises KineliftError for one that could do more than name columns."""
    try:
        value = plain_pickle(data)
    except NeedsCode:
        refuse("the column labels would have to be unpickled, which could run a program", AS_CSV, path, "needs-unpickling")
    except BrokenPickle as error:
        refuse(f"the column labels can't be read ({error})", AS_CSV, path)
    return [_label(label, path) for label in value] if isinstance(value, list | tuple) else refuse("the columns have no names", AS_CSV, path)
