"""Where Blender keeps what belongs to Kinelift."""

from __future__ import annotations

import time
from pathlib import Path

import bpy

PACKAGE = __package__.rsplit(".", 2)[0]
"""The extension's own package name, under which Blender files its preferences and its folder."""


def preferences() -> bpy.types.AddonPreferences:
    """Kinelift's preferences in this Blender, a KineliftPreferences."""
    return bpy.context.preferences.addons[PACKAGE].preferences


def user_folder(name: str) -> Path:
    """The folder `name` in the extension's user folder, made when missing. It outlives updates of the extension."""
    return Path(bpy.utils.extension_path_user(PACKAGE, path=name, create=True))


def runtime_folder() -> Path:
    return Path(bpy.utils.extension_path_user(PACKAGE, create=True)) / "runtime"


def new_job_folder(title: str) -> Path:
    """A fresh folder for the results of a job; they stay there, so that takes can be applied again."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    takes = user_folder("takes")
    for suffix in ["", *(f"-{count}" for count in range(2, 1000))]:
        folder = takes / f"{stamp}-{title}{suffix}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            continue
    raise FileExistsError(f"{takes} holds too many folders of this second")
