"""Fit files: where the backend has the bones of an armature, and the objects of the motion, in every frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...backend.errors import KineliftError
from ...backend.motion.files import read_npz

REMEDY = "Fit the motion again"
CODE = "bad-fit"


@dataclass(frozen=True)
class FitFile:
    """What a fit file tells (docs/architecture.md, Files), of T frames, N bones and K objects; None is what it doesn't have. path: its own."""

    path: Path
    bone_names: list[str]
    rotations: np.ndarray
    root_positions: np.ndarray
    fps: float
    scale: float
    ground_path: np.ndarray | None
    object_names: list[str]
    object_positions: np.ndarray
    object_holders: np.ndarray | None
    object_rotations: np.ndarray | None
    object_sizes: np.ndarray | None

    def way(self) -> np.ndarray:
        """The way over the ground [T,3]. Raises KineliftError where the file has none."""
        if self.ground_path is None:
            raise KineliftError("the fit does not tell the way over the ground", REMEDY, str(self.path), CODE)
        return self.ground_path


def read_fit(path: Path | str) -> FitFile:
    """Reads a fit file. Raises KineliftError naming it and the remedy."""
    arrays = read_npz(path, "fit file", REMEDY, CODE,
                      needed=("bone_names", "rotations", "root_positions", "fps", "scale", "object_names", "object_positions"))

    def array(name: str, *shape: int) -> np.ndarray | None:
        if name not in arrays:
            return None
        if arrays[name].shape != shape:
            raise KineliftError(f"{name!r} has shape {list(arrays[name].shape)}, not {list(shape)}", REMEDY, str(path), CODE)
        if arrays[name].dtype.kind == "U":
            return arrays[name]
        if not np.isfinite(arrays[name]).all():
            raise KineliftError(f"{name!r} holds values that are not numbers", REMEDY, str(path), CODE)
        return arrays[name].astype(float)

    frames, bones, objects = len(arrays["root_positions"]), len(arrays["bone_names"]), len(arrays["object_names"])
    fps, scale = float(array("fps")), float(array("scale"))
    if not frames or fps <= 0:
        raise KineliftError(f"the fit has {frames} frames at {fps:g} a second", REMEDY, str(path), CODE)
    return FitFile(
        path=Path(path),
        bone_names=[str(name) for name in arrays["bone_names"]],
        rotations=array("rotations", frames, bones, 4),
        root_positions=array("root_positions", frames, 3),
        fps=fps,
        scale=scale,
        ground_path=array("ground_path", frames, 3),
        object_names=[str(name) for name in arrays["object_names"]],
        object_positions=array("object_positions", frames, objects, 3),
        object_holders=array("object_holders", frames, objects),
        object_rotations=array("object_rotations", frames, objects, 4),
        object_sizes=array("object_sizes", objects, 3),
    )
