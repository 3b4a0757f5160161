"""Animals made by code: gaits in place, with feet as honest or as sliding as asked."""

from __future__ import annotations

import numpy as np

from rigs import load_skeleton

SKELETON = load_skeleton("ap10k-travel")
FPS = 30.0
HOOF = 0.05  # metres of a standing hoof above the floor
FEET = [SKELETON.joints.index(name) for name in SKELETON.feet]
LEGS = [(SKELETON.parents[SKELETON.parents[foot]], SKELETON.parents[foot], foot) for foot in FEET]
STANDING = np.full(len(FEET), HOOF)
REST = {"Tail": (0, 0.8, 1.45), "Neck": (0, -0.7, 1.5), "Nose": (0, -1.5, 1.7), "Eye": (0.1, -1.3, 1.85), "Shoulder": (0.2, -0.6, 1.2),
        "Elbow": (0.2, 0, 0), "FrontHoof": (0.2, -0.6, HOOF), "Hip": (0.2, 0.6, 1.15), "Knee": (0.2, 0, 0), "BackHoof": (0.2, 0.6, HOOF)}
BONE = 0.64  # metres of the two bones of each leg
OFFSETS = {"LeftFrontHoof": 0.0, "RightFrontHoof": 0.5, "LeftBackHoof": 0.5, "RightBackHoof": 0.0}  # a trot


def standing(frames: int) -> np.ndarray:
    """An animal [T,17,3] that stands still."""
    pose = np.array([_place(name) for name in SKELETON.joints], float)
    return _with_knees(np.repeat(pose[None], frames, 0))


def gait(frames: int, period: float, speed: float, slide: float = 0.0, lift: float = 0.15) -> np.ndarray:
    """An animal [T,17,3] that trots in place. slide: how much faster, in m/s, hooves go in the middle of a stance than at its ends."""
    motion = standing(frames)
    for name, offset in OFFSETS.items():
        phase = (np.arange(frames) / FPS / period + offset) % 1
        stance, swing = phase.clip(0, 0.5) * 2, (phase * 2 - 1).clip(0, 1)
        half = speed * period / 4  # metres that a hoof goes to either side in half a period on the floor
        along = half * (2 * stance - 1) - half * 2 * swing * swing * (3 - 2 * swing)
        along -= slide * period / 8 * np.sin(2 * np.pi * stance) * (phase < 0.5)
        foot = SKELETON.joints.index(name)
        motion[:, foot, 1] += along
        motion[:, foot, 2] += lift * np.sin(np.pi * swing)
    motion[..., 2] += 0.02 * (np.cos(4 * np.pi * np.arange(frames) / FPS / period) - 1)[:, None] * (motion[0, :, 2] > 1)
    return _with_knees(motion)


def _with_knees(motion: np.ndarray) -> np.ndarray:
    """The middle joints of front legs bent forwards, of hind legs backwards."""
    for (hip, knee, foot), towards in zip(LEGS, (-1, -1, 1, 1)):
        line = motion[:, foot] - motion[:, hip]
        side = np.stack([0 * line[:, 0], -line[:, 2], line[:, 1]], -1) * towards / np.linalg.norm(line[:, 1:], axis=1, keepdims=True)
        motion[:, knee] = motion[:, hip] + line / 2 + side * np.sqrt(BONE**2 - (line**2).sum(1, keepdims=True) / 4)
    return motion


def _place(name: str) -> tuple[float, float, float]:
    for side, sign in (("Left", 1), ("Right", -1)):
        if name.startswith(side):
            x, y, z = REST[name.removeprefix(side)]
            return sign * x, y, z
    return REST[name]
