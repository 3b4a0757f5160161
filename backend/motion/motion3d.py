"""Motion3D: joint and object positions over time, and its file.

The add-on uses this module too: it needs numpy alone, and imports relatively.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import KineliftError
from .files import read_npz, write_npz

REMEDY = "Use a .npz written by Kinelift"


@dataclass(frozen=True)
class Camera:
    """The camera that filmed a motion, as OpenCV writes it: K [3,3] in pixels, y down; R [3,3] and t [3] metres, from the motion's world
    to the camera, which looks along +Z; image_size (width, height)."""

    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    image_size: tuple[int, int]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels [...,2] of points [...,3] of the world."""
        seen = (points @ self.R.T + self.t) @ self.K.T
        return seen[..., :2] / seen[..., 2:]


@dataclass
class Motion3D:
    """A 3D motion in Blender's world: right-handed, Z up, metres, facing -Y.

    positions [T,J,3]; joint_names [J]; parents [J] (-1 root, parents before children); fps; skeleton: a name in
    rigs/skeletons or ""; object_names [K] with object_positions [T,K,3] of their middles and, where they are more than points, object_rotations
    [T,K,4] (w,x,y,z, world) and object_sizes [K,3] (metres along their own axes, 0 where unknown); rotations [T,J,4] (w,x,y,z, world) or None;
    confidences [T,J] in 0..1 of the positions (0: not seen, wherever it is put), or None where all are sure;
    provenance: how it was made (pack, seed, settings, version); camera: the one that filmed it, None where nobody did;
    roles: role by joint name, of a skeleton that isn't in rigs/skeletons.
    """

    positions: np.ndarray
    joint_names: list[str]
    parents: list[int]
    fps: float
    skeleton: str = ""
    object_names: list[str] = field(default_factory=list)
    object_positions: np.ndarray | None = None
    rotations: np.ndarray | None = None
    provenance: dict = field(default_factory=dict)
    camera: Camera | None = None
    roles: dict[str, str] = field(default_factory=dict)
    object_rotations: np.ndarray | None = None
    object_sizes: np.ndarray | None = None
    confidences: np.ndarray | None = None

    def __post_init__(self):
        self.validate("motion")

    @property
    def frames(self) -> int:
        return len(self.positions)

    def validate(self, place: str) -> None:
        """Raises KineliftError naming `place` when shapes disagree or a value is not finite."""

        def bad(message: str, remedy: str):
            raise KineliftError(message, remedy, place, "bad-motion")

        joints = len(self.joint_names)
        if self.positions.ndim != 3 or self.positions.shape[1:] != (joints, 3):
            bad(f"'positions' has shape {list(self.positions.shape)} for {joints} joints", "Write it as [frames, joints, 3]")
        if not len(self.positions):
            bad("the motion has no frames", "Use a motion with at least one frame")
        if len(self.parents) != joints:
            bad(f"'parents' has {len(self.parents)} entries for {joints} joints", "Give each joint one parent, -1 for the root")
        for child, parent in enumerate(self.parents):
            if not (parent == -1 or 0 <= parent < child):
                bad(f"parent {parent} of joint {self.joint_names[child]!r} does not come before it", "List parents first")
        if not (np.isfinite(self.fps) and self.fps > 0):
            bad(f"fps is {self.fps}", "Write the frame rate as a positive number")
        for name, array, count in (("positions", self.positions, joints),
                                   ("object_positions", self.object_positions, len(self.object_names))):
            if array is None:
                if count:
                    bad("object names without 'object_positions'", "Write both or neither")
                continue
            if array.shape != (self.frames, count, 3):
                bad(f"'{name}' has shape {list(array.shape)}, not [{self.frames}, {count}, 3]", "Give every frame every point")
            if not np.isfinite(array).all():
                frame, point = np.argwhere(~np.isfinite(array))[0][:2]
                bad(f"'{name}' is not a number at frame {frame}, point {point}", "Fill or cut that frame")
        if self.confidences is not None and not (self.confidences.shape == (self.frames, joints) and (self.confidences >= 0).all()
                                                 and (self.confidences <= 1).all()):
            bad(f"'confidences' is not made of numbers [{self.frames}, {joints}] in 0..1", "Write one for each joint in each frame, or none")
        things = len(self.object_names)
        for name, array, shape in (("object_rotations", self.object_rotations, (self.frames, things, 4)), ("object_sizes", self.object_sizes, (things, 3))):
            if array is not None and (array.shape != shape or not np.isfinite(array).all()):
                bad(f"'{name}' is not made of numbers {list(shape)}", "Write one for each object, or none")
        if self.object_rotations is not None and (np.linalg.norm(self.object_rotations, axis=-1) < 0.5).any():
            bad("'object_rotations' has one that turns nothing, all 0", "Write unit quaternions w, x, y, z, (1, 0, 0, 0) for no turn")
        if self.camera is not None and not (self.camera.K.shape == self.camera.R.shape == (3, 3) and self.camera.t.shape == (3,) and all(
                np.isfinite(part).all() for part in (self.camera.K, self.camera.R, self.camera.t))):
            bad("the camera is not made of numbers K [3,3], R [3,3] and t [3]", "Write all three")
        if not isinstance(self.provenance, dict):
            bad("'provenance' is no table", "Write a JSON object, such as {}")
        if not isinstance(self.provenance.get("first_frame", 0), int):
            bad(f"'first_frame' of 'provenance' is {self.provenance['first_frame']!r}", "Write a whole number, or leave it out")
        if self.rotations is not None and self.rotations.shape != (self.frames, joints, 4):
            bad(f"'rotations' has shape {list(self.rotations.shape)}", f"Write it as [{self.frames}, {joints}, 4]")

    def save(self, path: Path | str) -> Path:
        """Writes the motion file (to a temporary name first, so that a crash leaves no half file)."""
        arrays = {
            "positions": self.positions.astype(np.float32),
            "joint_names": np.array(self.joint_names),
            "parents": np.array(self.parents, np.int32),
            "fps": np.float64(self.fps),
            "skeleton": np.array(self.skeleton),
            "provenance": np.array(json.dumps(self.provenance)),
        }
        if self.object_positions is not None:
            arrays["object_names"] = np.array(self.object_names)
            arrays["object_positions"] = self.object_positions.astype(np.float32)
        for name in ("object_rotations", "object_sizes", "confidences"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name).astype(np.float32)
        if self.rotations is not None:
            arrays["rotations"] = self.rotations.astype(np.float32)
        if self.roles:
            arrays["joint_roles"] = np.array([self.roles.get(name, "") for name in self.joint_names])
        if self.camera is not None:
            arrays |= {"camera_K": self.camera.K, "camera_R": self.camera.R, "camera_t": self.camera.t,
                       "image_size": np.array(self.camera.image_size, np.int32)}
        return write_npz(path, arrays)

    @classmethod
    def load(cls, path: Path | str) -> Motion3D:
        """Reads a motion file without running code from it. Raises KineliftError naming the file and the remedy."""
        arrays = read_npz(path, "motion file", REMEDY, "bad-motion", needed=("positions", "joint_names", "parents", "fps"))
        try:
            return cls(
                positions=arrays["positions"].astype(np.float64),
                joint_names=[str(name) for name in arrays["joint_names"]],
                parents=[int(parent) for parent in arrays["parents"]],
                fps=float(arrays["fps"]),
                skeleton=str(arrays.get("skeleton", "")),
                object_names=[str(name) for name in arrays.get("object_names", [])],
                object_positions=arrays["object_positions"].astype(np.float64) if "object_positions" in arrays else None,
                rotations=arrays["rotations"].astype(np.float64) if "rotations" in arrays else None,
                provenance=json.loads(str(arrays["provenance"])) if "provenance" in arrays else {},
                camera=_read_camera(arrays),
                roles=_read_roles(arrays),
                **{name: arrays[name].astype(np.float64) for name in ("object_rotations", "object_sizes", "confidences") if name in arrays},
            )
        except KineliftError as error:
            raise KineliftError(error.message, error.remedy, str(path), error.code) from None
        except (TypeError, ValueError) as error:
            raise KineliftError(f"the motion file holds the wrong kind of data ({error})", REMEDY, str(path), "bad-motion") from error


def _read_roles(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    if "joint_roles" not in arrays:
        return {}
    return {str(name): str(role) for name, role in zip(arrays["joint_names"], arrays["joint_roles"], strict=True) if str(role)}


def _read_camera(arrays: dict[str, np.ndarray]) -> Camera | None:
    parts = ("camera_K", "camera_R", "camera_t", "image_size")
    missing = [name for name in parts if name not in arrays]
    if len(missing) == len(parts):
        return None
    if missing:
        raise KineliftError(f"the camera lacks {', '.join(missing)}", "Write all of it, or none", "motion", "bad-motion")
    width, height = arrays["image_size"]
    return Camera(*(arrays[f"camera_{part}"].astype(np.float64) for part in "KRt"), (int(width), int(height)))
