"""From a motion to what the solver needs: targets for the rig's joints and directions, and a first guess."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from backend.fitting import extremities
from backend.fitting.kinematics import Rig, relative
from backend.fitting.limits import Hinge
from backend.fitting.measures import Measures
from backend.fitting.proportions import reachable
from backend.fitting.solver import Pulls
from backend.fitting.source import Body
from backend.fitting.vectors import dot, smoothed, swing, unit

POINT_SIGMA = 0.003
"""How far a joint may miss, in sizes of the rig (see `solver.Pulls`)."""

POINT_SHARES = {"ankle": 4.0, "hip": 2.0, "shoulder": 0.5, "neck": 0.5}
"""Weights of joints beside those of elbows, wrists and knees: feet miss least."""

FOOT_SIGMA, TOE_SIGMA, HEAD_SIGMA, PELVIS_SIGMA, CHEST_SIGMA = 0.02, 0.05, 0.03, 0.2, 0.05
"""How far directions may miss, as unit vectors."""


@dataclass(frozen=True)
class Targets:
    """What to reach, and where to start: turns [T,N,3,3] relative to the parents', root [T,3]. `joints` are the
    positions [T,3] of the joint roles."""

    pulls: Pulls
    turns: np.ndarray
    root: np.ndarray
    joints: dict[str, np.ndarray]


def build_targets(rig: Rig, measures: Measures, hinges: list[Hinge], body: Body, scale: float, contacts: str) -> Targets:
    """Targets in world metres for a motion scaled by `scale`. contacts: a key of `contacts.MODES`."""
    joints = reachable(body, measures, scale, contacts)
    feet = {side: extremities.feet(rig, measures, body, joints, side) for side in "LR"}
    head = extremities.head(rig, measures, body) if "head" in rig.index else None

    vectors: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []

    def pull(bone: int, turn: np.ndarray, axes: np.ndarray, sigma: float, *told_by: str, sure: np.ndarray | float = 1.0) -> None:
        vectors.extend((bone, axis, turn @ axis, (sure / sigma) ** 2 * body.share(*told_by)) for axis in axes)

    left, back, _ = measures.axes.T
    pull(0, body.pelvis @ measures.pelvis.T, measures.pelvis.T[2:], PELVIS_SIGMA, *(f"{joint}.{side}" for joint in ("hip", "knee") for side in "LR"))
    if rig.chain("spine"):
        pull(rig.chain("spine")[-1], body.chest @ measures.chest.T, measures.chest.T[:1], CHEST_SIGMA, "neck", "shoulder.L", "shoulder.R")
    if head is not None:
        pull(rig.index["head"], head, np.array([left, back]), HEAD_SIGMA, "neck", *extremities.face_roles(body))
    for side, turns in feet.items():
        told_by = f"ankle.{side}", f"toe.{side}" if f"toe.{side}" in body else f"knee.{side}"
        pull(rig.index[f"foot.{side}"], turns.foot, np.array([left, back]), FOOT_SIGMA, *told_by, sure=turns.sure)
        if f"toe.{side}" in rig.index:
            pull(rig.index[f"toe.{side}"], turns.toes, np.array([back]), TOE_SIGMA, *told_by, sure=turns.sure)

    names = list(measures.joints)
    shares = np.array([POINT_SHARES.get(name.split(".")[0], 1.0) for name in names])
    pulls = Pulls(
        point_bones=np.array([measures.bones[name] for name in names]),
        point_rests=np.array([measures.joints[name] for name in names]),
        point_targets=np.stack([joints[name] for name in names], axis=1),
        point_weights=np.stack([share * POINT_SIGMA**-2 * body.share(name) for name, share in zip(names, shares, strict=True)], axis=1),
        vector_bones=np.array([bone for bone, _, _, _ in vectors]),
        vector_rests=np.array([rest for _, rest, _, _ in vectors]),
        vector_targets=np.stack([target for _, _, target, _ in vectors], axis=1),
        vector_weights=np.stack([weight for _, _, _, weight in vectors], axis=1),
    )
    world = _first_guess(rig, measures, hinges, body, joints, feet, head)
    hips = (joints["hip.L"] + joints["hip.R"]) / 2
    root = hips + world[:, 0] @ (rig.heads[0] - measures.hips)
    return Targets(pulls, relative(rig, world), root, joints)


def _first_guess(rig: Rig, measures: Measures, hinges: list[Hinge], body: Body, joints: dict[str, np.ndarray],
                 feet: dict[str, extremities.FootTurns], head: np.ndarray | None) -> np.ndarray:
    """World turns [T,N,3,3]: trunk spread between pelvis and chest, limbs along their targets, the rest carried along."""
    pelvis, chest = body.pelvis @ measures.pelvis.T, body.chest @ measures.chest.T
    given = {"pelvis": pelvis}
    for number, bone in enumerate(rig.chain("spine"), 1):
        given[rig.roles[bone]] = between(pelvis, chest, number / len(rig.chain("spine")))
    if head is not None:
        given["head"] = head
        for number, bone in enumerate(rig.chain("neck"), 1):
            given[rig.roles[bone]] = between(chest, head, number / (len(rig.chain("neck")) + 1))
    ends = {f"{part}.{side}": (turn, turns.sure) for side, turns in feet.items() for part, turn in (("foot", turns.foot), ("toe", turns.toes))}
    limbs = {f"{bone}.{side}": (f"{start}.{side}", f"{end}.{side}") for side in "LR" for bone, start, end in (
        ("thigh", "hip", "knee"), ("shin", "knee", "ankle"), ("upper_arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"))}
    lower = {hinge.bone: hinge for hinge in hinges}
    hinge_of = {rig.parents[bone]: hinge for bone, hinge in lower.items()}

    world = np.empty((body.frames, rig.bones, 3, 3))
    for bone, role in enumerate(rig.roles):
        carrier = world[:, rig.parents[bone]] if bone else np.broadcast_to(np.eye(3), (body.frames, 3, 3))
        if role in given:
            world[:, bone] = given[role]
        elif role in limbs:
            start, end = limbs[role]
            along = unit(joints[end] - joints[start])
            rest = unit((measures.joints[end] - measures.joints[start])[None])[0]
            world[:, bone] = swing(carrier @ rest, along) @ carrier
            if bone in hinge_of:
                hinge = hinge_of[bone]
                far = limbs[rig.roles[hinge.bone]][1]
                world[:, bone] = _twist(along, joints[far] - joints[end], world[:, bone] @ hinge.bend, body.fps) @ world[:, bone]
        elif role in ends:
            world[:, bone] = between(carrier, *ends[role])
        else:
            world[:, bone] = carrier
    return world


def _twist(axis: np.ndarray, lower: np.ndarray, bend: np.ndarray, fps: float) -> np.ndarray:
    """Turns about a limb that bring its bending direction to where the lower segment really goes.

    A straight limb says nothing: the turn fades to none, and is smoothed so that noise there can't make it jump.
    """
    lower = unit(lower)
    side = np.cross(axis, bend)
    here = np.stack([dot(lower, bend) + 0.05, dot(lower, side)], axis=-1)
    here = smoothed(here, 0.05 * fps)
    return Rotation.from_rotvec(axis * np.arctan2(here[:, 1], here[:, 0])[:, None]).as_matrix()


def between(start: np.ndarray, end: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Turns [T,3,3] a share of the way from `start` to `end`; a number, or one for each frame."""
    step = Rotation.from_matrix(end @ np.swapaxes(start, -1, -2)).as_rotvec()
    return Rotation.from_rotvec(np.reshape(share, (-1, 1)) * step).as_matrix() @ start
