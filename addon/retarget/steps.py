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
from ..scene.armatures import describe, write_armature_file
from ..scene.empties import COMPANION_OF, key_object, radius_of
from ..scene.keying import apply_fit, ground_path
from ..scene.root_motion import HIPS, IN_PLACE, find_mover
from .mappings import mapping_of, remark


@dataclass(frozen=True)
class Target:
    """An armature object by name, its mapping, what can't be keyed on it, what the backend needs to know of it, and how feet are kept on
    the floor and what travels (see `FitParams` and `scene.root_motion`)."""

    name: str
    mapping: Mapping
    notes: tuple[str, ...]
    file: Path
    contacts: str
    root_motion: str


def read_target(armature: bpy.types.Object, preset: str | None, contacts: str = "auto", root_motion: str = HIPS) -> Target:
    """Writes the armature file. Raises KineliftError when the armature can't be a target: before any long work."""
    mapping = mapping_of(armature, preset)
    description = describe(armature, mapping)
    find_mover(armature, description.bone_names, description.bone_names[0], description.mapping.switches, root_motion)
    remark(armature, description.notes)
    file = write_armature_file(new_job_folder("fit") / "armature.npz", description)
    return Target(armature.name, description.mapping, description.notes, file, contacts, root_motion)


@dataclass(frozen=True)
class Fit:
    """A fit file, and how fast standing feet slide in it and in the motion, metres a second."""

    file: Path
    skate: float
    source_skate: float

    @property
    def remark(self) -> str:
        """A sentence without a full stop."""
        return f"Standing feet slide {100 * self.skate:.1f} cm/s, {100 * self.source_skate:.1f} in the take"


def fit(backend: BackendProcess, motion_file: Path | str, target: Target) -> Steps[Fit]:
    """Fits a motion to a target."""
    params = FitParams(job_dir=str(target.file.parent), motion=str(motion_file), armature=str(target.file), contacts=target.contacts)
    result = yield from backend.run(params)
    return Fit(Path(result["fit"]), result["skate"], result["source_skate"])


def key_fit(fit_file: Path, target: Target, action_name: str, scene: bpy.types.Scene) -> bpy.types.Object:
    """Keys a fit on its target, and the motion's objects on empties beside it. Returns the armature object."""
    armature = scene.objects.get(target.name)
    if armature is None:
        raise KineliftError(f"the armature {target.name!r} is no longer in the scene", "Choose an armature and apply the take again",
                            code="no-target")
    fit = read_npz(fit_file, "fit file", "Fit the motion again", "bad-fit", needed=("object_names", "object_positions", "root_positions", "fps"))
    apply_fit(armature, fit_file, action_name, target.mapping, scene.frame_start, target.root_motion)
    objects = fit["object_positions"]
    if target.root_motion == IN_PLACE and len(fit["object_names"]):
        objects = objects - ground_path(fit, fit_file)[:, None]
    collection = armature.users_collection[0]
    for number, name in enumerate(fit["object_names"]):
        empty = key_object(f"{armature.name} {name}", objects[:, number], float(fit["fps"]), scene.frame_start,
                           radius_of(str(name)), collection)
        empty[COMPANION_OF] = armature
    return armature


def retarget(backend: BackendProcess, motion_file: Path | str, target: Target, action_name: str) -> Steps[Fit]:
    """The whole way for one motion file."""
    found = yield from fit(backend, motion_file, target)
    key_fit(found.file, target, action_name, bpy.context.scene)
    return found
