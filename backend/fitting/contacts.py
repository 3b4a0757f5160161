"""Feet on the floor of the rig: where they stand, that they stay there, and how far the body goes down for it.

Heights and speeds are told in metres of a usual body; `size` is how many of them a metre of the feet's world is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.errors import KineliftError
from backend.fitting.vectors import length, smoothstep
from backend.motion.contacts import LEAST_SECONDS, LIFTED, find_contacts, spells
from backend.motion.planting import covering, eased

MODES = {
    "auto": "feet that stand, by their height and speed, keep their place on the floor",
    "always": "every foot that is low keeps its place, also one that slides",
    "never": "feet go where the motion has them",
    "grounding": "feet are brought to the floor's height, and may slide there",
}

LOW = 0.04
"""Metres over the floor, below which a foot is low."""

STRAY = 0.15
"""Metres that a foot goes along the floor, after which it is planted anew."""

LOWER_SECONDS, LOWER_MOST = 0.25, 0.15
"""How long the body takes to go down for a leg that would not reach, and how far at most, in metres."""

LOCKED = 0.99
"""Share of its length from which a leg counts as straight; the motion's own, where that is straighter."""

STRAIGHTEST = 0.998
"""Largest part of its length that the ends of a limb may be apart."""


def check_mode(mode: str) -> None:
    """Raises KineliftError for a mode that is none."""
    if mode not in MODES:
        raise KineliftError(f"there is no way {mode!r} to treat contacts", f"Use one of: {', '.join(MODES)}", code="bad-setting")


@dataclass(frozen=True)
class Floor:
    """What feet do on the floor, bool [T,F]. stands: by height and speed; kept: in one place; grounded: at the floor's height."""

    stands: np.ndarray
    kept: np.ndarray
    grounded: np.ndarray

    def of_seen(self, seen: np.ndarray) -> Floor:
        """The same where feet are seen [T,F]; nothing is known of the others."""
        return Floor(self.stands & seen, self.kept & seen, self.grounded & seen)


def find_floor(feet: np.ndarray, standing: np.ndarray, fps: float, size: float, mode: str) -> Floor:
    """What feet [T,F,3] do that stand at the heights `standing` [F] of a level floor. One that is high over it is in the air, however still."""
    over = size * (feet[..., 2] - standing)
    stands = find_contacts(size * feet, fps)
    for foot in range(stands.shape[1]):
        for start, end in spells(stands[:, foot]):
            stands[start:end, foot] = np.median(over[start:end, foot]) < LIFTED
    none = np.zeros_like(stands)
    kept = {"auto": stands, "always": _low(size * feet[..., :2], over, fps)}.get(mode, none)
    return Floor(stands, kept, {"grounding": stands}.get(mode, kept))


def fitted_standing(feet: np.ndarray, lowest: float, fps: float, size: float) -> float:
    """Height at which feet [T,F,3] stand: the median of those that stand about the height `lowest`; this where none does."""
    stands = find_contacts(size * feet, fps) & (size * np.abs(feet[..., 2] - lowest) < LIFTED)
    return float(np.median(feet[..., 2][stands])) if stands.any() else lowest


def _low(along: np.ndarray, over: np.ndarray, fps: float) -> np.ndarray:
    """[T,F] bool: feet that are low, but for a step in between where they stray [T,F,2]."""
    step = max(2, round(LEAST_SECONDS * fps))
    kept = np.zeros(over.shape, bool)
    for foot in range(over.shape[1]):
        for start, end in spells(over[:, foot] < LOW):
            while end - start >= step:
                away = np.flatnonzero(length(along[start:end, foot] - along[start, foot]) > STRAY)
                stop = start + int(away[0]) if len(away) else end
                kept[start:stop, foot] = stop - start >= step
                start = stop + step
    return kept


def planted(ways: np.ndarray, floor: Floor, standing: np.ndarray, fps: float, size: float, mode: str) -> np.ndarray:
    """Ways of the rig's feet [T,F,3] with those that are kept in one place each, at the heights `standing` [F] of its feet on the floor.

    In between a foot goes its own way, which it leaves and reaches without a jump in place or velocity, never lower for it while it is
    lifted; no foot is below the floor.
    """
    if mode == "never":
        return ways
    offsets = np.concatenate([_to_mean(ways[..., :2], floor.kept), (standing - ways[..., 2])[..., None]], axis=-1)
    offsets = eased(offsets, floor.grounded, fps)
    stays = 1 - smoothstep(_lifted(ways[..., 2], floor.grounded), 0, LIFTED / size)
    offsets[..., 2] *= np.where(offsets[..., 2] < 0, stays, 1)
    result = ways + offsets
    result[..., 2] = np.maximum(result[..., 2], standing)
    return result


def _lifted(heights: np.ndarray, grounded: np.ndarray) -> np.ndarray:
    """How much higher feet [T,F] are than while they are grounded, before and after."""
    times, lifted = np.arange(len(heights)), np.zeros_like(heights)
    for foot in np.flatnonzero(grounded.any(axis=0)):
        on = grounded[:, foot]
        lifted[:, foot] = heights[:, foot] - np.interp(times, times[on], heights[on, foot])
    return lifted


def kept_angles(angles: np.ndarray, kept: np.ndarray, fps: float) -> np.ndarray:
    """Angles [T] that don't change while a foot is kept [T], and in between go from one to the next."""
    angles = np.unwrap(angles)[:, None, None]
    return (angles + eased(_to_mean(angles, kept[:, None]), kept[:, None], fps))[:, 0, 0]


def _to_mean(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """How far values [T,F,D] are from their means over each time that a foot is kept; 0 elsewhere."""
    offsets = np.zeros_like(values)
    for foot in range(values.shape[1]):
        for start, end in spells(kept[:, foot]):
            offsets[start:end, foot] = values[start:end, foot].mean(axis=0) - values[start:end, foot]
    return offsets


def lowering(tops: np.ndarray, feet: np.ndarray, reach: np.ndarray, weights: np.ndarray, fps: float, size: float) -> np.ndarray:
    """How far the body goes down [T], smoothly, for legs from `tops` to `feet` [T,F,3] not to be longer than `reach` [T,F].

    weights [T,F]: how much a foot counts, 1 while it stands.
    """
    away = feet - tops
    height = np.sqrt(np.maximum(reach**2 - (away[..., :2] ** 2).sum(-1), 0))
    needed = (np.maximum(-away[..., 2] - height, 0) * weights).max(axis=1)
    return covering(np.minimum(needed, LOWER_MOST / size), LOWER_SECONDS, fps)
