"""The rig's side of a fit: its joints, lengths and frames at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.fitting.kinematics import Rig
from backend.fitting.limits import body_axes
from backend.fitting.source import trunk_frames

JOINT_BONES = {"hip": "thigh", "knee": "shin", "ankle": "foot", "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand"}
"""Joint role -> role of the bone whose head it is."""

USUAL_ANKLE = (0.01, 0.25)
"""Ankle heights in leg lengths that are believed; outside, the rig's origin is not on its floor."""


@dataclass(frozen=True)
class Measures:
    """bones: joint role -> bone number; joints: joint role -> [3] rest position (world); leg: hip to ankle along the
    bones; ankle: height of the ankle over the sole; axes, pelvis, chest [3,3]: the body's, the pelvis' and the chest's
    rest frames (left, back, up); clavicles: side -> [3], what its shoulder swings about."""

    bones: dict[str, int]
    joints: dict[str, np.ndarray]
    leg: float
    ankle: float
    axes: np.ndarray
    pelvis: np.ndarray
    chest: np.ndarray
    clavicles: dict[str, np.ndarray]

    @property
    def hips(self) -> np.ndarray:
        """[3] the middle of the hip joints."""
        return (self.joints["hip.L"] + self.joints["hip.R"]) / 2

    def span(self, first: str, second: str) -> float:
        """Distance of two joints at rest, metres."""
        return float(np.linalg.norm(self.joints[first] - self.joints[second]))


def measure(rig: Rig) -> Measures:
    """Reads joints, lengths and frames off the rest pose."""
    bones = {f"{joint}.{side}": rig.index[f"{bone}.{side}"] for joint, bone in JOINT_BONES.items() for side in "LR"}
    joints = {joint: rig.heads[bone] for joint, bone in bones.items()}
    bones["neck"], joints["neck"] = _neck(rig)
    left, back, up = body_axes(rig)
    pelvis, chest = trunk_frames({role: position[None] for role, position in joints.items()})
    leg = np.mean([sum(np.linalg.norm(joints[f"{a}.{side}"] - joints[f"{b}.{side}"]) for a, b in (("hip", "knee"), ("knee", "ankle")))
                   for side in "LR"])
    ankle_point = (joints["ankle.L"] + joints["ankle.R"]) / 2
    ankle = (ankle_point - rig.origin) @ up
    if not USUAL_ANKLE[0] * leg < ankle < USUAL_ANKLE[1] * leg:
        feet = [rig.index[role] for side in "LR" for role in (f"foot.{side}", f"toe.{side}") if role in rig.index]
        ankle = max((ankle_point - tail) @ up for tail in rig.tails[feet])
    ankle = max(float(ankle), USUAL_ANKLE[0] * leg)
    clavicles = {side: rig.heads[rig.index[f"clavicle.{side}"]] if f"clavicle.{side}" in rig.index else joints["neck"] for side in "LR"}
    return Measures(bones, joints, float(leg), ankle, np.stack([left, back, up], axis=-1), pelvis[0], chest[0], clavicles)


def _neck(rig: Rig) -> tuple[int, np.ndarray]:
    """The joint where the neck begins: the first neck bone's head, else the head's, else the end of the spine."""
    for bone in (*rig.chain("neck")[:1], *([rig.index["head"]] if "head" in rig.index else [])):
        return bone, rig.heads[bone]
    last = (rig.chain("spine") or [0])[-1]
    return last, rig.tails[last]
