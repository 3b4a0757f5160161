"""Human skeletons made by code: any number of bones, any posture, with or without what else hangs on a game character."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from rigs import Bones


@dataclass
class Skeleton:
    """Bones by key: roles for those that play one ("thigh.L", "spine.0"), anything for the others. Faces -Y, Z up, metres."""

    parents: dict[str, str] = field(default_factory=dict)
    heads: dict[str, np.ndarray] = field(default_factory=dict)
    tails: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, key: str, parent: str, head, tail) -> None:
        self.parents[key], self.heads[key], self.tails[key] = parent, np.array(head, float), np.array(tail, float)

    def chain(self, parent: str, keys: list[str], points) -> str:
        """Bones one after another; one more point than keys. Returns the last key."""
        for key, head, tail in zip(keys, points, points[1:]):
            self.add(key, parent, head, tail)
            parent = key
        return parent

    def below(self, key: str) -> list[str]:
        found = [key]
        for bone in found:
            found.extend(child for child, parent in self.parents.items() if parent == bone)
        return found

    def turn(self, key: str, vector) -> None:
        """Turns a bone and all it carries about its head in the rest pose; vector in radians."""
        turn, pivot = Rotation.from_rotvec(vector), self.heads[key].copy()
        for bone in self.below(key):
            self.heads[bone] = pivot + turn.apply(self.heads[bone] - pivot)
            self.tails[bone] = pivot + turn.apply(self.tails[bone] - pivot)


def human(spine: int = 3, neck: int = 1, clavicles: bool = True, toes: bool = True, head: bool = True) -> Skeleton:
    """A person of 1.8 m in an A-pose."""
    body = Skeleton()
    line = np.linspace([0, 0.02, 1.0], [0, 0.02, 1.5], spine + 2)
    body.add("pelvis", "", line[0], line[1])
    chest = body.chain("pelvis", [f"spine.{number}" for number in range(spine)], line[1:])
    throat = np.linspace([0, 0.02, 1.5], [0, 0.0, 1.6], neck + 1)
    top = body.chain(chest, [f"neck.{number}" for number in range(neck)], throat)
    if head:
        body.add("head", top, throat[-1], [0, 0, 1.8])
    for side, sign in (("L", 1), ("R", -1)):
        across = np.array([sign, 1, 1])
        arm = np.array([[0.02, 0.0, 1.44], [0.18, 0.03, 1.45], [0.38, 0.04, 1.25], [0.56, 0.0, 1.08], [0.64, -0.02, 1.0]]) * across
        keys = [f"{part}.{side}" for part in ("clavicle", "upper_arm", "forearm", "hand")]
        body.chain(chest, keys if clavicles else keys[1:], arm if clavicles else arm[1:])
        leg = np.array([[0.1, 0.01, 0.95], [0.11, 0.0, 0.52], [0.12, 0.03, 0.09], [0.13, -0.1, 0.02], [0.13, -0.17, 0.02]]) * across
        keys = [f"{part}.{side}" for part in ("thigh", "shin", "foot", "toe")]
        body.chain("pelvis", keys if toes else keys[:-1], leg if toes else leg[:-1])
    return body


def with_root(body: Skeleton) -> Skeleton:
    body.add("root", "", [0, 0, 0], [0, -0.3, 0])
    body.parents["pelvis"] = "root"
    return body


def with_fingers(body: Skeleton) -> Skeleton:
    for side in "LR":
        hand = f"hand.{side}"
        along = body.tails[hand] - body.heads[hand]
        aside = np.cross(along, [0, 0, 1.0])
        aside *= 0.03 / np.linalg.norm(aside)
        for finger in range(5):
            start = body.heads[hand] + (0.4 if finger == 0 else 0.9) * along + (finger - 2) * aside
            points = [start + step * 0.25 * along for step in range(4)]
            body.chain(hand, [f"finger{finger}{joint}.{side}" for joint in range(3)], points)
    return body


def with_twists(body: Skeleton) -> Skeleton:
    """Leaves along the limbs, as they are beside the bones of game rigs."""
    for side in "LR":
        for part in ("upper_arm", "forearm", "thigh", "shin"):
            key = f"{part}.{side}"
            half = (body.heads[key] + body.tails[key]) / 2
            body.add(f"twist {key}", key, half, body.tails[key])
    return body


def with_split_limbs(body: Skeleton) -> Skeleton:
    """A second half in line with each segment, which carries the next."""
    for side in "LR":
        for part, following in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot")):
            key = f"{part}.{side}"
            half = (body.heads[key] + body.tails[key]) / 2
            body.add(f"half {key}", key, half, body.tails[key])
            body.tails[key] = half
            body.parents[f"{following}.{side}"] = f"half {key}"
    return body


def with_helpers(body: Skeleton) -> Skeleton:
    """What inverse kinematics is driven by: goals and poles on the floor's bone."""
    with_root(body)
    for side, sign in (("L", 1), ("R", -1)):
        for part in ("foot", "hand"):
            head = body.heads[f"{part}.{side}"]
            body.add(f"goal {part}.{side}", "root", head, head + [0, -0.1, 0])
        body.add(f"pole.{side}", "root", [sign * 0.12, -0.7, 0.5], [sign * 0.12, -0.8, 0.5])
    return body


