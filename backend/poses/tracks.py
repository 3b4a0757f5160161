"""What a pose file holds: tracks, each one person or animal over the file's time line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FARTHEST = 1e6
"""A coordinate beyond so many pixels is none."""

UNIT_MARGIN = 1.5
"""Coordinates that all stay below this are shares of the image: poses in pixels never fit into one pixel."""


@dataclass(frozen=True)
class Detection:
    """One person or animal in one frame: keypoints [J,2], confidences [J], the id the file gives, how sure the detector was."""

    frame: int
    keypoints: np.ndarray
    confidences: np.ndarray
    id: str | None = None
    score: float = 1.0


@dataclass
class Track:
    """One person or animal: keypoints [T,J,2] in pixels, x right and y down, and confidences [T,J] in 0..1 over the time line of the
    file. What isn't seen, be it a joint or the whole frame, has confidence 0 and stands at (0, 0). joint_names [J] are the file's."""

    id: str
    keypoints: np.ndarray
    confidences: np.ndarray
    joint_names: list[str]

    def __post_init__(self):
        self.keypoints, self.confidences = clean(self.keypoints, self.confidences)

    @property
    def seen(self) -> np.ndarray:
        """[T] bool: the frames in which any joint is seen."""
        return (self.confidences > 0).any(1)

    def sizes(self) -> np.ndarray:
        """[T] pixels: the diagonal of the box around the seen joints, 0 where none is seen."""
        low, high = boxes(self.keypoints, self.confidences)
        return np.linalg.norm(high - low, axis=-1)

    def facts(self) -> dict:
        """id; frames seen, first and last of them and their share of the file's; mean size in pixels and mean confidence where seen."""
        seen = np.flatnonzero(self.seen)
        return {"id": self.id, "frames": len(seen), "first": int(seen[0]), "last": int(seen[-1]), "share": len(seen) / len(self.seen),
                "size": float(self.sizes()[seen].mean()), "confidence": float(self.confidences[self.confidences > 0].mean())}

    def summary(self) -> str:
        """The facts in a line."""
        return "{frames} frames ({share:.0%}), {first} to {last}, {size:.0f} px, confidence {confidence:.2f}".format(**self.facts())


@dataclass
class PoseFile:
    """A pose file as it was read. format: a name in sniffer.FORMATS; fps, image_size (width, height) and focal (pixels) are None where
    neither the file nor the user says them; first_frame and step: frame t of the tracks is frame first_frame + t * step of the file;
    notes tell what was mended or assumed. Tracks come with the most prominent first."""

    format: str
    source: Path
    tracks: list[Track]
    fps: float | None = None
    image_size: tuple[int, int] | None = None
    focal: float | None = None
    first_frame: int = 0
    step: int = 1
    notes: list[str] = field(default_factory=list)

    @property
    def frames(self) -> int:
        return len(self.tracks[0].keypoints)


def boxes(keypoints: np.ndarray, confidences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The low and high corners [..., 2] of the boxes around the seen points of keypoints [..., J, 2]; both 0 where none is seen."""
    seen = (confidences > 0)[..., None]
    low = np.where(seen, keypoints, np.inf).min(-2)
    high = np.where(seen, keypoints, -np.inf).max(-2)
    none = ~np.isfinite(low)
    return np.where(none, 0.0, low), np.where(none, 0.0, high)


def clean(keypoints: np.ndarray, confidences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [..., 2] and confidences [...] with places that are no numbers, or confidences that are none or not positive, as not
    seen: confidence 0 at (0, 0). Confidences end at 1."""
    keypoints, confidences = np.asarray(keypoints, np.float64), np.asarray(confidences, np.float64)
    with np.errstate(invalid="ignore"):
        seen = (np.abs(keypoints) < FARTHEST).all(-1) & (confidences > 0)
    return np.where(seen[..., None], keypoints, 0.0), np.where(seen, np.minimum(confidences, 1.0), 0.0)


def in_shares(places: np.ndarray) -> bool:
    """True where seen places [N,2] can be no pixels: shares of the image from 0 or -1 to 1."""
    return len(places) > 0 and bool(np.abs(places).max() <= UNIT_MARGIN)
