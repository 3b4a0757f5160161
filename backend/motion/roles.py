"""Which role each joint of a motion plays: its skeleton says it, or the motion itself where its skeleton isn't a shipped one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from backend.errors import KineliftError
from backend.motion.motion3d import Motion3D
from rigs import load_skeleton, skeleton_names


def joint_roles(motion: Motion3D, place: str) -> dict[str, str]:
    """Role by joint name. Raises KineliftError naming `place` where nothing tells."""
    if motion.roles:
        return motion.roles
    if motion.skeleton not in skeleton_names():
        raise KineliftError(f"the motion's skeleton {motion.skeleton!r} is unknown, and it names no roles of its own",
                            f"Write one of {', '.join(skeleton_names())} as 'skeleton', or write 'joint_roles'", place, "unknown-skeleton")
    return load_skeleton(motion.skeleton).roles


def by_role(motion: Motion3D, place: str) -> dict[str, np.ndarray]:
    """Positions [T,3] of the joints that have a role. Raises as `joint_roles`."""
    roles = joint_roles(motion, place)
    return {roles[name]: motion.positions[:, number] for number, name in enumerate(motion.joint_names) if name in roles}


def check_roles(joints: dict[str, np.ndarray], needed: Iterable[str], place: str) -> None:
    """Raises KineliftError naming `place` where joints by role lack a needed one."""
    missing = [role for role in needed if role not in joints]
    if missing:
        raise KineliftError(f"the motion has no joint for {', '.join(missing)}", "Use a motion that has all joints of its skeleton", place, "missing-joints")
