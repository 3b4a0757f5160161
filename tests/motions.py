"""Small motions made by code, so that tests need no recorded data. Needs numpy only: usable inside Blender too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

JOINTS = ("Hip", "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "Neck", "Nose", "Head",
          "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist")
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 7, 10, 11, 7, 13, 14)
SKELETON = "nba16-ball"

THIGH = SHIN = 0.43
UPPER_ARM, FOREARM = 0.29, 0.26
ANKLE_HEIGHT, HIP_HEIGHT = 0.08, 0.91
STRIDE, CADENCE = 1.2, 1.0
"""Metres a full cycle of two steps covers, and cycles a second."""

BALL_RADIUS = 0.12


def walk_with_ball(seconds: float = 2.0, fps: float = 30.0) -> dict[str, np.ndarray]:
    """A walk towards -Y while the right hand dribbles: the arrays of a motion file.

    positions [T,16,3] and object_positions [T,1,3] in metres, Z up; feet in stance don't slide, bone lengths are constant.
    """
    frames = round(seconds * fps)
    time = np.arange(frames) / fps
    phase = time * CADENCE
    joints = {name: np.zeros((frames, 3)) for name in JOINTS}
    forward = np.zeros((frames, 3))
    forward[:, 1] = -STRIDE * phase

    joints["Hip"] = forward + [0, 0, HIP_HEIGHT] + _along(2, 0.015 * np.cos(4 * np.pi * phase))
    for side, sign, offset in (("R", -1, 0.0), ("L", 1, 0.5)):
        joints[f"{side}Hip"] = joints["Hip"] + [sign * 0.1, 0, -0.04]
        joints[f"{side}Ankle"] = _stepping_ankle(phase + offset, offset) + [sign * 0.1, 0, 0]
        joints[f"{side}Knee"] = _bend(joints[f"{side}Hip"], joints[f"{side}Ankle"], THIGH, SHIN, np.array([0.0, -1.0, 0.0]))

    joints["Neck"] = joints["Hip"] + [0, -0.03, 0.52]
    joints["Nose"] = joints["Neck"] + [0, -0.11, 0.12]
    joints["Head"] = joints["Neck"] + [0, -0.01, 0.27]
    swing = np.sin(2 * np.pi * phase)
    bounce = np.abs(np.cos(2 * np.pi * phase))
    for side, sign in (("R", -1), ("L", 1)):
        joints[f"{side}Shoulder"] = joints["Neck"] + [sign * 0.19, 0, -0.06]
    left = np.stack([np.full(frames, 0.08), -0.22 * swing, -0.46 + 0.04 * swing**2], -1)
    right = np.stack([np.full(frames, -0.1), np.full(frames, -0.3), -0.42 + 0.08 * bounce], -1)
    for side, reach in (("L", left), ("R", right)):
        joints[f"{side}Wrist"] = joints[f"{side}Shoulder"] + reach
        joints[f"{side}Elbow"] = _bend(joints[f"{side}Shoulder"], joints[f"{side}Wrist"], UPPER_ARM, FOREARM, np.array([0.0, 1.0, 0.0]))

    ball = joints["RWrist"] + [-0.02, -0.1, 0]
    ball[:, 2] = BALL_RADIUS + bounce * (joints["RWrist"][:, 2] - 0.05 - 2 * BALL_RADIUS)
    return {
        "positions": np.stack([joints[name] for name in JOINTS], 1).astype(np.float32),
        "joint_names": np.array(JOINTS),
        "parents": np.array(PARENTS, np.int32),
        "fps": np.float64(fps),
        "skeleton": np.array(SKELETON),
        "object_names": np.array(["Ball"]),
        "object_positions": ball[:, None].astype(np.float32),
        "provenance": np.array(json.dumps({"made_by": "tests.motions.walk_with_ball", "seconds": seconds})),
    }


def write_motion(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Writes the arrays of a motion file and returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


def _along(axis: int, values: np.ndarray) -> np.ndarray:
    moved = np.zeros((len(values), 3))
    moved[:, axis] = values
    return moved


def _stepping_ankle(phase: np.ndarray, offset: float) -> np.ndarray:
    """An ankle [T,3] that stands still for half of each cycle and swings forward in the other half."""
    cycle, part = np.divmod(phase, 1.0)
    swing = np.clip(part * 2 - 1, 0, 1)
    eased = swing * swing * (3 - 2 * swing)
    place = np.zeros((len(phase), 3))
    place[:, 1] = -STRIDE * (cycle + eased + 0.25 - offset)
    place[:, 2] = ANKLE_HEIGHT + 0.1 * np.sin(np.pi * swing)
    return place


def _bend(start: np.ndarray, end: np.ndarray, first: float, second: float, towards: np.ndarray) -> np.ndarray:
    """The middle joint [T,3] of a two-bone limb between start and end, bent towards a direction."""
    line = end - start
    length = np.linalg.norm(line, axis=1, keepdims=True)
    if (length > first + second).any():
        raise ValueError(f"a limb of {first + second:.2f} m can't reach {length.max():.2f} m")
    line = line / length
    along = (first**2 - second**2 + length**2) / (2 * length)
    side = towards - line * (line @ towards)[:, None]
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return start + line * along + side * np.sqrt(np.maximum(first**2 - along**2, 0))


def walk_with_throw(seconds: float = 2.0, fps: float = 30.0) -> dict[str, np.ndarray]:
    """The same walk with a ball that the right hand carries, then throws over to the left one, which keeps it."""
    motion = walk_with_ball(seconds, fps)
    joints = dict(zip(JOINTS, np.moveaxis(motion["positions"].astype(float), 1, 0), strict=True))
    hands = {side: joints[f"{side}Wrist"] + [0, -0.1, -0.12] for side in "LR"}
    frames = len(motion["positions"])
    thrown, caught = frames // 3, frames // 3 + round(0.6 * fps)
    ball = np.where(np.arange(frames)[:, None] < caught, hands["R"], hands["L"])
    share = np.arange(caught - thrown + 1)[:, None] / (caught - thrown)
    ball[thrown:caught + 1] = (1 - share) * hands["R"][thrown] + share * hands["L"][caught] + [0, -0.3, 0.9] * (4 * share * (1 - share))
    return motion | {"object_positions": ball[:, None].astype(np.float32)}


BOX = (0.4, 0.3, 0.25)
"""Metres of the box that `walk_with_box` carries, along its own axes."""


def walk_with_box(seconds: float = 2.0, fps: float = 30.0) -> dict[str, np.ndarray]:
    """The same walk with a ball that goes beside, and a box that both hands carry at its sides, which sways, is thrown up with a turn and a half
    about its X axis, and is caught. Its quaternions [T,2,4] have no negative w, so their signs jump, as a file's may."""
    motion = walk_with_ball(seconds, fps)
    joints = dict(zip(JOINTS, np.moveaxis(motion["positions"].astype(float), 1, 0), strict=True))
    frames = len(motion["positions"])
    time = np.arange(frames) / fps
    sway = 0.4 * np.sin(2 * np.pi * time)
    box = joints["Neck"] + np.stack([0.03 * np.sin(5 * time), np.full(frames, -0.38), -0.34 + 0.05 * np.sin(4 * time)], -1)
    for side, sign in (("R", -1), ("L", 1)):
        joints[f"{side}Wrist"] = box + (BOX[0] / 2 + 0.03) * sign * np.stack([np.cos(sway), np.sin(sway), np.zeros(frames)], -1) + [0, 0.05, -0.02]
        joints[f"{side}Elbow"] = _bend(joints[f"{side}Shoulder"], joints[f"{side}Wrist"], UPPER_ARM, FOREARM, np.array([0.0, 1.0, -0.3]))
    thrown, caught = frames // 3, frames // 3 + round(0.6 * fps)
    share = np.clip((np.arange(frames) - thrown) / (caught - thrown), 0, 1)
    box = box + [0, 0, 2.2] * (share * (1 - share))[:, None]
    turns = _product(_turn((0, 0, 1), sway), _turn((1, 0, 0), 3 * np.pi * share))
    motion["positions"] = np.stack([joints[name] for name in JOINTS], 1).astype(np.float32)
    return motion | {
        "object_names": np.array(["Ball", "Box"]),
        "object_positions": np.stack([joints["Hip"] + [1.5, 0, 0], box], 1).astype(np.float32),
        "object_rotations": np.stack([np.tile([1.0, 0, 0, 0], (frames, 1)), np.where(turns[:, :1] < 0, -turns, turns)], 1).astype(np.float32),
        "object_sizes": np.array([(0, 0, 0), BOX], np.float32),
    }


def _turn(axis: tuple[float, float, float], angles: np.ndarray) -> np.ndarray:
    """Quaternions [T,4] of turns about an axis by angles [T]."""
    return np.concatenate([np.cos(angles / 2)[:, None], np.sin(angles / 2)[:, None] * axis], axis=1)


def _product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Products [T,4] of quaternions [T,4]."""
    w, v, x, u = first[:, :1], first[:, 1:], second[:, :1], second[:, 1:]
    return np.concatenate([w * x - (v * u).sum(1, keepdims=True), w * u + x * v + np.cross(v, u)], axis=1)
