"""Where the object or the bone that carries a character over the ground was before it got keys: from there each new take starts."""

from __future__ import annotations

import json
from contextlib import suppress

import bpy
import numpy as np

from .layers import motion_paths
from .notes import note_of, write_note

HOMES = "kinelift_homes"
"""Note about the armature object: data path of each location that carries a ground path -> the location without it, as JSON."""


def homes(armature: bpy.types.Object) -> dict[str, np.ndarray]:
    """Data paths whose location [3] carries a ground path, and that location without it; only those where a motion's keys play."""
    keyed = motion_paths(armature)
    return {path: np.array(location, float) for path, location in json.loads(note_of(armature, HOMES, "{}")).items() if path in keyed}


def home_of(armature: bpy.types.Object, path: str) -> np.ndarray:
    """The location [3] at a data path without the ground path."""
    home = homes(armature).get(path)
    return np.array(armature.path_resolve(path), float) if home is None else home


def go_home(armature: bpy.types.Object, locations: dict[str, np.ndarray]) -> None:
    """Puts what carried ground paths back; what plays has the last word."""
    for path, location in locations.items():
        with suppress(ValueError):  # the bone is no longer there
            armature.path_resolve(path)[:] = location
    armature.update_tag()


def keep_home(armature: bpy.types.Object, path: str, location: np.ndarray) -> None:
    """Keeps where what now carries the ground path was."""
    write_note(armature, HOMES, json.dumps(json.loads(note_of(armature, HOMES, "{}")) | {path: location.tolist()}))


def way_from_home(armature: bpy.types.Object) -> np.ndarray:
    """[3] how far the armature object is from its home now, in the world."""
    home = homes(armature).get("location")
    if home is None:
        return np.zeros(3)
    parent = np.array((armature.matrix_world @ armature.matrix_basis.inverted_safe()).to_3x3())
    return parent @ (np.array(armature.location) - home)
