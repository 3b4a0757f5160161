"""Where the bones of an animal's limbs end: imports leave tails that point anywhere, so joints are believed before tails."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from backend.fitting.kinematics import Rig
from backend.fitting.quadruped.source import LIMBS, NAMES
from backend.fitting.vectors import length, unit

BELIEVED = np.cos(np.radians(60))
"""A hoof's or paw's tail counts when it lies within this angle of ahead and down to the floor ..."""

LONGEST = 0.6
"""... and no further away than this, in heights of the hock."""

FOOT = 0.15
"""Usual length of the last bone, in the same measure."""


def with_ends(rig: Rig) -> Rig:
    """A four-legged rig whose limb bones end where the next one begins; the last keep a tail that suits them, or get one on the floor."""
    tails = rig.tails.copy()
    limbs = {(pair, side): [rig.index[f"{role}.{side}"] for role in LIMBS[pair].bones if f"{role}.{side}" in rig.index] for pair, side in NAMES}
    feet = {limb: rig.heads[bones[-1]] for limb, bones in limbs.items()}
    back = unit(sum(feet["hind", side] - feet["front", side] for side in "LR"))
    left = sum(feet[pair, "L"] - feet[pair, "R"] for pair in LIMBS)
    up = unit(np.cross(left, back))
    lowest, origin = min(float(foot @ up) for foot in feet.values()), float(rig.origin @ up)
    hock = float(np.mean([rig.heads[rig.index[f"metatarsus.{side}"]] @ up for side in "LR"])) - min(lowest, origin)
    floor = origin if 0 <= lowest - origin < LONGEST * hock else lowest - FOOT / 2 * hock
    for limb, bones in limbs.items():
        for bone, following in pairwise(bones):
            if length(rig.heads[following] - rig.heads[bone]) > 1e-3 * hock:
                tails[bone] = rig.heads[following]
        last = bones[-1]
        usual = -FOOT * hock * back + (floor - rig.heads[last] @ up) * up
        own = rig.tails[last] - rig.heads[last]
        if f"{LIMBS[limb[0]].middle}.{limb[1]}" != rig.roles[last] and (unit(own) @ unit(usual) < BELIEVED or length(own) > LONGEST * hock):
            tails[last] = rig.heads[last] + usual
    return replace(rig, tails=tails)
