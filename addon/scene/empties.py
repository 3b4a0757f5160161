"""Objects of a motion, such as a ball, as keyed empties."""

from __future__ import annotations

import bpy
import numpy as np

from .keying import key_channels, resample, scene_fps

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


def key_object(name: str, positions: np.ndarray, fps: float, frame_start: float, radius: float,
               collection: bpy.types.Collection) -> bpy.types.Object:
    """Keys world positions [T,3] on the empty `name` of a collection, one key a scene frame; the empty is made when it
    isn't there, and keeps its earlier Actions in the file when it is."""
    empty = find_empty(name, radius, collection)
    track = resample(np.asarray(positions, float), fps, scene_fps(bpy.context.scene))
    key_channels(empty, name, {("location", axis, GROUP): track[:, axis] for axis in range(3)}, frame_start)
    empty.location = track[0]
    return empty


def find_empty(name: str, radius: float, collection: bpy.types.Collection) -> bpy.types.Object:
    """The empty `name` of a collection, made when it isn't there."""
    empty = collection.objects.get(name)
    if empty is None or empty.type != "EMPTY":
        empty = bpy.data.objects.new(name, None)
        empty.empty_display_type = "SPHERE"
        collection.objects.link(empty)
    empty.empty_display_size = radius
    return empty
