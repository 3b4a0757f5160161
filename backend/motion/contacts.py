"""When feet stand on the floor, and how much they slide there."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d

LIFTED = 0.06  # metres above the standing height from which a foot is off the floor
FLOOR_SECONDS = 1.0  # longer than a jump: a foot has been on the floor within this time
LANDS = (0.02, 0.4)  # metres above the floor and metres a second below which a contact begins and ends ...
LEAVES = (LIFTED, 0.7)  # ... and which it never exceeds
LEAST_SECONDS = 0.12  # a shorter contact is a foot that passes by, or the top of a jump


def foot_heights(positions: np.ndarray, feet: list[int]) -> np.ndarray:
    """Height of each foot above its own standing height (5th percentile over the clip): [T,F] metres, Z up."""
    heights = positions[:, feet, 2]
    return heights - np.percentile(heights, 5, axis=0)


def contact_weights(positions: np.ndarray, feet: list[int]) -> np.ndarray:
    """How much each foot carries: [T,F] in 0..1, 1 on the floor, fading to 0 at LIFTED."""
    return np.clip(1 - foot_heights(positions, feet) / LIFTED, 0, 1)


def find_contacts(feet: np.ndarray, fps: float, lands: float = LANDS[0]) -> np.ndarray:
    """When each foot stands: bool [T,F] from the feet's places in the world [T,F,3], metres, Z up.

    A foot stands while it is low and slow, with hysteresis, for LEAST_SECONDS or longer. Low is meant against the lowest foot
    around that moment, so that a floor that sinks or rises during the clip is still a floor; `lands` is how low, in metres, where a
    contact begins and ends.
    """
    contacts = np.zeros(feet.shape[:2], bool)
    if len(feet) < 2:
        return contacts
    window = max(1, round(FLOOR_SECONDS * fps))
    floor = uniform_filter1d(minimum_filter1d(feet[..., 2].min(1), window, mode="nearest"), window, mode="nearest")
    above = feet - floor[:, None, None] * [0, 0, 1]
    height, speed = above[..., 2], np.linalg.norm(np.gradient(above, axis=0), axis=-1) * fps
    landed = (height < lands) & (speed < LANDS[1])
    stays = (height < LEAVES[0]) & (speed < LEAVES[1])
    for foot in range(feet.shape[1]):
        for start, end in spells(stays[:, foot]):
            sure = start + np.flatnonzero(landed[start:end, foot])
            if len(sure) and sure[-1] + 1 - sure[0] >= max(2, LEAST_SECONDS * fps):
                contacts[sure[0] : sure[-1] + 1, foot] = True
    return contacts


def spells(mask: np.ndarray) -> list[tuple[int, int]]:
    """The runs of True in a bool array [T]: first frame and the one after the last."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2])]


def slide_speed(feet: np.ndarray, contacts: np.ndarray, fps: float) -> float:
    """Mean speed along the floor of standing feet, metres a second; feet [T,F,3], contacts [T,F] bool. 0 where none stands."""
    speeds = fps * np.linalg.norm(np.diff(feet[..., :2], axis=0), axis=-1)
    both = contacts[1:] & contacts[:-1]
    return float(speeds[both].mean()) if both.any() else 0.0


def skating(positions: np.ndarray, feet: list[int], fps: float) -> float:
    """Mean horizontal speed of standing feet in metres a second; 0 for a clip without contact."""
    return slide_speed(positions[:, feet], contact_weights(positions, feet) > 0.7, fps)
