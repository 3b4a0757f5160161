"""The stick armature: a motion as it is, before any retargeting. Every joint is the head of a bone."""

from __future__ import annotations

from typing import NamedTuple

import bpy
import numpy as np
from mathutils import Vector

from ...backend.motion.motion3d import Motion3D
from ...rigs import drawn_from, load_skeleton, skeleton_names
from .keying import key_channels
from .resampling import resample, scene_fps
from .rotations import continuous, matrices
from .selection import object_mode

TIP = " tip"
TIP_LENGTH = 0.06
SHORTEST = 1e-3
"""Metres; Blender deletes shorter bones."""

CARRIER = "kinelift_carrier"
"""Custom property of a bone: the name of the bone that its joint hangs on."""

THICKNESS = 0.028
LEFT, RIGHT, MIDDLE = "THEME04", "THEME01", "THEME09"


def make_stick(name: str, motion: Motion3D, frame_start: float, collection: bpy.types.Collection) -> bpy.types.Object:
    """Makes an armature in a collection of the current scene and keys the motion on it, one key a scene frame.

    A bone for every edge of the skeleton, named after the joint at its end, and a short one, "JOINT tip", on every joint
    that ends a limb, so that all joints survive formats which keep only the heads of bones. The rest pose is the first frame.
    """
    track = resample(motion.positions, motion.fps, scene_fps(bpy.context.scene))
    bones = edges(motion)
    names = [bone.name for bone in bones]
    heads = edge_heads(track, bones)
    vectors = edge_vectors(track, bones)
    stick = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    collection.objects.link(stick)
    names = _make_bones(stick, names, heads[0], vectors[0])
    _tell_carriers(stick, names, bones)
    rest = np.array([stick.data.bones[bone].matrix_local.to_3x3() for bone in names])
    locations, turns, stretches = bone_channels(rest, heads, vectors)
    channels = {}
    for number, bone in enumerate(names):
        pose_bone = stick.pose.bones[bone]
        for property, values in (("location", locations[:, number]), ("rotation_quaternion", turns[:, number])):
            path = pose_bone.path_from_id(property)
            channels |= {(path, index, bone): values[:, index] for index in range(values.shape[1])}
        channels[pose_bone.path_from_id("scale"), 1, bone] = stretches[:, number]
    key_channels(stick, name, channels, frame_start)
    return stick


class Edge(NamedTuple):
    """A bone from the middle of the joints `heads` to joint `tail`; a tip lies on its only head and goes on in the direction from `tail` to it."""

    name: str
    heads: tuple[int, ...]
    tail: int
    is_tip: bool


def edges(motion: Motion3D) -> list[Edge]:
    """The bones of a motion's skeleton."""
    roles = motion.roles or (load_skeleton(motion.skeleton).roles if motion.skeleton in skeleton_names() else {})
    between = drawn_from(motion.parents, [roles.get(name, "") for name in motion.joint_names])
    bones = [Edge(name, heads, joint, False) for joint, (name, heads) in enumerate(zip(motion.joint_names, between, strict=True)) if heads]
    tips = [Edge(name + TIP, (joint,), max(motion.parents[joint], 0), True) for joint, name in enumerate(motion.joint_names) if joint not in motion.parents]
    return bones + tips


def edge_heads(track: np.ndarray, bones: list[Edge]) -> np.ndarray:
    """Joint positions [T,J,3] -> where bones begin [T,N,3]."""
    return np.stack([track[:, list(bone.heads)].mean(1) for bone in bones], axis=1)


def edge_vectors(track: np.ndarray, bones: list[Edge]) -> np.ndarray:
    """Joint positions [T,J,3] -> bones [T,N,3] from head to tail, none shorter than Blender allows."""
    vectors = track[:, [bone.tail for bone in bones]] - edge_heads(track, bones)
    is_tip = np.array([bone.is_tip for bone in bones])[:, None]
    vectors = np.where(is_tip, -TIP_LENGTH * _unit(vectors), vectors)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(lengths < SHORTEST, SHORTEST * _unit(vectors), vectors)


