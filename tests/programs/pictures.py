"""The pictures in docs/images/retarget: shipped packs' motions beside the rigs they were put on.

Runs in the development environment; `build.py pictures` runs it. The characters are not part of the checkout.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image

from tests.programs.places import BUILD, DEMO_WHEEL, ROOT
from tests.programs.run import BpyWheel
from tests.programs.steps import SetupError, execute, step

SEEDS = {"basketball": 3, "horse": 2, "cat": 13, "carrying": 2}
"""Pack -> seed."""

PICTURES = {
    "human-rigify": ("rigify-human", "basketball"),
    "human-mesh2motion": ("human/m2m_human-base-animations.glb", "basketball"),
    "human-quaternius": ("human/quaternius_human-male.glb", "basketball"),
    "box-quaternius": ("human/quaternius_human-male.glb", "carrying"),
    "horse-mesh2motion": ("horse/m2m_horse-animations.glb", "horse"),
    "horse-quaternius": ("horse/quaternius_Horse.glb", "horse"),
    "horse-rigify": ("rigify-horse", "horse"),
    "cat-mesh2motion": ("cat/m2m_fox-fox.glb", "cat"),
    "cat-quaternius": ("cat/quaternius_ShibaInu.glb", "cat"),
    "cat-rigify": ("rigify-cat", "cat"),
}
"""Picture -> rig, a file below the folder of characters or one of Rigify's, and motion."""

ROOT_MOTION = {"human-mesh2motion": "root_bone"}
"""Picture -> what goes over the ground, where it isn't the hips: some of that mannequin's heels hangs on its root bone."""

LARGEST = 150_000
"""Bytes of a picture."""

COLOURS = (256, 160, 96, 64)
TIMEOUT = 3600


def motion_of(pack: str, folder: Path) -> Path:
    """The motion file of a pack."""
    execute([sys.executable, "-m", "backend", "generate", "--pack", pack, "--seconds", "6", "--seed", str(SEEDS[pack]), "--to", str(folder / pack)],
            "Look at the lines above")
    return next((folder / pack).glob("*.npz"))


def shrink(path: Path, to: Path, largest: int = LARGEST) -> None:
    """Writes a picture with as many colours as its size in bytes allows. Raises SetupError where it stays too large."""
    picture = Image.open(path).convert("RGB")
    for colours in COLOURS:
        picture.quantize(colours, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(to, optimize=True)
        if to.stat().st_size <= largest:
            return
    raise SetupError(f"{to.name} is larger than {largest} bytes", "Lower the size of the cells in addon/demo")


def main() -> None:
    parser = argparse.ArgumentParser(prog="build.py pictures", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--characters", type=Path, required=True, help="folder with the glTF characters, in folders human, horse and cat")
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=list(PICTURES), help="these pictures alone")
    parser.add_argument("--to", type=Path, default=ROOT / "docs/images/retarget", help="folder for the pictures")
    arguments = parser.parse_args()
    folder = BUILD / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    arguments.to.mkdir(parents=True, exist_ok=True)
    wheel = BpyWheel(DEMO_WHEEL, folder / "blender-user")
    motions = {pack: motion_of(pack, folder) for pack in {PICTURES[name][1] for name in arguments.only}}
    for name in arguments.only:
        rig, motion = PICTURES[name]
        with step(name):
            place = arguments.characters / rig if rig.endswith(".glb") else rig
            print(wheel.run(ROOT / "addon/demo/side_by_side.py", "--rig", place, "--motion", motions[motion], "--python", sys.executable,
                            "--root-motion", ROOT_MOTION.get(name, "hips"), "--to", folder / f"{name}.png", timeout=TIMEOUT).stdout.splitlines()[-1])
            shrink(folder / f"{name}.png", arguments.to / f"{name}.png")


if __name__ == "__main__":
    main()
