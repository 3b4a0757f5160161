"""What a kind of character brings to a fit: all that `fit_motion` needs to know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.fitting.kinematics import Rig
from backend.fitting.limits import Hinge
from backend.fitting.solver import Stiffness
from backend.fitting.targets import Targets


@dataclass(frozen=True)
class Plan:
    """rig: the bones that are solved, in the order of the whole rig; scale: metres of the armature for a metre of the motion;
    points: target role -> bone and its point [3] at rest, whose way is the fit's; feet: target role -> [T,3] where the motion has that foot,
    and stands [T,F] bool: while it stands there; finish: world turns [T,N,3,3] and heads [T,N,3] of the
    solved bones -> world turns of all; objects: reached positions by role [T,3] -> where the objects go [T,K,3]; holders [T,K]: the role that
    holds each of them, "" for none; rounds: shares of the
    points' weights with which to solve, one after the other; damping: of the first step of each."""

    rig: Rig
    targets: Targets
    hinges: list[Hinge]
    stiffness: Stiffness
    scale: float
    points: dict[str, tuple[int, np.ndarray]]
    feet: dict[str, np.ndarray]
    stands: np.ndarray
    finish: Callable[[np.ndarray, np.ndarray], np.ndarray]
    objects: Callable[[dict[str, np.ndarray]], np.ndarray]
    holders: np.ndarray
    rounds: tuple[float, ...] = (1.0,)
    damping: float = 1e-3


SPEED_SIGMA = 12.0
"""Radians a second a joint usually turns."""


def stiffness(rig: Rig, fps: float, rest: dict[str, float], twist: dict[str, float], speed: float = SPEED_SIGMA) -> Stiffness:
    """How stiff each bone is. rest, twist: part of the body -> radians a joint is away from rest without being odd, and the same about
    the bone itself; a part that is not there is 1 away, and free. speed: radians a second a joint usually turns."""
    parts = [role.split(".")[0] for role in rig.roles]
    return Stiffness(
        rest=np.array([rest.get(part, 1.0) ** -2.0 for part in parts]),
        twist=np.array([twist.get(part, np.inf) ** -2.0 for part in parts]),
        smooth=np.full(rig.bones, (fps / speed) ** 2),
        sideways=SIDEWAYS_SIGMA**-2,
        backwards=BACKWARDS_SIGMA**-2,
        slack=float(SLACK),
    )


SIDEWAYS_SIGMA, BACKWARDS_SIGMA, SLACK = 0.03, 0.005, np.radians(2.0)
