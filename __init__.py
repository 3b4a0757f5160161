"""Kinelift: 3D motion from knowledge of 2D motion, on your own armature."""

from . import addon


def register() -> None:
    addon.register()


def unregister() -> None:
    addon.unregister()
