"""Copies for export: an armature with nothing but the bones that are wanted, and every frame of the motion as keys of their own.

What moves the original (constraints, drivers, controls, parents, the NLA, its own scale) is in the keys, so that every format gets the same
simple rig. A bone's head is where the original's is at every frame, also where shear, which no format knows, is lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import bpy
import numpy as np
from mathutils import Matrix

from ..scene.keying import key_channels
from ..scene.removal import remove_object
from ..scene.rotations import continuous, quaternions
from ..scene.selection import object_mode
from ..scene.stick import SHORTEST
from .bones import carriers, outwards, wanted_bones
from .lending import names_lent, visible

UNSCALED = 1e-4
"""A bone whose scale stays this close to 1 gets no keys for it."""

ASIDE = Matrix.Rotation(math.radians(0.05), 4, "X")
"""A turn at rest that nobody sees: Blender's FBX importer connects a bone to the tip of the one before, and then drops the keys of its place."""


@dataclass(frozen=True)
class Bake:
    """How to copy. only_deform: leave out bones that deform nothing, where any does; rigid: keep all bones' scales at 1; in_bones: the
    object's own motion goes to the bones, and the object stays at the origin; for_fbx: the frame before the first shows the rest pose and
    is the current one, where the FBX exporter takes it from, and bones don't point exactly at the next; scale, turn: of the world in the file."""

    only_deform: bool = True
    rigid: bool = False
    in_bones: bool = False
    for_fbx: bool = False
    scale: float = 1.0
    turn: Matrix = field(default_factory=lambda: Matrix.Identity(3))

    @property
    def world(self) -> Matrix:
        return Matrix.Scale(self.scale, 4) @ self.turn.to_4x4()


@contextmanager
def baked(scene: bpy.types.Scene, objects: list[bpy.types.Object], frames: tuple[int, int], name: str, bake: Bake) -> Iterator[list[bpy.types.Object]]:
    """Inside, copies of an armature (the first object), its meshes and empties are in the scene under the originals' names, selected and
    alone; `frames` is the scene's range and `name` its name, which FBX takes as the clip's. Afterwards everything is as before."""
    with object_mode(), visible(scene, objects, frames), names_lent(scene, objects, name) as names:
        sample = _sample(scene, objects, frames, bake)
        collection = bpy.data.collections.new("Kinelift export")
        try:
            scene.collection.children.link(collection)
            for item in bpy.context.view_layer.objects:
                item.select_set(False)  # what is selected would enter Edit Mode with the copy, and its bones would be made anew
            armature = _armature_copy(objects[0], sample, frames[0], collection, bake)
            copies = [armature, *(_mesh_copy(item, objects[0], armature, sample, collection) if item.type == "MESH"
                                  else _empty_copy(sample.others[item], frames[0], collection, bake) for item in objects[1:])]
            for source, copy in zip(objects, copies, strict=True):
                copy.name = names[source]
                if copy.data is not None:
                    copy.data.name = names[source.data]
            scene.frame_set(frames[0] - bake.for_fbx)
            for item in bpy.context.view_layer.objects:
                item.select_set(item in copies)
            bpy.context.view_layer.objects.active = armature
            yield copies
        finally:
            _remove(collection)


@dataclass(frozen=True)
class _Sample:
    """first: the armature's world matrix; to_copy: from its space to that of the copy at the first frame; places: [T] of the copy's object;
    carried: [T] from its space to the copy's; poses: bone name -> [T,4,4] in the armature's space; others: object -> [T] matrices in the world."""

    first: Matrix
    places: list[Matrix]
    carried: np.ndarray
    poses: dict[str, np.ndarray]
    others: dict[bpy.types.Object, list[Matrix]]

    @property
    def to_copy(self) -> Matrix:
        return Matrix(self.carried[0].tolist())


