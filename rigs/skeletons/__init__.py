"""Skeletons: which joints a motion has, how they hang together, and which role each plays."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Skeleton:
    """Joints in network order. `parents` are indices with -1 for the root; `objects` (a ball) are keypoints outside
    the tree; `mirror` pairs the left and right joints; `roles` maps joint names to the field's roles; `feet` are the
    joints that stand on the floor; `elastic` joints are not at a fixed distance from their parent: more than one bone lies between;
    `means` are joints that 2D poses without them get as the mean of two others; `rigid` are things that several of the objects belong to:
    name -> object -> its place in shares of the thing's width, depth and height, from the middle."""

    name: str
    title: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    objects: tuple[str, ...]
    travel: str
    root: str
    feet: tuple[str, ...]
    mirror: tuple[tuple[str, str], ...]
    roles: dict[str, str]
    elastic: tuple[str, ...] = ()
    means: dict[str, tuple[str, str]] = field(default_factory=dict)
    rigid: dict[str, dict[str, tuple[float, float, float]]] = field(default_factory=dict)

    @property
    def things(self) -> dict[str, list[int]]:
        """What a motion has beside the body: objects that are a thing of their own, then rigid things, each with the indices of its keypoints."""
        parts = {point for places in self.rigid.values() for point in places}
        single = {name: [self.keypoints.index(name)] for name in self.objects if name not in parts}
        return single | {name: [self.keypoints.index(point) for point in places] for name, places in self.rigid.items()}

    @property
    def keypoints(self) -> tuple[str, ...]:
        """All points a 2D model sees: joints, then objects, then the travel point."""
        return self.joints + self.objects + ((self.travel,) if self.travel else ())

    @property
    def mirror_order(self) -> list[int]:
        """Index list that swaps left and right keypoints."""
        other = dict(self.mirror) | {b: a for a, b in self.mirror}
        return [self.keypoints.index(other.get(name, name)) for name in self.keypoints]

    @property
    def elastic_joints(self) -> list[int]:
        """Indices of the elastic joints."""
        return [self.joints.index(name) for name in self.elastic]

    @property
    def bones(self) -> list[tuple[int, int]]:
        """(parent, child) joint index pairs."""
        return [(parent, child) for child, parent in enumerate(self.parents) if parent >= 0]


def drawn_from(parents: Sequence[int], roles: Sequence[str]) -> list[tuple[int, ...]]:
    """Of every joint, the joints between which a stick figure begins the bone that ends there: its parent; () for the root. What hangs on one
    shoulder without being its arm begins in the middle of both, since a head on a shoulder looks broken. roles: one a joint, "" without."""
    shoulders = tuple(number for number, role in enumerate(roles) if role in ("shoulder.L", "shoulder.R"))

    def between(joint: int) -> tuple[int, ...]:
        parent = parents[joint]
        arm = roles[joint].startswith("elbow.") or joint in shoulders
        return () if parent < 0 else shoulders if parent in shoulders and len(shoulders) == 2 and not arm else (parent,)

    return [between(joint) for joint in range(len(parents))]


