"""A small four-legged armature and motions of it, all made by code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from backend.fitting.kinematics import Rig, forward, load_rig
from backend.motion.files import write_npz
from backend.motion.motion3d import Motion3D
from rigs import load_skeleton
from tests.motions import _bend as bend

CENTRE = (
    ("pelvis", "", (0, 0.62, 1.3), (0, 0.4, 1.3)),
    ("spine.0", "pelvis", (0, 0.4, 1.3), (0, 0.0, 1.26)),
    ("spine.1", "spine.0", (0, 0.0, 1.26), (0, -0.55, 1.3)),
    ("neck.0", "spine.1", (0, -0.6, 1.36), (0, -0.85, 1.6)),
    ("neck.1", "neck.0", (0, -0.85, 1.6), (0, -1.05, 1.8)),
    ("head", "neck.1", (0, -1.05, 1.8), (0, -1.45, 1.5)),
    ("tail.0", "pelvis", (0, 0.66, 1.36), (0, 0.8, 1.2)),
    ("tail.1", "tail.0", (0, 0.8, 1.2), (0, 0.82, 0.9)),
)
LEFT = (
    ("scapula", "spine.1", (0.1, -0.42, 1.4), (0.16, -0.66, 1.08)),
    ("upper_arm", "scapula", (0.16, -0.66, 1.08), (0.16, -0.5, 0.9)),
    ("forearm", "upper_arm", (0.16, -0.5, 0.9), (0.16, -0.54, 0.5)),
    ("metacarpus", "forearm", (0.16, -0.54, 0.5), (0.16, -0.52, 0.22)),
    ("front_pastern", "metacarpus", (0.16, -0.52, 0.22), (0.16, -0.57, 0.09)),
    ("front_hoof", "front_pastern", (0.16, -0.57, 0.09), (0.16, -0.62, 0.0)),
    ("thigh", "pelvis", (0.18, 0.55, 1.2), (0.18, 0.45, 0.95)),
    ("shin", "thigh", (0.18, 0.45, 0.95), (0.18, 0.7, 0.56)),
    ("metatarsus", "shin", (0.18, 0.7, 0.56), (0.18, 0.66, 0.22)),
    ("hind_pastern", "metatarsus", (0.18, 0.66, 0.22), (0.18, 0.6, 0.09)),
    ("hind_hoof", "hind_pastern", (0.18, 0.6, 0.09), (0.18, 0.55, 0.0)),
)
HEIGHT = 1.4
"""Metres at the withers."""

LIMBS = (("shoulder", "scapula", "upper_arm"), ("hip", "thigh", "thigh"))


def armature_file(path: Path, scale: float = 1.0, rolls: np.ndarray | None = None, yaw: float = 0.0, without: tuple[str, ...] = (),
                  legs: float = 1.0, trunk: float = 1.0, width: float = 1.0, front_legs: float = 1.0) -> Path:
    """Writes the armature file of a hoofed animal that stands on the origin and faces -Y, then scaled and yawed.

    rolls: radians for every bone; without: parts of the body to leave out, whose length a bone beside it gets; legs, trunk, width:
    factors on heights, on lengths along the body and across it; front_legs: on the heights of all in front.
    """
    rows = list(CENTRE)
    for side, sign in (("L", 1), ("R", -1)):
        for role, parent, head, tail in LEFT:
            inner = parent in ("pelvis", "spine.1")
            rows.append((f"{role}.{side}", parent if inner else f"{parent}.{side}", *((sign * x, y, z) for x, y, z in (head, tail))))
    carried_by = {row[0]: row[1] for row in rows}
    left_out = {role for role in carried_by if role.split(".")[0] in without}

    def kept(role: str) -> str:
        return kept(carried_by[role]) if role in left_out else role

    kept_rows = {row[0]: list(row) for row in rows if row[0] not in left_out}
    for role, parent, head, tail in reversed(rows):
        below = [row for row in kept_rows.values() if row[1] == role]
        if role in left_out and parent in kept_rows and kept_rows[parent][3] == head and role.split(".")[0] not in ("neck", "tail", "head"):
            kept_rows[parent][3] = tail
        elif role in left_out and below and below[0][2] == tail and role[-1] in "LR":
            below[0][1:3] = parent, head
    rows = list(kept_rows.values())
    roles = [row[0] for row in rows]
    ends = np.array([[row[2], row[3]] for row in rows], float)
    ends[..., 1] = np.where(np.abs(ends[..., 1]) > 0, ends[..., 1] * trunk, 0)
    ends[..., 0] *= width
    ends[..., 2] = ends[..., 2] * legs * np.where(ends[..., 1] < 0, front_legs, 1.0)
    heads, tails = np.moveaxis(scale * Rotation.from_rotvec([0, 0, yaw]).apply(ends.reshape(-1, 3)).reshape(ends.shape), 1, 0)
    rolls = np.zeros(len(rows)) if rolls is None else rolls[: len(rows)]
    along = (tails - heads) / np.linalg.norm(tails - heads, axis=1, keepdims=True)
    rotations = [Rotation.from_rotvec(roll * axis) * Rotation.align_vectors([axis], [[0, 1, 0]])[0] for roll, axis in zip(rolls, along, strict=False)]
    return write_npz(path, {
        "kind": np.array("quadruped"),
        "bone_names": np.array([f"bone {role}" for role in roles]),
        "roles": np.array(roles),
        "parents": np.array([roles.index(kept(row[1])) if row[1] else -1 for row in rows], np.int32),
        "rest_heads": heads,
        "rest_tails": tails,
        "rest_rotations": np.array([np.roll(rotation.as_quat(), 1) for rotation in rotations]),
        "origin": np.zeros(3),
    })


def horse(folder: Path, **options) -> tuple[Path, Rig]:
    """The armature file in `folder` and what it holds."""
    path = armature_file(folder / "armature.npz", **options)
    return path, load_rig(path)


def pose(rig: Rig, angles: dict[str, np.ndarray], root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses bones by rotation vectors [T,3] in world axes at rest: role -> vectors. Returns world turns and heads."""
    turns = np.broadcast_to(np.eye(3), (len(root), rig.bones, 3, 3)).copy()
    for role, vectors in angles.items():
        turns[:, rig.index[role]] = Rotation.from_rotvec(vectors).as_matrix()
    return forward(rig, turns, root)


