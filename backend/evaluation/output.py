"""What evaluations and benchmarks take from the command line and leave behind: other tools' results, pages, JSON, scores in a card."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from backend.errors import KineliftError
from backend.motion.files import write_bytes
from backend.packs.catalogue import CARD


def add_kinds(parser, *kinds: tuple[str, str, Callable, Callable]) -> None:
    """Commands below a command: name, help, what adds the arguments, what runs. The chosen one is `run_kind` of the arguments."""
    commands = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for name, text, add, run in kinds:
        one = commands.add_parser(name, help=text)
        add(one)
        one.set_defaults(run_kind=run)


def add_output_arguments(parser, what: str) -> None:
    """Options for what is written; `what` are the numbers."""
    parser.add_argument("--write", type=Path, help="write a Markdown page")
    parser.add_argument("--json", type=Path, help=f"write the {what} as JSON")


def write_output(arguments, page: Callable[[], str], data: Any) -> None:
    """Writes the page and the data where the options say, and prints the paths. Raises KineliftError."""
    if arguments.write:
        print(write_bytes(arguments.write, page().encode()))
    if arguments.json:
        print(write_bytes(arguments.json, (json.dumps(data, indent=2) + "\n").encode()))


def update_card(folder: Path, scores: dict) -> None:
    """Puts scores into the card of the pack in a folder, and prints its path. Raises KineliftError."""
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    card["scores"] = scores
    print(write_bytes(folder / CARD, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode()))


def named_folders(option: str, given: Sequence[str], taken: Collection[str]) -> dict[str, Path]:
    """Folders by name, from NAME=FOLDER. Raises KineliftError for another form and for a name that is taken."""
    found: dict[str, Path] = {}
    for one in given:
        name, _, folder = one.partition("=")
        if not name or not folder:
            raise KineliftError(f"{option} {one} names no row and folder", "Write it as NAME=FOLDER", code="bad-setting")
        if name in found or name in taken:
            raise KineliftError(f"there is already a row {name!r}", f"Give what {option} names another name", code="bad-setting")
        found[name] = Path(folder)
    return found
