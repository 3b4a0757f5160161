"""Where feet, toes and head point: as turns away from rest in the world, [T,3,3]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.fitting.contacts import kept_angles
from backend.fitting.kinematics import Rig
from backend.fitting.measures import Measures
from backend.fitting.source import Body
from backend.fitting.vectors import about, across, dot, frames, length, smoothed, smoothstep, unit

NEUTRAL_SHARE = 0.8
"""How far a lifted foot keeps square to its shin."""

STEEPEST = np.radians(80)

UPRIGHT = (-0.1, 0.5)
"""How far down a shin points (1 is straight down) that says nothing of a foot in the air but what it carries, and one that says all."""

CLEAR = (0.1, 0.4)
"""Likewise how far along the floor the hips and a bent knee say where a foot points (1 is level hips)."""

LOW = (0.2, 0.4)
"""In leg lengths: the heights of an ankle over a standing one between which the floor ceases to say anything of the foot."""


@dataclass(frozen=True)
class FootTurns:
    """Turns of the foot and of the toes, and how sure they are [T]: 0 where a foot is but carried by its shin."""

    foot: np.ndarray
    toes: np.ndarray
    sure: np.ndarray


def feet(rig: Rig, measures: Measures, body: Body, joints: dict[str, np.ndarray], side: str) -> FootTurns:
    """A standing foot is flat as at rest; a lifted one follows the toe joint, or the shin where there is none, and is unsure the less that points down.

    The ball of the foot never goes below the sole of a standing foot; toes near the floor lie on it.
    """
    ankle = joints[f"ankle.{side}"]
    bone = rig.index[f"foot.{side}"]
    up = measures.axes[:, 2]
    sole = rig.tails[bone] - rig.heads[bone]
    drop, reach = -sole @ up, np.linalg.norm(across(sole, up))
    ahead = unit(across(sole, up)[None])[0]

    yaw, pitch, sure = _toe_angles(body, side) if f"toe.{side}" in body else _shin_angles(body, side)
    angle = kept_angles(np.arctan2(yaw[:, 1], yaw[:, 0]), body.contacts.kept[:, "LR".index(side)], body.fps)
    yaw = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    hypotenuse, rest_pitch = np.hypot(drop, reach), np.arctan2(drop, reach)
    ball = max(measures.ankle - drop, 0.0)
    lowest = np.arcsin(np.clip((ankle[:, 2] - ball) / hypotenuse, -1, 1)) - rest_pitch
    pitch = np.clip(np.minimum(pitch, np.maximum(lowest, -rest_pitch)), -STEEPEST, STEEPEST)

    upright = np.broadcast_to([0.0, 0.0, 1.0], yaw.shape)
    flat = frames(np.cross(upright, yaw), upright) @ frames(np.cross(up, ahead)[None], up[None])[0].T
    foot = about(unit(np.cross(upright, yaw)), pitch) @ flat

    clearance = ankle[:, 2] - hypotenuse * np.sin(pitch + rest_pitch) - ball
    lifted = smoothstep(clearance / measures.leg, 0.0, 0.06)
    down = pitch * np.where(pitch > 0, lifted, 1.0)
    if f"toe.{side}" in rig.index:  # their tip does not go below the floor either
        toe = rig.index[f"toe.{side}"]
        down = np.minimum(down, np.arcsin(np.clip(clearance / np.linalg.norm(across(rig.tails[toe] - rig.heads[toe], up)), 0, 1)))
    toes = about(unit(np.cross(upright, yaw)), down) @ flat
    return FootTurns(foot, toes, sure)


def _toe_angles(body: Body, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Horizontal direction [T,3] and downward pitch [T] of the foot, 0 where a planted foot usually is, and how sure they are [T]."""
    along = unit(body[f"toe.{side}"] - body[f"ankle.{side}"])
    pitch = np.arcsin(np.clip(-along[:, 2], -1, 1))
    down = body.planted[side] > 0.7
    usual = np.median(pitch[down]) if down.sum() > 2 else np.median(pitch)
    return _horizontal(along, body.pelvis), pitch - usual, np.ones(body.frames)


def _shin_angles(body: Body, side: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same where no joint tells: square to the hips, towards a bent knee. What points where on the floor says little of a foot that is up in the air,
    of one who goes over or stands on a hand."""
    line = unit(body[f"ankle.{side}"] - body[f"hip.{side}"])
    knee = across(body[f"knee.{side}"] - body[f"hip.{side}"], line) / body.leg
    aside, before = (dot(knee, axis)[:, None] for axis in (body.pelvis[..., 0], -body.pelvis[..., 1]))
    left = body.pelvis[..., 0] * [1.0, 1.0, 0.0]
    ahead = np.cross([0.0, 0.0, -1.0], left)  # it stays so when a body bends or goes over, forth or back
    towards = smoothed(ahead + 4 * np.where(before > 0, before * ahead + aside * left, 0), 0.1 * body.fps)
    yaw = _horizontal(towards, body.pelvis)
    shin = unit(body[f"ankle.{side}"] - body[f"knee.{side}"])
    lean = np.arcsin(np.clip(-dot(shin, yaw), -1, 1))
    height = (body[f"ankle.{side}"][:, 2] - body.standing) / body.leg
    told = smoothstep(-shin[:, 2], *UPRIGHT) * smoothstep(length(towards), *CLEAR)
    return yaw, lean * NEUTRAL_SHARE * smoothstep(height, 0.02, 0.15), 1 - (1 - told) * smoothstep(height, *LOW)


def _horizontal(directions: np.ndarray, pelvis: np.ndarray) -> np.ndarray:
    """Unit horizontal directions; a steep one leans on where the pelvis faces."""
    flat = np.array([1.0, 1.0, 0.0])
    return unit(directions * flat + 0.05 * unit(-pelvis[..., 1] * flat))


def face_roles(body: Body) -> tuple[str, ...]:
    """The joints that tell how the head is turned; none where too little of it is seen."""
    told_by = (*(("nose",) if "nose" in body else ("eye.L", "eye.R")), *(("head_top",) if "head_top" in body else ("ear.L", "ear.R")))
    return told_by if all(role in body for role in told_by) else ()


def head(rig: Rig, measures: Measures, body: Body) -> np.ndarray | None:
    """The head's turn from nose, eyes, ears and the top of the head; None where too little of it is seen."""
    if not face_roles(body):
        return None
    face = body["nose"] if "nose" in body else (body["eye.L"] + body["eye.R"]) / 2
    if "head_top" in body:
        up = unit(body["head_top"] - body["neck"])
        ahead = across(face - (body["head_top"] + body["neck"]) / 2, up)
    else:
        ears = (body["ear.L"] + body["ear.R"]) / 2
        ahead = unit(face - ears)
        up = unit(across(ears - body["neck"], ahead))
    # A face seen from the side of noise: what the chest faces breaks ties.
    ahead = across(unit(ahead) - 0.1 * body.chest[..., 1], up)
    seen = frames(np.cross(up, ahead), up)

    bone = rig.index["head"]
    rest_up = unit((rig.tails[bone] - measures.joints["neck"])[None]) if "head_top" in body else measures.axes[None, :, 2]
    return seen @ frames(measures.axes[None, :, 0], rest_up)[0].T

