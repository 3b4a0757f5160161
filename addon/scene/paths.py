"""Properties by their data path: those of Blender and custom ones."""

from __future__ import annotations

import json

import bpy


def value_at(id_data: bpy.types.ID, path: str) -> float:
    """The number, or truth value, at a data path. Raises ValueError when there is none."""
    owner, name, is_custom = _parted(path)
    try:
        holder = id_data.path_resolve(owner) if owner else id_data
        return holder[name] if is_custom else getattr(holder, name)
    except (KeyError, AttributeError):
        raise ValueError(f"{id_data.name} has no {path}") from None


def set_value_at(id_data: bpy.types.ID, path: str, value: float) -> None:
    """Sets the number at a data path and keeps its type. Raises ValueError when there is none."""
    kind = type(value_at(id_data, path))
    owner, name, is_custom = _parted(path)
    holder = id_data.path_resolve(owner) if owner else id_data
    if is_custom:
        holder[name] = kind(value)
    else:
        setattr(holder, name, kind(value))


def _parted(path: str) -> tuple[str, str, bool]:
    """What holds a property, its name, and whether it is a custom one (Blender's path to it resolves to text where it is a choice)."""
    if path.endswith('"]'):
        owner, _, name = path.rpartition('["')
        return owner, json.loads(f'"{name[:-1]}'), True
    owner, _, name = path.rpartition(".")
    return owner, name, False
