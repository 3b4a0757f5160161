"""Skeletons and rig presets: data in TOML files, read with the standard library alone."""

from .presets import Preset, detect, load_preset, preset_names
from .skeletons import Skeleton, load_skeleton, read_skeleton, skeleton_names

__all__ = ["Preset", "Skeleton", "detect", "load_preset", "load_skeleton", "preset_names", "read_skeleton", "skeleton_names"]
