"""A human in an armature of any naming, posture and orientation: two legs, a trunk, two arms and a head.

What is found: the cheapest combination of a pair of legs and a pair of arms (`limbs`) whose proportions are a body's.
Left and right follow from where feet and knees point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .bones import Bones, Vector, across, angle, cross, dot, middle, subtract, times, unit
from .limbs import ARM, LEG, Pair, find_pairs
from .naming import Hint

SMALLEST_LIMB = 0.12
"""Of the size of the whole armature; fingers are shorter."""

MOST_PAIRS = 40
LOOKED_AT = 8
HEADLESS = 4.0
"""Cost of a body without a head, looked for in the likeliest bodies only."""

SURE, UNSURE = 0.9, 0.5
"""Certainty of what has no rival, and of what could as well be the bone beside it."""

LOWEST_BALL = 0.4
"""In leg lengths: a bone that starts further than this from the ankle is the end of the toes."""

HEAD_HEIGHT = 0.55
"""In lengths of the trunk above the shoulders: the head starts below this."""


OFF_MIDDLE = 0.04
"""In lengths of the trunk: what lies further to a side of the neck than this is an eye or an ear."""


@dataclass(frozen=True)
class Body:
    """Bone of each role with a certainty 0..1, what is doubtful about the whole, and the cost: a good human is below 10."""

    roles: dict[str, int]
    certainty: dict[str, float]
    doubts: list[str]
    cost: float


@dataclass(frozen=True)
class _Frame:
    """hips, shoulders: the middles of the joints; up: unit; trunk, leg: lengths; lateral: unit, to one of the sides."""

    hips: Vector
    shoulders: Vector
    up: Vector
    lateral: Vector
    trunk: float
    leg: float


def find_biped(bones: Bones, hints: Sequence[Hint]) -> Body | None:
    """The likeliest human in the bones; None where no two legs and arms are found."""
    if len(bones) < 13 or bones.size <= 0:
        return None
    smallest = SMALLEST_LIMB * bones.size
    legs = find_pairs(bones, hints, LEG, 1.3 * smallest)[:MOST_PAIRS]
    arms = find_pairs(bones, hints, ARM, smallest)[:MOST_PAIRS]
    ranked = sorted(((_cost(bones, leg, arm), number, leg, arm) for number, (leg, arm) in enumerate((leg, arm) for leg in legs for arm in arms)),
                    key=lambda entry: entry[:2])
    ranked = [entry for entry in ranked if math.isfinite(entry[0])]
    if not ranked:
        return None
    first = [(cost, number, *_roles(bones, hints, leg, arm)) for cost, number, leg, arm in ranked[:LOOKED_AT]]
    number, roles, doubts = min(first, key=lambda entry: entry[0] + (0 if "head" in entry[2] else HEADLESS))[1:]
    cost, _, leg, arm = next(entry for entry in ranked if entry[1] == number)
    certainty = dict.fromkeys(roles, SURE - 0.1)
    for parts, pair, place in ((LEG, leg, 2), (ARM, arm, 3)):
        for number, part in enumerate(parts):
            chosen = {pair.first.bones[number], pair.second.bones[number]}
            rival = min((entry[0] for entry in ranked if not chosen & {entry[place].first.bones[number], entry[place].second.bones[number]}),
                        default=math.inf)
            for side in "LR":
                certainty[f"{part}.{side}"] = SURE - 0.6 * math.exp(-(rival - cost) / 1.5)
    if "neck.1" in roles and not bones.children[roles["head"]]:  # it may be the end of the head, and the bone before it the head
        certainty["head"] = certainty[f"neck.{sum(role.startswith('neck.') for role in roles) - 1}"] = UNSURE
    certainty |= {role: certainty[role.replace("clavicle", "upper_arm")] for role in roles if role.startswith("clavicle.")}
    return Body(roles, certainty, doubts, cost)


def _frame(bones: Bones, legs: Pair, arms: Pair) -> _Frame:
    hip, other = (bones.heads[limb.bones[0]] for limb in (legs.first, legs.second))
    shoulder, far = (bones.heads[limb.bones[0]] for limb in (arms.first, arms.second))
    hips, shoulders = middle(hip, other), middle(shoulder, far)
    up = unit(subtract(shoulders, hips))
    return _Frame(hips, shoulders, up, unit(across(subtract(hip, other), up)), math.dist(hips, shoulders), legs.length)


def _cost(bones: Bones, legs: Pair, arms: Pair) -> float:
    """Of a pair of legs and a pair of arms as one body; infinite where they can't be."""
    if any(_overlap(bones, a, b) for a in (legs.first, legs.second) for b in (arms.first, arms.second)):
        return math.inf
    pelvis = bones.common_ancestor(legs.parent, arms.parent)
    frame = _frame(bones, legs, arms)
    if pelvis < 0 or frame.trunk < 1e-6 * bones.size or bones.carries(arms.parent, legs.parent):
        return math.inf
    sides = unit(subtract(bones.heads[arms.first.bones[0]], bones.heads[arms.second.bones[0]]))
    ankles = middle(bones.heads[legs.first.bones[2]], bones.heads[legs.second.bones[2]])
    lean = angle(subtract(ankles, frame.hips), times(frame.up, -1))
    cost = legs.cost + arms.cost
    cost += (math.log(frame.trunk / (0.6 * frame.leg)) / 0.5) ** 2
    cost += (math.log(arms.length / (0.65 * frame.leg)) / 0.4) ** 2
    cost += 4 * (1 - abs(dot(sides, frame.lateral))) + 4 * dot(sides, frame.up) ** 2
    cost += (max(lean - math.radians(40), 0) / math.radians(60)) ** 2
    cost += (math.dist(bones.heads[pelvis], frame.hips) / frame.leg / 0.4) ** 2
    return cost + 6 * max(math.log(0.5 * bones.size / frame.leg), 0)


