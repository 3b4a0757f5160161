"""Domain files: reading one, and saying where in it a mistake is."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from backend.errors import KineliftError

DOMAINS = Path(__file__).parent / "domains"
CENTRINGS = ("root", "root-horizontal", "first-frame")
SPLITS = ("train", "test")

Key = str | int
Check = tuple[str, Callable[[object], bool]]
"""What a value should be, in words, and whether it is."""


@dataclass(frozen=True)
class DomainFile:
    """A parsed domain file: path, its text, and the TOML in it as `settings`."""

    path: Path
    text: str
    settings: dict = field(repr=False)

    def place(self, *keys: Key) -> str:
        """The file and the line of an entry such as ("sources", 0, "files"); the nearest table's where the entry isn't written."""
        line = line_of(self.text, keys)
        return f"{self.path}, line {line}" if line else str(self.path)

    def mistake(self, message: str, remedy: str, *keys: Key) -> KineliftError:
        """An error that names the line of an entry."""
        return KineliftError(message, remedy, self.place(*keys), "bad-domain")

    def check(self, table: Mapping, checks: Mapping[str, Check], needed: set[str], *keys: Key) -> None:
        """Raises KineliftError unless the table at `keys` has all needed entries and those that are checked are what they should be."""
        spot = spelled(keys)
        for key, (wanted, holds) in checks.items():
            if key in table and not holds(table[key]):
                raise self.mistake(f"'{key}'{spot} is {table[key]!r}", f"Write {wanted}", *keys, key)
            if key in needed and key not in table:
                raise self.mistake(f"'{key}'{spot} is missing", f"Add it: {wanted}", *keys)


def read_domain_file(name_or_path: str, users: tuple[Path, ...] = ()) -> DomainFile:
    """Reads a shipped domain by name or a user's file by path; what it leaves out is that of the domain it is `based_on`.

    Raises KineliftError naming the file, the line and the remedy.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = DOMAINS / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(entry.stem for entry in DOMAINS.glob("*.toml")))
        raise KineliftError("there is no such domain", f"Name a .toml file or one of: {known}", str(name_or_path), "missing-file")
    try:
        text = path.read_text(encoding="utf-8")
        file = DomainFile(path, text, tomllib.loads(text))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KineliftError(f"this is not valid TOML ({error})", "Correct that line", str(path), "bad-domain") from error
    if "based_on" not in file.settings:
        return file
    file.check(file.settings, {"based_on": TEXT}, set())
    if path.resolve() in users:
        raise file.mistake(f"it is based on {file.settings['based_on']!r}, which is based on it", "Correct 'based_on'", "based_on")
    return replace(file, settings=_merged(read_domain_file(file.settings["based_on"], (*users, path.resolve())).settings, file.settings))


def _merged(base: dict, changes: dict) -> dict:
    """A table with the changes of another, which may reach into its tables but not into their lists."""
    both = {key: _merged(base[key], value) for key, value in changes.items() if isinstance(value, dict) and isinstance(base.get(key), dict)}
    return {**base, **changes, **both}


def spelled(keys: tuple[Key, ...]) -> str:
    """" of [a.b]", " of source 2", or "" for the top of the file."""
    if not keys:
        return ""
    if isinstance(keys[-1], int):
        return f" of {str(keys[-2]).removesuffix('s')} {keys[-1] + 1}"
    return f" of [{'.'.join(map(str, keys))}]"


def line_of(text: str, keys: tuple[Key, ...]) -> int:
    """The line, from 1, of the entry or else of the nearest table around it; 0 where none of it is written."""
    table: tuple[Key, ...] = ()
    counts: dict[str, int] = {}
    nearest = (0, 0)
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)([^\[\]]+)\]", line):
            name = header[2].strip()
            table = _parts(name)
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                table += (counts[name],)
            here = table
        elif entry := re.match(r"""\s*([\w."'-]+)\s*=""", line):
            here = table + _parts(entry[1])
        else:
            continue
        if here == keys[: len(here)] and len(here) > nearest[0]:
            nearest = (len(here), number)
    return nearest[1]


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"""\s*("[^"]*"|'[^']*'|[^."']+)""", name))


def is_signed(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_number(value: object) -> bool:
    return is_signed(value) and value >= 0


def is_positive(value: object) -> bool:
    return is_signed(value) and value > 0


def is_range(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_signed, value)) and value[0] <= value[1]


def is_positive_range(value: object) -> bool:
    return is_range(value) and value[0] > 0


def is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(is_text(one) for one in value)


def is_table(value: object) -> bool:
    return isinstance(value, dict)


def one_of(*values: str) -> Check:
    return f"one of: {', '.join(values)}", lambda value: value in values


NUMBER: Check = ("a number that is not negative", is_number)
POSITIVE: Check = ("a number above 0", is_positive)
CHANCE: Check = ("a number from 0 to 1", lambda value: is_number(value) and value <= 1)
ANGLES: Check = ("two angles in radians, from -1.5 to 1.5, the smaller first", lambda value: is_range(value) and value[0] >= -1.5 and value[1] <= 1.5)
POSITIVES: Check = ("two positive numbers, the smaller first", is_positive_range)
DISTANCE: Check = ("a number above 0, or two of them for distances in between", lambda value: is_positive(value) or is_positive_range(value))
TEXT: Check = ("a text in quotes", is_text)
TEXTS: Check = ("a text in quotes or a list of them", lambda value: is_text(value) or is_texts(value))
SWITCH: Check = ("true or false", lambda value: isinstance(value, bool))
TABLE: Check = ("a table", is_table)

TOP: dict[str, Check] = {
    "title": TEXT, "description": ("a text in quotes", lambda value: isinstance(value, str)), "skeleton": TEXT, "fps": POSITIVE,
    "centring": one_of(*CENTRINGS), "centre_height": NUMBER, "seconds": TABLE, "camera": TABLE, "detector": TABLE, "lift": TABLE,
    "sources": ("a list of [[sources]]", lambda value: isinstance(value, list) and bool(value) and all(map(is_table, value))),
    "joints": ("[joints.NAME] tables, or the name of a domain that has them", lambda value: is_text(value) or is_table(value)),
    "widening": ("[widening.NAME] tables", lambda value: is_table(value) and all(map(is_table, value.values()))),
}
NEEDED = {"title", "skeleton", "fps", "centring", "seconds", "camera", "sources"}
FILMED = {"detector", "joints"}
"""Entries that a domain needs besides where it films 3D clips; one for data that are 2D already does without."""

TABLES: dict[str, dict[str, Check]] = {
    "seconds": {"default": POSITIVE, "min": POSITIVE, "max": POSITIVE},
    "camera": {"distance": DISTANCE, "elevation": ANGLES, "scale": POSITIVE},
    "detector": {"noise": NUMBER, "miss": CHANCE},
    "lift": {"views": POSITIVE, "height": POSITIVE, "standing_height": NUMBER},
}
OBJECT_DETECTOR: dict[str, Check] = {"lost_object": POSITIVE}
SOURCE: dict[str, Check] = {
    "name": TEXT, "licence": TEXT, "credit": ("a text in quotes", lambda value: isinstance(value, str)), "files": TEXTS, "joints": TEXT, "share": POSITIVE,
    "exclude": ("a list of texts", lambda value: value == [] or is_texts(value)), "split": one_of(*SPLITS), "stitch": SWITCH, "ball": SWITCH, "box": SWITCH,
    "widen": TEXT,
}
NEEDED_OF_SOURCE, NEEDED_OF_FILMED = {"name", "licence", "credit"}, {"files", "joints", "share"}
