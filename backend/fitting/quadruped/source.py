"""What the joints of a motion say about a four-legged body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.errors import KineliftError
from backend.fitting.contacts import Floor, find_floor
from backend.fitting.source import LOWEST, SPIKE, without_spikes
from backend.fitting.vectors import frames, length, smoothed, smoothstep, unit
from backend.motion.motion3d import Motion3D
from backend.motion.roles import by_role, check_roles
from rigs.presets import FRONT_LIMB, HIND_LIMB


@dataclass(frozen=True)
class Kind:
    """A pair of limbs. joints: the roles of its joints that a motion shows, from the trunk to the floor; bones: the roles of a rig's;
    middle: the bone that begins at the joint in the middle; ahead: whether that joint lies before the line from the trunk to the foot;
    mirrored: whether the motion's lies on the other side of it, as an elbow does for a carpus."""

    joints: tuple[str, str, str]
    bones: tuple[str, ...]
    middle: str
    ahead: bool
    mirrored: bool = False


LIMBS = {"front": Kind(("shoulder", "carpus", "front_foot"), FRONT_LIMB, "metacarpus", True),
         "hind": Kind(("hip", "hock", "back_foot"), HIND_LIMB, "metatarsus", False)}
"""As hoofed animals are seen."""

ELBOW = Kind(("shoulder", "elbow", "front_foot"), FRONT_LIMB, "forearm", False)
"""The front limb of an animal with paws, whose carpus is just above the floor: what is seen in its middle is the elbow."""

NAMES = [(pair, side) for pair in LIMBS for side in "LR"]
"""The four limbs."""

USUAL_LEG = 1.1
"""Metres from shoulder or hip to hoof, of the horse for which contacts are defined; other sizes are brought to it to find theirs."""

HIGHEST_FOOT = 0.25
"""In leg lengths: a lowest foot above this was never on the floor."""

LEVEL = 0.35
"""Sine of the trunk's slope up to which an animal stands or goes level."""

STANDS = 0.7
"""How much of its length a limb that stands has between its ends at least; with less the animal sits or lies."""

STANDS_HIGH = 60.0
"""Percentile of the heights of a trunk over its standing feet that counts as standing."""


@dataclass(frozen=True)
class Animal:
    """Joints by role, each [T,3], and what follows from them; metres of the motion. Limbs are told by (pair, side).

    kinds: pair -> which joints of it are seen; lengths: pair -> shoulder to carpus (or elbow) and on to the foot, hip to hock and hock to
    foot; trunk [T,3]: unit, from tail root to neck, which
    the limbs' swinging does not move; span: how far these are apart;
    heading [T,3,3]: columns left, back, up of the level animal; floor: its height; standing: pair -> height of a foot that stands;
    down: limb -> [T] 1 while the foot is on the floor; contacts: of the four feet; size: metres of the usual horse for a metre of this animal;
    tall: pair -> height of hips or shoulders over the standing feet, None where they never stand.
    """

    joints: dict[str, np.ndarray]
    fps: float
    kinds: dict[str, Kind]
    lengths: dict[str, tuple[float, float]]
    trunk: np.ndarray
    span: float
    heading: np.ndarray
    floor: float
    standing: dict[str, float]
    down: dict[tuple[str, str], np.ndarray]
    contacts: Floor
    size: float
    tall: dict[str, float | None]

    @property
    def frames(self) -> int:
        return len(self.trunk)

    def __getitem__(self, role: str) -> np.ndarray:
        return self.joints[role]

    def __contains__(self, role: str) -> bool:
        return role in self.joints

    def limb(self, pair: str, side: str) -> list[np.ndarray]:
        """Top, middle and foot of a limb, each [T,3]."""
        return [self.joints[f"{joint}.{side}"] for joint in self.kinds[pair].joints]

    def girdle(self, pair: str) -> np.ndarray:
        """[T,3] the middle between both shoulders or both hips."""
        return girdle(self.joints, pair)

    @property
    def frame(self) -> np.ndarray:
        """[T,3,3] the trunk's columns left, up and ahead."""
        return frames(self.across("hind"), self.trunk)

    def across(self, pair: str) -> np.ndarray:
        """[T,3] from the right shoulder or hip to the left."""
        top = LIMBS[pair].joints[0]
        return self.joints[f"{top}.L"] - self.joints[f"{top}.R"]

    @property
    def leg(self) -> float:
        """Mean length of a limb along its bones."""
        return float(np.mean([sum(lengths) for lengths in self.lengths.values()]))


