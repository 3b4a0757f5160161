"""What copies borrow of the scene while they are exported: names, and that all is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy

from ...backend.errors import KineliftError


@contextmanager
def names_lent(scene: bpy.types.Scene, objects: list[bpy.types.Object], name: str) -> Iterator[dict[bpy.types.ID, str]]:
    """Inside, the scene is called `name` and the originals give up their names, which are what comes; afterwards they have them again."""
    names = {holder: holder.name for item in objects for holder in (item, item.data) if holder is not None}
    scene_name = scene.name
    try:
        for number, holder in enumerate(names):
            if holder.library is None:
                holder.name = f"Kinelift original {number}"
        scene.name = name
        yield names
    finally:
        scene.name = scene_name
        for holder, own in names.items():
            if holder.library is None:
                holder.name = own


@contextmanager
def visible(scene: bpy.types.Scene, objects: list[bpy.types.Object], frames: tuple[int, int]) -> Iterator[None]:
    """Inside, `objects` are evaluated and `frames` is the range; afterwards these are as before."""
    layer = bpy.context.view_layer
    layer.update()
    if objects[0].name not in layer.objects:
        raise KineliftError("the armature is not in the view layer", "Include its collection in the view layer", objects[0].name, "not-in-layer")
    span = scene.frame_start, scene.frame_end, scene.use_preview_range, scene.frame_current
    collections = {collection for item in objects for collection in item.users_collection}
    hidden = {holder: holder.hide_viewport for holder in [*collections, *objects]}
    eyes = {item: item.hide_get() for item in objects if item.name in layer.objects}
    try:
        scene.use_preview_range = False
        scene.frame_start, scene.frame_end = frames
        for holder in hidden:
            holder.hide_viewport = False
        layer.update()
        for item in eyes:
            item.hide_set(False)
        yield
    finally:
        for item, was_hidden in eyes.items():
            item.hide_set(was_hidden)
        for holder, was_hidden in hidden.items():
            holder.hide_viewport = was_hidden
        scene.frame_start, scene.frame_end, scene.use_preview_range = span[:3]
        scene.frame_set(span[3])
