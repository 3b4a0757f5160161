"""The 2D poses of one video that are to be lifted, and their file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import KineliftError
from backend.motion.files import read_npz
from rigs import Skeleton

REMEDY = "Write it again with `python -m backend poses`"
NEEDED = ("keypoints", "confidences", "joint_names", "fps", "image_size", "track_ids")


@dataclass
class Footage:
    """Tracks of one camera that stands still.

    keypoints [P,T,K,2] in pixels, x right and y down; confidences [P,T,K] in 0..1, 0 where not seen; joint_names [K]; fps; image_size
    (width, height); focal in pixels, 0 where unknown; track_ids [P]; source: the file's name; first_frame and step: frame t is the
    video's first_frame + t * step.
    """

    keypoints: np.ndarray
    confidences: np.ndarray
    joint_names: list[str]
    fps: float
    image_size: tuple[int, int]
    focal: float = 0.0
    track_ids: list[str] | None = None
    source: str = ""
    first_frame: int = 0
    step: int = 1

    def __post_init__(self):
        self.track_ids = [str(number) for number in range(len(self.keypoints))] if self.track_ids is None else self.track_ids
        self.validate(self.source or "poses")

    def validate(self, place: str) -> None:
        """Raises KineliftError naming `place` when shapes disagree or a value means nothing."""

        def check(holds: bool, message: str) -> None:
            if not holds:
                raise KineliftError(message, REMEDY, place, "bad-poses")

        shape = (len(self.track_ids), self.keypoints.shape[1] if self.keypoints.ndim == 4 else 0, len(self.joint_names))
        check(self.keypoints.shape == (*shape, 2) and self.confidences.shape == shape and 0 not in shape,
              f"'keypoints' and 'confidences' have shapes {list(self.keypoints.shape)} and {list(self.confidences.shape)}")
        check(bool(np.isfinite(self.keypoints[self.confidences > 0]).all()), "a point that was seen has no number")
        check(bool(((self.confidences >= 0) & (self.confidences <= 1)).all()), "a confidence is not in 0..1")
        check(bool(np.isfinite(self.fps) and self.fps > 0), f"fps is {self.fps}")
        check(len(self.image_size) == 2 and min(self.image_size) > 0, f"image_size is {self.image_size}")
        check(bool(np.isfinite(self.focal) and self.focal >= 0), f"focal is {self.focal}")

    @classmethod
    def load(cls, path: Path | str) -> Footage:
        """Reads a 2D pose file without running code from it. Raises KineliftError naming the file and the remedy."""
        arrays = read_npz(path, "2D pose file", REMEDY, "bad-poses", NEEDED)
        try:
            return cls(arrays["keypoints"].astype(np.float64), arrays["confidences"].astype(np.float64), [str(name) for name in arrays["joint_names"]],
                       float(arrays["fps"]), tuple(int(side) for side in arrays["image_size"]), float(arrays.get("focal", 0.0)),
                       [str(name) for name in arrays["track_ids"]], str(path), int(arrays.get("first_frame", 0)), int(arrays.get("step", 1)))
        except (TypeError, ValueError) as error:
            raise KineliftError(f"the 2D pose file holds the wrong kind of data ({error})", REMEDY, str(path), "bad-poses") from error

    def on(self, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints [P,T,J,2] and confidences [P,T,J] of a skeleton's keypoints, by name; those that aren't there have confidence 0."""
        points = np.zeros((*self.keypoints.shape[:2], len(skeleton.keypoints), 2))
        sure = np.zeros(points.shape[:3])
        for column, name in enumerate(skeleton.keypoints):
            if name in self.joint_names:
                points[:, :, column] = self.keypoints[:, :, self.joint_names.index(name)]
                sure[:, :, column] = self.confidences[:, :, self.joint_names.index(name)]
        if not (sure > 0).any():
            raise KineliftError(f"no joint of the skeleton {skeleton.name!r} was seen", f"Read the poses for the skeleton {skeleton.name}",
                                self.source, "wrong-skeleton")
        return np.where(sure[..., None] > 0, points, 0.0), sure


def resample(points: np.ndarray, sure: np.ndarray, fps: float, target: float) -> tuple[np.ndarray, np.ndarray]:
    """Points [T,J,2], gaps filled, and how surely they were seen [T,J], at another frame rate."""
    frames = len(points)
    if abs(fps - target) < 1e-6 or frames < 2:
        return points, sure
    times = np.arange(int((frames - 1) * target / fps + 1e-6) + 1) * fps / target
    before = np.minimum(times.astype(int), frames - 2)
    share = times - before
    return (points[before] * (1 - share)[:, None, None] + points[before + 1] * share[:, None, None],
            np.minimum(sure[before], sure[before + 1]) * ((share > 0) & (share < 1))[:, None] + sure[before] * (share <= 0)[:, None]
            + sure[before + 1] * (share >= 1)[:, None])
