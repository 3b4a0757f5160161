"""Armatures as data: which bones play which part, and their rest pose in the world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ...backend.errors import KineliftError
from ...backend.motion.files import write_npz
from ...rigs import Bones, Mapping, detect
from ...rigs.presets import NEEDED, above
from .home import way_from_home
from .limits import limitations
from .posing import Trial, undisturbed
from .probing import Carriers, causes_on, find_carriers
from .rotations import quaternions


@dataclass(frozen=True)
class Description:
    """The mapped bones of an armature object, parents before children; world metres.

    parents [N]: the nearest mapped bone that carries this one, -1 for the root; heads, tails [N,3];
    rotations [N,4] (w,x,y,z); origin [3]: the object's own place, where the rest pose stands; notes: sentences on what
    can't be keyed.
    """

    mapping: Mapping
    bone_names: list[str]
    roles: list[str]
    parents: np.ndarray
    heads: np.ndarray
    tails: np.ndarray
    rotations: np.ndarray
    origin: np.ndarray
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Placement:
    """An armature object's transform: turn [3,3], scale (one number), origin [3]."""

    turn: np.ndarray
    scale: float
    origin: np.ndarray

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """Points [...,3] in armature space -> world."""
        return self.scale * points @ self.turn.T + self.origin

    def matrices_to_world(self, posed: np.ndarray) -> np.ndarray:
        """Matrices [...,4,4] in armature space -> world, without the object's scale."""
        result = posed.copy()
        result[..., :3, :3] = self.turn @ posed[..., :3, :3]
        result[..., :3, 3] = self.to_world(posed[..., :3, 3])
        return result

    def to_armature(self, points: np.ndarray) -> np.ndarray:
        """Points [...,3] in the world -> armature space."""
        return (points - self.origin) @ self.turn / self.scale


def bones_of(armature: bpy.types.Object) -> Bones:
    """The rest pose of an armature object, in its own space. Raises KineliftError for other objects."""
    if armature.type != "ARMATURE":
        raise KineliftError("this object is not an armature", "Choose an armature", armature.name, "bad-armature")
    bones = armature.data.bones
    number = {bone.name: index for index, bone in enumerate(bones)}
    return Bones([bone.name for bone in bones], [number[bone.parent.name] if bone.parent else -1 for bone in bones],
                 [tuple(bone.head_local) for bone in bones], [tuple(bone.tail_local) for bone in bones])


def checked_mapping(armature: bpy.types.Object, mapping: Mapping | None = None) -> Mapping:
    """The mapping, or without one what is detected. Raises KineliftError when it lacks a part or doesn't belong to the armature."""
    bones = bones_of(armature)
    if mapping is None:
        mapping = detect(bones).mapping
    if mapping.missing:
        raise KineliftError(f"no bone is known for {', '.join(mapping.missing)}", "Give these parts their bones in the Retarget panel",
                            armature.name, "unknown-rig")
    missing = [name for name in mapping.roles if name not in bones.names]
    if missing:
        raise KineliftError(f"it has no bones {', '.join(missing)}, as {mapping.title} expects",
                            "Detect the bones of this armature again, or choose the preset that belongs to it", armature.name, "wrong-preset")
    return mapping


def carriers_of(trial: Trial, mapping: Mapping) -> Carriers:
    """How the mapped bones hang together in an armature; those that don't follow their channels and aren't needed are left out."""
    needed = {mapping.bones[role] for role in NEEDED[mapping.kind]}
    before = {name: mapping.bones[limb] for name, role in mapping.roles.items() if (limb := above(role, mapping.bones, mapping.kind))}
    return find_carriers(trial, list(mapping.roles), mapping.bones["pelvis"], mapping.switches, set(mapping.roles) - needed, before)


def placement(armature: bpy.types.Object) -> Placement:
    """The object's place in the world, without the ground path that it may carry. Raises KineliftError when its scale bends lengths or mirrors."""
    matrix = np.array(armature.matrix_world, float)
    scales = np.linalg.norm(matrix[:3, :3], axis=0)
    turn = matrix[:3, :3] / np.maximum(scales, 1e-12)
    is_even = np.ptp(scales) <= 1e-3 * scales.max() and np.abs(turn.T @ turn - np.eye(3)).max() < 1e-3
    if not is_even or scales.min() < 1e-9 or np.linalg.det(turn) < 0:
        raise KineliftError("the armature object is scaled differently along its axes, or mirrored",
                            "Apply its scale (Object > Apply > Scale)", armature.name, "uneven-scale")
    left, _, right = np.linalg.svd(turn)
    return Placement(left @ right, float(scales.mean()), matrix[:3, 3] - way_from_home(armature))


def describe(armature: bpy.types.Object, mapping: Mapping | None = None) -> Description:
    """Reads the mapped bones of an armature object in its unposed state; the scene is left as it was.

    Without a mapping the bones are detected. Bones outside it count as they are posed now. Raises KineliftError naming
    the object and the remedy.
    """
    mapping = checked_mapping(armature, mapping)
    place = placement(armature)
    with undisturbed(armature) as trial:
        found = carriers_of(trial, mapping)
    left_out = [name for name in mapping.roles if name not in found.names]
    mapping = replace(mapping, roles={name: role for name, role in mapping.roles.items() if name in found.names})
    lengths = np.array([armature.data.bones[name].length for name in found.names])
    tails = found.heads + found.turns[:, :, 1] * (found.stretches * lengths)[:, None]
    return Description(
        mapping=mapping,
        bone_names=found.names,
        roles=[mapping.roles[name] for name in found.names],
        parents=found.place_carriers,
        heads=place.to_world(found.heads),
        tails=place.to_world(tails),
        rotations=quaternions(place.turn @ found.turns),
        origin=place.origin,
        notes=(*(f"{name!r} is moved by something else ({', '.join(causes_on(armature, name)) or 'no other mapped bone carries it'}) and gets no keys"
                 for name in left_out), *limitations(armature, mapping)),
    )


def write_armature_file(path: Path | str, description: Description) -> Path:
    """Writes the armature file (docs/architecture.md, Files) whole or not at all."""
    return write_npz(path, {
        "kind": np.array(description.mapping.kind),
        "bone_names": np.array(description.bone_names),
        "roles": np.array(description.roles),
        "parents": description.parents.astype(np.int32),
        "rest_heads": description.heads,
        "rest_tails": description.tails,
        "rest_rotations": description.rotations,
        "origin": description.origin,
    })
