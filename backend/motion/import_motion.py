"""`import-motion`: motions of other programs as motion files. A BVH file, the results of the MAS program, or a motion file of ours."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from backend import __version__
from backend.errors import KineliftError
from backend.motion.bvh import read_bvh
from backend.motion.mas_results import read_results
from backend.motion.motion3d import Motion3D
from backend.motion.recognition import TO_Z_UP, guess_scale, guess_up, recognise
from backend.packs.mas_datasets import DATASETS
from rigs import load_skeleton

FARTHEST = 1e5
"""Metres from the origin beyond which a scale can't be right."""

CHOICES = {".bvh": ("scale", "up", "fps", "preset"), ".npy": ("scale", "fps", "data"), ".npz": ()}
"""What each kind of file leaves the user to say."""


@dataclass(frozen=True)
class ImportSettings:
    """What the user says of a file; 0 and "" where the file is to say it. scale: metres of one of its units; up: its axis that points up;
    fps: frames a second; preset: name or file of a rig preset that names its joints; data: data set of MAS results."""

    file: str
    scale: float = 0.0
    up: str = ""
    fps: float = 0.0
    preset: str = ""
    data: str = ""

    def check(self) -> None:
        """Raises KineliftError for values that mean nothing."""
        for name, value in (("scale", self.scale), ("fps", self.fps)):
            if not (math.isfinite(value) and value >= 0):
                _refuse(f"a {name} of {value} means nothing", "Give a positive number, or 0 to take the file's", "", "bad-setting")
        if self.up and self.up not in TO_Z_UP:
            _refuse(f"no axis is called {self.up!r}", f"Choose one of: {', '.join(TO_Z_UP)}", "", "bad-setting")
        if self.data and self.data not in DATASETS:
            _refuse(f"there is no data set {self.data!r}", f"Choose one of: {', '.join(DATASETS)}", "", "bad-setting")


@dataclass(frozen=True)
class Imported:
    """A motion, and in sentences what was guessed and what is missing."""

    motion: Motion3D
    notes: tuple[str, ...]


def _refuse(message: str, remedy: str, place: Path | str, code: str) -> NoReturn:
    raise KineliftError(message, remedy, str(place), code)


def read_motions(settings: ImportSettings) -> list[Imported]:
    """Every motion in a file, in the world in metres. Raises KineliftError naming the file, the spot and the remedy."""
    settings.check()
    path = Path(settings.file)
    readers = {".bvh": _from_bvh, ".npy": _from_results, ".npz": _from_motion_file}
    if path.suffix.lower() not in readers:
        _refuse(f"files {path.suffix or 'without an ending'} hold no motion that can be read", f"Choose one of: {', '.join(readers)}", path, "bad-motion")
    if not path.is_file():
        _refuse("there is no such file", "Check the path", path, "missing-file")
    unused = [name for name in ("scale", "up", "fps", "preset", "data") if getattr(settings, name) and name not in CHOICES[path.suffix.lower()]]
    if unused:
        _refuse(f"{path.suffix} files leave no choice of {', '.join(unused)}", f"Leave out --{', --'.join(unused)}", path, "bad-setting")
    return readers[path.suffix.lower()](path, settings)


def _from_motion_file(path: Path, settings: ImportSettings) -> list[Imported]:
    return [Imported(Motion3D.load(path), ())]


