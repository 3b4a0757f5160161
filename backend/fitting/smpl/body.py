"""Joints of the body models SMPL, SMPL-H and SMPL-X (Loper et al. 2015, SMPL: A skinned multi-person linear model; Romero et al. 2017;
Pavlakos et al. 2019), without their surface.

A model's own world has Y up, and its body faces +Z at rest, where every joint has the axes of the world.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.fitting.kinematics import Rig
from backend.motion.files import read_npz, write_npz
from rigs.presets import load_preset

KINDS = {24: "smpl", 52: "smplh", 55: "smplx"}
"""Joints of a model -> its kind."""

BODY = ("pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot",
        "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist")
BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
"""The joints that models of every kind begin with. What follows are hands, in SMPL-X after jaw and eyes."""

FINGERS = 30
"""Joints of both hands, the last ones of an SMPL-H or SMPL-X body: 15 of the left, 15 of the right."""

GENDERS = ("female", "male", "neutral")

TO_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""From a model's world, Y up, to ours, Z up."""

REMEDY = "Make the file again with import-smpl"


@dataclass(frozen=True)
class BodyModel:
    """What the joints of a body need; metres, in the model's own world.

    kind: of `KINDS`; gender: of `GENDERS`; parents [J]; joints [J,3] of the mean body and joint_shapes [J,3,B], what each number of a shape adds;
    ends [2,3] and end_shapes [2,3,B]: the same of the lowest point of the soles and the top of the head; hands [30,3]: rotation vectors of
    relaxed fingers (none in SMPL).
    """

    kind: str
    gender: str
    parents: np.ndarray
    joints: np.ndarray
    joint_shapes: np.ndarray
    ends: np.ndarray
    end_shapes: np.ndarray
    hands: np.ndarray

    @property
    def shapes(self) -> int:
        """B, the numbers of a shape."""
        return self.joint_shapes.shape[-1]

    def shaped(self, betas: np.ndarray) -> np.ndarray:
        """Joints [J,3] at rest of the body of the shape `betas` [B] (equation 10 of the paper; regressor and shapes are linear, so they are one)."""
        return self.joints + self.joint_shapes @ betas

    def shaped_ends(self, betas: np.ndarray) -> np.ndarray:
        """Sole and top of the head [2,3] of that body."""
        return self.ends + self.end_shapes @ betas

    def posed(self, betas: np.ndarray, poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
        """Joints [T,J,3] of the body `betas` [B] in the poses [T,J,3], rotation vectors of each joint in its parent's axes, the first one in the
        world's; moved by trans [T,3] (equations 3 and 4)."""
        rest = self.shaped(betas)
        turns = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(*poses.shape, 3)
        placed = np.empty(poses.shape)
        placed[:, 0] = rest[0]
        for joint in range(1, len(rest)):
            parent = self.parents[joint]
            placed[:, joint] = placed[:, parent] + turns[:, parent] @ (rest[joint] - rest[parent])
            turns[:, joint] = turns[:, parent] @ turns[:, joint]
        return placed + trans[:, None]

    def rig(self, betas: np.ndarray) -> Rig:
        """The body at rest as an armature in our world; its bones are `BODY`."""
        heads = self.shaped(betas)[: len(BODY)] @ TO_WORLD.T
        sole, top = self.shaped_ends(betas) @ TO_WORLD.T
        roles = load_preset("smplx").roles
        tails = heads + [0, 0, 0.05]  # of no meaning: a fit believes joints
        tails[BODY.index("head")] = top
        return Rig(list(BODY), [roles[name] for name in BODY], np.array(BODY_PARENTS), heads, tails, np.tile([1.0, 0, 0, 0], (len(BODY), 1)),
                   np.array([0, 0, sole[2]]))

    def save(self, path: Path | str) -> Path:
        """Writes the model file. Raises KineliftError."""
        return write_npz(path, {"kind": np.array(self.kind), "gender": np.array(self.gender), "parents": self.parents.astype(np.int32),
                                **{name: getattr(self, name).astype(np.float64) for name in ARRAYS}})


ARRAYS = ("joints", "joint_shapes", "ends", "end_shapes", "hands")


def load_body(path: Path | str) -> BodyModel:
    """Reads a model file that `import-smpl` wrote. Raises KineliftError naming what is missing or wrong."""
    arrays = read_npz(path, "model file", "Make one of your SMPL, SMPL-H or SMPL-X file with import-smpl", "bad-smpl",
                      needed=("kind", "gender", "parents", *ARRAYS))
    kind, gender = str(arrays["kind"]), str(arrays["gender"])
    count = next((joints for joints, name in KINDS.items() if name == kind), None)
    shapes = arrays["joint_shapes"].shape[-1] if arrays["joint_shapes"].ndim == 3 else 0
    expected = {"parents": (count,), "joints": (count, 3), "joint_shapes": (count, 3, shapes), "ends": (2, 3), "end_shapes": (2, 3, shapes),
                "hands": (0 if kind == "smpl" else FINGERS, 3)}
    if count is None or gender not in GENDERS:
        raise KineliftError(f"this is no body ('kind' is {kind!r}, 'gender' {gender!r})", REMEDY, str(path), "bad-smpl")
    for name, shape in expected.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind not in ("iu" if name == "parents" else "f") or not np.isfinite(array).all():
            raise KineliftError(f"'{name}' is not made of numbers {list(shape)}", REMEDY, str(path), "bad-smpl")
    check_parents(arrays["parents"], path, REMEDY)
    return BodyModel(kind, gender, arrays["parents"].astype(int), *(arrays[name] for name in ARRAYS))


def check_parents(parents: np.ndarray, place: Path | str, remedy: str) -> None:
    """Raises KineliftError where joints are not those of a body: `BODY` first, and every one after its parent."""
    if tuple(parents[: len(BODY)]) != BODY_PARENTS or not all(0 <= parent < joint for joint, parent in enumerate(parents) if joint):
        raise KineliftError("its joints don't hang together as those of SMPL do", remedy, str(place), "bad-smpl")
