"""The content of a file or folder as a reader wants it: parsed once, and whatever is not as expected names its place."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from backend.errors import KineliftError

REMEDY = "Write the file again, or say its format with --format"
HEAD = 1 << 18
"""Bytes that are enough to see what a file is; a table of many animals has long header rows."""


def refuse(message: str, remedy: str, place: object = "", code: str = "bad-poses") -> NoReturn:
    """Raises the KineliftError of a pose file."""
    raise KineliftError(message, remedy, str(place), code)


@dataclass(frozen=True)
class Options:
    """What the user says of a file; None where the file is to say it. image_size is (width, height) in pixels, fps in frames a
    second, focal in pixels; joints is a name in joint_sets.toml; y_up tells that y grows upwards."""

    fps: float | None = None
    image_size: tuple[int, int] | None = None
    focal: float | None = None
    joints: str | None = None
    y_up: bool = False


class Node:
    """A value in a JSON file that knows where it stands: its errors name the file and the path to it."""

    __slots__ = ("value", "where")

    def __init__(self, value: Any, where: str):
        self.value, self.where = value, where

    def bad(self, expected: str) -> NoReturn:
        found = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(type(self.value), "a number")
        refuse(f"here should be {expected}, not {found}", REMEDY, self.where)

    def __getitem__(self, key: str) -> Node:
        found = self.get(key)
        if found is None:
            refuse(f"{key!r} is missing", REMEDY, self.where)
        return found

    def get(self, key: str) -> Node | None:
        """The field, or None where it is missing or null."""
        if not isinstance(self.value, dict):
            self.bad("an object")
        return None if self.value.get(key) is None else Node(self.value[key], f"{self.where}.{key}")

    def items(self) -> list[Node]:
        if not isinstance(self.value, list):
            self.bad("a list")
        return [Node(value, f"{self.where}[{index}]") for index, value in enumerate(self.value)]

    def fields(self) -> dict[str, Node]:
        if not isinstance(self.value, dict):
            self.bad("an object")
        return {key: Node(value, f"{self.where}.{key}") for key, value in self.value.items()}

    def number(self) -> float:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or abs(self.value) > 1e15 or not math.isfinite(self.value):
            self.bad("a finite number")
        return float(self.value)

    def whole(self) -> int:
        if self.number() % 1:
            self.bad("a whole number")
        return int(self.value)

    def text(self) -> str:
        if not isinstance(self.value, str):
            self.bad("a text")
        return self.value

    def first(self) -> Node:
        """What stands innermost first: ids and scores come as 3, [3] or [[3]]."""
        node = self
        while isinstance(node.value, list) and node.value:
            node = Node(node.value[0], f"{node.where}[0]")
        return node

    def table(self, columns: int | tuple[int, ...]) -> np.ndarray:
        """Numbers as [rows, columns] float64, be they flat or nested; null is NaN. The first of `columns` that fits is taken."""
        try:
            array = np.asarray(self.value, np.float64)
        except (TypeError, ValueError, OverflowError, RecursionError):
            self.bad("a list of numbers of equal shape")
        columns = (columns,) if isinstance(columns, int) else columns
        fitting = [count for count in columns if array.ndim and array.size % count == 0 and (array.ndim == 1 or array.shape[-1] in (count, array.size))]
        if not fitting or array.ndim > 3:
            self.bad(f"a list of {' or '.join(str(count) for count in columns)} numbers a point")
        return array.reshape(-1, fitting[0])

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Flat (x, y, c, ...) or nested points as places [J,2] and confidences [J]; without a third number the confidence is 1."""
        nested = isinstance(self.value, list) and self.value and isinstance(self.value[0], list)
        table = self.table((3, 2) if nested else 3)
        return table[:, :2], table[:, 2] if table.shape[1] == 3 else np.ones(len(table))


class Source:
    """A file or folder that is to be read. Raises KineliftError where it is missing or can't be read."""

    def __init__(self, path: Path | str):
        self.path = Path(path)
        try:
            self.is_folder = self.path.is_dir()
            if not self.is_folder and not self.path.is_file():
                refuse("there is no such file or folder", "Check the path", path, "missing-file")
        except (OSError, ValueError) as error:
            refuse(f"the path can't be used ({error})", "Check the path", path, "missing-file")

    def inside(self, suffix: str) -> list[Source]:
        """The files of a folder with that suffix, numbers in their names in order."""
        if not self.is_folder:
            return []
        return [Source(path) for path in sorted(self.path.iterdir(), key=natural) if path.suffix.lower() == suffix and path.is_file()]

    @cached_property
    def content(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            refuse(f"the file can't be read ({error.strerror})", "Close the program that uses it, or get read permission", self.path, "missing-file")

    @cached_property
    def head(self) -> bytes:
        if self.is_folder:
            return b""
        try:
            with self.path.open("rb") as file:
                return file.read(HEAD)
        except OSError as error:
            refuse(f"the file can't be read ({error.strerror})", "Close the program that uses it, or get read permission", self.path, "missing-file")

    @cached_property
    def text(self) -> str:
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            refuse(f"this is not text in UTF-8 (byte {error.start})", "Save it as UTF-8, or say its format with --format", self.path)

    @property
    def may_be_json(self) -> bool:
        return self.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")

    @cached_property
    def json(self) -> Node:
        try:
            return Node(json.loads(self.text), str(self.path))
        except (ValueError, RecursionError) as error:
            refuse(f"this is not readable JSON ({str(error)[:100]})", "Let the program finish and write the file again", self.path)

    @cached_property
    def sample(self) -> Any:
        """The JSON as plain Python to look at, None where there is none."""
        return self.json.value if self.may_be_json else None


def natural(path: Path | str) -> list:
    """A sorting key by which frame2 comes before frame10."""
    return [(0, int(part), "") if part.isdecimal() and part.isascii() and len(part) < 19 else (1, 0, part)
            for part in re.split(r"([0-9]+)", Path(path).name)]


def first_entry(value: Any) -> Any:
    """The first element of a list that is not empty, else None."""
    return value[0] if isinstance(value, list) and value else None


def is_object(value: Any, *keys: str) -> bool:
    """True for a JSON object that has all of these keys."""
    return isinstance(value, dict) and all(key in value for key in keys)


def frame_numbers(names: list[str]) -> dict[str, int]:
    """Frame numbers of image or file names: the last number in each name where that tells them apart, else their order.

    `shot2_000000000012_keypoints.json` is frame 12, `7.jpg` is frame 7; names without a number are counted from 0.
    """
    names = list(dict.fromkeys(names))
    runs = {name: re.findall(r"[0-9]+", Path(name).stem) for name in names}
    numbers = {name: int(found[-1]) for name, found in runs.items() if found and len(found[-1]) < 13}
    if len(set(numbers.values())) == len(names):
        return numbers
    return {name: index for index, name in enumerate(sorted(names, key=natural))}
