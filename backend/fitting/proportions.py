"""The motion on the rig's own proportions: joint positions the rig can reach.

Feet stay where the scaled motion has them, or stand in one place; trunk and arms keep the directions of their segments, and every segment
gets the rig's length.
"""

from __future__ import annotations

import numpy as np

from backend.fitting.contacts import LOCKED, STRAIGHTEST, lowering, planted
from backend.fitting.measures import Measures
from backend.fitting.source import Body
from backend.fitting.vectors import across, dot, length, smoothed, smoothstep, unit

KNEE_PRIOR = 0.03
"""In leg lengths: how far a straight leg's knee counts as lying in front, so that noise can't choose its side."""

BENT = (0.03, 0.08)
"""In leg lengths: a knee this far out says itself where it points; the prior fades in between."""


def reachable(body: Body, rig: Measures, scale: float, contacts: str) -> dict[str, np.ndarray]:
    """Positions [T,3] of the joints of `rig.joints`, in world metres. contacts: a key of `contacts.MODES`."""
    turn = body.pelvis @ rig.pelvis.T
    size = body.size / scale
    ways = np.stack([_ground(body, rig, scale, body[f"ankle.{side}"]) for side in "LR"], axis=1)
    feet = planted(ways, body.contacts, np.full(2, rig.ankle), body.fps, size, contacts)
    ankles = dict(zip("LR", np.moveaxis(feet, 1, 0), strict=True))
    hips = _ground(body, rig, scale, body.hips)
    sockets = {side: turn @ (rig.joints[f"hip.{side}"] - rig.hips) for side in "LR"}
    legs = {side: rig.span(f"hip.{side}", f"knee.{side}") + rig.span(f"knee.{side}", f"ankle.{side}") for side in "LR"}
    reach = {side: STRAIGHTEST * leg for side, leg in legs.items()}
    tops = np.stack([hips + sockets[side] for side in "LR"], axis=1)
    straight = np.stack([leg * np.clip(length(body[f"ankle.{side}"] - body[f"hip.{side}"]) / body.leg, LOCKED, STRAIGHTEST)
                         for side, leg in legs.items()], axis=1)
    weights = np.stack([body.planted[side] for side in "LR"], axis=1)
    hips = hips - lowering(tops, feet, straight, weights, body.fps, size)[:, None] * [0, 0, 1]

    joints: dict[str, np.ndarray] = {}
    for side in "LR":
        hip = hips + sockets[side]
        to_ankle = ankles[side] - hip
        distance = np.minimum(length(to_ankle), reach[side])
        joints[f"hip.{side}"] = hip
        joints[f"ankle.{side}"] = hip + unit(to_ankle) * distance[:, None]
        joints[f"knee.{side}"] = _knee(body, rig, side, hip, unit(to_ankle), distance)
    joints["neck"] = hips + np.linalg.norm(rig.joints["neck"] - rig.hips) * body.trunk
    for side in "LR":
        joints[f"shoulder.{side}"] = joints["neck"] + _shoulder(body, rig, scale, side)
        for upper, lower in (("shoulder", "elbow"), ("elbow", "wrist")):
            upper, lower = f"{upper}.{side}", f"{lower}.{side}"
            joints[lower] = joints[upper] + rig.span(upper, lower) * unit(body[lower] - body[upper])
    return joints


def _ground(body: Body, rig: Measures, scale: float, points: np.ndarray) -> np.ndarray:
    """Scales points and lifts them so that a standing ankle of the motion is at the height of the rig's."""
    return scale * points + np.array([0, 0, rig.ankle - scale * body.standing])


def _knee(body: Body, rig: Measures, side: str, hip: np.ndarray, down: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The knee between hip and ankle, on the side where the motion has it, but never behind."""
    thigh, shin = rig.span(f"hip.{side}", f"knee.{side}"), rig.span(f"knee.{side}", f"ankle.{side}")
    line = unit(body[f"ankle.{side}"] - body[f"hip.{side}"])
    out = across(body[f"knee.{side}"] - body[f"hip.{side}"], line) / body.leg
    front = unit(np.cross(line, body.pelvis[..., 0]))
    behind = np.minimum(dot(out, front), 0)
    sure = smoothstep(length(out), *BENT)[:, None]
    out = out - behind[:, None] * front
    out = sure * out + (1 - sure) * smoothed(out + KNEE_PRIOR * front, 0.03 * body.fps)
    out = unit(across(out, down))
    distance = np.clip(distance, abs(thigh - shin) * 1.001, None)
    along = (thigh**2 - shin**2 + distance**2) / (2 * distance)
    return hip + along[:, None] * down + np.sqrt(np.maximum(thigh**2 - along**2, 0))[:, None] * out


def _shoulder(body: Body, rig: Measures, scale: float, side: str) -> np.ndarray:
    """[T,3] neck to shoulder: the rig's own in the chest's frame, swung about the clavicle's head as the motion's
    shoulder leaves its median."""
    in_chest = np.einsum("tji,tj->ti", body.chest, body[f"shoulder.{side}"] - body["neck"])
    moved = scale * (in_chest - np.median(in_chest, axis=0))
    pivot = rig.chest.T @ (rig.clavicles[side] - rig.joints["neck"])
    out = rig.chest.T @ (rig.joints[f"shoulder.{side}"] - rig.clavicles[side])
    return np.einsum("tij,tj->ti", body.chest, pivot + np.linalg.norm(out) * unit(out + moved))