def _overlap(bones: Bones, a, b) -> bool:
    return a.start == b.start or bones.carries(a.start, b.start) or bones.carries(b.start, a.start)


def _roles(bones: Bones, hints: Sequence[Hint], legs: Pair, arms: Pair) -> tuple[dict[str, int], list[str]]:
    frame = _frame(bones, legs, arms)
    pelvis = bones.common_ancestor(legs.parent, arms.parent)
    roles, doubts = {"pelvis": pelvis}, []
    spine = [bone for bone in reversed(bones.lineage(arms.parent)) if bones.carries(pelvis, bone) and not hints[bone].other]
    neck, head = _head(bones, hints, spine or [pelvis], {legs.first.start, legs.second.start, arms.first.start, arms.second.start}, frame)
    roles |= {f"spine.{number}": bone for number, bone in enumerate(spine)} | {f"neck.{number}": bone for number, bone in enumerate(neck)}
    if head >= 0:
        roles["head"] = head
    left, sure = _left(bones, hints, legs, arms, frame)
    if not sure:
        doubts.append("left and right can't be told apart by the rest pose")
    for pair, parts in ((legs, LEG), (arms, ARM)):
        for limb in (pair.first, pair.second):
            other = pair.second if limb is pair.first else pair.first
            side = "L" if dot(subtract(bones.heads[limb.bones[0]], bones.heads[other.bones[0]]), left) > 0 else "R"
            roles |= {f"{part}.{side}": bone for part, bone in zip(parts, limb.bones, strict=True)}
            if pair is arms and limb.start != limb.bones[0]:
                roles[f"clavicle.{side}"] = limb.start
            if pair is legs and (toe := _toe(bones, hints, limb.bones[2], frame)) >= 0:
                roles[f"toe.{side}"] = toe
    hands = middle(*(bones.heads[limb.bones[2]] for limb in (arms.first, arms.second)))
    feet = middle(*(bones.heads[limb.bones[2]] for limb in (legs.first, legs.second)))
    down = subtract(feet, frame.hips)
    if angle(down, times(frame.up, -1)) > math.radians(60) and angle(down, subtract(hands, frame.shoulders)) < math.radians(40):
        doubts.append("it stands on four legs as an animal does")
    if math.dist(bones.heads[pelvis], frame.hips) > 0.3 * frame.leg:
        doubts.append(f"{bones.names[pelvis]!r}, which carries legs and trunk, is far from the hips")
    return roles, doubts


