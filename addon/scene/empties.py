"""Objects of a motion, such as a ball or a box, as keyed empties."""

from __future__ import annotations

import bpy
import numpy as np

from .keying import key_channels
from .resampling import resample, resample_rotations, scene_fps
from .rotations import rotation_channels

RADII = {"ball": 0.12}
"""Metres, by the object's name in the motion."""

DEFAULT_RADIUS = 0.1

COMPANION_OF = "kinelift_companion_of"
"""Custom property of an empty: the armature whose motion it belongs to."""


GROUP = "Object Transforms"


def companions(armature: bpy.types.Object) -> list[bpy.types.Object]:
    """The objects, such as a ball, that move with an armature's motion."""
    return [item for item in bpy.data.objects if item.get(COMPANION_OF) == armature]


def radius_of(object_name: str) -> float:
    """The radius to show an object with, metres."""
    return RADII.get(object_name.lower(), DEFAULT_RADIUS)


def rigid_part(number: int, turns: np.ndarray | None, sizes: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The turns [T,4] and the size [3] that a motion's object has among all the turns [T,K,4] and sizes [K,3]; None for what isn't known,
    both for one that is no more than a point, as a ball is."""
    if sizes is None:
        return None if turns is None else turns[:, number], None
    if not (sizes[number] > 0).all():
        return None, None
    return None if turns is None else turns[:, number], sizes[number]


def key_object(name: str, positions: np.ndarray, fps: float, frame_start: float, radius: float, collection: bpy.types.Collection,
               turns: np.ndarray | None = None, size: np.ndarray | None = None) -> bpy.types.Object:
    """Keys world positions [T,3], and where they are known turns [T,4], on the empty `name` of a collection, one key a scene frame; the
    empty is made when it isn't there, and keeps its earlier Actions in the file when it is."""
    empty = find_empty(name, radius, collection, size)
    new_fps = scene_fps(bpy.context.scene)
    track = resample(np.asarray(positions, float), fps, new_fps)
    channels = {("location", axis, GROUP): track[:, axis] for axis in range(3)}
    if turns is not None:
        property, values = rotation_channels(empty.rotation_mode, resample_rotations(turns[:, None], fps, new_fps)[:, 0])
        channels |= {(property, axis, GROUP): values[:, axis] for axis in range(values.shape[1])}
        setattr(empty, property, values[0].tolist())
    key_channels(empty, name, channels, frame_start)
    empty.location = track[0]
    return empty


def find_empty(name: str, radius: float, collection: bpy.types.Collection, size: np.ndarray | None = None) -> bpy.types.Object:
    """The empty `name` of a collection, made when it isn't there: a sphere, or a box of that size [3] along its own axes.

    The size is in the delta scale, which keeps the scale itself for the user; a cube of 2 m parented to a box without inverse fills it.
    """
    empty = collection.objects.get(name)
    if empty is None or empty.type != "EMPTY":
        empty = bpy.data.objects.new(name, None)
        empty.rotation_mode = "QUATERNION"
        collection.objects.link(empty)
    empty.empty_display_type, empty.empty_display_size = ("SPHERE", radius) if size is None else ("CUBE", 1.0)
    empty.delta_scale = (1.0, 1.0, 1.0) if size is None else size / 2
    return empty
