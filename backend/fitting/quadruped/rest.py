"""The rig's side of an animal's fit: its limbs, lengths and frames at rest, and which way its joints bend."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from backend.fitting.kinematics import Rig
from backend.fitting.limits import Hinge
from backend.fitting.quadruped.source import LIMBS, NAMES, Kind
from backend.fitting.vectors import across, frames, length, unit

SAMPLES = 32
"""Places tried along each bone for where the motion's shoulder or hip is."""

USUAL_SOLE = 0.06
"""In leg lengths: how far the lowest foot may be from the object's origin for that to be the floor."""

STRAIGHTER = np.radians(3.0)
"""How much straighter than at rest a joint may become where the rest pose is bent less than that, or the other way."""

METAPODIALS = ("metacarpus", "metatarsus")

TELLS = 0.25
"""Smallest share of a limb that its lower part may have for the ratio of both to say where the limb begins: a carpus just above the floor says
nothing of a shoulder."""

SIDEWAYS = 0.5
"""Sine of the angle to the body's axis from left to right up to which a bone goes to the side: what hangs on it swings about that axis, and is no hinge."""

BENDS_AHEAD = {"forearm": True, "metacarpus": False, "shin": False, "metatarsus": True}
"""Lower bone of a joint -> whether it goes ahead when the joint bends: elbows and hocks point back, stifles and carpi ahead."""


@dataclass(frozen=True)
class Limb:
    """A limb of the rig at rest, world metres. bones: from the trunk to the floor; middle: the bone that begins at carpus (or elbow) or hock;
    top_bone, top [3]: what carries the motion's shoulder or hip, and where; foot [3]: the point of the last bone that is the motion's foot;
    has_foot: whether there is a bone below the metapodial, which can lie on the floor; reach: most that top and middle, and middle and foot,
    can be apart."""

    bones: tuple[int, ...]
    middle_bone: int
    top_bone: int
    top: np.ndarray
    middle: np.ndarray
    foot: np.ndarray
    has_foot: bool
    reach: tuple[float, float]

    @property
    def last(self) -> int:
        return self.bones[-1]

    @property
    def lengths(self) -> tuple[float, float]:
        """Top to middle and middle to foot, at rest."""
        return float(length(self.middle - self.top)), float(length(self.foot - self.middle))


@dataclass(frozen=True)
class Rest:
    """axes [3,3]: columns left, back, up of the animal at rest; floor: the height of its floor along up; limbs by (pair, side);
    ends: pair -> [3] where the neck begins, beyond the shoulders, and the tail, beyond the hips, once `tail_root` has told it."""

    axes: np.ndarray
    floor: float
    limbs: dict[tuple[str, str], Limb]
    ends: dict[str, np.ndarray]

    def girdle(self, pair: str) -> np.ndarray:
        """[3] the middle between both shoulders or both hips."""
        return (self.limbs[pair, "L"].top + self.limbs[pair, "R"].top) / 2

    @property
    def trunk(self) -> np.ndarray:
        """[3] from the tail to the neck."""
        return self.ends["front"] - self.ends["hind"]

    @property
    def frame(self) -> np.ndarray:
        """[3,3] the trunk's columns left, up and ahead."""
        return frames((self.limbs["hind", "L"].top - self.limbs["hind", "R"].top)[None], self.trunk[None])[0]

    def height(self, pair: str) -> float:
        """Height of a foot over the floor."""
        return float(np.mean([self.limbs[pair, side].foot @ self.axes[:, 2] for side in "LR"])) - self.floor

    def tall(self, pair: str) -> float:
        """Height of hips or shoulders over the feet."""
        return float(np.mean([(self.limbs[pair, side].top - self.limbs[pair, side].foot) @ self.axes[:, 2] for side in "LR"]))

    @property
    def leg(self) -> float:
        """Mean length of a limb."""
        return float(np.mean([sum(limb.lengths) for limb in self.limbs.values()]))