def _toe(bones: Bones, hints: Sequence[Hint], foot: int, frame: _Frame) -> int:
    """The bone of the toes, -1 without one: one of five toes doesn't play all of them, nor does a heel or an end."""
    toes = [child for child in bones.children[foot] if not hints[child].other]
    if not toes or sum(bones.levels[child] >= 1 for child in toes) >= 3:
        return -1
    toe = max(toes, key=lambda child: (bones.levels[child], math.dist(bones.heads[child], bones.heads[foot])))
    away = math.dist(bones.heads[toe], bones.heads[foot])
    is_end = away > LOWEST_BALL * frame.leg and not bones.children[toe] and "toe" not in hints[toe].parts
    return -1 if is_end or away < 0.02 * frame.leg else toe


def _head(bones: Bones, hints: Sequence[Hint], trunk: list[int], limbs: set[int], frame: _Frame) -> tuple[list[int], int]:
    """Bones of the neck, and the head or -1: the chain that goes on above the shoulders."""
    def rise(bone: int) -> float:
        return dot(subtract(bones.heads[bone], frame.shoulders), frame.up) / frame.trunk

    def aside(bone: int) -> float:
        return math.hypot(*across(subtract(bones.heads[bone], frame.shoulders), frame.up)) / frame.trunk

    def likely(bone: int) -> bool:
        return not hints[bone].other and rise(bone) > -0.35 and aside(bone) < 0.4

    starts = [child for bone in trunk[-1:] for child in bones.children[bone] if child not in limbs and likely(child)]
    if not starts:
        return [], -1

    def promise(start: int) -> float:
        named = {"neck", "head"} & {part for bone in (start, *bones.children[start]) for part in hints[bone].parts}
        return max(rise(bone) for bone in _below(bones, start)) - aside(start) + (2 if named else 0)

    chain = [max(starts, key=promise)]
    if promise(chain[0]) < -0.15:
        return [], -1
    while "head" not in hints[chain[-1]].parts:
        below = bones.children[chain[-1]]
        onwards = [child for child in below if likely(child) and rise(child) > rise(chain[-1]) + 0.01 and aside(child) < 0.3
                   and abs(dot(subtract(bones.heads[child], bones.heads[chain[-1]]), frame.lateral)) < OFF_MIDDLE * frame.trunk]
        named = [child for child in onwards if "head" in hints[child].parts]
        if not onwards or (len(below) >= 3 and not named and "neck" not in hints[chain[-1]].parts):
            break
        following = named[0] if named else min(onwards, key=lambda child: (-bones.levels[child], aside(child)))
        if rise(following) > HEAD_HEIGHT and not named:
            break
        chain.append(following)
    return chain[:-1], chain[-1]


def _below(bones: Bones, start: int) -> list[int]:
    found = [start]
    for bone in found:
        found.extend(bones.children[bone])
    return found


def _left(bones: Bones, hints: Sequence[Hint], legs: Pair, arms: Pair, frame: _Frame) -> tuple[Vector, bool]:
    """Where the character's left is, and whether the rest pose or the names say so: feet and knees point ahead, elbows back."""
    ahead = cross(frame.lateral, frame.up)
    seen = 0.0
    for limb in (legs.first, legs.second):
        hip, knee, ankle = (bones.heads[bone] for bone in limb.bones)
        toes = [bones.heads[child] for child in bones.children[limb.bones[2]]] or [bones.tails[limb.bones[2]]]
        foot = max((subtract(toe, ankle) for toe in toes), key=lambda reach: abs(dot(reach, ahead)))
        seen += dot(foot, ahead) / frame.leg + 0.5 * dot(subtract(knee, middle(hip, ankle)), ahead) / frame.leg
    for limb in (arms.first, arms.second):
        shoulder, elbow, wrist = (bones.heads[bone] for bone in limb.bones)
        seen -= 0.5 * dot(subtract(elbow, middle(shoulder, wrist)), ahead) / frame.leg
    named = 0
    for pair in (legs, arms):
        for limb, sign in ((pair.first, 1), (pair.second, -1)):
            towards = dot(subtract(bones.heads[pair.first.bones[0]], bones.heads[pair.second.bones[0]]), frame.lateral)
            votes = sum({"L": 1, "R": -1}.get(hints[bone].side, 0) for bone in limb.bones)
            named += sign * votes * (1 if towards > 0 else -1)
    if named:
        return times(frame.lateral, 1 if named > 0 else -1), named * seen > -0.03
    if abs(seen) > 0.03:
        # Facing `ahead`, the left is up x ahead, which is the lateral axis itself.
        return times(frame.lateral, 1 if seen > 0 else -1), True
    return times(frame.lateral, 1 if frame.lateral[0] > 0 else -1), False
