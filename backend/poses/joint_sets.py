"""Joint sets of the pose formats, and the way from any joint names to a skeleton: names become roles, roles become joints."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from backend.poses.content import refuse
from rigs import Skeleton

ON_FOUR_LEGS = {"elbow": "carpus", "knee": "hock"}
SIDES = {"left": "L", "l": "L", "right": "R", "r": "R"}


@dataclass(frozen=True, eq=False)
class JointSet:
    """Joints in the order of a format's arrays; `roles` overrides what the names would mean in other sets."""

    name: str
    title: str
    joints: tuple[str, ...]
    roles: dict[str, str]


@lru_cache
def _tables() -> tuple[dict[str, JointSet], dict[str, str], dict[str, str]]:
    """The joint sets by name, and the unsided and sided roles by spelling."""
    data = tomllib.loads((Path(__file__).parent / "joint_sets.toml").read_text(encoding="utf-8"))
    sets = {}
    for name, entry in data["sets"].items():
        joints = entry["joints"] if "joints" in entry else data["sets"][entry["based_on"]]["joints"]
        further = {int(index): joint for index, joint in entry.get("further", {}).items()}
        unnamed = [further.get(index, f"point_{index}") for index in range(len(joints), entry.get("count", len(joints)))]
        sets[name] = JointSet(name, entry["title"], (*joints, *unnamed), entry.get("roles", {}))
    spellings = [{spelling: role for role, words in data[table].items() for spelling in words} for table in ("roles", "sided_roles")]
    return sets, *spellings


def joint_set_names() -> list[str]:
    return list(_tables()[0])


def joint_set(name: str) -> JointSet:
    """Raises KineliftError for a name that is not in joint_sets.toml."""
    if name not in joint_set_names():
        refuse(f"there is no joint set {name!r}", f"Choose one of: {', '.join(joint_set_names())}", "--joints", "bad-setting")
    return _tables()[0][name]


def sets_of(count: int) -> list[JointSet]:
    """The joint sets of so many joints."""
    return [entry for entry in _tables()[0].values() if len(entry.joints) == count]


def _part(name: str) -> tuple[str, str | None]:
    """A joint's name as its part of the body (words in lower case) and its side, L, R or None."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]
    side = next((SIDES[word] for word in words if word in SIDES), None)
    part = " ".join(word for word in words if word not in SIDES)
    if side is None and part[:1] in SIDES and part[1:] in _tables()[2]:  # lshoulder
        return part[1:], SIDES[part[0]]
    return part, side


def role_of(name: str) -> str | None:
    """The role a joint's name tells ("L_Shoulder", "leftShoulder" and "shoulder.l" are shoulder.L), None where it tells none."""
    _, unsided, sided = _tables()
    part, side = _part(name)
    if side:
        return f"{sided[part]}.{side}" if part in sided else None
    return unsided.get(part)


def roles_of(names: list[str]) -> dict[str, int]:
    """role -> index of the joint that plays it; of several the one whose spelling comes first in the table."""
    known = next((entry for entry in _tables()[0].values() if list(entry.joints) == list(names)), None)
    own = known.roles if known else {}
    order = [*_tables()[1], *_tables()[2]]
    best: dict[str, tuple[int, int]] = {}
    for index, name in enumerate(names):
        role = own.get(name) or role_of(name)
        if role:
            rank = -1 if name in own else order.index(_part(name)[0])
            best[role] = min(best.get(role, (len(order), index)), (rank, index))
    is_animal = any(role.startswith(("front_foot", "back_foot")) for role in best)
    return {_on_four_legs(role) if is_animal else role: index for role, (_, index) in best.items()}


def _on_four_legs(role: str) -> str:
    """What the pose sets of animals call elbow and knee is the carpus and the hock, unless a skeleton says that it is the elbow."""
    part, _, side = role.partition(".")
    return f"{ON_FOUR_LEGS[part]}.{side}" if part in ON_FOUR_LEGS else role


@dataclass(frozen=True)
class Source:
    """Where a joint of a skeleton comes from: the file's own joint (index or None), or the mean of two of its joints (or None)."""

    own: int | None
    ends: tuple[int, int] | None


def sources(names: list[str], skeleton: Skeleton) -> dict[str, Source]:
    """Where each of the skeleton's joints and objects comes from that a file with these joint names has; objects go by their own name."""
    roles, lower = roles_of(names), [name.lower() for name in names]
    found, is_animal = {}, "front_foot.L" in skeleton.roles.values()
    for joint in skeleton.joints + skeleton.objects:
        role = skeleton.roles.get(joint, "")
        own = roles.get(_on_four_legs(role) if is_animal else role)
        if joint in skeleton.objects:
            own = lower.index(joint.lower()) if joint.lower() in lower else None
        ends = tuple(roles[skeleton.roles[end]] for end in skeleton.means.get(joint, ()) if skeleton.roles[end] in roles)
        if own is not None or len(ends) == 2:
            found[joint] = Source(own, ends if len(ends) == 2 else None)
    return found


def to_skeleton(keypoints: np.ndarray, confidences: np.ndarray, names: list[str], skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints [T,J,2] and confidences [T,J] of joints `names` as those of the skeleton's joints, then objects: [T,K,2] and [T,K].

    A joint that the skeleton calls the mean of two is their mean, with the lower confidence, wherever both are seen; else the file's own
    joint is taken. What the file lacks has confidence 0.
    """
    wanted = skeleton.joints + skeleton.objects
    places, sure = np.zeros((len(keypoints), len(wanted), 2)), np.zeros((len(keypoints), len(wanted)))
    for joint, source in sources(names, skeleton).items():
        column = wanted.index(joint)
        if source.own is not None:
            places[:, column], sure[:, column] = keypoints[:, source.own], confidences[:, source.own]
        if source.ends is not None:
            ends = list(source.ends)
            both = (confidences[:, ends] > 0).all(1)
            places[both, column] = keypoints[both][:, ends].mean(1)
            sure[both, column] = confidences[both][:, ends].min(1)
    return places, sure
