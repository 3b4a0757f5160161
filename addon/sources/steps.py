"""Motion files of any kind become takes. Window, command line and scripts share it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.errors import KineliftError
from ...backend.motion.files import read_npz, whole_file
from ...backend.motion.motion3d import Motion3D
from ...backend.service.protocol import ImportParams
from ..runtime import session
from ..runtime.jobs import Steps
from ..runtime.location import new_job_folder
from ..scene import takes

ENDINGS = (".bvh", ".npz", ".npy")


@dataclass(frozen=True)
class Source:
    """A file, and what the user says of it; 0 and "" where the file is to say it. scale: metres of one of its units; up: its axis that
    points up; fps: frames a second; preset: a rig preset that names its joints."""

    file: Path
    scale: float = 0.0
    up: str = ""
    fps: float = 0.0
    preset: str = ""


def read_motions(source: Source, python: Path | None = None) -> Steps[tuple[list[Path], list[str]]]:
    """The motion files made of a source, and in sentences what was guessed. A motion file of ours needs no backend, and is kept as a copy.

    Raises KineliftError.
    """
    file = source.file.resolve()
    if file.suffix.lower() not in ENDINGS:
        raise KineliftError(f"files {file.suffix or 'without an ending'} hold no motion that can be read", f"Choose one of: {', '.join(ENDINGS)}", str(file),
                            "bad-motion")
    if file.suffix.lower() == ".npz":
        _refuse_poses(file)
        Motion3D.load(file)
        unused = [name for name in ("scale", "up", "fps", "preset") if getattr(source, name)]
        if unused:
            raise KineliftError(f".npz files leave no choice of {', '.join(unused)}", f"Leave out --{', --'.join(unused)}", str(file), "bad-setting")
        path = new_job_folder("import") / "motion.npz"
        with whole_file(path) as temporary:
            shutil.copyfile(file, temporary)
        return [path], []
    params = ImportParams(job_dir=str(new_job_folder("import")), file=str(file), scale=source.scale, up=source.up, fps=source.fps, preset=source.preset)
    result = yield from session.backend(python).run(params)
    return [Path(path) for path in result["motions"]], list(result["notes"])


def _refuse_poses(file: Path) -> None:
    if "keypoints" in read_npz(file, "motion file", "Use a .npz written by Kinelift", "bad-motion"):
        raise KineliftError("this file holds 2D poses, not a motion", "Lift it to 3D first", str(file), "bad-motion")


def import_takes(source: Source) -> Steps[tuple[list[str], list[str]]]:
    """The names of the new takes, the first of which is shown, and the notes."""
    motions, notes = yield from read_motions(source)
    scene = bpy.context.scene
    names = [takes.add_take(scene, motion, title=source.file.stem).name for motion in motions]
    takes.choose_take(scene, scene.kinelift_takes.find(names[0]))
    return names, notes
