"""Objects that a motion moves: keyed in the world, and to a hand while it holds them, so that they go along when the arm is edited."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.errors import KineliftError
from ...rigs import Mapping
from .armatures import placement
from .curves import Channel
from .empties import COMPANION_OF, GROUP
from .keying import Keyed, Manner, key_channels
from .rotations import continuous, matrices, quaternions, rotation_channels

CONSTRAINT = "Kinelift "
"""What the names of our constraints begin with."""


@dataclass(frozen=True)
class Hand:
    """A bone that may hold objects, and where it is in the world [T,4,4], without scale."""

    armature: bpy.types.Object
    bone: str
    matrices: np.ndarray


def hand_of(armature: bpy.types.Object, mapping: Mapping, role: str, keyed: Keyed) -> Hand | None:
    """The hand of a role, by a bone that is there whichever controls drive the limb; None when the rig has none."""
    own = mapping.bones.get(role)
    if own is None or own not in keyed.bones:
        return None
    bone = next((limb.follows for limb in mapping.ik if limb.chain[2] == role and limb.follows in armature.data.bones), own)
    rests = [np.array(armature.data.bones[name].matrix_local, float) for name in (own, bone)]
    offset = np.linalg.inv(rests[0]) @ rests[1]
    offset[:3, 3] *= placement(armature).scale
    return Hand(armature, bone, keyed.bones[own] @ offset)


def refuse_unfit(item: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Raises KineliftError for an object that can't be moved beside an armature."""
    if item == armature or armature in _ancestors(item):
        raise KineliftError("the object is the armature, or hangs on it", "Choose an object of its own, or clear its parent (Alt+P)", item.name, "bad-object")
    if item in _ancestors(armature):
        raise KineliftError("the armature hangs on this object", "Choose another object", item.name, "bad-object")
    if item.parent is not None and item.parent_type != "OBJECT":
        raise KineliftError("the object hangs on a bone or a vertex", "Clear its parent (Alt+P)", item.name, "bad-object")


def key_on_object(item: bpy.types.Object, action_name: str, positions: np.ndarray, turns: np.ndarray | None, hands: dict[str, Hand],
                  holders: np.ndarray, frame_start: float, manner: Manner) -> bpy.types.Action:
    """Keys a path on an object: positions [T,3] and, where known, turns [T,4] in the world, one a scene frame.

    holders [T]: key in `hands` of the hand that holds the object, "" for none. While a hand does, a constraint makes the object its child and
    the keys are seen from the hand: the object is where it would be without, and goes along when the arm is edited. Without turns it turns
    with the hand and keeps its turn in flight.
    """
    used = [name for name in hands if (holders == name).any()]
    world = np.tile(np.eye(4), (len(positions), 1, 1))
    world[:, :3, 3] = positions
    if turns is not None:
        world[:, :3, :3] = matrices(turns)
    elif used:
        world[:, :3, :3] = _turned_along(_turn_now(item), hands, holders)
    seen = world.copy()
    for name in used:
        held = holders == name
        seen[held] = np.linalg.inv(hands[name].matrices[held]) @ world[held]
    above = np.array(item.parent.matrix_world @ item.matrix_parent_inverse, float) if item.parent is not None else np.eye(4)
    left, _, right = np.linalg.svd(above[:3, :3])
    places = np.einsum("ij,tj->ti", np.linalg.inv(above), np.concatenate([seen[:, :3, 3], np.ones((len(seen), 1))], axis=1))[:, :3]
    places -= np.array(item.delta_location)
    channels: dict[Channel, np.ndarray] = {("location", axis, GROUP): places[:, axis] for axis in range(3)}
    if turns is not None or used:
        own = continuous(quaternions((left @ right).T @ seen[:, :3, :3]))
        property, values = rotation_channels(item.rotation_mode, own)
        channels |= {(property, axis, GROUP): values[:, axis] for axis in range(values.shape[1])}
    breaks = np.flatnonzero(holders[1:] != holders[:-1]) + 1
    _drop_constraints(item, {CONSTRAINT + name for name in used})
    switches = {(_constraint(item, CONSTRAINT + name, hands[name]).path_from_id("influence"), 0, GROUP): (holders == name).astype(float) for name in used}
    return key_channels(item, action_name, channels, frame_start, manner, switches, breaks.tolist())


def drop_idle_constraints(item: bpy.types.Object, keyed_paths: set[str]) -> None:
    """Removes our constraints whose influence has no keys any more."""
    _drop_constraints(item, {constraint.name for constraint in item.constraints if constraint.path_from_id("influence") in keyed_paths})


def belongs_to(item: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Makes an object a companion of an armature: it is exported with it."""
    item[COMPANION_OF] = armature


def _turn_now(item: bpy.types.Object) -> np.ndarray:
    """[3,3] the turn a chosen object has; an empty has none of its own."""
    return np.eye(3) if item.type == "EMPTY" else np.array(item.matrix_world.to_quaternion().to_matrix(), float)


def _turned_along(turn: np.ndarray, hands: dict[str, Hand], holders: np.ndarray) -> np.ndarray:
    """Turns [T,3,3] of an object that begins with `turn`, turns with the hand that holds it and not at all in flight."""
    result = np.empty((len(holders), 3, 3))
    for frame, name in enumerate(holders):
        if name in hands and frame and holders[frame - 1] == name:
            hand = hands[name].matrices[frame - 1:frame + 1, :3, :3]
            turn = hand[1] @ hand[0].T @ turn
        result[frame] = turn
    return result


def _constraint(item: bpy.types.Object, name: str, hand: Hand) -> bpy.types.Constraint:
    constraint = item.constraints.get(name)
    if constraint is None or constraint.type != "CHILD_OF":
        constraint = item.constraints.new("CHILD_OF")
        constraint.name = name
        constraint.influence = 0.0
    constraint.target, constraint.subtarget = hand.armature, hand.bone
    constraint.inverse_matrix = Matrix.Identity(4)
    constraint.use_scale_x = constraint.use_scale_y = constraint.use_scale_z = False
    return constraint


def _drop_constraints(item: bpy.types.Object, kept: set[str]) -> None:
    for constraint in [entry for entry in item.constraints if entry.type == "CHILD_OF" and entry.name.startswith(CONSTRAINT) and entry.name not in kept]:
        item.constraints.remove(constraint)


def _ancestors(item: bpy.types.Object) -> list[bpy.types.Object]:
    result = []
    while item.parent is not None:
        item = item.parent
        result.append(item)
    return result
