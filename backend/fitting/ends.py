"""Where bones end, anatomically: some imports leave tails that point anywhere, so joints are believed before tails."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from backend.fitting.kinematics import Rig
from backend.fitting.limits import body_axes
from backend.fitting.vectors import across, unit

NEXT = {"thigh": "shin", "shin": "foot", "foot": "toe", "clavicle": "upper_arm", "upper_arm": "forearm", "forearm": "hand"}

SHORTEST = 1e-3
"""In leg lengths: joints this close are one, and say nothing of a direction."""

BELIEVED = np.cos(np.radians(40))
"""A last bone's tail counts when it lies within this angle of where its part of a body usually points."""

HAND, HEAD, FOOT, SOLE, TOES = 0.22, 0.27, 0.16, 0.06, 0.08
"""Usual sizes in leg lengths: hand, head, ankle to ball of the foot ahead and below, and toes."""


def with_ends(rig: Rig) -> Rig:
    """A human rig whose tails are the next joint of the body; the last bones of limbs and head keep a tail that suits them."""
    _, back, up = body_axes(rig)
    at = {role: rig.heads[bone] for role, bone in rig.index.items()}
    leg = float(np.mean([np.linalg.norm(at[f"thigh.{s}"] - at[f"shin.{s}"]) + np.linalg.norm(at[f"shin.{s}"] - at[f"foot.{s}"]) for s in "LR"]))
    tails = rig.tails.copy()
    line = [rig.index["pelvis"], *rig.chain("spine"), *rig.chain("neck"), *([rig.index["head"]] if "head" in rig.index else [])]
    following = dict(pairwise(line))
    for role, bone in rig.index.items():
        part, _, side = role.partition(".")
        if part in NEXT and f"{NEXT[part]}.{side}" in rig.index:
            following[bone] = rig.index[f"{NEXT[part]}.{side}"]
    for bone, next_bone in following.items():
        if np.linalg.norm(rig.heads[next_bone] - rig.heads[bone]) > SHORTEST * leg:
            tails[bone] = rig.heads[next_bone]

    def end(role: str, reach: np.ndarray, usual: np.ndarray) -> None:
        """Gives the last bone of a chain `reach`, unless its tail lies about the `usual` way."""
        bone = rig.index.get(role)
        if bone is not None and bone not in following and unit(rig.tails[bone] - rig.heads[bone]) @ unit(usual) < BELIEVED:
            tails[bone] = rig.heads[bone] + reach

    end("head", HEAD * leg * up, up)
    for side in "LR":
        forearm = unit(at[f"hand.{side}"] - at[f"forearm.{side}"])
        end(f"hand.{side}", HAND * leg * forearm, forearm)
        foot = FOOT * leg * -back - SOLE * leg * up
        end(f"foot.{side}", foot, foot)
        if f"toe.{side}" in at:
            ahead = unit(across(at[f"toe.{side}"] - at[f"foot.{side}"], up))
            end(f"toe.{side}", TOES * leg * ahead, ahead)
    return replace(rig, tails=tails)
