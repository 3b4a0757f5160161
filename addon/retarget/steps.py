"""Putting a take on an armature: read the armature, fit in the backend, key. Window, command line and scripts share it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.errors import KineliftError
from ...backend.motion.files import read_npz
from ...backend.service.protocol import FitParams
from ...rigs import Mapping
from ..runtime.jobs import Steps
from ..runtime.location import new_job_folder
from ..runtime.process import BackendProcess
from ..scene import takes
from ..scene.armatures import describe, write_armature_file
from ..scene.empties import COMPANION_OF, key_object, radius_of
from ..scene.keying import apply_fit
from .mappings import mapping_of, remark


@dataclass(frozen=True)
class Target:
    """An armature object by name, its mapping, what can't be keyed on it, and what the backend needs to know of it."""

    name: str
    mapping: Mapping
    notes: tuple[str, ...]
    file: Path


def read_target(armature: bpy.types.Object, preset: str | None) -> Target:
    """Writes the armature file. Raises KineliftError when the armature can't be a target: before any long work."""
    mapping = mapping_of(armature, preset)
    description = describe(armature, mapping)
    remark(armature, description.notes)
    file = write_armature_file(new_job_folder("fit") / "armature.npz", description)
    return Target(armature.name, description.mapping, description.notes, file)


def fit(backend: BackendProcess, motion_file: Path | str, target: Target) -> Steps[Path]:
    """Fits a motion to a target; the fit file."""
    params = FitParams(job_dir=str(target.file.parent), motion=str(motion_file), armature=str(target.file))
    return Path((yield from backend.run(params))["fit"])


def key_fit(fit_file: Path, target: Target, action_name: str, scene: bpy.types.Scene) -> bpy.types.Object:
    """Keys a fit on its target, and the motion's objects on empties beside it, from where the take of the Action's name begins; its
    camera then films the target. Returns the armature object."""
    armature = scene.objects.get(target.name)
    if armature is None:
        raise KineliftError(f"the armature {target.name!r} is no longer in the scene", "Choose an armature and apply the take again",
                            code="no-target")
    fit = read_npz(fit_file, "fit file", "Fit the motion again", "bad-fit", needed=("object_names", "object_positions", "fps", "scale"))
    start = takes.start_of(scene, action_name)
    apply_fit(armature, fit_file, action_name, target.mapping, start)
    collection = armature.users_collection[0]
    for number, name in enumerate(fit["object_names"]):
        empty = key_object(f"{armature.name} {name}", fit["object_positions"][:, number], float(fit["fps"]), start,
                           radius_of(str(name)), collection)
        empty[COMPANION_OF] = armature
    takes.film(scene, action_name, float(fit["scale"]))
    return armature


def retarget(backend: BackendProcess, motion_file: Path | str, target: Target, action_name: str) -> Steps[bpy.types.Object]:
    """The whole way for one motion file."""
    fit_file = yield from fit(backend, motion_file, target)
    return key_fit(fit_file, target, action_name, bpy.context.scene)