def _sample(scene: bpy.types.Scene, objects: list[bpy.types.Object], frames: tuple[int, int], bake: Bake) -> _Sample:
    armature, *others = objects
    names = [bone.name for bone in wanted_bones(armature, bake.only_deform)]
    extra = {item.parent_bone for item in others if item.parent == armature and item.parent_type == "BONE"} - {*names, ""}
    worlds, poses, tracks = [], {name: [] for name in [*names, *extra]}, {item: [] for item in others}
    for frame in range(frames[0], frames[1] + 1):
        scene.frame_set(frame)
        graph = bpy.context.evaluated_depsgraph_get()
        posed = armature.evaluated_get(graph)
        worlds.append(posed.matrix_world.copy())
        for name, track in poses.items():
            track.append(np.array(posed.pose.bones[name].matrix))
        for item in others:
            tracks[item].append(item.evaluated_get(graph).matrix_world.copy())
    places, carried = [], []
    for world in worlds:
        place, turn, _ = world.decompose()
        if bake.in_bones:
            places.append(Matrix.Identity(4))
            carried.append(np.array(bake.world @ world))
        else:
            there = Matrix.LocRotScale(place, turn, None)
            places.append(Matrix.LocRotScale(bake.world @ place, (bake.turn @ turn.to_matrix() @ bake.turn.inverted()).to_quaternion(), None))
            carried.append(np.array(bake.world @ there.inverted() @ world))
    return _Sample(worlds[0], places, np.stack(carried), {name: np.stack(track) for name, track in poses.items()}, tracks)


def _armature_copy(source: bpy.types.Object, sample: _Sample, first: int, collection: bpy.types.Collection, bake: Bake) -> bpy.types.Object:
    bones = wanted_bones(source, bake.only_deform)
    above = carriers(source, bones)
    bones = outwards(bones, above)
    copy = bpy.data.objects.new(source.name, bpy.data.armatures.new(source.data.name))
    collection.objects.link(copy)
    bpy.context.view_layer.objects.active = copy
    bpy.ops.object.mode_set(mode="EDIT")
    shortest = SHORTEST * bake.scale
    for bone in bones:
        made = copy.data.edit_bones.new(bone.name)
        rest = sample.to_copy @ bone.matrix_local
        made.head, made.tail = (0, 0, 0), (0, max(bone.length * rest.col[1].length, shortest), 0)
        made.matrix = rest.normalized() @ (ASIDE if bake.for_fbx else Matrix.Identity(4))
        made.parent = copy.data.edit_bones.get(above[bone.name])
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in bones:
        copy.data.bones[bone.name].use_deform = True
    _key_object(copy, sample.places, _pose_channels(copy, source, sample, above, bake.rigid), first, bake.for_fbx)
    return copy


def _pose_channels(copy: bpy.types.Object, source: bpy.types.Object, sample: _Sample, above: dict[str, str], rigid: bool) -> dict:
    to_copy = np.array(sample.to_copy)
    channels, reached = {}, {}
    for bone in copy.data.bones:
        name, rest = bone.name, np.array(bone.matrix_local)
        goal = sample.carried @ sample.poses[name] @ np.linalg.inv(to_copy @ np.array(source.data.bones[name].matrix_local)) @ rest
        carrier = above[name]
        base = reached[carrier] @ (np.linalg.inv(np.array(copy.data.bones[carrier].matrix_local)) @ rest) if carrier else np.broadcast_to(rest, goal.shape)
        location, turns, sizes = _parts(np.linalg.inv(base) @ goal)
        if rigid or np.abs(sizes - 1).max() < UNSCALED:
            sizes = np.ones_like(sizes)
        reached[name] = base @ _composed(location, turns, sizes)
        pose_bone = copy.pose.bones[name]
        pose_bone.rotation_mode = "QUATERNION"
        for property, values in (("location", location), ("rotation_quaternion", continuous(quaternions(turns))), ("scale", sizes)):
            if property != "scale" or (sizes != 1).any():
                channels |= {(pose_bone.path_from_id(property), axis, name): values[:, axis] for axis in range(values.shape[1])}
    return channels


