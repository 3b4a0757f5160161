"""A lifted video as a picture, through the camera that the lift made and from another side.

Runs in the development environment; `build.py footage` runs it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.packs.catalogue import CARD, read_pack
from tests.programs.packaging import package_extension
from tests.programs.pictures import TIMEOUT, shrink
from tests.programs.places import BUILD, DEMO_WHEEL, ROOT
from tests.programs.run import BpyWheel
from tests.programs.steps import SetupError, step

LARGEST = 300_000
"""Bytes of a picture."""


def found_by_name(pack: str, folder: Path) -> tuple[str, dict[str, str]]:
    """The name of a pack that may be given by its folder, and the variables with which it is found by that. Raises SetupError."""
    if not (Path(pack) / CARD).is_file():
        return pack, {}
    place = Path(pack).resolve()
    problem = read_pack(place).problem
    if problem:
        raise SetupError(problem, "Give the folder of a whole pack with --pack")
    name = str(read_pack(place).card.get("name", place.name))
    link = folder / "packs" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(place, target_is_directory=True)
    return name, {"KINELIFT_PACKS": str(link.parent)}


def main(options: list[str]) -> None:
    folder, script = BUILD / "footage", ROOT / "addon/demo/over_footage.py"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = BpyWheel(DEMO_WHEEL, folder / "blender-user")
    if {"-h", "--help"} & set(options):
        print(wheel.run(script, "--help").stdout)
        return
    parser = argparse.ArgumentParser(prog="build.py footage", add_help=False)
    parser.add_argument("--pack", required=True)
    parser.add_argument("--to", type=Path, required=True)
    own, rest = parser.parse_known_args(options)
    pack, wheel.env = found_by_name(own.pack, folder)
    with step("extension package"):
        package = package_extension()
    picture = folder / own.to.name
    with step(own.to.stem):
        done = wheel.run(script, "--package", package, "--python", sys.executable, "--pack", pack, "--to", picture, *rest, timeout=TIMEOUT)
    own.to.parent.mkdir(parents=True, exist_ok=True)
    shrink(picture, own.to, LARGEST)
    print(*done.stdout.splitlines()[-2:], f"{own.to}: {own.to.stat().st_size / 1000:.0f} kB", sep="\n", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as error:
        sys.exit(f"[build] error: {error}")
