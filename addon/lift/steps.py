"""Lifting: read a pose file in the backend, lift the chosen tracks, deliver them as takes, and make the camera that filmed them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ...backend.motion.motion3d import Motion3D
from ...backend.service.protocol import LiftParams, PosesParams
from ..retarget.delivery import Delivery, deliver
from ..retarget.steps import Target
from ..runtime.jobs import Steps, part
from ..runtime.location import new_job_folder
from ..runtime.process import BackendProcess
from ..scene import takes
from ..scene.cameras import make_camera, show_footage
from ..scene.footage import MOVIES, Footage, number_of

READING_SHARE = 0.1
"""Of the bar of a lift."""

ALL = "all"


@dataclass(frozen=True)
class Reading:
    """A file or folder of 2D poses, and what is said of it; 0 and "" where the file is to say it. image_size (width, height) and focal in
    pixels; format and joints are names of the backend."""

    file: Path
    fps: float = 0.0
    image_size: tuple[int, int] = (0, 0)
    focal: float = 0.0
    format: str = ""
    joints: str = ""
    y_up: bool = False


@dataclass(frozen=True)
class Wish:
    """What to lift and how. tracks: ids, or ALL, or none for the only one; skeleton: the pack's; height: of the subject in metres, 0 for the
    pack's usual one; plant: keep standing feet in place; footage: a movie or numbered images, None without; counts_from: the number that the
    pose file gives the footage's first frame."""

    reading: Reading
    pack: str
    skeleton: str
    tracks: tuple[str, ...] = ()
    height: float = 0.0
    seed: int = 0
    plant: bool = True
    device: str = "auto"
    makes_camera: bool = True
    footage: Path | None = None
    counts_from: int = 0


def read(backend: BackendProcess, reading: Reading, skeleton: str = "", tracks: tuple[str, ...] = (), job_dir: Path | str = "") -> Steps[dict[str, Any]]:
    """What a pose file holds, as `backend.poses.import_poses.summary` says; with a skeleton also the `poses` file of these tracks."""
    width, height = reading.image_size
    params = PosesParams(file=str(reading.file), format=reading.format, joints=reading.joints, fps=reading.fps, width=width, height=height,
                         focal=reading.focal, y_up=reading.y_up, skeleton=skeleton, tracks=list(tracks), job_dir=str(job_dir))
    return (yield from backend.run(params))


def lift(backend: BackendProcess, wish: Wish, target: Target | None) -> Steps[Delivery]:
    """The new takes, one a track; see `deliver`. All of them share one camera, which is made for the first."""
    cameras: list[bpy.types.Object] = []

    def add(scene: bpy.types.Scene, path: Path, number: int) -> takes.KineliftTake:
        motion = Motion3D.load(path)
        take = takes.add_take(scene, path, wish.pack, wish.seed, title_of(wish, motion))
        if wish.makes_camera and motion.camera is not None:
            if not cameras:
                cameras.append(make_camera(f"{take.name} Camera", motion.camera, scene))
                if wish.footage is not None:
                    show_footage(cameras[0], footage_of(wish, motion), scene)
            take.camera = cameras[0]
        return take

    return (yield from deliver(backend, motions(backend, wish), add, target))


def motions(backend: BackendProcess, wish: Wish) -> Steps[list[Path]]:
    """The motion files, without touching the scene."""
    folder = new_job_folder(wish.pack)
    found = yield from part(read(backend, wish.reading, wish.skeleton, wish.tracks, folder), 0.0, READING_SHARE)
    params = LiftParams(job_dir=str(folder), pack=wish.pack, poses=found["poses"], height=wish.height, seed=wish.seed, plant=wish.plant,
                        device=wish.device)
    return [Path(path) for path in (yield from part(backend.run(params), READING_SHARE, 1.0))["motions"]]


def title_of(wish: Wish, motion: Motion3D) -> str:
    """What a take is called: its pose file, and its track where several were wished for."""
    name = wish.reading.file.stem
    return f"{name} {motion.provenance['track']}" if len(wish.tracks) > 1 or ALL in wish.tracks else name


def footage_of(wish: Wish, motion: Motion3D) -> Footage:
    """The footage of a lifted motion, whose poses begin at some frame of it and may be of every second one only."""
    made = motion.provenance
    start = made["video_first_frame"] - wish.counts_from
    number = number_of(wish.footage)
    if wish.footage.suffix.lower() not in MOVIES and number is not None:
        start += number - 1  # Blender counts the frames of a movie from 1, and images by their numbers
    return Footage(wish.footage, made["video_fps"] * made["video_step"], start)
