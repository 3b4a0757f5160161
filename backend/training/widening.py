"""Widening: more motion than was recorded or animated, made of nothing else.

Pure functions on keypoints [T,J,3]: metres, Z up. Where a motion goes somewhere it goes along -Y, with +X on its left, until `bend`
lays its straight path along a curve.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import binary_closing, binary_opening, gaussian_filter1d

from backend.motion.contacts import spells
from backend.motion.planting import size_of

GRAVITY = 9.81  # metres a second squared
STANDING_SLACK = 0.03  # metres above its standing height up to which a foot is on the floor
FREE_SPEED = 0.4  # metres a second that a standing foot may slide below a body that stands
SWING_SPEED = 1.3  # times the body's speed, and FREE_SPEED: a low foot that goes forwards faster is swinging
FLIGHT_SECONDS = 0.25  # a shorter time with all feet off the floor is part of a gait, not a jump
STEP_LIFT, MOST_LIFT = 0.2, 0.08  # how high a step must lift a foot: by this share of its length, and metres
MOST_STRETCH = 1.06  # how much longer than its bones a leg may become to keep its foot in place
STRAIGHT = 0.03  # a leg that is straight but for this share of its length counts as straight
HALF_SPREAD = 3.0  # metres beyond the root's path over which a curve is known, so that nose and tail follow it


def at_rate(keypoints: np.ndarray, rate: float) -> np.ndarray:
    """The motion played `rate` times as fast, at the same frame rate: [T,J,3] -> [T',J,3]."""
    times = np.arange(0, len(keypoints) - 1 + 1e-9, rate)
    return CubicSpline(np.arange(len(keypoints)), keypoints)(times) if len(keypoints) > 1 else keypoints


def distances(speed: np.ndarray, fps: float) -> np.ndarray:
    """How far a body has gone at each frame, [T] metres, at speed [T] metres a second."""
    return np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 / fps)])


def facing_ahead(keypoints: np.ndarray) -> np.ndarray:
    """The motion turned and moved so that it goes from the origin along -Y."""
    middle = keypoints[..., :2].mean(1)
    way = middle[-1] - middle[0]
    turn = -np.pi / 2 - np.arctan2(way[1], way[0])
    turned = keypoints - np.append(middle[0], 0)
    turned[..., :2] = turned[..., :2] @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return turned


def low(keypoints: np.ndarray, legs: list[tuple[int, int, int]], standing: np.ndarray) -> np.ndarray:
    """Which feet [T,F] of a motion [T,J,3] are no higher than standing ones; standing [F]: their heights on the floor, metres."""
    return keypoints[:, [leg[2] for leg in legs], 2] < standing + STANDING_SLACK * size_of(keypoints, legs)


def stances(keypoints: np.ndarray, legs: list[tuple[int, int, int]], standing: np.ndarray, fps: float) -> np.ndarray:
    """Which drawn feet [T,F] carry: low, and not swinging past the floor. legs: joint indices (hip, knee, foot); standing [F]: heights of the
    feet on the floor, metres."""
    size, feet = size_of(keypoints, legs), [leg[2] for leg in legs]
    free = FREE_SPEED * np.sqrt(size)
    velocity = np.gradient(keypoints[..., :2], axis=0) * fps
    body = gaussian_filter1d(velocity.mean(1, keepdims=True), 0.15 * fps, axis=0, mode="nearest")
    speed = np.linalg.norm(body, axis=-1)
    ahead = body / np.maximum(speed, free)[..., None]
    # Drawn feet often slide backwards on the floor, faster than the body goes; only a swing goes forwards.
    forwards = velocity[:, feet] - ahead * (velocity[:, feet] * ahead).sum(-1, keepdims=True).clip(max=0)
    slow = np.linalg.norm(forwards, axis=-1) < free + SWING_SPEED * speed
    pair = np.ones((2, 1), bool)
    return binary_opening(binary_closing(np.pad(low(keypoints, legs, standing) & slow, ((2, 2), (0, 0)), mode="edge"), pair), pair)[2:-2]


