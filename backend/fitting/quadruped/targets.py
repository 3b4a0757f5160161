"""From an animal's motion to what the solver needs: targets for the rig's joints and directions, and a first guess."""

from __future__ import annotations

import numpy as np

from backend.fitting.kinematics import Rig, relative
from backend.fitting.quadruped.head import Head, head
from backend.fitting.quadruped.places import ENDS, Places, place
from backend.fitting.quadruped.rest import Limb, Rest
from backend.fitting.quadruped.source import NAMES, Animal
from backend.fitting.solver import Pulls
from backend.fitting.targets import POINT_SIGMA, Targets, between
from backend.fitting.vectors import frames, length, unit

TOP_SHARE, MIDDLE_SHARE, FOOT_SHARE, END_SHARE, HEAD_SHARE = 0.2, 0.15, 4.0, 0.08, 0.04
"""Weights of shoulders and hips, of carpi and hocks, of feet, of neck and tail root, and of where the head begins."""

FOOT_SIGMA, HEAD_SIGMA, TRUNK_SIGMA = 0.03, 0.05, 0.1
"""How far directions may miss, as unit vectors."""


def build_targets(rig: Rig, rest: Rest, animal: Animal, contacts: str) -> Targets:
    """Targets in world metres. contacts: a key of `contacts.MODES`."""
    places = place(animal, rest, contacts)
    looks = head(rig, rest, animal, places)
    chest = (rig.chain("spine") or [0])[-1]
    points: list[tuple[str, int, np.ndarray, np.ndarray, float]] = []
    for pair, side in NAMES:
        limb = rest.limbs[pair, side]
        at = ((limb.top_bone, limb.top, TOP_SHARE), (limb.middle_bone, limb.middle, MIDDLE_SHARE), (limb.last, limb.foot, FOOT_SHARE))
        points.extend((f"{joint}.{side}", bone, own, wanted, share) for joint, (bone, own, share), wanted in
                      zip(animal.kinds[pair].joints, at, places.limbs[pair, side], strict=False))
    points += [(ENDS[pair], bone, rest.ends[pair], places.ends[pair], END_SHARE) for pair, bone in (("hind", 0), ("front", chest))]
    if looks is not None:
        points.append(("head", rig.index["head"], rig.heads[rig.index["head"]], looks.place, HEAD_SHARE))

    vectors: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []

    def pull(bone: int, turn: np.ndarray, axes: np.ndarray, sigma: np.ndarray | float) -> None:
        weight = np.broadcast_to(np.asarray(sigma, float) ** -2, animal.frames)
        vectors.extend((bone, axis, turn @ axis, weight) for axis in axes)

    left, back, _ = rest.axes.T
    behind, ahead = _trunk(rig, rest)
    pull(behind[-1], places.pelvis, np.array([left, back]), TRUNK_SIGMA)
    for bone in ahead[:1]:
        pull(bone, places.chest, np.array([left, back]), TRUNK_SIGMA)
    if looks is not None:
        pull(rig.index["head"], looks.turn, np.array([left, back]), HEAD_SIGMA)
    for limb, own in rest.limbs.items():
        if own.has_foot:
            pull(own.last, places.headings[limb], np.array([left, back]), FOOT_SIGMA / np.maximum(animal.down[limb], 1e-3))

    pulls = Pulls(
        point_bones=np.array([bone for _, bone, _, _, _ in points]),
        point_rests=np.array([own for _, _, own, _, _ in points]),
        point_targets=np.stack([wanted for _, _, _, wanted, _ in points], axis=1),
        point_weights=np.broadcast_to([share * POINT_SIGMA**-2 for _, _, _, _, share in points], (animal.frames, len(points))),
        vector_bones=np.array([bone for bone, _, _, _ in vectors]),
        vector_rests=np.array([own for _, own, _, _ in vectors]),
        vector_targets=np.stack([wanted for _, _, wanted, _ in vectors], axis=1),
        vector_weights=np.stack([weight for _, _, _, weight in vectors], axis=1),
    )
    world = _first_guess(rig, rest, animal, places, looks)
    root = places.ends["hind"] + world[:, 0] @ (rig.heads[0] - rest.ends["hind"])
    return Targets(pulls, relative(rig, world), root, {name: wanted for name, _, _, wanted, _ in points})