def skeleton_names() -> list[str]:
    """Names of the shipped skeletons, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@lru_cache
def load_skeleton(name: str) -> Skeleton:
    """Reads `rigs/skeletons/NAME.toml`. Raises ValueError naming the file, the spot and the remedy."""
    if name not in skeleton_names():
        raise ValueError(f"There is no skeleton {name!r}. Choose one of: {', '.join(skeleton_names())}.")
    return read_skeleton(FOLDER / f"{name}.toml")


def read_skeleton(path: Path) -> Skeleton:
    """Reads any skeleton file; its name is the file's. `load_skeleton` says which errors to expect."""
    data = _read(path)
    for key, holds in ENTRIES.items():
        if key not in data and key not in OPTIONAL:
            raise ValueError(f"{path}: {key!r} is missing. Add it; the shipped skeletons show how.")
        if key in data and not holds(data[key]):
            raise ValueError(f"{path}: {key!r} is {data[key]!r}. Write it as the shipped skeletons do.")
    points = [*data["joints"], *data["objects"], data.get("travel", "")]
    if len(set(points)) < len(points):
        raise ValueError(f"{path}: two of 'joints', 'objects' and 'travel' have one name. Give each its own.")
    joints = data["joints"]
    if len(data["parents"]) != len(joints):
        raise ValueError(f"{path}: 'parents' has {len(data['parents'])} entries for {len(joints)} joints. Give each joint one parent.")
    for child, parent in enumerate(data["parents"]):
        if not isinstance(parent, int) or isinstance(parent, bool) or not -1 <= parent < child:
            raise ValueError(f"{path}: joint {joints[child]!r} comes before its parent. List parents first.")
    pairs, means, rigid = data["mirror"], data.get("means", {}), data.get("rigid", {})
    for name in [data["root"], *data["feet"], *data["roles"], *data.get("elastic", []), *means, *(one for pair in means.values() for one in pair)]:
        if name not in joints:
            raise ValueError(f"{path}: {name!r} is not in 'joints'. Correct the name.")
    for name in (one for pair in pairs for one in pair):
        if name not in [*joints, *data["objects"]]:
            raise ValueError(f"{path}: {name!r} of 'mirror' is neither in 'joints' nor in 'objects'. Correct the name.")
    _check_rigid(path, rigid, data["objects"])
    return Skeleton(path.stem, data["title"], tuple(joints), tuple(data["parents"]), tuple(data["objects"]), data.get("travel", ""), data["root"],
                    tuple(data["feet"]), tuple(tuple(pair) for pair in pairs), dict(data["roles"]), tuple(data.get("elastic", [])),
                    {joint: tuple(pair) for joint, pair in means.items()},
                    {name: {point: tuple(map(float, place)) for point, place in places.items()} for name, places in rigid.items()})


def _check_rigid(path: Path, rigid: dict[str, dict], objects: list[str]) -> None:
    taken: set[str] = set()
    for name, places in rigid.items():
        for point in places:
            if point not in objects or point in taken:
                raise ValueError(f"{path}: {point!r} of [rigid.{name}] is not in 'objects', or belongs to two things. Correct the name.")
        taken |= set(places)
        if name in objects:
            raise ValueError(f"{path}: {name!r} is an object and a rigid thing. Give each its own name.")
        spans = [{place[axis] for place in places.values()} for axis in range(3)]
        if len(places) < 4 or min(map(len, spans)) < 2:
            raise ValueError(f"{path}: the points of [rigid.{name}] don't tell its width, depth and height. Name four or more that don't lie in one plane.")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_place(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in value)


def _is_pair(value: object) -> bool:
    return _are_texts(value) and len(value) == 2


ENTRIES: dict[str, Callable[[object], bool]] = {
    "title": _is_text, "joints": lambda value: _are_texts(value) and bool(value), "parents": lambda value: isinstance(value, list), "objects": _are_texts,
    "root": _is_text, "feet": _are_texts, "mirror": lambda value: isinstance(value, list) and all(map(_is_pair, value)),
    "roles": lambda value: isinstance(value, dict) and all(map(_is_text, value.values())), "elastic": _are_texts,
    "travel": lambda value: isinstance(value, str),
    "means": lambda value: isinstance(value, dict) and all(map(_is_pair, value.values())),
    "rigid": lambda value: isinstance(value, dict) and all(isinstance(places, dict) and all(map(_is_place, places.values())) for places in value.values()),
}
OPTIONAL = {"elastic", "travel", "means", "rigid"}


def _read(path: Path) -> dict:
    """A skeleton's TOML; what it leaves out is that of the shipped skeleton it is `based_on`."""
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: this is not a readable skeleton ({error}). Correct or choose the file.") from error
    base = data.get("based_on")
    if base is not None and (base not in skeleton_names() or base == path.stem):
        raise ValueError(f"{path}: 'based_on' is {base!r}. Name another of: {', '.join(skeleton_names())}.")
    return data if base is None else _read(FOLDER / f"{base}.toml") | data
