"""Finding limbs by shape: of all ways down the tree, those whose lengths and bends are a leg's or an arm's.

Costs are sums of squared deviations, so that 1 is an ordinary oddness and 4 a strong one. Segment lengths don't depend
on how the rest pose holds the limb, so a raised arm or a bent knee is found all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise

from .bones import Bones, angle, subtract
from .naming import Hint

ARM, LEG = ("upper_arm", "forearm", "hand"), ("thigh", "shin", "foot")

MOST_PATHS = 60
"""Ways to a leaf that are looked at below one bone; a limb has fewer, the middle of the body may have hundreds."""

LEAST_COVERED = 0.7
"""Of the longest way down from where a limb starts: a foot, a hand or a sleeve is only a small part more."""

HOPELESS = 20.0
KEPT = 10
"""Limbs kept for one bone, and pairs for two, the cheapest."""


@dataclass(frozen=True)
class Limb:
    """Three bones of a chain that starts at bone `start`; upper, lower: lengths of the first two."""

    start: int
    bones: tuple[int, int, int]
    upper: float
    lower: float
    cost: float


@dataclass(frozen=True)
class Pair:
    """Limbs of both sides on one bone; which side is which is not known yet."""

    parent: int
    first: Limb
    second: Limb
    cost: float

    @property
    def length(self) -> float:
        return (self.first.upper + self.first.lower + self.second.upper + self.second.lower) / 2


def find_pairs(bones: Bones, hints: Sequence[Hint], parts: tuple[str, str, str], smallest: float) -> list[Pair]:
    """Pairs of limbs among the children of every bone, the likeliest first. `smallest`: the least length of a limb."""
    pairs = []
    for parent, children in enumerate(bones.children):
        starts = [child for child in children if bones.levels[child] >= 2 and bones.reach[child] > smallest]
        limbs = {start: _limbs(bones, hints, start, parts, smallest) for start in starts}
        for number, first in enumerate(starts):
            for second in starts[number + 1:]:
                pairs.extend(_pairs(parent, limbs[first], limbs[second], hints))
    return sorted(pairs, key=lambda pair: pair.cost - 3 * math.log(pair.length / smallest))


def _pairs(parent: int, limbs: list[Limb], others: list[Limb], hints: Sequence[Hint]) -> list[Pair]:
    pairs = []
    for first in limbs:
        for second in others:
            unequal = sum((math.log(a / b) / 0.04) ** 2 for a, b in ((first.upper, second.upper), (first.lower, second.lower)))
            if unequal > 25:
                continue
            sides = [{hints[bone].side for bone in limb.bones} - {""} for limb in (first, second)]
            named = -1.0 if sides in ([{"L"}, {"R"}], [{"R"}, {"L"}]) else 4.0 if sides[0] & sides[1] else 0.0
            pairs.append(Pair(parent, first, second, first.cost + second.cost + unequal + named))
    return sorted(pairs, key=lambda pair: pair.cost)[:KEPT]


class _Path:
    """A way down the tree: bones, heads, `ways` from the first head to each, and the `forks` where three or more chains of
    two bones part: the root of fingers or toes."""

    def __init__(self, bones: Bones, path: list[int]):
        self.bones, self.heads = path, [bones.heads[bone] for bone in path]
        self.tail = bones.tails[path[-1]]
        self.ways = list(accumulate((math.dist(a, b) for a, b in pairwise(self.heads)), initial=0.0))
        self.forks = [place for place, bone in enumerate(path) if sum(bones.levels[child] >= 1 for child in bones.children[bone]) >= 3]

    def __len__(self) -> int:
        return len(self.bones)

    def misses(self, place: int) -> float:
        """The cost of a limb that ends elsewhere than where fingers or toes begin."""
        return 3.0 if self.forks and place not in self.forks else 0.0


def _limbs(bones: Bones, hints: Sequence[Hint], start: int, parts: tuple[str, str, str], smallest: float) -> list[Limb]:
    found: dict[tuple[int, int, int], Limb] = {}
    judge = _leg if parts == LEG else _arm
    for way in islice(bones.paths(start), MOST_PATHS):
        path = _Path(bones, way)
        for i in range(min(3, len(path) - 2)):
            for j in range(i + 1, len(path) - 1):
                for k in range(j + 1, len(path)):
                    limb = _limb(bones, hints, path, (i, j, k), parts, judge, smallest)
                    if limb is not None and limb.cost < found.get(limb.bones, limb).cost + 1e-12:
                        found[limb.bones] = limb
    return sorted(found.values(), key=lambda limb: limb.cost)[:KEPT]


def _limb(bones: Bones, hints: Sequence[Hint], path: _Path, places: tuple[int, int, int], parts: tuple[str, str, str],
          judge: Callable[[_Path, tuple[int, int, int], float, float], float], smallest: float) -> Limb | None:
    i, j, k = places
    upper, lower = math.dist(path.heads[i], path.heads[j]), math.dist(path.heads[j], path.heads[k])
    if min(upper, lower) < 0.2 * smallest or upper + lower < smallest:
        return None
    cost = (math.log(lower / upper) / 0.25) ** 2
    if cost > HOPELESS:
        return None
    cost += sum(min((((path.ways[b] - path.ways[a]) / straight - 1) / 0.02) ** 2, 9) for a, b, straight in ((i, j, upper), (j, k, lower)))
    cost += 0.4 * (k - i - 2)
    cost += (max(LEAST_COVERED - path.ways[k] / bones.reach[path.bones[0]], 0) / 0.1) ** 2
    chosen = (path.bones[i], path.bones[j], path.bones[k])
    cost += judge(path, places, upper, lower) + path.misses(k) + _named(hints, chosen, parts)
    return Limb(path.bones[0], chosen, upper, lower, cost)


def _leg(path: _Path, places: tuple[int, int, int], upper: float, lower: float) -> float:
    """A leg ends in a foot that turns away from the shin and is shorter than half of the leg."""
    i, j, k = places
    goes_on = k + 1 < len(path)
    turn = angle(subtract(path.heads[k], path.heads[j]), subtract(path.heads[k + 1] if goes_on else path.tail, path.heads[k]))
    cost = 0.4 * i + (0.0 if goes_on else 0.5)
    cost += (max(math.radians(50) - turn, 0) / math.radians(25)) ** 2 * (1.0 if goes_on else 0.3)
    return cost + (max((path.ways[-1] - path.ways[k]) / (upper + lower) - 0.45, 0) / 0.1) ** 2


def _arm(path: _Path, places: tuple[int, int, int], upper: float, lower: float) -> float:
    """An arm hangs on a clavicle shorter than itself and ends in a hand."""
    i, _, k = places
    cost = 0.3 if i == 0 else 0.4 * (i - 1)
    cost += (max(path.ways[i] / upper - 0.8, 0) / 0.2) ** 2
    cost += (max((path.ways[-1] - path.ways[k]) / (upper + lower) - 0.6, 0) / 0.1) ** 2
    return cost + (0.0 if path.forks else 0.3 * (len(path) - 1 - k))


def _named(hints: Sequence[Hint], limb: tuple[int, int, int], parts: tuple[str, str, str]) -> float:
    cost = 0.0
    for bone, part in zip(limb, parts, strict=True):
        hint = hints[bone]
        if hint.other:
            cost += 2.0
        elif hint.parts:
            cost += -1.5 if hint.parts[0] == part else -0.7 if part in hint.parts else 2.0
    return cost
