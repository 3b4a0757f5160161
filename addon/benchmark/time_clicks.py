"""Measures what a retarget costs from the click on Apply Take to the last key, in the packaged extension. Runs in the bpy wheel;
`build.py bench retarget --clicks` runs it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from statistics import median

import addon_utils
import bpy
import numpy as np

from kinelift.addon.demo.make_demo import EXTENSION, install
from kinelift.backend.evaluation.clicks import Clicks, section, with_section
from kinelift.backend.motion.motion3d import Motion3D

CHECKOUT = Path(__file__).resolve().parents[2]
RIGS = {"rigify-human": ("basic_human", "basketball"), "rigify-horse": ("horse", "horse")}
"""Rig -> Blender's name of its metarig, and the pack that makes the motion."""

CONTROLS = ("FK", "IK")
FRAMES = 250
SECONDS = 6.0
REPETITIONS = 5


def motion_of(pack: str, python: Path, folder: Path) -> Path:
    """A new motion of a pack, played forth and back until it is long enough."""
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    subprocess.run([str(python), "-m", "backend", "generate", "--pack", pack, "--seconds", str(SECONDS), "--seed", "1", "--to", str(folder / pack)],
                   cwd=CHECKOUT, check=True, env=own, stdout=subprocess.DEVNULL)
    motion = Motion3D.load(next((folder / pack).glob("*.npz")))
    order = np.resize([*range(motion.frames), *range(motion.frames - 2, 0, -1)], FRAMES)
    tracks = {name: getattr(motion, name) for name in ("positions", "object_positions", "object_rotations", "rotations")}
    return replace(motion, **{name: track[order] for name, track in tracks.items() if track is not None}).save(folder / f"{pack}.npz")


def add_rig(metarig: str) -> None:
    """A fresh scene with a rig of Rigify's, generated, as the target."""
    bpy.ops.wm.read_homefile(use_empty=True)
    addon_utils.enable("rigify", default_set=True)
    getattr(bpy.ops.object, f"armature_{metarig}_metarig_add")()
    bpy.ops.pose.rigify_generate()
    bpy.context.scene.render.fps = 30
    bpy.context.scene.kinelift_retarget.target = bpy.context.object


def click() -> tuple[float, float]:
    """Applies the chosen take; seconds of the processor in Blender and in the backend."""
    began, before = time.process_time(), backend_seconds()
    if bpy.ops.kinelift.apply_take() != {"FINISHED"}:
        raise RuntimeError("the take was not applied")
    return time.process_time() - began, backend_seconds() - before


def backend_seconds() -> float:
    """Seconds of the processor that the backend has taken since it started; 0 before. Linux alone tells them of another process."""
    pid = getattr(import_module(f"{EXTENSION}.addon.runtime.session")._process, "pid", None)
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(motions: dict[str, Path]) -> Iterator[Clicks]:
    session, takes = (import_module(f"{EXTENSION}.addon.{name}") for name in ("runtime.session", "scene.takes"))
    for rig, (metarig, pack) in RIGS.items():
        for controls in CONTROLS:
            add_rig(metarig)
            scene = bpy.context.scene
            scene.kinelift_keys.controls = controls
            takes.add_take(scene, motions[pack], pack)
            session.stop()
            first = sum(click())
            in_blender, in_backend = zip(*(click() for _ in range(REPETITIONS)), strict=True)
            yield Clicks(rig, controls, FRAMES, median(in_blender), median(in_backend), first)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="build.py bench retarget --clicks", description=__doc__)
    parser.add_argument("--package", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--python", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help="put the section into this Markdown page, in the place of an earlier one")
    arguments = parser.parse_args(argv)
    install(arguments.package, arguments.python)
    bpy.ops.wm.save_userpref()
    with tempfile.TemporaryDirectory() as folder:
        clicks = list(measured({pack: motion_of(pack, arguments.python, Path(folder)) for _, pack in RIGS.values()}))
    command = " ".join(["python build.py bench retarget --clicks", *([f"--write {arguments.write}"] if arguments.write else [])])
    own = section(clicks, f"Blender {bpy.app.version_string}", REPETITIONS, command)
    print(own)
    if arguments.write:
        page = arguments.write.read_text(encoding="utf-8") if arguments.write.exists() else ""
        arguments.write.write_text(with_section(page, own), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
