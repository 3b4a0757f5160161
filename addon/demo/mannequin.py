"""A skinned mannequin in a basketball kit, made by code on a Rigify human."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np

from . import anatomy, materials
from .volumes import Solid

UNSKINNED = ("heel", "breast", "pelvis")
"""Helper bones of the metarig that would only pull the skin about."""

PROXY_VOXEL = 0.014


def add_mannequin(metarig: bpy.types.Object, armature: bpy.types.Object, name: str = "Mannequin") -> bpy.types.Object:
    """Makes the mannequin around `metarig`'s rest pose and skins it to `armature`'s deforming bones.

    `armature` is the metarig itself or a rig generated from it, both untransformed. Returns the mesh object.
    """
    parts = [_remeshed(f"{name} {piece}", solid, voxel) for piece, (solid, voxel) in anatomy.pieces(_points(metarig)).items()]
    proxy = _fused(parts)
    _weigh(proxy, armature)
    for part, material in zip(parts, _kit(_points(metarig))):
        part.data.materials.append(material)
        _copy_weights(proxy, part)
    bpy.data.meshes.remove(proxy.data)
    body = _joined(parts, name)
    _remember_rest(body.data)
    body.parent = armature
    deform = body.modifiers.new("Armature", "ARMATURE")
    deform.object = armature
    return body


def _points(metarig: bpy.types.Object) -> anatomy.Points:
    bones = metarig.data.bones

    def point(name: str, fraction: float) -> np.ndarray:
        head, tail = np.array(bones[name].head_local), np.array(bones[name].tail_local)
        return head + (tail - head) * fraction

    return point


def _kit(point: anatomy.Points) -> Iterable[bpy.types.Material]:
    """Materials in the order of anatomy.pieces."""
    hem = float(point("thigh.L", anatomy.SHORTS_LENGTH)[2])
    skin = materials.skin()
    return (skin, skin, materials.jersey(anatomy.JERSEY_HEM), materials.shorts(hem),
            materials.plain("Mannequin Socks", materials.WHITE, 0.7), materials.plain("Mannequin Shoes", materials.TEAM, 0.4),
            materials.plain("Mannequin Soles", materials.WHITE, 0.5))


def _remeshed(name: str, solid: Solid, voxel: float) -> bpy.types.Object:
    """The solid as one smooth closed mesh."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(solid.vertices.tolist(), [], solid.faces)
    return _evaluated(_linked(name, mesh), voxel, smoothing=6)


def _fused(parts: list[bpy.types.Object]) -> bpy.types.Object:
    """All parts as one closed mesh, on which bone heat finds a solution."""
    vertices, faces, start = [], [], 0
    for part in parts:
        vertices += [tuple(vertex.co) for vertex in part.data.vertices]
        faces += [tuple(index + start for index in polygon.vertices) for polygon in part.data.polygons]
        start = len(vertices)
    mesh = bpy.data.meshes.new("Proxy")
    mesh.from_pydata(vertices, [], faces)
    return _evaluated(_linked("Proxy", mesh), PROXY_VOXEL, smoothing=2)


def _linked(name: str, mesh: bpy.types.Mesh) -> bpy.types.Object:
    created = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(created)
    return created


def _evaluated(source: bpy.types.Object, voxel: float, smoothing: int) -> bpy.types.Object:
    """Fuses by voxels, smooths and replaces the object's mesh by the result."""
    remesh = source.modifiers.new("Remesh", "REMESH")
    remesh.mode, remesh.voxel_size, remesh.use_smooth_shade = "VOXEL", voxel, True
    smooth = source.modifiers.new("Smooth", "SMOOTH")
    smooth.factor, smooth.iterations = 0.5, smoothing
    depsgraph = bpy.context.evaluated_depsgraph_get()
    mesh = bpy.data.meshes.new_from_object(source.evaluated_get(depsgraph))
    before = source.data
    source.modifiers.clear()
    source.data = mesh
    mesh.name = source.name
    bpy.data.meshes.remove(before)
    return source


def _weigh(mesh: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Automatic weights on the bones that carry the body."""
    idle = [bone for bone in armature.data.bones if bone.use_deform and any(word in bone.name for word in UNSKINNED)]
    pose, armature.data.pose_position = armature.data.pose_position, "REST"
    for bone in idle:
        bone.use_deform = False
    try:
        _select([mesh], armature)
        bpy.ops.object.parent_set(type="ARMATURE_AUTO")
    finally:
        armature.data.pose_position = pose
        for bone in idle:
            bone.use_deform = True
    if not any(vertex.groups for vertex in mesh.data.vertices):
        raise RuntimeError(f"bone heat found no weights for {armature.name}")


def _copy_weights(source: bpy.types.Object, target: bpy.types.Object) -> None:
    """Interpolates the weights of the nearest place on the source's surface."""
    for group in source.vertex_groups:
        target.vertex_groups.new(name=group.name)
    transfer = target.modifiers.new("Weights", "DATA_TRANSFER")
    transfer.object = source
    transfer.use_vert_data, transfer.data_types_verts, transfer.vert_mapping = True, {"VGROUP_WEIGHTS"}, "POLYINTERP_NEAREST"
    _select([], target)
    bpy.ops.object.modifier_apply(modifier=transfer.name)


def _joined(parts: list[bpy.types.Object], name: str) -> bpy.types.Object:
    _select(parts, parts[0])
    bpy.ops.object.join()
    parts[0].name = parts[0].data.name = name
    return parts[0]


def _remember_rest(mesh: bpy.types.Mesh) -> None:
    attribute = mesh.attributes.new(materials.REST_POSITION, "FLOAT_VECTOR", "POINT")
    places = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", places)
    attribute.data.foreach_set("vector", places)


def _select(selected: list[bpy.types.Object], active: bpy.types.Object) -> None:
    bpy.ops.object.select_all(action="DESELECT")
    for each in [*selected, active]:
        each.select_set(True)
    bpy.context.view_layer.objects.active = active
