"""Skeletons and rig presets: data in TOML files, read with the standard library alone."""

from .skeletons import Skeleton, load_skeleton, skeleton_names

__all__ = ["Skeleton", "load_skeleton", "skeleton_names"]