def _trunk(rig: Rig, rest: Rest) -> tuple[list[int], list[int]]:
    """The bones that go with hips and tail, from the root on, and those that go with shoulders and neck; the spine bends between them."""
    line = [0, *rig.chain("spine")]
    hips, shoulders = (max(place for place, bone in enumerate(line) if rig.carried[rest.limbs[pair, "L"].bones[0], bone]) for pair in ("hind", "front"))
    hips = min(hips, len(line) - 2) if len(line) > 1 else 0
    return line[: hips + 1], line[max(shoulders, hips + 1) :]


def _first_guess(rig: Rig, rest: Rest, animal: Animal, places: Places, looks: Head | None) -> np.ndarray:
    """World turns [T,N,3,3]: the trunk spread between pelvis and chest, the parts of limbs swung as a whole, the rest carried along."""
    behind, ahead = _trunk(rig, rest)
    spine, neck = rig.chain("spine"), rig.chain("neck")
    bent = [bone for bone in spine if bone not in behind + ahead]
    given = dict.fromkeys(behind, places.pelvis) | dict.fromkeys(ahead, places.chest)
    given |= {bone: between(places.pelvis, places.chest, number / (len(bent) + 1)) for number, bone in enumerate(bent, 1)}
    if looks is not None:
        given[rig.index["head"]] = looks.turn
        given |= {bone: between(places.chest, looks.turn, number / (len(neck) + 1)) for number, bone in enumerate(neck, 1)}
    for limb in NAMES:
        own = rest.limbs[limb]
        trunk = places.chest if limb[0] == "front" else places.pelvis
        given |= _limb_turns(rig, own, rest, trunk, places.limbs[limb])
        if own.has_foot:
            given[own.last] = between(given[own.last], places.headings[limb], animal.down[limb])

    world = np.empty((animal.frames, rig.bones, 3, 3))
    for bone, parent in enumerate(rig.parents):
        world[:, bone] = given[bone] if bone in given else world[:, parent]
    return world


def _limb_turns(rig: Rig, limb: Limb, rest: Rest, trunk: np.ndarray, wanted: tuple[np.ndarray, np.ndarray, np.ndarray]) -> dict[int, np.ndarray]:
    """World turns of a limb's bones, from the one that carries its top, rolled with the trunk: above the middle joint in two stiff parts
    with a bend at elbow or stifle, below it with one at the fetlock."""
    split, begin = limb.bones.index(limb.middle_bone), limb.bones.index(limb.top_bone)
    upper, lower = limb.bones[begin:split], limb.bones[split:]
    left, turns = rest.axes[:, 0], {}
    for first, second, own, now, then in ((upper[:-1], upper[-1:], (limb.top, limb.middle), wanted[0], wanted[1]),
                                          (lower[:1], lower[1:], (limb.middle, limb.foot), wanted[1], wanted[2])):
        joints = [own[0], *([rig.heads[second[0]]] if first and second else []), own[1]]
        places = [now, *([_between_ends(left, trunk @ left, joints, now, then)] if len(joints) == 3 else []), then]
        parts = [part for part in (first, second) if part]
        for bones, a, b, here, there in zip(parts, joints, joints[1:], places, places[1:], strict=False):
            turns |= dict.fromkeys(bones, frames(trunk @ left, unit(there - here)) @ frames(left[None], (b - a)[None])[0].T)
    return turns


def _between_ends(left: np.ndarray, left_now: np.ndarray, joints: list[np.ndarray], start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """[T,3] where the middle one of three joints [3] at rest goes when the others are at `start` and `end` [T,3]: to its own side."""
    first, second = length(joints[1] - joints[0]), length(joints[2] - joints[1])
    side = np.sign((joints[1] - joints[0]) @ np.cross(left, unit(joints[2] - joints[0]))) or 1.0
    down = unit(end - start)
    distance = np.clip(length(end - start), abs(first - second) * 1.001 + 1e-9, 0.999 * (first + second))
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    out = unit(np.cross(left_now, down)) * side
    return start + along[:, None] * down + np.sqrt(np.maximum(first**2 - along**2, 0))[:, None] * out