def read_animal(motion: Motion3D, place: str, foot_ratio: float, contacts: str) -> Animal:
    """Finds the roles of a motion's joints. `foot_ratio` is how high the rig's foot points are over its floor, in leg lengths; contacts: a
    key of `contacts.MODES`.

    Raises KineliftError naming `place` when a needed role is missing or legs have no length.
    """
    joints = by_role(motion, place)
    kinds = LIMBS | ({"front": ELBOW} if "elbow.L" in joints else {})
    check_roles(joints, ("tail_root", "neck", *(f"{joint}.{side}" for pair, side in NAMES for joint in kinds[pair].joints)), place)
    leg = float(np.mean([sum(_lengths(joints, kind)) for kind in kinds.values()]))
    if leg < 1e-3:
        raise KineliftError("the legs of the motion have no length", "Use a motion with positions in metres", place, "bad-motion")
    joints = {role: without_spikes(positions, SPIKE * leg) for role, positions in joints.items()}
    lengths = {pair: _lengths(joints, kind) for pair, kind in kinds.items()}
    trunk = unit(joints["neck"] - joints["tail_root"])
    heading = headings(joints, motion.fps)
    feet = {(pair, side): joints[f"{LIMBS[pair].joints[2]}.{side}"] for pair, side in NAMES}
    lowest = {pair: float(np.percentile([feet[pair, side][:, 2] for side in "LR"], LOWEST)) for pair in LIMBS}
    floor = 0.0
    if not -0.5 * foot_ratio - 0.02 < min(lowest.values()) / leg < HIGHEST_FOOT:
        floor = min(lowest.values()) - foot_ratio * leg
    # Feet that never come down, of an animal that rears, have the other feet's height.
    standing = {pair: lowest[pair] if lowest[pair] < min(lowest.values()) + 0.05 * leg else min(lowest.values()) for pair in LIMBS}
    down = {limb: 1 - smoothstep((foot[:, 2] - standing[limb[0]]) / leg, 0.02, 0.08) for limb, foot in feet.items()}
    size = USUAL_LEG / leg
    found = find_floor(np.stack(list(feet.values()), axis=1), np.array([standing[pair] for pair, _ in feet]), motion.fps, size, contacts)
    tall = {pair: _tall(joints, lengths, trunk, down, pair) for pair in LIMBS}
    span = float(np.median(length(joints["neck"] - joints["tail_root"])))
    return Animal(joints, motion.fps, kinds, lengths, trunk, span, heading, floor, standing, down, found, size, tall)


def girdle(joints: dict[str, np.ndarray], pair: str) -> np.ndarray:
    """The middle between both shoulders or both hips."""
    top = LIMBS[pair].joints[0]
    return (joints[f"{top}.L"] + joints[f"{top}.R"]) / 2


def headings(joints: dict[str, np.ndarray], fps: float) -> np.ndarray:
    """[T,3,3] the columns left, back and up (0, 0, 1): which way the animal goes, also while it rears."""
    across = sum(unit(joints[f"{LIMBS[pair].joints[0]}.L"] - joints[f"{LIMBS[pair].joints[0]}.R"]) for pair in LIMBS)
    trunk = joints["neck"] - joints["tail_root"]
    level = np.array([1.0, 1.0, 0.0])
    ahead = unit(np.cross(across, [0.0, 0.0, 1.0])) + unit(trunk * level) * length(unit(trunk) * level)[:, None]
    return frames(np.cross([0.0, 0.0, 1.0], smoothed(unit(ahead), 0.1 * fps)), np.broadcast_to([0.0, 0.0, 1.0], trunk.shape))


def _lengths(joints: dict[str, np.ndarray], kind: Kind) -> tuple[float, float]:
    """Upper and lower part of a pair of limbs: the median over the frames, the mean of both sides."""
    top, middle, foot = kind.joints
    parts = [[np.median(length(joints[f"{a}.{side}"] - joints[f"{b}.{side}"])) for a, b in ((top, middle), (middle, foot))] for side in "LR"]
    upper, lower = np.mean(parts, axis=0)
    return float(upper), float(lower)


def _tall(joints: dict, lengths: dict, trunk: np.ndarray, down: dict, pair: str) -> float | None:
    heights = []
    for side in "LR":
        top, foot = (joints[f"{LIMBS[pair].joints[end]}.{side}"][:, 2] for end in (0, 2))
        stands = (down[pair, side] > 0.7) & (np.abs(trunk[:, 2]) < LEVEL) & (top - foot > STANDS * sum(lengths[pair]))
        heights.extend((top - foot)[stands])
    return float(np.percentile(heights, STANDS_HIGH)) if heights else None
