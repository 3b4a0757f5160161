"""An animal's motion on the rig's own proportions: where trunk, limbs and feet go so that the rig can follow.

Feet go where the scaled motion has them, apart from how much longer, wider or otherwise standing the rig is; while a foot stands, that
difference doesn't change, so that it keeps its place. Trunk and limbs keep their directions and get the rig's lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from backend.fitting.contacts import STRAIGHTEST, kept_angles, lowering, planted
from backend.fitting.quadruped.rest import Rest
from backend.fitting.quadruped.source import LIMBS, NAMES, Animal
from backend.fitting.vectors import about, across, dot, frames, length, smoothed, smoothstep, swing, unit

BEND_SHARE = 0.4
"""How much of the way that hips and shoulders swing about tail root and neck is a turn of pelvis and chest."""

LARGEST_BEND = np.radians(25)

BUILD = 0.12
"""In leg lengths: how far hips and shoulders may usually be from where the rig has them, seen from tail root and neck, for that to be a
pose. What is beyond is how the animal is built."""

POSES, LARGEST_POSE = 0.06, 0.15
"""How much higher or lower than the rig a motion may stand, for the length of its limbs, for that to be the moment's pose. What is beyond
is how the animal is built, up to as much again as the second number."""

TRUNK = (0.7, 1.05)
"""How close neck and tail root come when the spine bends, and how far apart, in their usual distance."""

BENT = (0.08, 0.25)
"""In leg lengths: a joint this far out bends as the rig's lengths ask; before, it is as far out as in the motion, so that noise of a
straight limb stays noise."""

ELASTIC = (0.3, 1.1)
"""How much shorter and longer the parts of a limb may become: more than one bone lies between its joints."""

ENDS = {"front": "neck", "hind": "tail_root"}
"""Pair of limbs -> the joint at that end of the trunk."""


@dataclass(frozen=True)
class Places:
    """Where the rig goes, in world metres. pelvis, chest [T,3,3]: turns away from rest; ends: pair -> [T,3] neck and tail root;
    limbs: (pair, side) -> top, middle and foot, each [T,3]; headings: (pair, side) -> [T,3,3] turns about the vertical away from rest,
    for the feet."""

    pelvis: np.ndarray
    chest: np.ndarray
    ends: dict[str, np.ndarray]
    limbs: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, np.ndarray]]
    headings: dict[tuple[str, str], np.ndarray]


def scales(animal: Animal, rest: Rest) -> tuple[float, dict[str, float]]:
    """Metres of the rig for a metre of the motion: along the floor, and for the heights of hips and shoulders.

    From the lengths of the limbs, and where animal and rig stand on clearly differently bent limbs, also from how high they stand.
    """
    heights = {}
    for pair in LIMBS:
        long = sum(rest.limbs[pair, "L"].lengths) / sum(animal.lengths[pair])
        tall = animal.tall[pair]
        pose = rest.tall(pair) / tall / long if tall is not None else 1.0
        build = max(pose / (1 + POSES), 1.0) * min(pose / (1 - POSES), 1.0)
        heights[pair] = long * float(np.clip(build, 1 - LARGEST_POSE, 1 + LARGEST_POSE))
    return float(np.mean(list(heights.values()))), heights


def place(animal: Animal, rest: Rest, contacts: str) -> Places:
    """Positions that the rig can reach. contacts: a key of `contacts.MODES`."""
    scale, heights = scales(animal, rest)
    swings = {pair: _swing(animal, rest, scale, pair) for pair in LIMBS}
    feet, headings = _feet(animal, rest, scale, heights, contacts)
    girdles = {}
    for pair in LIMBS:
        girdle = animal.girdle(pair)
        girdles[pair] = girdle * [scale, scale, 0]
        girdles[pair][:, 2] = rest.height(pair) + heights[pair] * (girdle[:, 2] - animal.standing[pair])
    for last in (False, False, True):
        trunk, ends = _trunk(animal, rest, girdles, swings)
        turns = {pair: trunk @ _bend(animal, rest, swings[pair], pair) @ rest.frame.T for pair in LIMBS}
        tops = {}
        for pair, side in NAMES:
            middle = ends[pair] + np.einsum("tij,tj->ti", trunk, swings[pair])
            tops[pair, side] = middle + turns[pair] @ (rest.limbs[pair, side].top - rest.girdle(pair))
        if not last:
            girdles = {pair: girdles[pair] - _lowering(animal, rest, scale, tops, feet, pair) for pair in LIMBS}
    limbs = {limb: (tops[limb], *_bent(animal, rest, limb, tops[limb], feet[limb])) for limb in NAMES}
    return Places(turns["hind"], turns["front"], ends, limbs, headings)


def _swing(animal: Animal, rest: Rest, scale: float, pair: str) -> np.ndarray:
    """[T,3] from tail root or neck to the middle of hips or shoulders, in the trunk's axes (left, up, ahead), on the rig: scapulae glide
    along the chest, and hips go with the pelvis."""
    moved = scale * np.einsum("tji,tj->ti", animal.frame, animal.girdle(pair) - animal[ENDS[pair]])
    return moved + _build(rest, moved, pair)


def _build(rest: Rest, moved: np.ndarray, pair: str) -> np.ndarray:
    """[3] how the rig is built otherwise than the scaled animal: the usual difference, less what may be its pose."""
    other = rest.frame.T @ (rest.girdle(pair) - rest.ends[pair]) - np.median(moved, axis=0)
    return other * max(0.0, 1 - BUILD * rest.leg / max(length(other), 1e-9))


def _trunk(animal: Animal, rest: Rest, girdles: dict, swings: dict) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The trunk's axes [T,3,3] (left, up, ahead) and its ends [T,3], as far apart as the rig's, or as much closer as the motion's are."""
    trunk = animal.frame
    for _ in range(2):  # which way the trunk goes depends on where hips and shoulders are on it
        ends = {pair: girdles[pair] - np.einsum("tij,tj->ti", trunk, swings[pair]) for pair in LIMBS}
        trunk = frames(animal.across("hind"), ends["front"] - ends["hind"])
    middle = (ends["front"] + ends["hind"]) / 2
    share = np.clip(length(animal["neck"] - animal["tail_root"]) / animal.span, *TRUNK)
    half = trunk[..., 2] * (share * length(rest.trunk) / 2)[:, None]
    return trunk, {"front": middle + half, "hind": middle - half}