def joints_of(rig: Rig, world: np.ndarray, heads: np.ndarray) -> dict[str, np.ndarray]:
    """Joint role -> positions [T,3] of a posed rig with all its bones: what the 17 keypoints of an animal show."""
    def on(bone: str, offset: np.ndarray) -> np.ndarray:
        return heads[:, rig.index[bone]] + world[:, rig.index[bone]] @ offset

    def along(bone: str, share: float) -> np.ndarray:
        return on(bone, share * (rig.tails[rig.index[bone]] - rig.heads[rig.index[bone]]))

    joints = {"tail_root": along("tail.0", 0), "neck": along("neck.0", 0), "nose": along("head", 1)}
    size = np.linalg.norm(rig.tails[rig.index["head"]] - rig.heads[rig.index["head"]])
    for side, sign in (("L", 1), ("R", -1)):
        joints[f"eye.{side}"] = on("head", size * np.array([0.24 * sign, -0.32, 0.0]))
        joints |= {f"shoulder.{side}": along(f"scapula.{side}", 0.5), f"carpus.{side}": along(f"metacarpus.{side}", 0),
                   f"front_foot.{side}": along(f"front_hoof.{side}", 0.5), f"hip.{side}": along(f"thigh.{side}", 0),
                   f"hock.{side}": along(f"metatarsus.{side}", 0), f"back_foot.{side}": along(f"hind_hoof.{side}", 0.5)}
    return joints


def motion_of(joints: dict[str, np.ndarray], fps: float = 30.0, skeleton_name: str = "ap10k", **objects) -> Motion3D:
    """The animal skeleton's motion with these joints [T,3]."""
    skeleton = load_skeleton(skeleton_name)
    positions = np.stack([joints[skeleton.roles[name]] for name in skeleton.joints], axis=1)
    return Motion3D(positions, list(skeleton.joints), list(skeleton.parents), fps, skeleton.name, **objects)


