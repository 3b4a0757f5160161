"""Finding packs and reading their cards. Standard library only: the sidebar reads cards without starting the backend."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SHIPPED = Path(__file__).parent
CARD, WEIGHTS = "card.json", "weights.safetensors"
CARD_ENTRIES = {"title": str, "kind": str, "skeleton": str, "fps": (int, float), "seconds": dict, "camera": dict, "network": dict, "diffusion": dict}


@dataclass(frozen=True)
class Pack:
    """A pack's folder and card. `problem` says why a pack on the path can't be used, or ""."""

    name: str
    folder: Path
    card: dict
    problem: str = ""

    @property
    def title(self) -> str:
        return self.card.get("title", self.name)

    @property
    def description(self) -> str:
        return self.problem or self.card.get("description", "")

    @property
    def kind(self) -> str:
        return self.card.get("kind", "")

    @property
    def skeleton(self) -> str:
        return self.card.get("skeleton", "")

    @property
    def fps(self) -> float:
        return float(self.card.get("fps", 0))

    @property
    def seconds_default(self) -> float:
        return float(self.card.get("seconds", {}).get("default", 6.0))

    @property
    def seconds_max(self) -> float:
        return float(self.card.get("seconds", {}).get("max", 6.0))


def read_pack(folder: Path) -> Pack:
    """Reads a pack's card; a broken one comes back with its `problem` instead of hiding."""
    folder = Path(folder)
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Pack(folder.name, folder, {}, f"{folder / CARD} can't be read ({error}). Copy the pack again.")
    if not isinstance(card, dict):
        return Pack(folder.name, folder, {}, f"{folder / CARD} is not a card. Copy the pack again.")
    wrong = [key for key, kind in CARD_ENTRIES.items() if not isinstance(card.get(key), kind)]
    if wrong:
        return Pack(folder.name, folder, {}, f"{folder / CARD} lacks {', '.join(wrong)}, or they are of the wrong kind. Copy the pack again.")
    if not (folder / WEIGHTS).is_file():
        return Pack(folder.name, folder, card, f"{folder / WEIGHTS} is missing. Copy the pack again.")
    return Pack(folder.name, folder, card)


def own_packs() -> Path:
    """Where `train` leaves the user's packs; it need not exist. It lies outside of Blender's folders, so that all versions find it."""
    if sys.platform == "win32":
        data = Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming")
    elif sys.platform == "darwin":
        data = Path.home() / "Library/Application Support"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return data / "kinelift/packs"


def search_path(extra: Iterable[Path | str] = ()) -> list[Path]:
    """Folders that hold packs: `extra`, those in KINELIFT_PACKS, the user's own, then the shipped ones."""
    named = [Path(entry) for entry in os.environ.get("KINELIFT_PACKS", "").split(os.pathsep) if entry]
    return [*map(Path, extra), *named, own_packs(), SHIPPED]


def list_packs(extra: Iterable[Path | str] = ()) -> list[Pack]:
    """All packs on the search path, the first of a name wins, sorted by title."""
    packs: dict[str, Pack] = {}
    for root in search_path(extra):
        for card in sorted(root.glob(f"*/{CARD}")) if root.is_dir() else []:
            packs.setdefault(card.parent.name, read_pack(card.parent))
    return sorted(packs.values(), key=lambda pack: pack.title)


def add_arguments(parser) -> None:
    parser.add_argument("--cards", action="store_true", help="print the whole cards")


def run(arguments) -> int:
    for pack in list_packs():
        print(f"{pack.name:20} {pack.title} - {pack.description}\n{'':20} {pack.folder}")
        if arguments.cards:
            print(json.dumps(pack.card, indent=2))
    return 0
