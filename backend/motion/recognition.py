"""Whose body the joints of an unknown skeleton are: their roles by names and shape, its size and which way is up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import KineliftError
from rigs import Bones, Mapping, detect, load_preset, preset_names, read_preset

HUMAN = {"pelvis": "pelvis", "upper_arm": "shoulder", "forearm": "elbow", "hand": "wrist", "thigh": "hip", "shin": "knee", "foot": "ankle", "toe": "toe"}
QUADRUPED = {"upper_arm": "shoulder", "metacarpus": "carpus", "front_hoof": "front_foot", "thigh": "hip", "metatarsus": "hock", "hind_hoof": "back_foot"}
"""Part that a bone plays -> role of the joint it begins at."""

LEGS = {"human": ("hip", "knee", "ankle"), "quadruped": ("hip", "hock", "back_foot")}
UNITS = (("metres", 1.0), ("centimetres", 0.01), ("inches", 0.0254), ("units of the CMU library", 0.0254 / 0.45), ("millimetres", 0.001))
LIKELY = {"human": ((0.6, 1.1), (0.3, 1.5)), "quadruped": ((0.15, 1.7),), "": ((0.8, 2.5), (0.2, 5.0))}
"""Metres from hip to foot, and for joints without roles of the largest extent, that are believed: first the likeliest."""

USUAL = {"human": 0.85, "quadruped": 0.8, "": 1.7}

TO_Z_UP = {"x": ((0, 1, 0), (0, 0, 1), (1, 0, 0)), "y": ((1, 0, 0), (0, 0, -1), (0, 1, 0)), "z": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
           "-x": ((0, 1, 0), (0, 0, -1), (-1, 0, 0)), "-y": ((1, 0, 0), (0, 0, 1), (0, -1, 0)), "-z": ((1, 0, 0), (0, -1, 0), (0, 0, -1))}
"""The file's axis that points up -> the turn of the file's places into the world."""


@dataclass(frozen=True)
class Figure:
    """kind: "human", "quadruped", or "" where too little was found; roles: joint role by joint name; title: by what they were found;
    missing: parts without which the motion can't be put on an armature."""

    kind: str
    roles: dict[str, str]
    title: str
    missing: tuple[str, ...]


def recognise(names: Sequence[str], parents: Sequence[int], poses: Sequence[np.ndarray], preset: str = "") -> Figure:
    """Finds the roles of joints. `poses` are places [J,3] of all joints, the rest pose first; a later one is looked at where an earlier tells
    too little. `preset`: the name or file of a rig preset that says it. Raises KineliftError for a preset that can't be used."""
    if preset:
        mapping = _by_preset(preset, names)
    else:
        found = [detect(_bones(names, parents, places)).mapping for places in poses]
        mapping = min(found, key=lambda mapping: len(mapping.missing))
    roles = _joint_roles(mapping, names, parents, poses[0])
    kind = mapping.kind if {f"{joint}.{side}" for joint in LEGS[mapping.kind] for side in "LR"} <= set(roles.values()) else ""
    return Figure(kind, roles, mapping.title, tuple(mapping.missing))


def _by_preset(preset: str, names: Sequence[str]) -> Mapping:
    try:
        chosen = load_preset(preset) if preset in preset_names() else read_preset(Path(preset))
    except ValueError as error:
        raise KineliftError(f"there is no such preset ({error})", f"Choose a file or one of: {', '.join(preset_names())}", preset, "bad-setting") from error
    mapping = chosen.on(names)
    if mapping is None:
        raise KineliftError(f"the preset {chosen.title!r} names joints that are not in the file", "Choose another preset, or none to find the joints", preset,
                            "wrong-preset")
    return mapping


def _bones(names: Sequence[str], parents: Sequence[int], places: np.ndarray) -> Bones:
    """Every joint as a bone that ends in the middle of the next joints, or goes on as the one before where there is none."""
    tails = places.copy()
    for joint, parent in enumerate(parents):
        below = [child for child, carrier in enumerate(parents) if carrier == joint]
        tails[joint] = places[below].mean(0) if below else places[joint] + (places[joint] - places[parent]) / 2 if parent >= 0 else places[joint]
    return Bones(list(names), list(parents), [tuple(map(float, place)) for place in places], [tuple(map(float, place)) for place in tails])


def _joint_roles(mapping: Mapping, names: Sequence[str], parents: Sequence[int], rest: np.ndarray) -> dict[str, str]:
    bones, joints = mapping.bones, HUMAN if mapping.kind == "human" else QUADRUPED
    roles = {}
    for role, bone in bones.items():
        part, _, side = role.partition(".")
        if part in joints and (side in "LR" or not side):
            roles[bone] = f"{joints[part]}.{side}" if side else joints[part]
    neck = bones.get("neck.0", bones.get("head"))
    if neck:
        roles[neck] = "neck"
    if mapping.kind == "quadruped":
        roles[bones.get("tail.0", bones["pelvis"]) if "pelvis" in bones else names[0]] = "tail_root"
    elif "head" in bones:
        head = list(names).index(bones["head"])
        below = [joint for joint, parent in enumerate(parents) if parent == head and joint not in parents]
        if below:
            roles[names[max(below, key=lambda joint: float(np.linalg.norm(rest[joint] - rest[head])))]] = "head_top"
    return roles


def by_role(figure: Figure, names: Sequence[str], positions: np.ndarray) -> dict[str, np.ndarray]:
    """Positions [T,3] by role of positions [T,J,3]."""
    return {figure.roles[name]: positions[:, number] for number, name in enumerate(names) if name in figure.roles}


def guess_up(figure: Figure, names: Sequence[str], positions: np.ndarray) -> str:
    """The file's axis (a key of TO_Z_UP) along which the body stands in most of its frames [T,J,3]; y where nothing tells."""
    joints = by_role(figure, names, positions)
    if not figure.kind:
        return "y"
    feet = (joints[f"{LEGS[figure.kind][-1]}.L"] + joints[f"{LEGS[figure.kind][-1]}.R"]) / 2
    hips = (joints["hip.L"] + joints["hip.R"]) / 2
    up = np.median(hips - feet, axis=0)
    axis = int(np.argmax(np.abs(up)))
    return ("-" if up[axis] < 0 else "") + "xyz"[axis]


def guess_scale(figure: Figure, names: Sequence[str], positions: np.ndarray) -> tuple[float, str]:
    """Metres of one unit of positions [T,J,3], and why in words."""
    size = _size(figure, names, positions)
    what = f"legs of {{:.2f}} m from hip to {LEGS[figure.kind][-1].replace('_', ' ')}" if figure.kind else "an extent of {:.2f} m"
    if size < 1e-9:
        return 1.0, "all joints lie in one place"
    for low, high in LIKELY[figure.kind]:
        for unit, scale in UNITS:
            if low <= size * scale <= high:
                return scale, f"{unit}, which gives {what.format(size * scale)}"
    scale = USUAL[figure.kind] / size
    return scale, f"no usual unit suits; the scale {scale:.4g} gives {what.format(size * scale)}"


def _size(figure: Figure, names: Sequence[str], positions: np.ndarray) -> float:
    if not figure.kind:
        return float(np.ptp(positions[0], axis=0).max())
    joints = by_role(figure, names, positions)
    top, middle, foot = LEGS[figure.kind]
    parts = [np.median(np.linalg.norm(joints[f"{a}.{side}"] - joints[f"{b}.{side}"], axis=-1)) for side in "LR" for a, b in ((top, middle), (middle, foot))]
    return float(sum(parts)) / 2
