"""People and animals as a camera sees them, made by code: for each joint's role where it is in the picture, frame by frame."""

from __future__ import annotations

import numpy as np

from backend.poses.joint_sets import joint_set, roles_of
from tests.motions import JOINTS, walk_with_ball

WIDTH, HEIGHT = 1920, 1080
ROLES = {"Hip": "pelvis", "Neck": "neck", "Nose": "nose", "Head": "head_top"}
ROLES |= {f"{side}{part}": f"{part.lower()}.{side}" for side in "LR" for part in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")}


def person(frames: int = 40, x: float = 900.0, speed: float = 0.0, scale: float = 300.0, turn: float = 0.6) -> dict[str, np.ndarray]:
    """A walking person: role -> places [T,2] in pixels, x right and y down. x is where the hips start, speed in pixels a frame, scale in
    pixels a metre, turn in radians from the profile."""
    positions = walk_with_ball(frames / 30, 30.0)["positions"][:frames].astype(float)
    body = {ROLES[name]: positions[:, index] for index, name in enumerate(JOINTS)}
    body["neck"] = (body["shoulder.L"] + body["shoulder.R"]) / 2
    body["pelvis"] = (body["hip.L"] + body["hip.R"]) / 2
    for side, sign in (("L", 1), ("R", -1)):
        body[f"eye.{side}"] = body["nose"] + [sign * 0.03, 0.02, 0.03]
        body[f"ear.{side}"] = body["nose"] + [sign * 0.07, 0.09, 0.01]
        body[f"toe.{side}"] = body[f"ankle.{side}"] + [0, -0.15, -0.06]
    middle = body["pelvis"][:, :2].copy()
    seen = {}
    for role, places in body.items():
        across = (places[:, 0] - middle[:, 0]) * np.sin(turn) + (places[:, 1] - middle[:, 1]) * np.cos(turn)
        seen[role] = np.stack([x + speed * np.arange(frames) + scale * across, 900 - scale * places[:, 2]], -1)
    return seen


def horse(frames: int = 40, x: float = 900.0, scale: float = 250.0) -> dict[str, np.ndarray]:
    """A quadruped that trots on the spot, seen somewhat from the side: role -> places [T,2] in pixels."""
    phase = 2 * np.pi * np.arange(frames) / 20

    def at(along: float, up: float, side: float = 0.0, swing: np.ndarray | float = 0.0) -> np.ndarray:
        """[T,2] of a point so many withers heights before the shoulders, above the ground and to the left."""
        return np.stack([x - scale * (along + 0.25 * side + swing) + 0 * phase, 900 - scale * (up - 0.1 * side) + 0 * phase], -1)

    body = {"nose": at(0.75, 1.15), "neck": at(0.1, 1.0), "tail_root": at(-0.95, 0.95)}
    for side, sign, offset in (("L", 1, 0.0), ("R", -1, np.pi)):
        swing = 0.18 * np.sin(phase + offset)
        body |= {f"eye.{side}": at(0.55, 1.3, 0.4 * sign), f"shoulder.{side}": at(0.12, 0.75, 0.5 * sign), f"carpus.{side}": at(0.0, 0.45, 0.5 * sign),
                 f"front_foot.{side}": at(0.02, 0.02, 0.5 * sign, swing), f"hip.{side}": at(-0.8, 0.78, 0.5 * sign),
                 f"hock.{side}": at(-0.7, 0.48, 0.5 * sign), f"back_foot.{side}": at(-0.85, 0.02, 0.5 * sign, -swing)}
    return body


def joints(body: dict[str, np.ndarray], set_name: str, confidence: float = 0.9) -> np.ndarray:
    """[T,J,3] x, y, confidence of a body as the joints of a set; what the body lacks is (0, 0, 0)."""
    names = list(joint_set(set_name).joints)
    array = np.zeros((len(next(iter(body.values()))), len(names), 3))
    for role, index in roles_of(names).items():
        if role in body:
            array[:, index, :2], array[:, index, 2] = body[role], confidence
    return array
