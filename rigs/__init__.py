"""Skeletons and rig presets: data in TOML files, read with the standard library alone; and finding a rig's parts."""

from .bones import Bones
from .controls import IkLimb
from .detection import Detection, Doubt, detect
from .presets import Mapping, Preset, load_preset, preset_names, read_preset, write_preset
from .skeletons import Skeleton, drawn_from, load_skeleton, read_skeleton, skeleton_names

__all__ = ["Bones", "Detection", "Doubt", "IkLimb", "Mapping", "Preset", "Skeleton", "detect", "drawn_from", "load_preset", "load_skeleton", "preset_names",
           "read_preset", "read_skeleton", "skeleton_names", "write_preset"]
