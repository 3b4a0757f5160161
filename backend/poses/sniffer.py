"""Which format a file or folder has: each reader looks at the content and says how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backend.poses.content import Options, Source, refuse
from backend.poses.formats import alphapose, coco, deeplabcut, detectron2, easy_vitpose, mediapipe, mmpose, openpose, plain, sleap, ultralytics
from backend.poses.tracks import PoseFile

FORMATS = {
    "alphapose": alphapose, "openpose": openpose, "mmpose": mmpose, "coco": coco, "detectron2": detectron2, "easy_vitpose": easy_vitpose,
    "ultralytics": ultralytics, "mediapipe": mediapipe, "deeplabcut": deeplabcut, "sleap": sleap, "plain": plain,
}
CLEAR = 0.15
"""By so much the best candidate must be surer than the next."""

NEAR = 0.1
"""A certainty below this is none."""


@dataclass(frozen=True)
class Candidate:
    """A format the content may have, how sure that is (0..1) and what speaks for it."""

    format: str
    certainty: float
    reason: str


def sniff(path: Path | str) -> list[Candidate]:
    """The formats that a file or folder may have, the surest first; empty where none fits. Raises KineliftError where it can't be read."""
    source = Source(path)
    looks = [Candidate(name, *module.looks(source)) for name, module in FORMATS.items()]
    return sorted((candidate for candidate in looks if candidate.certainty > NEAR), key=lambda candidate: -candidate.certainty)


def read_poses(path: Path | str, options: Options | None = None, format_: str | None = None) -> tuple[PoseFile, Candidate]:
    """Reads a pose file of any format, and says which it is and how sure that is. `format_` is a name in FORMATS, None to find out.

    Raises KineliftError naming the file, the place in it and the remedy; of two formats that fit alike it names both.
    """
    options = options or Options()
    if format_ is not None:
        if format_ not in FORMATS:
            refuse(f"there is no pose format {format_!r}", f"Choose one of: {', '.join(FORMATS)}", "--format", "bad-setting")
        return FORMATS[format_].read(Source(path), options), Candidate(format_, 1.0, "as was said")
    candidates = sniff(path)
    if not candidates:
        refuse("no known pose format fits", f"Say which it is with --format ({', '.join(FORMATS)}), or write it as docs/formats/plain.md says", path,
               "unknown-format")
    best, *others = candidates
    if others and best.certainty - others[0].certainty < CLEAR:
        other = others[0]
        refuse(f"this may be {best.format} ({best.reason}) or {other.format} ({other.reason})",
               f"Say which: --format {best.format} or --format {other.format}", path, "ambiguous-format")
    return FORMATS[best.format].read(Source(path), options), best
