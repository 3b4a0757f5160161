"""Putting a take on an armature: read the armature, fit in the backend, key. Window, command line and scripts share it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import bpy
import numpy as np

from ...backend.errors import KineliftError
from ...backend.service.protocol import FitParams
from ...rigs import Mapping
from ..runtime.jobs import Steps
from ..runtime.location import new_job_folder
from ..runtime.process import BackendProcess
from ..scene import objects, takes
from ..scene.armatures import describe, write_armature_file
from ..scene.controls import controls_of, limbs_with_ik, switches_for
from ..scene.empties import find_empty, radius_of, rigid_part
from ..scene.fit_files import FitFile, read_fit
from ..scene.keying import Keyed, Manner, apply_fit
from ..scene.resampling import resample, resample_rotations, resample_states, scene_fps
from ..scene.root_motion import HIPS, find_mover
from .mappings import mapping_of, remark


@dataclass(frozen=True)
class Keying:
    """How a take is keyed: start, the scene's frame for its first one, None for the scene's own start; object_name: the object that plays the
    motion's first object, empty for an empty; holds: whether hands carry objects."""

    manner: Manner = field(default_factory=Manner)
    start: int | None = None
    object_name: str = ""
    holds: bool = True


@dataclass(frozen=True)
class Target:
    """An armature object by name, its mapping, what can't be keyed on it, what the backend needs to know of it, how it is keyed, how feet are
    kept on the floor and what travels (see `FitParams` and `scene.root_motion`)."""

    name: str
    mapping: Mapping
    notes: tuple[str, ...]
    file: Path
    keying: Keying = Keying()
    contacts: str = "auto"
    root_motion: str = HIPS

    def first_frame(self, scene: bpy.types.Scene, take: takes.KineliftTake | None) -> int:
        """The scene's frame at which the motion of a take begins."""
        return takes.start_of(scene, take) if self.keying.start is None else self.keying.start


def read_target(armature: bpy.types.Object, preset: str | None, keying: Keying | None = None, contacts: str = "auto",
                root_motion: str = HIPS) -> Target:
    """Writes the armature file. Raises KineliftError when the armature can't be a target: before any long work."""
    keying = keying or Keying()
    if keying.object_name:
        objects.refuse_unfit(_object(bpy.context.scene, keying.object_name), armature)
    mapping = mapping_of(armature, preset)
    description = describe(armature, mapping)
    limbs = limbs_with_ik(armature, description.mapping, keying.manner.ik)
    find_mover(armature, [*description.bone_names, *controls_of(armature, limbs)], description.bone_names[0],
               switches_for(description.mapping, limbs), root_motion)
    notes = description.notes
    if keying.manner.ik and not limbs:
        notes += ("No IK controls are known for this rig: its own bones get the keys",)
    remark(armature, notes)
    file = write_armature_file(new_job_folder("fit") / "armature.npz", description)
    return Target(armature.name, description.mapping, notes, file, keying, contacts, root_motion)


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
    """Keys a fit on its target, and the motion's objects on empties beside it, from where the take of the Action's name begins; its
    camera then films the target. Returns the armature object."""
    armature = scene.objects.get(target.name)
    if armature is None:
        raise KineliftError(f"the armature {target.name!r} is no longer in the scene", "Choose an armature and apply the take again",
                            code="no-target")
    fit = read_fit(fit_file)
    take = takes.find_take(scene, action_name)
    start = target.first_frame(scene, take)
    keyed = apply_fit(armature, fit, action_name, target.mapping, start, target.keying.manner, target.root_motion)
    _key_objects(fit, armature, target, action_name, keyed, scene, start)
    takes.film(take, fit.scale)
    scene.frame_set(scene.frame_current)
    return armature


def _key_objects(fit: FitFile, armature: bpy.types.Object, target: Target, action_name: str, keyed: Keyed, scene: bpy.types.Scene,
                 start: int) -> None:
    new_fps, keying = scene_fps(scene), target.keying
    positions = resample(fit.object_positions, fit.fps, new_fps) - keyed.left_out[:, None]
    holders = np.full(positions.shape[:2], "")
    if keying.holds and fit.object_holders is not None:
        holders = resample_states(fit.object_holders, fit.fps, new_fps)
    turns = resample_rotations(fit.object_rotations, fit.fps, new_fps) if fit.object_rotations is not None else None
    hands = {str(role): objects.hand_of(armature, target.mapping, str(role), keyed) for role in set(holders.flat) - {""}}
    hands = {role: hand for role, hand in hands.items() if hand is not None}
    for number, name in enumerate(fit.object_names):
        own_turns, size = rigid_part(number, turns, fit.object_sizes)
        if number == 0 and keying.object_name:
            item = _object(scene, keying.object_name)
        else:
            item = find_empty(f"{armature.name} {name}", radius_of(name), armature.users_collection[0], size)
        held_by = np.where(np.isin(holders[:, number], list(hands)), holders[:, number], "")
        objects.key_on_object(item, f"{action_name} {name}", positions[:, number], own_turns, hands, held_by, start, keying.manner)
        objects.belongs_to(item, armature)


def _object(scene: bpy.types.Scene, name: str) -> bpy.types.Object:
    item = scene.objects.get(name)
    if item is None:
        raise KineliftError(f"the object {name!r} is not in the scene", "Choose another object", code="no-object")
    return item


def retarget(backend: BackendProcess, motion_file: Path | str, target: Target, action_name: str) -> Steps[Fit]:
    """The whole way for one motion file."""
    found = yield from fit(backend, motion_file, target)
    key_fit(found.file, target, action_name, bpy.context.scene)
    return found
