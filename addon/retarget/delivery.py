"""What a job made becomes takes: sampled or lifted motions are fitted to the target if there is one, then the scene changes all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.errors import KineliftError
from ..runtime.jobs import Steps, part
from ..runtime.process import BackendProcess
from ..scene import takes
from . import steps
from .steps import Target

MAKING_SHARE = 0.8
"""Of the bar, when a fit follows."""

Add = Callable[[bpy.types.Scene, Path, int], takes.KineliftTake]
"""Adds a motion file, the n-th, to the scene as a take."""


@dataclass(frozen=True)
class Delivery:
    """The names of new takes, and sentences without a full stop on how the first sits on the target."""

    names: list[str]
    remarks: tuple[str, ...]

    def sentences(self, target: Target | None) -> list[str]:
        """What to tell the user, without full stops."""
        if target is None:
            return [takes.are_there(self.names)]
        first = "and" if len(self.names) == 1 else self.names[0]
        return [f"{takes.are_there(self.names)}, {first} on {target.name}", *self.remarks, *target.notes]


def deliver(backend: BackendProcess, making: Steps[list[Path]], add: Add, target: Target | None) -> Steps[Delivery]:
    """The new takes; the first is shown, or is on the target. When only the fit fails, the takes are there all the same and the
    KineliftError says so."""
    motions = yield from part(making, 0.0, 1.0 if target is None else MAKING_SHARE)
    found, failure = None, None
    if target is not None:
        try:
            found = yield from part(steps.fit(backend, motions[0], target), MAKING_SHARE, 1.0)
        except KineliftError as error:
            failure = error
    scene = bpy.context.scene
    names = [add(scene, motion, number).name for number, motion in enumerate(motions)]
    first = takes.choose_take(scene, scene.kinelift_takes.find(names[0]))
    if failure is not None:
        raise KineliftError(f"the motion is there as a take, but not on {target.name}: {failure.message}", failure.remedy,
                            failure.place, failure.code)
    if found is not None:
        steps.key_fit(found.file, target, names[0], scene)
        takes.show_take(scene, None)
        takes.frame_take(scene, first, target.keying.start)
    return Delivery(names, () if found is None else (found.remark,))