def _parts(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrices [T,4,4] -> locations [T,3], rotations [T,3,3] and scales [T,3], shear left out."""
    left, _, right = np.linalg.svd(matrices[:, :3, :3])
    turns = left @ right
    turns = np.where(np.linalg.det(turns)[:, None, None] < 0, -turns, turns)
    return matrices[:, :3, 3], turns, np.einsum("tij,tij->tj", turns, matrices[:, :3, :3])


def _composed(location: np.ndarray, turns: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    matrices = np.tile(np.eye(4), (len(location), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = turns * sizes[:, None, :], location
    return matrices


def _key_object(item: bpy.types.Object, places: list[Matrix], channels: dict, first: int, rest_before: bool) -> None:
    """Keys channels of bones and, where the object moves, its own place in the world [T] on a new Action."""
    if rest_before:
        channels = {(path, index, group): np.append(_at_rest(path, index), values) for (path, index, group), values in channels.items()}
    item.rotation_mode = "QUATERNION"
    item.matrix_world = places[0]
    if np.ptp([np.array(place) for place in places], axis=0).max() > 1e-6:
        turns = continuous(np.array([tuple(place.to_quaternion()) for place in places]))
        for property, values in (("location", np.array([place.translation[:] for place in places])), ("rotation_quaternion", turns)):
            track = np.concatenate([values[:1], values]) if rest_before else values
            channels = channels | {(property, axis, "Object Transforms"): track[:, axis] for axis in range(track.shape[1])}
    if channels:
        key_channels(item, item.name, channels, first - rest_before)


def _at_rest(path: str, index: int) -> float:
    return float(path.endswith("scale") or (path.endswith("rotation_quaternion") and index == 0))


def _empty_copy(worlds: list[Matrix], first: int, collection: bpy.types.Collection, bake: Bake) -> bpy.types.Object:
    copy = bpy.data.objects.new("Empty", None)
    copy.empty_display_size = 0.1 * bake.scale
    collection.objects.link(copy)
    _key_object(copy, [Matrix.LocRotScale(*(bake.world @ world).decompose()[:2], None) for world in worlds], {}, first, False)
    return copy


def _mesh_copy(source: bpy.types.Object, armature: bpy.types.Object, copy: bpy.types.Object, sample: _Sample,
               collection: bpy.types.Collection) -> bpy.types.Object:
    """A mesh skinned to the copied armature, its own transform in its points; one that hung on a bone follows that bone alone."""
    mesh = source.copy()
    mesh.data = source.data.copy()
    mesh.animation_data_clear()
    mesh.constraints.clear()
    collection.objects.link(mesh)
    mesh.hide_viewport = False
    bone = source.parent_bone if source.parent == armature and source.parent_type == "BONE" and source.parent_bone in sample.poses else ""
    in_armature = sample.first.inverted() @ sample.others[source][0]
    if bone:
        in_armature = armature.data.bones[bone].matrix_local @ Matrix(sample.poses[bone][0].tolist()).inverted() @ in_armature
    to_copy = sample.to_copy @ in_armature
    mesh.data.transform(to_copy, shape_keys=True)
    if to_copy.determinant() < 0:
        mesh.data.flip_normals()
    mesh.parent, mesh.parent_type = copy, "OBJECT"
    mesh.matrix_parent_inverse = mesh.matrix_basis = Matrix.Identity(4)
    skins = [modifier for modifier in mesh.modifiers if modifier.type == "ARMATURE" and modifier.object == armature]
    for modifier in skins:
        modifier.object = copy
    if bone and not skins:
        holder = armature.data.bones[bone]
        while holder is not None and holder.name not in copy.data.bones:
            holder = holder.parent
        if holder is not None:
            mesh.vertex_groups.new(name=holder.name).add(range(len(mesh.data.vertices)), 1.0, "REPLACE")
            mesh.modifiers.new("Armature", "ARMATURE").object = copy
    return mesh


def _remove(collection: bpy.types.Collection) -> None:
    for item in list(collection.objects):
        remove_object(item)
    bpy.data.collections.remove(collection)
