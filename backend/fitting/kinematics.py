"""The armature as numbers: its rest pose, and forward kinematics on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.motion.files import read_npz
from rigs.presets import NEEDED

REMEDY = "Choose the armature again in Blender, so that the add-on writes a new file"
PELVIS_REMEDY = "Map the pelvis to a bone that carries all other mapped bones"


@dataclass(frozen=True)
class Rig:
    """The mapped bones of an armature at rest, in world metres. Parents come before children; bone 0 is the only root.

    heads, tails [N,3]; rotations [N,4] (w,x,y,z); origin [3]: where the rest pose stands (the armature object's origin);
    kind: of character, a key of `rigs.presets.ROLES`.
    """

    names: list[str]
    roles: list[str]
    parents: np.ndarray
    heads: np.ndarray
    tails: np.ndarray
    rotations: np.ndarray
    origin: np.ndarray
    kind: str = "human"

    @property
    def bones(self) -> int:
        return len(self.names)

    @cached_property
    def index(self) -> dict[str, int]:
        """Role -> bone number."""
        return {role: number for number, role in enumerate(self.roles)}

    @cached_property
    def carried(self) -> np.ndarray:
        """[N,N] bool: carried[n, b] is True when turning bone b moves bone n (b is n or one of its ancestors)."""
        carried = np.eye(self.bones, dtype=bool)
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                carried[bone] |= carried[parent]
        return carried

    def chain(self, role: str) -> list[int]:
        """Bones of a list role, from the pelvis outwards; may be empty."""
        numbered = [(int(name.split(".")[1]), number) for name, number in self.index.items() if name.split(".")[0] == role]
        return [number for _, number in sorted(numbered)]

    def part(self, bones: list[int]) -> Rig:
        """The rig of these bones alone, which must hold the root and, with each bone, what carries it."""
        places = {bone: place for place, bone in enumerate(bones)} | {-1: -1}
        return replace(self, names=[self.names[bone] for bone in bones], roles=[self.roles[bone] for bone in bones],
                       parents=np.array([places[self.parents[bone]] for bone in bones]), heads=self.heads[bones], tails=self.tails[bones],
                       rotations=self.rotations[bones])

    def direction(self, bone: int) -> np.ndarray:
        """[3] unit vector from the head of a bone to its tail, at rest."""
        return (self.tails[bone] - self.heads[bone]) / np.linalg.norm(self.tails[bone] - self.heads[bone])


def load_rig(path: Path | str) -> Rig:
    """Reads an armature file. Raises KineliftError naming what is missing or wrong."""
    arrays = read_npz(path, "armature file", REMEDY, "bad-armature",
                      needed=("bone_names", "roles", "parents", "rest_heads", "rest_tails", "rest_rotations"))
    rig = Rig(
        names=[str(name) for name in arrays["bone_names"]],
        roles=[str(role) for role in arrays["roles"]],
        parents=arrays["parents"].astype(int),
        heads=arrays["rest_heads"].astype(float),
        tails=arrays["rest_tails"].astype(float),
        rotations=arrays["rest_rotations"].astype(float),
        origin=arrays["origin"].astype(float) if "origin" in arrays else np.zeros(3),
        kind=str(arrays.get("kind", "human")),
    )
    _check(rig, str(path))
    return rig


def _check(rig: Rig, place: str) -> None:
    def bad(message: str, remedy: str = REMEDY):
        raise KineliftError(message, remedy, place, "bad-armature")

    count = rig.bones
    shapes = {"roles": len(rig.roles) == count, "parents": rig.parents.shape == (count,), "rest_heads": rig.heads.shape == (count, 3),
              "rest_tails": rig.tails.shape == (count, 3), "rest_rotations": rig.rotations.shape == (count, 4),
              "origin": rig.origin.shape == (3,)}
    for key, right in shapes.items():
        if not right:
            bad(f"'{key}' does not have one entry for each of the {count} bones")
    for key, array in (("rest_heads", rig.heads), ("rest_tails", rig.tails), ("rest_rotations", rig.rotations)):
        if not np.isfinite(array).all():
            bad(f"'{key}' of bone {rig.names[np.argwhere(~np.isfinite(array))[0][0]]!r} is not a number")
    if rig.kind not in NEEDED:
        bad(f"'kind' is {rig.kind!r}", f"Use a rig preset of one of the kinds {', '.join(NEEDED)}")
    missing = [role for role in NEEDED[rig.kind] if role not in rig.index]
    if missing:
        bad(f"no bone plays {', '.join(missing)}", "Give these parts a bone of the armature")
    for bone, parent in enumerate(rig.parents):
        if (parent == -1) != (bone == 0) or parent >= bone:
            bad(f"bone {rig.names[bone]!r} is not carried by a bone listed before it", PELVIS_REMEDY)
    if rig.roles[0] != "pelvis":
        bad(f"{rig.names[0]!r} ({rig.roles[0]}) carries the pelvis", PELVIS_REMEDY)
    lengths = np.linalg.norm(rig.tails - rig.heads, axis=1)
    if (lengths <= 0).any():
        bad(f"bone {rig.names[int(lengths.argmin())]!r} has no length", "Lengthen the bone in Edit Mode")


def forward(rig: Rig, turns: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses the rig.

    turns [T,N,3,3]: each bone's turn away from rest relative to its parent's, in world axes at rest (identity is the
    rest pose); root [T,3]: position of the root bone's head. Returns the bones' turns in the world [T,N,3,3] and their
    heads [T,N,3].
    """
    world = np.empty_like(turns)
    heads = np.empty((*turns.shape[:2], 3))
    world[:, 0], heads[:, 0] = turns[:, 0], root
    for bone in range(1, rig.bones):
        parent = rig.parents[bone]
        world[:, bone] = world[:, parent] @ turns[:, bone]
        heads[:, bone] = heads[:, parent] + world[:, parent] @ (rig.heads[bone] - rig.heads[parent])
    return world, heads


def relative(rig: Rig, world: np.ndarray) -> np.ndarray:
    """The inverse of `forward` for turns: world turns [T,N,3,3] -> turns relative to the parent's."""
    turns = world.copy()
    for bone in range(1, rig.bones):
        turns[:, bone] = np.swapaxes(world[:, rig.parents[bone]], -1, -2) @ world[:, bone]
    return turns


def bone_quaternions(rig: Rig, world: np.ndarray) -> np.ndarray:
    """World turns [T,N,3,3] -> world rotations of the bones [T,N,4] (w,x,y,z), without sign jumps in time."""
    rest = Rotation.from_quat(np.roll(rig.rotations, -1, axis=1)).as_matrix()
    quaternions = np.roll(Rotation.from_matrix((world @ rest).reshape(-1, 3, 3)).as_quat(), 1, axis=1).reshape(*world.shape[:2], 4)
    jumps = np.sign(np.sum(quaternions[1:] * quaternions[:-1], axis=-1))
    quaternions[1:] *= np.cumprod(np.where(jumps < 0, -1.0, 1.0), axis=0)[..., None]
    return quaternions
