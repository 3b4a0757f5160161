"""3D motions that another lifter made of recorded 2D motions: a folder of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import KineliftError
from rigs import Skeleton

LEAST_FILES = LEAST_FRAMES = 2


@dataclass
class LiftedMotions:
    """positions [N,T,J,3] metres, zeros beyond a motion's length; lengths [N]."""

    positions: np.ndarray
    lengths: np.ndarray


def load_lifted(folder: Path, skeleton: Skeleton) -> LiftedMotions:
    """Reads every .npy of a folder, [T,J,3] metres each: the skeleton's keypoints in its order, Z up, centred as the pack, the camera
    that saw the motion at azimuth 0 (it looks along +Y). Raises KineliftError naming the file and the remedy; unpickles nothing."""
    paths = sorted(Path(folder).glob("*.npy"))
    if len(paths) < LEAST_FILES:
        raise KineliftError(f"there are {len(paths)} lifted motions (.npy)",
                            f"Put at least {LEAST_FILES} files there, or name another folder", str(folder), "missing-file")
    arrays = [_load(path, skeleton.keypoints) for path in paths]
    lengths = np.array([len(array) for array in arrays])
    positions = np.zeros((len(arrays), lengths.max(), len(skeleton.keypoints), 3), np.float32)
    for row, array in zip(positions, arrays, strict=True):
        row[: len(array)] = array
    return LiftedMotions(positions, lengths)


def _load(path: Path, keypoints: tuple[str, ...]) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
        finite = np.isfinite(array)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise KineliftError(f"this is not a readable array ({error})", "Save it again with numpy.save, numbers only", str(path),
                            "bad-motion") from error
    if array.ndim != 3 or array.shape[1:] != (len(keypoints), 3) or len(array) < LEAST_FRAMES:
        raise KineliftError(f"the motion has shape {list(array.shape)}",
                            f"Write it as [frames, {len(keypoints)}, 3], at least {LEAST_FRAMES} frames of {', '.join(keypoints)}",
                            str(path), "bad-motion")
    if not finite.all():
        frame, point = np.argwhere(~finite)[0][:2]
        raise KineliftError(f"there is no number at frame {frame}, {keypoints[point]}", "Fill gaps before saving", str(path), "bad-motion")
    return array
