"""Where an animal's head goes and what it looks at, from eyes, nose and neck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.fitting.kinematics import Rig
from backend.fitting.quadruped.places import Places
from backend.fitting.quadruped.rest import Rest
from backend.fitting.quadruped.source import Animal
from backend.fitting.vectors import frames, length, unit

POLL = 0.4
"""How far behind the eyes the head begins, in distances from the eyes to the nose, on a level line while the nose points down by ..."""

NOSE_DOWN = np.radians(49)
"""... this angle, seen from the eyes."""

MUZZLE_DOWN = np.radians(36)
"""How far down the nose points, seen from where the head begins, in a rest pose whose head bone doesn't tell."""

TELLS = np.radians((-80, 25))
"""Slopes of a head bone that lies along the muzzle."""

LONGEST_NECK = 0.99
"""Largest part of its length that the neck's ends may be apart."""

FAR = 90.0
"""Percentile of the distances from the neck's root to the head that counts as its length."""


@dataclass(frozen=True)
class Head:
    """place [T,3]: where the head begins; turn [T,3,3]: away from rest."""

    place: np.ndarray
    turn: np.ndarray


def head(rig: Rig, rest: Rest, animal: Animal, places: Places) -> Head | None:
    """The head in world metres; None where the rig has no head or the motion shows too little of it."""
    if "head" not in rig.index or not {"nose", "eye.L", "eye.R"} <= animal.joints.keys():
        return None
    eyes = (animal["eye.L"] + animal["eye.R"]) / 2
    ahead, left = unit(animal["nose"] - eyes), animal["eye.L"] - animal["eye.R"]
    up = frames(left, ahead)[..., 1]
    size = length(animal["nose"] - eyes)[:, None]
    poll = eyes - POLL * size * (np.cos(NOSE_DOWN) * ahead + np.sin(NOSE_DOWN) * up)
    muzzle = unit(animal["nose"] - poll)

    bone = rig.index["head"]
    turn = frames(left, muzzle) @ frames(rest.axes[None, :, 0], _rest_muzzle(rig, rest, bone)[None])[0].T
    chain = [*rig.chain("neck"), bone]
    root = rig.heads[chain[0]]
    own = length(rig.heads[bone] - root)
    longest = LONGEST_NECK * np.sum(length(np.diff(rig.heads[chain], axis=0))) if len(chain) > 1 else 0.0
    seen = poll - animal["neck"]
    reach = np.minimum(own * length(seen) / max(np.percentile(length(seen), FAR), 1e-9), longest)
    return Head(places.ends["front"] + unit(seen) * reach[:, None], turn)


def _rest_muzzle(rig: Rig, rest: Rest, bone: int) -> np.ndarray:
    """[3] unit: where the nose is from the head's beginning, at rest."""
    left, back, up = rest.axes.T
    along = rig.direction(bone)
    slope = np.arctan2(along @ up, -along @ back)
    if abs(along @ left) < 0.2 and TELLS[0] < slope < TELLS[1]:
        return along
    return -np.cos(MUZZLE_DOWN) * back - np.sin(MUZZLE_DOWN) * up