def read_rest(rig: Rig, kinds: dict[str, Kind] = LIMBS, ratios: dict[str, float] | None = None) -> Rest:
    """Reads limbs, lengths and frames off the rest pose.

    kinds: pair -> which of its joints the motion shows; ratios: pair -> how much longer the upper part of the motion's limb is than the lower.
    Shoulder and hip are where the rig's limb has the same ratio: how far up a motion sees a limb differs between skeletons. Without it they
    are where the limbs begin.
    """
    limbs = {(pair, side): _limb(rig, kinds[pair], side, (ratios or {}).get(pair)) for pair, side in NAMES}
    feet = {pair: (limbs[pair, "L"].foot + limbs[pair, "R"].foot) / 2 for pair in LIMBS}
    left = sum(unit(limbs[pair, "L"].top - limbs[pair, "R"].top + limbs[pair, "L"].foot - limbs[pair, "R"].foot) for pair in LIMBS)
    back = feet["hind"] - feet["front"]
    left = unit(across(left, unit(back)))
    axes = np.stack([left, unit(back), np.cross(left, unit(back))], axis=-1)
    ends = [end @ axes[:, 2] for limb in limbs.values() for end in (rig.heads[limb.last], rig.tails[limb.last])]
    leg = np.mean([sum(limb.lengths) for limb in limbs.values()])
    origin = rig.origin @ axes[:, 2]
    return Rest(axes, float(origin if abs(min(ends) - origin) < USUAL_SOLE * leg else min(ends)), limbs, {"front": _neck(rig)})


def _neck(rig: Rig) -> np.ndarray:
    """Where the neck begins: the head of its first bone, else the head's, else the end of the spine."""
    for bone in (*rig.chain("neck")[:1], *([rig.index["head"]] if "head" in rig.index else [])):
        return rig.heads[bone]
    return rig.tails[(rig.chain("spine") or [0])[-1]]


def tail_root(rig: Rig, rest: Rest, seen: np.ndarray) -> np.ndarray:
    """Where the tail begins: the head of its first bone, or for a rig without a tail, where the motion has it. seen [3]: left, back and
    up from the middle of the hips, in leg lengths."""
    if rig.chain("tail"):
        return rig.heads[rig.chain("tail")[0]]
    return rest.girdle("hind") + rest.leg * rest.axes @ seen


def _limb(rig: Rig, kind: Kind, side: str, ratio: float | None) -> Limb:
    bones = tuple(rig.index[f"{role}.{side}"] for role in kind.bones if f"{role}.{side}" in rig.index)
    middle_bone = rig.index[f"{kind.middle}.{side}"]
    upper = bones[: bones.index(middle_bone)]
    middle = rig.heads[middle_bone]
    last = bones[-1]
    has_foot = rig.roles[last].split(".")[0] not in METAPODIALS
    foot = (rig.heads[last] + rig.tails[last]) / 2 if has_foot else rig.tails[last]
    lower = float(length(foot - middle))
    top_bone, top = upper[0], rig.heads[upper[0]]
    if ratio is not None and 1 / (1 + ratio) < TELLS:
        top_bone = next((bone for bone in upper if rig.roles[bone] == f"upper_arm.{side}"), upper[0])
        top = rig.heads[top_bone]
    elif ratio is not None:
        shares = np.linspace(0, 1, SAMPLES + 1)[:, None]
        tried = [(bone, place) for bone, below in pairwise(upper)
                 for place in rig.heads[bone] + shares * (rig.heads[below] - rig.heads[bone])]
        tried = tried or [(top_bone, top)]
        top_bone, top = min(tried, key=lambda one: abs(float(length(middle - one[1])) - ratio * lower))
    joints = [top, *(rig.heads[bone] for bone in bones[bones.index(top_bone) + 1 :]), foot]
    split = next(number for number, joint in enumerate(joints) if joint is middle or np.array_equal(joint, middle))
    parts = [float(length(b - a)) for a, b in pairwise(joints)]
    return Limb(bones, middle_bone, top_bone, top, middle, foot, has_foot, (sum(parts[:split]), sum(parts[split:])))


def hinges(rig: Rig, rest: Rest) -> list[Hinge]:
    """Elbows, carpi, stifles and hocks, each with the direction into which it bends in every four-legged animal.

    A joint that is straight at rest, or a little over, keeps the room it has there: its zero is moved.
    """
    left, found = rest.axes[:, 0], []
    for limb in rest.limbs.values():
        for upper, lower in zip(limb.bones, limb.bones[1:], strict=False):
            part = rig.roles[lower].split(".")[0]
            if part not in BENDS_AHEAD:
                continue
            end = rig.heads[limb.bones[limb.bones.index(lower) + 1]] if lower != limb.last else rig.tails[lower]
            straight, segment = unit(rig.heads[lower] - rig.heads[upper]), unit(end - rig.heads[lower])
            back = np.cross(left, straight)
            if length(back) < SIDEWAYS:
                continue
            bend = unit(across(-back if BENDS_AHEAD[part] else back, straight))
            bent = float(np.arctan2(segment @ bend, segment @ straight))
            least = min(bent - STRAIGHTER, 0.0)
            straight, bend = np.cos(least) * straight + np.sin(least) * bend, np.cos(least) * bend - np.sin(least) * straight
            found.append(Hinge(lower, segment, straight, bend, np.cross(straight, bend)))
    return found
