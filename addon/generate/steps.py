"""Generating takes: sample in the backend, then deliver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...backend.service.protocol import GenerateParams
from ..retarget.delivery import Delivery, deliver
from ..retarget.steps import Target
from ..runtime.jobs import Steps
from ..runtime.location import new_job_folder
from ..runtime.process import BackendProcess
from ..scene import takes


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


def generate(backend: BackendProcess, wish: Wish, target: Target | None) -> Steps[Delivery]:
    """The new takes; see `deliver`."""
    return (yield from deliver(backend, sample(backend, wish),
                               lambda scene, motion, number: takes.add_take(scene, motion, wish.pack, wish.seed + number), target))


def sample(backend: BackendProcess, wish: Wish) -> Steps[list[Path]]:
    """The motion files, without touching the scene."""
    params = GenerateParams(job_dir=str(new_job_folder(wish.pack)), pack=wish.pack, seconds=wish.seconds, seed=wish.seed,
                            variants=wish.variants, mode=wish.mode, in_place=wish.in_place, device=wish.device)
    return [Path(path) for path in (yield from backend.run(params))["motions"]]
