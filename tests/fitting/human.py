"""A small human armature and motions posed on it, all made by code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from backend.fitting.kinematics import Rig, forward, load_rig
from backend.motion.files import write_npz
from backend.motion.motion3d import Motion3D
from rigs import load_skeleton

CENTRE = (
    ("pelvis", "", (0, 0.03, 1.0), (0, 0.01, 1.15)),
    ("spine.0", "pelvis", (0, 0.01, 1.15), (0, 0, 1.3)),
    ("spine.1", "spine.0", (0, 0, 1.3), (0, 0.01, 1.6)),
    ("neck.0", "spine.1", (0, 0.01, 1.6), (0, 0, 1.7)),
    ("head", "neck.0", (0, 0, 1.7), (0, 0, 1.9)),
)
LEFT = (
    ("clavicle", "spine.1", (0.02, 0, 1.55), (0.17, 0.02, 1.55)),
    ("upper_arm", "clavicle", (0.18, 0.02, 1.54), (0.42, 0.04, 1.38)),
    ("forearm", "upper_arm", (0.42, 0.04, 1.38), (0.62, 0.0, 1.24)),
    ("hand", "forearm", (0.62, 0.0, 1.24), (0.68, -0.01, 1.19)),
    ("thigh", "pelvis", (0.1, 0.01, 0.98), (0.1, -0.01, 0.52)),
    ("shin", "thigh", (0.1, -0.01, 0.52), (0.1, 0.02, 0.08)),
    ("foot", "shin", (0.1, 0.02, 0.08), (0.1, -0.1, 0.02)),
    ("toe", "foot", (0.1, -0.1, 0.02), (0.1, -0.17, 0.02)),
)


def armature_file(path: Path, scale: float = 1.0, rolls: np.ndarray | None = None, raised_arms: float = 0.0, yaw: float = 0.0,
                  without: tuple[str, ...] = ()) -> Path:
    """Writes the armature file of a human 1.9 m tall, standing on the origin and facing -Y, then scaled and yawed.

    rolls: radians for every bone; raised_arms: radians the rest pose lifts its arms; without: roles to leave out.
    """
    rows = list(CENTRE)
    for side, sign in (("L", 1), ("R", -1)):
        lift = Rotation.from_rotvec([0, -sign * raised_arms, 0])
        pivot = np.array([sign * 0.18, 0.02, 1.54])
        for role, parent, head, tail in LEFT:
            ends = [np.array([sign * x, y, z], float) for x, y, z in (head, tail)]
            if role in ("upper_arm", "forearm", "hand"):
                ends = [pivot + lift.apply(end - pivot) for end in ends]
            inner = parent in ("pelvis", "spine.1")
            rows.append((f"{role}.{side}", parent if inner else f"{parent}.{side}", *ends))
    rows = [row for row in rows if row[0] not in without]
    roles = [row[0] for row in rows]
    turn = Rotation.from_rotvec([0, 0, yaw])
    heads, tails = (scale * turn.apply(np.array([row[end] for row in rows], float)) for end in (2, 3))
    rolls = np.zeros(len(rows)) if rolls is None else rolls[: len(rows)]
    along = (tails - heads) / np.linalg.norm(tails - heads, axis=1, keepdims=True)
    rotations = [Rotation.from_rotvec(roll * axis) * Rotation.align_vectors([axis], [[0, 1, 0]])[0] for roll, axis in zip(rolls, along)]
    return write_npz(path, {
        "bone_names": np.array([f"bone {role}" for role in roles]),
        "roles": np.array(roles),
        "parents": np.array([roles.index(row[1]) if row[1] else -1 for row in rows], np.int32),
        "rest_heads": heads,
        "rest_tails": tails,
        "rest_rotations": np.array([np.roll(rotation.as_quat(), 1) for rotation in rotations]),
        "origin": np.zeros(3),
    })


def joints_of(rig: Rig, world: np.ndarray, heads: np.ndarray) -> dict[str, np.ndarray]:
    """Joint role -> positions [T,3] of a posed rig."""
    bones = {"hip": "thigh", "knee": "shin", "ankle": "foot", "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand"}
    joints = {f"{joint}.{side}": heads[:, rig.index[f"{bone}.{side}"]] for joint, bone in bones.items() for side in "LR"}
    head = rig.index["head"]
    size = np.linalg.norm(rig.tails[head] - rig.heads[head])
    joints["neck"] = heads[:, rig.index["neck.0"]]
    joints["head_top"] = heads[:, head] + world[:, head] @ (rig.tails[head] - rig.heads[head])
    joints["nose"] = heads[:, head] + world[:, head] @ (np.array([0, -0.5, 0.4]) * size)
    joints["pelvis"] = (joints["hip.L"] + joints["hip.R"]) / 2
    return joints


def motion_of(joints: dict[str, np.ndarray], fps: float = 30.0, **objects) -> Motion3D:
    """The basketball skeleton's motion with these joints [T,3]."""
    skeleton = load_skeleton("nba16-ball")
    positions = np.stack([joints[skeleton.roles[name]] for name in skeleton.joints], axis=1)
    return Motion3D(positions, list(skeleton.joints), list(skeleton.parents), fps, skeleton.name, **objects)


def pose(rig: Rig, angles: dict[str, np.ndarray], root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses bones by rotation vectors [T,3] in world axes at rest: role -> vectors. Returns world turns and heads."""
    turns = np.broadcast_to(np.eye(3), (len(root), rig.bones, 3, 3)).copy()
    for role, vectors in angles.items():
        turns[:, rig.index[role]] = Rotation.from_rotvec(vectors).as_matrix()
    return forward(rig, turns, root)


def waves(frames: int, fps: float, *amplitudes: tuple[float, float, float]) -> np.ndarray:
    """[T,3] sums of sines: amplitudes are (x, y, z) at 0.5 Hz, 1 Hz, 1.5 Hz ..."""
    time = np.arange(frames) / fps
    return sum(np.sin(2 * np.pi * 0.5 * (number + 1) * time + number)[:, None] * np.array(amplitude)
               for number, amplitude in enumerate(amplitudes))


def dance(rig: Rig, frames: int = 60, fps: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    """A motion of the whole body with bent knees and elbows; the spine stays straight."""
    bend = np.abs(waves(frames, fps, (0.5, 0, 0))) + np.array([0.2, 0, 0])
    angles = {
        "pelvis": waves(frames, fps, (0.1, 0.1, 1.5)),
        "thigh.L": -bend + waves(frames, fps, (0.2, 0.1, 0)), "thigh.R": -bend, "shin.L": 1.5 * bend, "shin.R": 2 * bend,
        "upper_arm.L": waves(frames, fps, (0.6, 0.5, 0.3)), "upper_arm.R": waves(frames, fps, (-0.5, 0.8, 0.3)),
        "forearm.L": -np.array([0.3, 0.0, 0.9]) * (1 + 0.5 * waves(frames, fps, (1, 1, 1))),
        "forearm.R": -np.array([0.3, 0.0, -0.9]) * (1 + 0.5 * waves(frames, fps, (1, 1, 1))),
        "head": waves(frames, fps, (0.2, 0.1, 0.5)),
    }
    return pose(rig, angles, rig.heads[0] + waves(frames, fps, (0.5, 0.3, 0.02)))


def human(folder: Path, **options) -> tuple[Path, Rig]:
    """The armature file in `folder` and what it holds."""
    path = armature_file(folder / "armature.npz", **options)
    return path, load_rig(path)
