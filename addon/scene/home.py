"""Where the object or the bone that carries a character over the ground was before it got keys: from there each new take starts."""

from __future__ import annotations

import bpy
import numpy as np

from . import compat

HOME = "kinelift_home"
"""On the armature object: the data path that carries the ground path, and the location there without it."""


def keyed_home(armature: bpy.types.Object) -> tuple[str, np.ndarray] | None:
    """The data path and its location, while the Action that carries the ground path plays."""
    kept = armature.get(HOME)
    if kept is None or all(curve.data_path != kept["path"] for curve in compat.curves_of(armature)):
        return None
    return kept["path"], np.array(kept["location"], float)


def home_of(armature: bpy.types.Object, path: str) -> np.ndarray:
    """The location [3] at a data path without the ground path."""
    home = keyed_home(armature)
    return home[1] if home is not None and home[0] == path else np.array(armature.path_resolve(path), float)


def go_home(armature: bpy.types.Object, home: tuple[str, np.ndarray] | None) -> None:
    """Puts what carried the ground path back; an Action that plays has the last word."""
    if home is not None:
        armature.path_resolve(home[0])[:] = home[1]


def remember(armature: bpy.types.Object, home: tuple[str, np.ndarray] | None) -> None:
    """Keeps where what now carries the ground path was."""
    armature.pop(HOME, None)
    if home is not None:
        armature[HOME] = {"path": home[0], "location": list(home[1])}


def way_from_home(armature: bpy.types.Object) -> np.ndarray:
    """[3] how far the armature object is from its home now, in the world."""
    home = keyed_home(armature)
    if home is None or home[0] != "location":
        return np.zeros(3)
    parent = np.array((armature.matrix_world @ armature.matrix_basis.inverted_safe()).to_3x3())
    return parent @ (np.array(armature.location) - home[1])
