"""Borrowing what the user has selected, for operators of Blender that work on the selection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy


@contextmanager
def object_mode() -> Iterator[None]:
    """Inside, Blender is in Object Mode; afterwards the user's active object, selection and mode are back."""
    layer = bpy.context.view_layer
    active, selected = layer.objects.active, [item for item in layer.objects if item.select_get()]
    mode = active.mode if active is not None else "OBJECT"
    _leave_mode(active)
    try:
        yield
    finally:
        _leave_mode(layer.objects.active)
        for item in layer.objects:
            item.select_set(item in selected)
        layer.objects.active = active
        if mode != "OBJECT":
            bpy.ops.object.mode_set(mode=mode)


def _leave_mode(active: bpy.types.Object | None) -> None:
    if active is not None and active.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
