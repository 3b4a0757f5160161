"""Skeletons: which joints a motion has, how they hang together, and which role each plays."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Skeleton:
    """Joints in network order. `parents` are indices with -1 for the root; `objects` (a ball) are keypoints outside
    the tree; `mirror` pairs the left and right joints; `roles` maps joint names to the field's roles; `feet` are the
    joints that stand on the floor; `elastic` joints are not at a fixed distance from their parent: more than one bone lies between;
    `middle` are the joints whose mean is the middle of the body, the root itself where there is one; `means` are joints that 2D poses
    without them get as the mean of two others."""

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
    middle: tuple[str, ...] = ()
    means: dict[str, tuple[str, str]] = field(default_factory=dict)

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


def skeleton_names() -> list[str]:
    """Names of the shipped skeletons, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@lru_cache
def load_skeleton(name: str) -> Skeleton:
    """Reads `rigs/skeletons/NAME.toml`. Raises ValueError naming the file, the spot and the remedy."""
    path = FOLDER / f"{name}.toml"
    if name not in skeleton_names():
        raise ValueError(f"There is no skeleton {name!r}. Choose one of: {', '.join(skeleton_names())}.")
    data = _read(name)
    joints = data["joints"]
    if len(data["parents"]) != len(joints):
        raise ValueError(f"{path}: 'parents' has {len(data['parents'])} entries for {len(joints)} joints. Give each joint one parent.")
    for child, parent in enumerate(data["parents"]):
        if not -1 <= parent < child and parent != -1:
            raise ValueError(f"{path}: joint {joints[child]!r} comes before its parent. List parents first.")
    middle, means = data.get("middle", [data["root"]]), data.get("means", {})
    for name_ in [data["root"], *data["feet"], *data["roles"], *data.get("elastic", []), *(n for pair in data["mirror"] for n in pair),
                  *middle, *means, *(n for pair in means.values() for n in pair)]:
        if name_ not in joints:
            raise ValueError(f"{path}: {name_!r} is not in 'joints'. Correct the name.")
    return Skeleton(name, data["title"], tuple(joints), tuple(data["parents"]), tuple(data["objects"]), data.get("travel", ""), data["root"],
                    tuple(data["feet"]), tuple(tuple(pair) for pair in data["mirror"]), dict(data["roles"]), tuple(data.get("elastic", [])),
                    tuple(middle), {joint: tuple(pair) for joint, pair in means.items()})


def _read(name: str) -> dict:
    """A skeleton's TOML; what it leaves out is that of the skeleton it is `based_on`."""
    with (FOLDER / f"{name}.toml").open("rb") as file:
        data = tomllib.load(file)
    return _read(data["based_on"]) | data if "based_on" in data else data
