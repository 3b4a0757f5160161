"""The source of a fit: what the joints of a motion say about a body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.errors import KineliftError
from backend.fitting.contacts import Floor, find_floor, fitted_standing
from backend.fitting.unseen import UNSEEN, believed, filled
from backend.fitting.vectors import across, frames, length, smoothstep, unit
from backend.motion.motion3d import Motion3D
from backend.motion.roles import by_role, check_roles, joint_roles

NEEDED = ("neck", *(f"{joint}.{side}" for side in "LR" for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")))

TRUNK_SHARE = 0.75
"""How far the pelvis follows the trunk when it leans away from the thighs; the spine bends by the rest."""

LOWEST = 5.0
"""Percentile of the ankles' heights that counts as standing."""

HIGHEST_ANKLE = 0.25
"""In leg lengths: a lowest ankle above this was never on the floor."""


USUAL_LEG = 0.86
"""Metres from hip to ankle of the body for which contacts are defined."""

SPIKE = 0.05
"""In leg lengths: how far a joint may jump for one frame."""


@dataclass(frozen=True)
class Body:
    """Joints by role, each [T,3], and what follows from them; metres of the motion.

    sure: confidences of the joints, each [T]; leg: hip to ankle along the bones; trunk [T,3] unit; pelvis, chest [T,3,3] with the columns left, back, up;
    standing: height of an ankle that stands; floor: height of the floor; planted {side: [T]} 1 while the foot is down; contacts: of the
    ankles, left and right; size: metres of a usual body for a metre of this one.
    """

    joints: dict[str, np.ndarray]
    sure: dict[str, np.ndarray]
    fps: float
    leg: float
    trunk: np.ndarray
    pelvis: np.ndarray
    chest: np.ndarray
    standing: float
    floor: float
    planted: dict[str, np.ndarray]
    contacts: Floor
    size: float

    @property
    def frames(self) -> int:
        return len(self.trunk)

    def __getitem__(self, role: str) -> np.ndarray:
        return self.joints[role]

    def __contains__(self, role: str) -> bool:
        return role in self.joints

    def share(self, *roles: str) -> np.ndarray:
        """[T] the share of its weight that keeps what these joints tell together."""
        return believed(np.min([self.sure[role] for role in roles], axis=0))

    @property
    def hips(self) -> np.ndarray:
        """[T,3] the middle of the hip joints."""
        return (self["hip.L"] + self["hip.R"]) / 2


def read_body(motion: Motion3D, place: str, ankle_ratio: float, contacts: str) -> Body:
    """Finds the roles of a motion's joints. `ankle_ratio` is the rig's ankle height in leg lengths; contacts: a key of `contacts.MODES`.

    Raises KineliftError naming `place` when a needed role is missing or never seen, or legs have no length.
    """
    joints, sure = _roles(motion, place)
    joints = filled(joints, sure, NEEDED, place)
    leg = _leg(joints)
    if leg < 1e-3:
        raise KineliftError("the legs of the motion have no length", "Use a motion with positions in metres", place, "bad-motion")
    joints = {role: without_spikes(positions, SPIKE * leg) for role, positions in joints.items()}
    trunk = unit(joints["neck"] - (joints["hip.L"] + joints["hip.R"]) / 2)
    pelvis, chest = trunk_frames(joints)
    ankles, size = np.stack([joints["ankle.L"], joints["ankle.R"]], axis=1), USUAL_LEG / leg
    standing = fitted_standing(ankles, float(np.percentile(ankles[..., 2], LOWEST)), motion.fps, size)
    floor = 0.0
    if not -0.5 * ankle_ratio < standing / leg < HIGHEST_ANKLE:
        floor = min(standing - ankle_ratio * leg, 0.0)
        standing = floor + ankle_ratio * leg
    seen = {side: sure[f"ankle.{side}"] >= UNSEEN for side in "LR"}
    planted = {side: seen[side] * (1 - smoothstep((joints[f"ankle.{side}"][:, 2] - standing) / leg, 0.03, 0.15)) for side in "LR"}
    found = find_floor(ankles, np.full(2, standing), motion.fps, size, contacts).of_seen(np.stack([seen["L"], seen["R"]], axis=1))
    return Body(joints, sure, motion.fps, leg, trunk, pelvis, chest, standing, floor, planted, found, size)


def trunk_frames(joints: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Frames of pelvis and chest [T,3,3] from hips, knees, shoulders and neck [T,3]; used alike on motion and rig.

    The pelvis keeps the hip line exactly, the chest the line from hips to neck.
    """
    hips = (joints["hip.L"] + joints["hip.R"]) / 2
    trunk = unit(joints["neck"] - hips)
    thighs = unit(joints["hip.L"] - joints["knee.L"]) + unit(joints["hip.R"] - joints["knee.R"])
    hip_line = unit(joints["hip.L"] - joints["hip.R"])
    pelvis = frames(hip_line, across(TRUNK_SHARE * trunk + (1 - TRUNK_SHARE) * thighs / 2, hip_line))
    chest = frames(joints["shoulder.L"] - joints["shoulder.R"], trunk)
    return pelvis, chest


def without_spikes(positions: np.ndarray, size: float) -> np.ndarray:
    """Positions [T,3] where single frames that jump by more than `size` from the curve through the two frames before
    and the two after are put back on it. Fast but smooth motion is left alone."""
    if len(positions) < 5:
        return positions
    expected = positions.copy()
    expected[2:-2] = (4 * (positions[1:-3] + positions[3:-1]) - positions[:-4] - positions[4:]) / 6
    jump = length(positions - expected)
    around = np.pad(jump, 2)
    is_spike = (jump > size) & (jump >= np.max([around[shift:shift + len(jump)] for shift in range(5)], axis=0))
    return np.where(is_spike[:, None], expected, positions)


def _leg(joints: dict[str, np.ndarray]) -> float:
    """Hip to ankle along the bones: the median over the frames, the mean of both sides."""
    sides = [length(joints[f"hip.{s}"] - joints[f"knee.{s}"]) + length(joints[f"knee.{s}"] - joints[f"ankle.{s}"]) for s in "LR"]
    return float(np.mean(np.median(sides, axis=1)))


def _roles(motion: Motion3D, place: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Positions [T,3] and confidences [T] of the joints by role."""
    joints, roles = by_role(motion, place), joint_roles(motion, place)
    confidences = np.ones(motion.positions.shape[:2]) if motion.confidences is None else motion.confidences
    sure = {roles[name]: confidences[:, number] for number, name in enumerate(motion.joint_names) if name in roles}
    if "neck" not in joints and {"shoulder.L", "shoulder.R"} <= joints.keys():
        joints["neck"] = (joints["shoulder.L"] + joints["shoulder.R"]) / 2  # COCO's keypoints have none
        sure["neck"] = np.minimum(sure["shoulder.L"], sure["shoulder.R"])
    check_roles(joints, NEEDED, place)
    return joints, sure