def bone_channels(rest: np.ndarray, heads: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Channels of bones without parents that start at heads [T,N,3] and reach along vectors [T,N,3].

    rest [N,3,3] holds the bones' axes in the rest pose, which is the first frame. Returns locations [T,N,3], quaternions
    [T,N,4] and stretches [T,N] along the bone. Each frame turns the frame before by the smallest turn: nothing flips.
    """
    locations = np.einsum("nji,tnj->tni", rest, heads - heads[0])
    lengths = np.linalg.norm(vectors, axis=-1)
    directions = vectors / lengths[..., None]
    turns = np.empty((*lengths.shape, 4))
    turns[0] = (1.0, 0.0, 0.0, 0.0)
    for frame in range(1, len(turns)):
        turns[frame] = _multiply(_smallest_turn(directions[frame - 1], directions[frame]), turns[frame - 1])
        reached = np.einsum("nij,nj->ni", matrices(turns[frame]), directions[0])
        turns[frame] = _multiply(_smallest_turn(reached, directions[frame]), turns[frame])  # else rounding adds up
    axes = np.einsum("nji,tnj->tni", rest, turns[..., 1:])
    local = np.concatenate([turns[..., :1], axes], axis=-1)
    return locations, continuous(local / np.linalg.norm(local, axis=-1, keepdims=True)), lengths / lengths[0]


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.where(lengths > 1e-9, vectors / np.maximum(lengths, 1e-9), np.array([0.0, 0.0, 1.0]))


def _smallest_turn(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Unit vectors [N,3] twice -> quaternions [N,4]; opposite vectors turn about any axis square to them."""
    cosines = np.sum(before * after, axis=-1, keepdims=True)
    axes = np.cross(before, after)
    aside = np.where(np.abs(before[:, :1]) < 0.9, np.cross(before, [1.0, 0.0, 0.0]), np.cross(before, [0.0, 1.0, 0.0]))
    quaternion = np.where(cosines > -1 + 1e-9, np.concatenate([1 + cosines, axes], axis=-1), np.concatenate([0 * cosines, aside], axis=-1))
    return quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)


def _multiply(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    a, b = first[:, :1], second[:, :1]
    u, v = first[:, 1:], second[:, 1:]
    return np.concatenate([a * b - np.sum(u * v, axis=-1, keepdims=True), a * v + b * u + np.cross(u, v)], axis=-1)


def _make_bones(stick: bpy.types.Object, names: list[str], heads: np.ndarray, vectors: np.ndarray) -> list[str]:
    """Bones stay without parents: a parent's stretch would shear them. Returns their names: Blender cuts long ones and numbers equal ones."""
    made = []
    with object_mode():
        bpy.context.view_layer.objects.active = stick
        bpy.ops.object.mode_set(mode="EDIT")
        for name, head, vector in zip(names, heads, vectors, strict=True):
            bone = stick.data.edit_bones.new(name)
            bone.head, bone.tail = Vector(head), Vector(head + vector)
            bone.bbone_x = bone.bbone_z = THICKNESS
            made.append(bone)
        names = [bone.name for bone in made]
    for bone in stick.data.bones:
        bone.color.palette = _colour(bone.name)
    stick.data.display_type = "BBONE"
    stick.show_in_front = True
    return names


def _tell_carriers(stick: bpy.types.Object, names: list[str], bones: list[Edge]) -> None:
    """Writes on every bone which bone ends at the joint where it begins, or at the first of those between which it does."""
    ends = {bone.tail: name for name, bone in zip(names, bones, strict=True) if not bone.is_tip}
    for name, bone in zip(names, bones, strict=True):
        if bone.heads[0] in ends:
            stick.data.bones[name][CARRIER] = ends[bone.heads[0]]


def _colour(joint: str) -> str:
    sides = {"L": LEFT, "R": RIGHT}
    if joint[:1] in sides and joint[1:2].isupper():
        return sides[joint[0]]
    lower = joint.lower()
    return LEFT if lower.startswith("left") else RIGHT if lower.startswith("right") else MIDDLE