def _bend(animal: Animal, rest: Rest, swings: np.ndarray, pair: str) -> np.ndarray:
    """Turns [T,3,3] of chest or pelvis in the trunk's axes: the spine bends by a share of the way that shoulders or hips swing, and rolls
    with them."""
    own = unit(rest.frame.T @ (rest.girdle(pair) - rest.ends[pair]))
    bend = _share(swing(np.broadcast_to(own, swings.shape), unit(swings)), animal.fps)
    rolled = np.einsum("tji,tj->ti", animal.frame, animal.across(pair))
    return about(np.broadcast_to([0.0, 0.0, 1.0], rolled.shape), np.arctan2(rolled[:, 1], rolled[:, 0])) @ bend


def _share(turns: np.ndarray, fps: float) -> np.ndarray:
    """The share of turns [T,3,3] that the spine takes up, smooth and never large."""
    vectors = smoothed(BEND_SHARE * Rotation.from_matrix(turns).as_rotvec(), 0.05 * fps)
    size = np.maximum(length(vectors), 1e-9)
    return about(vectors / size[:, None], LARGEST_BEND * np.tanh(size / LARGEST_BEND))


def _feet(animal: Animal, rest: Rest, scale: float, heights: dict[str, float], contacts: str) -> tuple[dict, dict]:
    """Where the feet go [T,3], and turns about the vertical [T,3,3] away from rest that they have."""
    ways, headings = np.empty((animal.frames, len(NAMES), 3)), {}
    angles = np.arctan2(animal.heading[:, 1, 0], animal.heading[:, 0, 0])
    for number, limb in enumerate(NAMES):
        pair, _ = limb
        foot = animal.limb(*limb)[2]
        ways[:, number] = foot * [scale, scale, 0] + np.einsum("tij,j->ti", animal.heading, _other_build(animal, rest, scale, limb))
        ways[:, number, 2] = rest.height(pair) + heights[pair] * (foot[:, 2] - animal.standing[pair])
        kept = kept_angles(angles, animal.contacts.kept[:, number], animal.fps)
        headings[limb] = about(np.broadcast_to([0.0, 0.0, 1.0], foot.shape), kept) @ rest.axes.T
    standing = np.array([rest.height(pair) for pair, _ in NAMES])
    feet = planted(ways, animal.contacts, standing, animal.fps, animal.size / scale, contacts)
    return dict(zip(NAMES, np.moveaxis(feet, 1, 0), strict=True)), headings


