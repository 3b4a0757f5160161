"""Generating takes: sample in the backend, fit to the target if there is one, then change the scene all at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.errors import KineliftError
from ...backend.service.protocol import GenerateParams
from ..retarget import steps as retarget
from ..retarget.steps import Target
from ..runtime.jobs import Steps, part
from ..runtime.location import new_job_folder
from ..runtime.process import BackendProcess
from ..scene import takes

SAMPLING_SHARE = 0.8
"""Of the bar, when a fit follows."""


@dataclass(frozen=True)
class Wish:
    """What to generate. `pack` is a pack's name."""

    pack: str
    seconds: float
    seed: int
    variants: int = 1
    mode: str = "fast"
    in_place: bool = False
    device: str = "auto"


def generate(backend: BackendProcess, wish: Wish, target: Target | None) -> Steps[list[str]]:
    """The names of the new takes; the first is shown, or is on the target. When only the fit fails, the takes are
    there all the same and the KineliftError says so."""
    motions = yield from part(sample(backend, wish), 0.0, 1.0 if target is None else SAMPLING_SHARE)
    found, failure = None, None
    if target is not None:
        try:
            found = yield from part(retarget.fit(backend, motions[0], target), SAMPLING_SHARE, 1.0)
        except KineliftError as error:
            failure = error
    scene = bpy.context.scene
    names = [takes.add_take(scene, motion, wish.pack, wish.seed + number).name for number, motion in enumerate(motions)]
    first = scene.kinelift_takes[names[0]]
    scene.kinelift_take_index = scene.kinelift_takes.find(names[0])
    takes.show_take(scene, first)
    takes.frame_take(scene, first)
    if failure is not None:
        raise KineliftError(f"the motion is there as a take, but not on {target.name}: {failure.message}", failure.remedy,
                            failure.place, failure.code)
    if found is not None:
        retarget.key_fit(found.file, target, names[0], scene)
        takes.show_take(scene, None)
    return names


def sample(backend: BackendProcess, wish: Wish) -> Steps[list[Path]]:
    """The motion files, without touching the scene."""
    params = GenerateParams(job_dir=str(new_job_folder(wish.pack)), pack=wish.pack, seconds=wish.seconds, seed=wish.seed,
                            variants=wish.variants, mode=wish.mode, in_place=wish.in_place, device=wish.device)
    return [Path(path) for path in (yield from backend.run(params))["motions"]]