def flights(on_floor: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """Jumps: (last frame on the floor, first frame back on it) wherever no foot is on the floor, [T,F], for FLIGHT_SECONDS."""
    found = spells(~on_floor.any(1))
    return [(start - 1, end) for start, end in found if start > 0 and end < len(on_floor) and (end - start) / fps >= FLIGHT_SECONDS]


def ballistic(keypoints: np.ndarray, jumps: list[tuple[int, int]], fps: float) -> np.ndarray:
    """The body's middle falls freely in each jump (first, last frame), from where it took off to where it landed."""
    moved = keypoints.copy()
    for first, last in jumps:
        time = np.arange(last - first + 1) / fps
        middle = keypoints[first : last + 1].mean(1)
        free = middle[0] + (middle[-1] - middle[0]) * (time / time[-1])[:, None]
        free[:, 2] += GRAVITY / 2 * time * (time[-1] - time)
        moved[first : last + 1] += (free - middle)[:, None]
    return moved


def plant_drawn(keypoints: np.ndarray, legs: list[tuple[int, int, int]], standing: np.ndarray, carrying: np.ndarray) -> np.ndarray:
    """Drawn feet stay where they stand, on the floor. They slide too fast, and their legs are too straight, for `backend.motion.planting`.

    Args: legs: joint indices (hip, knee, foot), one a foot; standing [F] the feet's heights on the floor; carrying [T,F] from `stances`.
    A stance stands in its middle place; the correction fades through the swings between two of them, which clear the floor, and
    the leg follows.
    """
    planted, most = keypoints.copy(), MOST_LIFT * size_of(keypoints, legs)
    frames = np.arange(len(keypoints))
    for leg, height, carries in zip(legs, standing, carrying.T):
        foot = keypoints[:, leg[2]]
        held, offset = np.flatnonzero(carries), np.zeros_like(foot)
        for start, end in spells(carries):
            offset[start:end] = np.append(foot[start:end, :2].mean(0), height) - foot[start:end]
        if len(held):
            before, after = np.searchsorted(held, frames, "right") - 1, np.searchsorted(held, frames, "left")
            before, after = held[before.clip(0)], held[after.clip(max=len(held) - 1)]
            part = ((frames - before) / np.maximum(after - before, 1)).clip(0, 1)[:, None]
            step = np.linalg.norm((foot + offset)[after, :2] - (foot + offset)[before, :2], axis=-1)
            height = height + np.minimum(step * STEP_LIFT, most) * np.sin(np.pi * part[:, 0])
            offset = offset[before] + (offset[after] - offset[before]) * part * part * (3 - 2 * part)
        target = foot + offset
        target[:, 2] = np.maximum(target[:, 2], height)
        planted[:, leg[1]], planted[:, leg[2]] = reach(*(keypoints[:, joint] for joint in leg), target)
    return planted


def reach(hip: np.ndarray, knee: np.ndarray, foot: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knee and foot [T,3] of a leg that reaches for `target` [T,3] with its own bones, bent to where it was bent."""
    upper, lower = (np.linalg.norm(end - start, axis=-1, keepdims=True) for start, end in ((hip, knee), (knee, foot)))
    line = foot - hip
    side = knee - hip - line * ((knee - hip) * line).sum(-1, keepdims=True) / (line**2).sum(-1, keepdims=True)
    side = gaussian_filter1d(side, 2.0, axis=0, mode="nearest")  # a straight leg bends as it does a moment before and after
    was, longest = np.linalg.norm(line, axis=-1, keepdims=True), upper + lower
    line = target - hip
    wanted = np.linalg.norm(line, axis=-1, keepdims=True)
    line = line / wanted
    # The knee of a straight leg would jump out at the slightest push: such a leg is shortened or stretched a little instead.
    straight = np.exp(-(((longest / was - 1) / STRAIGHT) ** 2))
    scale = np.maximum((wanted / was) ** straight, wanted / longest).clip(2 - MOST_STRETCH, MOST_STRETCH)
    upper, lower, longest = upper * scale, lower * scale, longest * scale
    distance = wanted.clip(np.abs(upper - lower) + 1e-6, longest)
    along = (upper**2 - lower**2 + distance**2) / (2 * distance)
    side = side - line * (side * line).sum(-1, keepdims=True)
    side = side / np.linalg.norm(side, axis=-1, keepdims=True).clip(1e-9)
    return hip + line * along + side * np.sqrt((upper**2 - along**2).clip(0)), hip + line * distance


def random_curve(distance: np.ndarray, speed: np.ndarray, sharpest: float, sideways: float,
                 rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A winding path: curvature [S] in 1/m at places [S] in metres along it, positive to the left.

    Args: distance, speed [T]: where the body is at each frame and how fast; sharpest: largest curvature, 1/m; sideways: largest
    acceleration to the side, m/s², so that what is fast takes wide curves.
    """
    places = np.arange(distance.min() - HALF_SPREAD, distance.max() + HALF_SPREAD, 0.05)
    knots = np.arange(places[0], places[-1] + 4, 4.0)
    wanted = sharpest * (rng.uniform(-1, 1) + np.interp(places, knots, rng.uniform(-0.6, 0.6, len(knots)))).clip(-1, 1)
    order = np.argsort(distance, kind="stable")
    most = sideways / np.maximum(np.interp(places, distance[order], speed[order]), 0.1) ** 2
    return places, gaussian_filter1d(wanted.clip(-most, most), 20, mode="nearest")


def lean(keypoints: np.ndarray, sideways: np.ndarray, floor: float) -> np.ndarray:
    """The body leaned into a curve by a shear that leaves heights and what is below `floor` metres in place.

    sideways [T]: acceleration to the left, m/s²; the weight and it then point through the feet.
    """
    leaned = keypoints.copy()
    leaned[..., 0] += (sideways / GRAVITY)[:, None] * np.maximum(keypoints[..., 2] - floor, 0)
    return leaned


def bend(keypoints: np.ndarray, places: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """Space bent so that the straight line along -Y becomes a path of the given curvature; places, curvature [S].

    The map does not change in time: what stands still in the straight world stands still in the bent one. The inner legs step
    shorter, the outer ones longer.
    """
    heading = _summed(curvature, places)
    heading -= np.interp(0.0, places, heading)
    line = np.stack([_summed(np.sin(heading), places), _summed(-np.cos(heading), places)], -1)
    line -= [np.interp(0.0, places, line[:, axis]) for axis in (0, 1)]
    along, left = -keypoints[..., 1], keypoints[..., 0]
    turn = np.interp(along, places, heading)
    bent = keypoints.copy()
    bent[..., 0] = np.interp(along, places, line[:, 0]) + left * np.cos(turn)
    bent[..., 1] = np.interp(along, places, line[:, 1]) + left * np.sin(turn)
    return bent


def _summed(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The integral from the first place, by trapezoids."""
    return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * np.diff(places))])