def with_cloth(body: Skeleton) -> Skeleton:
    """Hair, a cape, a skirt and sleeves: chains in pairs and alone."""
    last_spine = max((key for key in body.parents if key.startswith("spine.")), default="pelvis")
    body.chain(last_spine, [f"cape{n}" for n in range(5)], np.linspace([0, 0.15, 1.4], [0, 0.3, 0.4], 6))
    for sign, side in ((1, "L"), (-1, "R")):
        if "head" in body.parents:
            body.chain("head", [f"hair{n}.{side}" for n in range(4)], np.linspace([sign * 0.08, 0.05, 1.7], [sign * 0.12, 0.1, 1.2], 5))
        for place, y in (("front", -0.1), ("back", 0.14)):
            points = np.linspace([sign * 0.1, y, 0.95], [sign * 0.2, 2 * y, 0.5], 5)
            body.chain("pelvis", [f"skirt {place}{n}.{side}" for n in range(4)], points)
        elbow, wrist = body.heads[f"forearm.{side}"], body.heads[f"hand.{side}"]
        points = np.linspace((elbow + wrist) / 2, (elbow + wrist) / 2 - [0, 0, 0.2], 4)
        body.chain(f"forearm.{side}", [f"sleeve{n}.{side}" for n in range(3)], points)
    return body


def with_face(body: Skeleton) -> Skeleton:
    for sign, side in ((1, "L"), (-1, "R")):
        body.add(f"eye.{side}", "head", [sign * 0.03, -0.08, 1.7], [sign * 0.03, -0.12, 1.7])
        body.add(f"ear.{side}", "head", [sign * 0.08, 0.0, 1.7], [sign * 0.1, 0.0, 1.72])
    body.add("jaw", "head", [0, -0.03, 1.65], [0, -0.1, 1.6])
    return body


EXTRAS = (with_root, with_fingers, with_twists, with_split_limbs, with_helpers, with_cloth, with_face)


def posed(body: Skeleton, chance: random.Random, amount: float) -> Skeleton:
    """Turns limbs, spine and head in the rest pose: 0 leaves the A-pose, 1 is as far as a person goes without effort."""
    def angle(low: float, high: float) -> float:
        return amount * chance.uniform(low, high)

    for side, sign in (("L", 1), ("R", -1)):
        body.turn(f"upper_arm.{side}", [0, sign * angle(-0.9, 0.8), 0])
        body.turn(f"upper_arm.{side}", [0, 0, sign * angle(-0.9, 0.3)])
        body.turn(f"forearm.{side}", [0, 0, -sign * angle(0, 1.5)])
        body.turn(f"thigh.{side}", [angle(-1.0, 0.2), 0, 0])
        body.turn(f"thigh.{side}", [0, -sign * angle(0, 0.5), 0])
        body.turn(f"shin.{side}", [angle(0, 1.4), 0, 0])
        body.turn(f"foot.{side}", [angle(-0.2, 0.4), 0, 0])
    return body


def bones_of(body: Skeleton, chance: random.Random, names: dict[str, str] | None = None, scale: float = 1.0, turn=(0, 0, 0),
             loose_tails: bool = False) -> tuple[Bones, dict[str, str]]:
    """The skeleton as bones in random order, and key -> name. Without `names` the names are random.

    turn: rotation vector of the whole; loose_tails: all bones point up by 5 cm, as after some imports.
    """
    keys = list(body.parents)
    chance.shuffle(keys)
    names = names or {key: f"{chance.randrange(16**6):06x}.{number}" for number, key in enumerate(keys)}
    place = {key: number for number, key in enumerate(keys)}
    whole = Rotation.from_rotvec(turn)
    heads = {key: scale * whole.apply(body.heads[key]) + [1, 2, 3] for key in keys}
    tails = {key: heads[key] + scale * whole.apply([0, 0, 0.05]) if loose_tails else scale * whole.apply(body.tails[key]) + [1, 2, 3] for key in keys}
    bones = Bones([names[key] for key in keys], [place.get(body.parents[key], -1) for key in keys],
                  [tuple(heads[key].tolist()) for key in keys], [tuple(tails[key].tolist()) for key in keys])
    return bones, names


def with_proportions(body: Skeleton, legs: float, arms: float, trunk: float) -> Skeleton:
    """Stretches legs and trunk in height and arms in width."""
    shoulder = 0.18
    for ends in (body.heads, body.tails):
        for key, (x, y, z) in ends.items():
            reach = np.sign(x) * (min(abs(x), shoulder) + arms * max(abs(x) - shoulder, 0))
            ends[key] = np.array([reach, y, 0.95 + (legs if z < 0.95 else trunk) * (z - 0.95)])
    return body
