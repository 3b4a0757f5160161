"""The tail follows through: a chain of damped pendulums that hangs on the pelvis."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from backend.fitting.kinematics import Rig
from backend.fitting.quadruped.rest import Rest
from backend.fitting.vectors import about, length, smoothed, swing, unit

HERTZ, DAMPING = 1.6, 0.45
"""How fast the first bone swings by itself, and how soon that dies away (1 would be without overshoot)."""

SOFTER = 0.9
"""How much slower each bone swings than the one before."""

HANGS = 0.5
"""How far a tail keeps its slope to the floor instead of to the pelvis, when that pitches or rolls."""

DROOPS = 0.25
"""How much of gravity bends each bone from where the one before would have it: what is drawn straight in a rest pose hangs down."""

LARGEST = np.radians(60)
"""How far a bone turns from where the one before carries it."""

DRAG = 0.35
"""How much of the push that a bone gets from where it hangs turns it."""

STEPS = 4
"""Steps of the pendulums a frame."""


def follow_through(rig: Rig, rest: Rest, world: np.ndarray, heads: np.ndarray, heading: np.ndarray, fps: float) -> np.ndarray:
    """World turns [T,N,3,3] with the tail's set by what its root does; `world` and `heads` [T,N,3] pose the rest.

    heading [T,3,3]: the level animal, columns left, back, up. Each bone's direction is pulled towards its rest direction in the bone
    before, damped, and pushed by the acceleration of its head against gravity's usual pull.
    """
    world, heads = world.copy(), heads.copy()
    level = heading @ rest.axes.T
    for number, bone in enumerate(rig.chain("tail")):
        parent = rig.parents[bone]
        own = rig.direction(bone)
        heads[:, bone] = heads[:, parent] + np.einsum("tij,j->ti", world[:, parent], rig.heads[bone] - rig.heads[parent])
        carried = world[:, parent] @ own
        wanted = unit((1 - HANGS) * carried + HANGS * (level @ own)) if number == 0 else carried
        wanted = unit(wanted - [0.0, 0.0, DROOPS])
        lever = max(length(rig.tails[bone] - rig.heads[bone]), 0.15 * rest.leg)
        push = -DRAG * _acceleration(smoothed(heads[:, bone], 0.04 * fps), fps) / lever
        along = _pendulum(wanted, push, 2 * np.pi * HERTZ * SOFTER**number, fps)
        turn = Rotation.from_matrix(swing(carried, along)).as_rotvec()
        size = np.maximum(length(turn), 1e-9)
        world[:, bone] = about(turn / size[:, None], LARGEST * np.tanh(size / LARGEST)) @ world[:, parent]
    return world


def _acceleration(places: np.ndarray, fps: float) -> np.ndarray:
    if len(places) < 3:
        return np.zeros_like(places)
    return np.gradient(np.gradient(places, axis=0), axis=0) * fps**2


def _pendulum(wanted: np.ndarray, push: np.ndarray, omega: float, fps: float) -> np.ndarray:
    """[T,3] unit directions of a damped pendulum that is drawn to `wanted` [T,3] and pushed by `push` [T,3] (1/s²)."""
    (x, y, z), (u, v, w) = wanted[0].tolist(), (0.0, 0.0, 0.0)
    found = np.empty_like(wanted)
    found[0] = wanted[0]
    step, stiff, drag = 1 / (fps * STEPS), omega**2, 2 * DAMPING * omega
    shares = np.arange(1, STEPS + 1)[:, None] / STEPS
    for frame in range(1, len(wanted)):  # in plain numbers: arrays of three cost ten times as much
        goals, pushes = (((1 - shares) * values[frame - 1] + shares * values[frame]).tolist() for values in (wanted, push))
        for (a, b, c), (f, g, h) in zip(goals, pushes, strict=True):
            along = f * x + g * y + h * z
            u += step * (stiff * (a - x) + f - along * x - drag * u)
            v += step * (stiff * (b - y) + g - along * y - drag * v)
            w += step * (stiff * (c - z) + h - along * z - drag * w)
            along = u * x + v * y + w * z
            u, v, w = u - along * x, v - along * y, w - along * z
            x, y, z = x + step * u, y + step * v, z + step * w
            size = max((x * x + y * y + z * z) ** 0.5, 1e-9)
            x, y, z = x / size, y / size, z / size
        found[frame] = x, y, z
    return found