def _from_bvh(path: Path, settings: ImportSettings) -> list[Imported]:
    bvh = read_bvh(path)
    if not (settings.fps or bvh.frame_time):
        _refuse("the frame time means nothing", "Say the frames a second with --fps", path, "bad-bvh")
    names, positions = [joint.name for joint in bvh.joints], bvh.positions()
    figure = recognise(names, bvh.parents, [bvh.rest(), positions[0]], settings.preset)
    up = settings.up or guess_up(figure, names, positions)
    scale, why = (settings.scale, "as you said") if settings.scale else guess_scale(figure, names, positions)
    positions = scale * positions @ np.array(TO_Z_UP[up], float).T
    if not (np.abs(positions) < FARTHEST).all():
        _refuse(f"with the scale {scale:g} joints are {np.abs(positions).max():.3g} m away", "Give another scale (--scale), or export the file again", path,
                "bad-bvh")
    notes = [f"scale {scale:.4g}: {why}", f"{up.upper()} is up", f"joints: {figure.title}" if figure.roles else "no joint was recognised"]
    if figure.missing or not figure.kind:
        missing = f" {', '.join(figure.missing)}" if figure.missing else " the legs"
        notes.append(f"nothing was found for{missing}: the motion plays, but can't be put on an armature unless a preset names its joints")
    provenance = {"kinelift": __version__, "file": path.name, "format": "bvh", "scale": scale, "up": up, "joints": figure.title}
    motion = Motion3D(positions, names, bvh.parents, settings.fps or bvh.fps, provenance=provenance, roles=figure.roles)
    return [Imported(motion, tuple(notes))]


def _from_results(path: Path, settings: ImportSettings) -> list[Imported]:
    samples, data = read_results(path, settings.data)
    facts, skeleton = DATASETS[data], load_skeleton(DATASETS[data].skeleton)
    order = [facts.keypoints.index(name) for name in skeleton.keypoints]
    joints, imported = len(skeleton.joints), []
    for number, sample in enumerate(samples):
        points = sample[:, order][..., [0, 2, 1]]  # left-handed, y up -> right-handed, z up
        scale = settings.scale or 1.0
        points = scale * points
        points[..., 2] -= points[:, [skeleton.joints.index(foot) for foot in skeleton.feet], 2].min()
        if not (np.abs(points) < FARTHEST).all():
            _refuse(f"sample {number} has joints {np.abs(points).max():.3g} m away", "Give another scale (--scale)", path, "bad-results")
        provenance = {"kinelift": __version__, "file": path.name, "format": "mas", "sample": number, "data": data, "scale": scale}
        objects = points[:, joints : joints + len(skeleton.objects)]
        motion = Motion3D(points[:, :joints], list(skeleton.joints), list(skeleton.parents), settings.fps or facts.fps, skeleton.name,
                          list(skeleton.objects), objects if skeleton.objects else None, provenance=provenance)
        imported.append(Imported(motion, (f"sample {number} of {data}, the lowest foot on the floor",)))
    return imported


def import_file(settings: ImportSettings, out: Path, report: Callable[[float, str], None] = lambda fraction, message: None) -> tuple[list[Path], list[str]]:
    """Writes the motions of a file to `out`, numbered where there are several. Returns the paths and the notes. Raises KineliftError or Cancelled."""
    report(0.0, "Reading the file")
    imported = read_motions(settings)
    report(0.9, "Writing the motion")
    paths = [one.motion.save(out if len(imported) == 1 else out.with_name(f"{out.stem}_{number}{out.suffix}")) for number, one in enumerate(imported)]
    report(1.0, "Read")
    return paths, list(dict.fromkeys(note for one in imported for note in one.notes))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a .bvh, a results.npy of the MAS program, or a motion file (.npz)")
    parser.add_argument("--to", type=Path, required=True, metavar="MOTION.npz", help="the motion file; several are numbered")
    parser.add_argument("--scale", type=float, default=0.0, help="metres of one unit of the file; guessed from the legs without it")
    parser.add_argument("--up", default="", choices=TO_Z_UP, metavar="AXIS", help="the file's axis that points up: x, y, z (-x as --up=-x); guessed without it")
    parser.add_argument("--fps", type=float, default=0.0, help="frames a second; the file's without it")
    parser.add_argument("--preset", default="", help="a rig preset, or a file of one, that names the joints; found by names and shape without it")
    parser.add_argument("--data", default="", choices=DATASETS, help="data set of MAS results; told by the number of keypoints without it")


def run(arguments: argparse.Namespace) -> int:
    chosen = {key: value for key, value in vars(arguments).items() if key in ImportSettings.__dataclass_fields__}
    paths, notes = import_file(ImportSettings(**chosen), arguments.to)
    for note in notes:
        print(f"note: {note}")
    for path in paths:
        print(path)
    return 0
