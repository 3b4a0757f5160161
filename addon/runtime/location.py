"""Where Blender keeps what belongs to Kinelift."""

from __future__ import annotations

import time
from pathlib import Path

import bpy

from ...backend.errors import write_error

PACKAGE = __package__.rsplit(".", 2)[0]
"""The extension's own package name, under which Blender files its preferences and its folder."""

NO_FOLDER = "the folder could not be made"


def preferences() -> bpy.types.AddonPreferences:
    """Kinelift's preferences in this Blender, a KineliftPreferences."""
    return bpy.context.preferences.addons[PACKAGE].preferences


def user_folder(name: str) -> Path:
    """The folder `name` in the extension's user folder, made when missing. It outlives updates of the extension.

    Raises KineliftError when it can't be made.
    """
    folder = Path(bpy.utils.extension_path_user(PACKAGE, path=name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(error, folder, NO_FOLDER) from error
    return folder


def runtime_folder() -> Path:
    """The folder of the backend's own Python; it need not exist."""
    return Path(bpy.utils.extension_path_user(PACKAGE, path="runtime"))


def new_job_folder(title: str) -> Path:
    """A fresh folder for the results of a job; they stay there, so that takes can be applied again. Raises KineliftError."""
    first = folder = user_folder("takes") / f"{time.strftime('%Y%m%d-%H%M%S')}-{title}"
    number = 1
    while True:
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
            folder = first.with_name(f"{first.name}-{number}")
        except OSError as error:
            raise write_error(error, folder, NO_FOLDER) from error
