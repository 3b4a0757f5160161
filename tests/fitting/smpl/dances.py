"""Motions of a body of the SMPL family, from poses that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from backend.fitting.smpl.body import BODY, BODY_PARENTS, TO_WORLD, BodyModel
from backend.fitting.smpl.shape import JOINTS
from backend.motion.motion3d import Motion3D
from tests.fitting.human import waves

FPS = 30.0
ROLES = JOINTS | {"toe.L": BODY.index("left_foot"), "toe.R": BODY.index("right_foot")}


def dance(model: BodyModel, frames: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Poses [T,J,3] and trans [T,3] in our world: it turns, bends its back, knees and elbows, and lifts its arms and shoulders."""
    poses = np.zeros((frames, len(model.joints), 3))

    def wave(*amplitudes: tuple[float, float, float]) -> np.ndarray:
        return waves(frames, FPS, *amplitudes)

    bend = np.abs(wave((0.5, 0, 0))) + [0.2, 0, 0]
    own = {"left_hip": -bend + wave((0.2, 0.1, 0.1)), "right_hip": -bend + wave((0.1, 0.1, 0.1)), "left_knee": 1.5 * bend, "right_knee": 2 * bend,
           "left_ankle": -0.5 * bend, "right_ankle": -bend,
           "spine1": wave((0.1, 0.1, 0.05)), "spine2": wave((0.12, 0.1, 0.08)), "spine3": wave((0.1, 0.1, 0.05)), "neck": wave((0.1, 0.2, 0.1)),
           "head": wave((0.1, 0.2, 0.1)), "left_collar": wave((0, 0.05, 0.1)), "right_collar": wave((0, 0.05, -0.1)),
           "left_shoulder": [0, 0, -0.6] + wave((0.3, 0.4, 0.4)), "right_shoulder": [0, 0, 0.6] + wave((0.3, 0.4, 0.4)),
           "left_elbow": [0, -0.7, 0] + wave((0, 0.6, 0)), "right_elbow": [0, 0.8, 0] + wave((0, 0.6, 0))}
    for name, vectors in own.items():
        poses[:, BODY.index(name)] = vectors
    poses[:, 0] = (Rotation.from_rotvec(wave((0.1, 0.1, 1.2))) * Rotation.from_matrix(TO_WORLD)).as_rotvec()
    return poses, wave((0.5, 0.3, 0.02)) + [0, 0, 1.3]


def motion_of(placed: np.ndarray) -> Motion3D:
    """The motion file's joints of a posed body [T,J,3], with the balls of its feet."""
    positions = np.stack([placed[:, joint] for joint in ROLES.values()], axis=1)
    return Motion3D(positions, list(ROLES), [-1] * len(ROLES), FPS, roles={role: role for role in ROLES})


def moved(motion: Motion3D, poses: np.ndarray, away: dict[str, tuple[str, tuple[float, float, float]]]) -> Motion3D:
    """The same with joints that lie elsewhere on their bones: role -> the joint whose turns carry it, and metres in the body's own world at rest."""
    positions = motion.positions.copy()
    for role, (carrier, offset) in away.items():
        turn, joint = Rotation.identity(), BODY.index(carrier)
        while joint >= 0:
            turn, joint = Rotation.from_rotvec(poses[:, joint]) * turn, BODY_PARENTS[joint]
        positions[:, motion.joint_names.index(role)] += turn.apply(offset)
    return replace(motion, positions=positions)