def _other_build(animal: Animal, rest: Rest, scale: float, limb: tuple[str, str]) -> np.ndarray:
    """[3] how much further left and back the rig's foot stands than the scaled motion's, in its heading: the trunk is longer or the limb
    begins elsewhere on it, and the motion's shoulders or hips are further apart or closer than both the rig's and its feet."""
    pair, side = limb
    mirror, ahead = 1 if side == "L" else -1, 1 if pair == "front" else -1
    moved = scale * np.einsum("tji,tj->ti", animal.frame, animal.girdle(pair) - animal[ENDS[pair]])
    longer = ahead * (length(rest.trunk) - scale * animal.span) / 2 + _build(rest, moved, pair)[2]
    own = sorted(mirror * (end - rest.girdle(pair)) @ rest.axes[:, 0] for end in (rest.limbs[limb].top, rest.limbs[limb].foot))
    wider = np.clip(0.0, *(width - scale * np.median(length(animal.across(pair))) / 2 for width in own))
    return np.array([mirror * wider, -longer, 0.0])


def _lowering(animal: Animal, rest: Rest, scale: float, tops: dict, feet: dict, pair: str) -> np.ndarray:
    """[T,3] how hips or shoulders go down for the feet on the floor to be in reach."""
    limbs = [(pair, side) for side in "LR"]
    reach = np.array([STRAIGHTEST * sum(rest.limbs[limb].reach) for limb in limbs])
    ends, weights = (np.stack([places[limb] for limb in limbs], axis=1) for places in (tops, feet)), np.stack([animal.down[limb] for limb in limbs], axis=1)
    return lowering(*ends, reach, weights, animal.fps, animal.size / scale)[:, None] * [0, 0, 1]


def _bent(animal: Animal, rest: Rest, name: tuple[str, str], top: np.ndarray, foot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle joint and foot of a limb between its top and where the foot should be: on the side where the motion has the middle joint,
    but never further to the side to which it does not bend than at rest."""
    pair, limb = name[0], rest.limbs[name]
    seen_top, seen_middle, seen_foot = animal.limb(*name)
    usual = animal.lengths[pair]
    upper, lower = (limb.lengths[part] * np.clip(length(b - a) / usual[part], *ELASTIC) for part, (a, b) in
                    enumerate(((seen_top, seen_middle), (seen_middle, seen_foot))))
    upper, lower = np.minimum(upper, limb.reach[0]), np.minimum(lower, limb.reach[1])
    down = unit(foot - top)
    distance = np.minimum(length(foot - top), STRAIGHTEST * sum(limb.reach))
    stretch = np.maximum(distance / (STRAIGHTEST * (upper + lower)), 1)
    upper, lower = upper * stretch, lower * stretch
    upper, lower = np.minimum(upper, distance + 0.99 * lower), np.minimum(lower, distance + 0.99 * upper)  # elbow or fetlock bends too

    line = unit(seen_foot - seen_top)
    out = across(seen_middle - seen_top, line) / animal.leg
    ahead = unit(np.cross(line, animal.frame[..., 0])) * (1 if animal.kinds[pair].ahead else -1)
    if animal.kinds[pair].mirrored:
        out = out - 2 * dot(out, ahead)[:, None] * ahead
    own = across(limb.middle - limb.top, unit(limb.foot - limb.top)) / rest.leg
    most = min(own @ np.cross(unit(limb.foot - limb.top), rest.frame[:, 0]) * (1 if animal.kinds[pair].ahead else -1), 0.0)
    out = across(out - np.minimum(dot(out, ahead) - most, 0)[:, None] * ahead, down)
    sure = smoothstep(length(out), *BENT)[:, None]
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    depth = np.sqrt(np.maximum(upper**2 - along**2, 0))[:, None]
    middle = top + along[:, None] * down + sure * depth * unit(out) + (1 - sure) * rest.leg * out
    return middle, top + down * distance[:, None]
