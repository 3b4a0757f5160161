"""Reading motion files on Blender's side: numpy only, nothing is unpickled."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...backend.errors import KineliftError


@dataclass(frozen=True)
class Motion:
    """positions [T,J,3] and object_positions [T,K,3]: world metres, Z up; parents [J], -1 for a root."""

    positions: np.ndarray
    joint_names: list[str]
    parents: list[int]
    fps: float
    object_names: list[str]
    object_positions: np.ndarray
    provenance: dict


def read_motion(path: Path | str) -> Motion:
    """Raises KineliftError naming the file when it is missing, broken or incomplete."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as data:
            positions = data["positions"].astype(np.float64)
            frames = len(positions)
            motion = Motion(
                positions, [str(name) for name in data["joint_names"]], [int(parent) for parent in data["parents"]], float(data["fps"]),
                [str(name) for name in data["object_names"]] if "object_names" in data else [],
                data["object_positions"].astype(np.float64) if "object_positions" in data else np.empty((frames, 0, 3)),
                json.loads(str(data["provenance"])) if "provenance" in data else {})
    except FileNotFoundError:
        raise KineliftError("there is no such motion file", "Generate it again with the same pack, settings and seed", str(path), "missing-file") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise KineliftError(f"this is not a readable motion file ({error})", "Use a .npz written by Kinelift", str(path), "bad-motion") from error
    joints = len(motion.joint_names)
    if not frames or positions.shape != (frames, joints, 3) or len(motion.parents) != joints or not np.isfinite(positions).all():
        raise KineliftError("positions, joint names and parents do not belong together", "Use a .npz written by Kinelift", str(path), "bad-motion")
    return motion
