"""Texts about a data-block that the file keeps: as custom properties of its own, or, for a library override, on which Blender saves none, in the scene."""

from __future__ import annotations

import bpy

SHELF = "kinelift_notes"
"""Custom property of a scene: a group for each library override, with the data-block as `about` and its texts by name."""


def note_of(id_data: bpy.types.ID, name: str, without: str = "") -> str:
    """The text of that name about a data-block."""
    return (_place(id_data) or {}).get(name, without)


def write_note(id_data: bpy.types.ID, name: str, text: str) -> None:
    """Keeps a text, in place of the one before."""
    place = _place(id_data)
    if place is None:
        scene = bpy.context.scene
        if SHELF not in scene:
            scene[SHELF] = {}
        shelf = scene[SHELF]
        number = str(max((int(key) for key in list(shelf.keys())), default=0) + 1)
        shelf[number] = {"about": id_data}
        place = shelf[number]
    place[name] = text


def drop_note(id_data: bpy.types.ID, name: str) -> None:
    """Forgets a text."""
    place = _place(id_data)
    if place is not None and name in place:
        del place[name]


def _place(id_data: bpy.types.ID):
    """What has the texts as items; None for an override that has none yet."""
    if id_data.override_library is None:
        return id_data
    return next((entry for scene in bpy.data.scenes for entry in scene.get(SHELF, {}).values() if entry.get("about") == id_data), None)
