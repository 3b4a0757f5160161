"""An armature's bones as plain numbers, for what looks at their tree and rest pose."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Bones:
    """N bones in any order. parents [N]: indices, -1 for a root; heads, tails [N]: rest positions in any one space."""

    names: Sequence[str]
    parents: Sequence[int]
    heads: Sequence[Vector]
    tails: Sequence[Vector]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def children(self) -> list[list[int]]:
        """For every bone the bones it is the parent of."""
        children: list[list[int]] = [[] for _ in self.names]
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                children[parent].append(bone)
        return children

    @cached_property
    def outwards(self) -> list[int]:
        """All bones, parents before children."""
        order = [bone for bone, parent in enumerate(self.parents) if parent < 0]
        for bone in order:
            order.extend(self.children[bone])
        return order

    @cached_property
    def levels(self) -> list[int]:
        """For every bone how many bones lie below it on the longest way to a leaf; 0 for a leaf."""
        levels = [0] * len(self)
        for bone in reversed(self.outwards):
            if self.parents[bone] >= 0:
                levels[self.parents[bone]] = max(levels[self.parents[bone]], levels[bone] + 1)
        return levels

    @cached_property
    def reach(self) -> list[float]:
        """For every bone the longest way from its head to another head below it, along the bones."""
        reach = [0.0] * len(self)
        for bone in reversed(self.outwards):
            parent = self.parents[bone]
            if parent >= 0:
                reach[parent] = max(reach[parent], reach[bone] + math.dist(self.heads[bone], self.heads[parent]))
        return reach

    @cached_property
    def size(self) -> float:
        """The largest extent of all heads along an axis."""
        return max((max(axis) - min(axis) for axis in zip(*self.heads, strict=True)), default=0.0)

    def lineage(self, bone: int) -> list[int]:
        """The bone, its parent and so on up to a root."""
        line = []
        while bone >= 0:
            line.append(bone)
            bone = self.parents[bone]
        return line

    def carries(self, ancestor: int, bone: int) -> bool:
        """True when `ancestor` is above `bone` in the tree."""
        return ancestor in self.lineage(bone)[1:]

    def common_ancestor(self, first: int, second: int) -> int:
        """The lowest bone above or equal to both, -1 without one."""
        above = set(self.lineage(first))
        return next((bone for bone in self.lineage(second) if bone in above), -1)

    def paths(self, start: int, most: int = 12) -> Iterator[list[int]]:
        """All ways from a bone to the leaves below it, none longer than `most` bones."""
        stack = [[start]]
        while stack:
            path = stack.pop()
            below = self.children[path[-1]]
            if not below or len(path) == most:
                yield path
            else:
                stack.extend([*path, child] for child in below)


def add(a: Vector, b: Vector) -> Vector:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def subtract(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def times(a: Vector, factor: float) -> Vector:
    return a[0] * factor, a[1] * factor, a[2] * factor


def middle(a: Vector, b: Vector) -> Vector:
    return times(add(a, b), 0.5)


def dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def unit(a: Vector) -> Vector:
    """The direction of a vector; a vector without a length stays zero."""
    length = math.hypot(*a)
    return times(a, 1 / length) if length > 1e-12 else (0.0, 0.0, 0.0)


def across(a: Vector, axis: Vector) -> Vector:
    """The part of a vector that is square to the unit vector `axis`."""
    return subtract(a, times(axis, dot(a, axis)))


def angle(a: Vector, b: Vector) -> float:
    """Radians between two directions."""
    return math.acos(max(-1.0, min(1.0, dot(unit(a), unit(b)))))