def prance(rig: Rig, frames: int = 60, fps: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    """A motion of the whole body by turns of its joints, at their anatomical sides: the animal trots and turns, its spine bends a little."""
    phase = 2 * np.pi * np.arange(frames) / fps

    def about(axis: int, *terms: tuple[float, float, float]) -> np.ndarray:
        vectors = np.zeros((frames, 3))
        vectors[:, axis] = sum(size * np.sin(speed * phase + start) for size, speed, start in terms)
        return vectors

    angles = {"pelvis": about(2, (0.4, 0.3, 0)) + about(0, (0.03, 2, 0)), "spine.1": about(2, (0.08, 1, 0)),
              "neck.0": about(0, (0.25, 0.5, 1)), "head": about(2, (0.4, 0.7, 2)) + about(0, (0.1, 1, 0))}
    for side, start in (("L", 0.0), ("R", np.pi)):
        lift, hind = np.maximum(np.sin(phase + start), 0)[:, None], np.maximum(np.sin(phase + start + np.pi), 0)[:, None]
        x = np.array([1.0, 0, 0])
        angles |= {f"scapula.{side}": about(0, (0.08, 1, start)), f"upper_arm.{side}": -0.2 * lift * x, f"forearm.{side}": -0.5 * lift * x,
                   f"metacarpus.{side}": 1.2 * lift * x, f"front_pastern.{side}": 0.3 * lift * x, f"thigh.{side}": -0.5 * hind * x,
                   f"shin.{side}": 0.6 * hind * x, f"metatarsus.{side}": -0.6 * hind * x, f"hind_pastern.{side}": 0.3 * hind * x}
    root = rig.heads[0] + np.stack([0.1 * np.sin(phase / 2), -0.3 * phase, 0 * phase], axis=-1) * rig.heads[0][2] / CENTRE[0][2][2]
    lowest = min(at[:, 2].min() - joints_of(rig, *pose(rig, {}, rig.heads[:1]))[role][0, 2]
                 for role, at in joints_of(rig, *pose(rig, angles, root)).items() if "foot" in role)
    return pose(rig, angles, root - [0, 0, min(lowest, 0.0)])


def walk(rig: Rig, frames: int = 60, fps: float = 30.0, stride: float = 0.9) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A walk towards -Y at the level of keypoints: joints, and foot role -> bool [T] while it stands in one place."""
    joints = {role: at.repeat(frames, 0) for role, at in joints_of(rig, *pose(rig, {}, rig.heads[:1])).items()}
    cycle = np.arange(frames) / fps
    for role in joints:
        joints[role] = joints[role] + np.stack([0 * cycle, -stride * cycle, 0 * cycle], axis=-1)
    stands = {}
    for number, (pair, side) in enumerate((("back_foot", "L"), ("front_foot", "L"), ("back_foot", "R"), ("front_foot", "R"))):
        step, part = np.divmod(cycle + number / 4, 1.0)
        swing = np.clip((part - 0.6) / 0.4, 0, 1)
        eased = swing * swing * (3 - 2 * swing)
        foot = f"{pair}.{side}"
        rest = joints[foot][0] * [1, 1, 1]
        joints[foot] = np.stack([np.full(frames, rest[0]), rest[1] - stride * (step + eased + 0.3 - number / 4),
                                 rest[2] + 0.12 * np.sin(np.pi * swing)], axis=-1)
        stands[foot] = part < 0.55
        top, middle = ("hip", "hock") if pair == "back_foot" else ("shoulder", "carpus")
        upper, lower = (float(np.linalg.norm(joints[f"{a}.{side}"][0] - b)) for a, b in ((top, joints[f"{middle}.{side}"][0]), (middle, rest)))
        joints[f"{middle}.{side}"] = bend(joints[f"{top}.{side}"], joints[foot], upper * 1.05, lower * 1.05,
                                          np.array([0.0, 1.0 if pair == "back_foot" else -1.0, 0.0]))
    return joints, stands
