"""Taking objects out of the file, with what only they used."""

from __future__ import annotations

import bpy


def remove_object(item: bpy.types.Object) -> None:
    """Removes an object from the file, and its data and Action when nothing else uses them."""
    data, action = item.data, item.animation_data.action if item.animation_data is not None else None
    bpy.data.objects.remove(item)
    for left in (data, action):
        if left is not None and left.users == 0:
            bpy.data.batch_remove([left])
