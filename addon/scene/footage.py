"""Footage: the movie or the images that 2D poses were found in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.errors import KineliftError

MOVIES = {".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".mts"}
NO_FOOTAGE = "Choose a movie, or the first of a row of numbered images"


@dataclass(frozen=True)
class Footage:
    """A movie, or the first of a row of numbered images. `fps` of its frames; `start`: how many of them lie before the one that belongs to
    the scene's first frame."""

    path: Path
    fps: float
    start: int = 0


@dataclass(frozen=True)
class Facts:
    """What a movie says of itself: size in pixels, and frames a second, 0 where it doesn't say them."""

    size: tuple[int, int]
    fps: float


def beside(poses: Path) -> Path | None:
    """The movie in the folder of a pose file, or of a folder of pose files, that has its name; None without one."""
    folder = poses.parent
    try:
        return next((path for path in sorted(folder.iterdir()) if path.stem == poses.stem and path.suffix.lower() in MOVIES), None)
    except OSError:
        return None


def facts_of(path: Path) -> Facts:
    """Looks into footage. Raises KineliftError when Blender can't read it."""
    is_movie = path.suffix.lower() in MOVIES
    kept = bpy.data.movieclips if is_movie else bpy.data.images
    try:
        data = kept.load(str(path))
    except RuntimeError as error:
        raise KineliftError("this is not footage that Blender can read", NO_FOOTAGE, str(path), "bad-footage") from error
    try:
        size, fps = (int(data.size[0]), int(data.size[1])), float(data.fps) if is_movie else 0.0
        if not all(size) or (is_movie and not fps):  # a clip that can't be read has a size all the same
            raise KineliftError("this is not footage that Blender can read", NO_FOOTAGE, str(path), "bad-footage")
        return Facts(size, fps)
    finally:
        kept.remove(data)


def load_image(footage: Footage) -> tuple[bpy.types.Image, int]:
    """Footage as an image of Blender that plays, and its length in frames. Raises KineliftError."""
    facts_of(footage.path)
    image = bpy.data.images.load(str(footage.path), check_existing=False)
    if image.source == "MOVIE":
        return image, max(image.frame_duration, 1)
    first = number_of(footage.path)
    if first is None:
        return image, 1
    image.source = "SEQUENCE"
    before = re.sub(r"[0-9]+$", "", footage.path.stem)
    row = [number_of(path) for path in footage.path.parent.glob(f"*{footage.path.suffix}") if re.sub(r"[0-9]+$", "", path.stem) == before]
    return image, max(number for number in row if number is not None) - first + 1


def number_of(path: Path) -> int | None:
    """The number at the end of an image's name, None without one."""
    found = re.search(r"([0-9]+)$", path.stem)
    return int(found[1]) if found else None
