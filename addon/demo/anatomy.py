"""The mannequin's volumes around the rest bones of a Rigify human. Sizes are in metres for a stature of 1.98 m."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .volumes import Section, Solid, ellipsoid, merge, sweep

Points = Callable[[str, float], np.ndarray]
"""Point on a rest bone: name and fraction from head to tail -> [3]."""

SIDE = (1.0, 0.0, 0.0)
TORSO = (  # height, half width, half depth, centre in y
    (0.985, 0.090, 0.080, 0.030), (1.02, 0.140, 0.108, 0.028), (1.07, 0.156, 0.116, 0.024), (1.13, 0.144, 0.104, 0.014),
    (1.20, 0.136, 0.098, 0.008), (1.27, 0.143, 0.102, 0.004), (1.36, 0.160, 0.113, 0.004), (1.45, 0.173, 0.119, 0.008),
    (1.52, 0.172, 0.110, 0.014), (1.575, 0.158, 0.088, 0.018), (1.61, 0.118, 0.068, 0.018), (1.645, 0.072, 0.056, 0.012),
)
SHOULDER_SLOPE = ((0.02, 0.022, 1.645, 0.060, 0.046), (0.09, 0.024, 1.618, 0.056, 0.044), (0.165, 0.024, 1.592, 0.052, 0.044))
"""x, y, z, half depth and half height of the line from the neck to the left shoulder."""

JERSEY_HEM, JERSEY_TOP, JERSEY_THICKNESS = 1.072, 1.645, 0.010
CHEST_HEIGHT = 1.40
SHORTS_WAIST, SHORTS_THICKNESS, SHORTS_LENGTH = 1.12, 0.010, 0.76
SHORTS_SEAT = ((0.905, 0.040, 0.080, 0.014), (0.93, 0.085, 0.104, 0.014), (0.98, 0.130, 0.118, 0.018), (1.03, 0.158, 0.126, 0.024),
               (1.07, 0.168, 0.128, 0.024))
"""Closes the shorts between the legs, well outside the skin: height, half width, half depth, centre in y."""

SHORTS_GAP = 0.032
"""Between the legs of the shorts: wider than the voxels, which would else fuse them to a skirt."""


def torso(thickness: float, low: float, high: float, loose: float | None = None) -> Solid:
    """The trunk between two heights, `thickness` outside the skin; `loose` is the thickness at the low end."""
    table = np.array(TORSO)
    heights = np.unique(np.concatenate([[low, high], table[(table[:, 0] > low) & (table[:, 0] < high), 0]]))
    columns = [np.interp(heights, table[:, 0], table[:, column]) for column in (1, 2, 3)]
    outside = np.interp(heights, [low, CHEST_HEIGHT], [thickness if loose is None else loose, thickness])
    sections = [Section((0.0, y, z), width + out, depth + out) for z, width, depth, y, out in zip(heights, *columns, outside)]
    return sweep(sections, SIDE, squareness=2.4)


def head() -> Solid:
    """Head with jaw, nose and ears, and the neck."""
    skull = ((1.742, 0.026, 0.026, -0.086), (1.756, 0.043, 0.046, -0.070), (1.785, 0.058, 0.075, -0.046), (1.82, 0.068, 0.092, -0.030),
             (1.86, 0.0745, 0.100, -0.022), (1.90, 0.077, 0.104, -0.016), (1.94, 0.071, 0.094, -0.012), (1.965, 0.056, 0.074, -0.010),
             (1.980, 0.036, 0.046, -0.010), (1.987, 0.010, 0.012, -0.010))
    parts = [sweep([Section((0.0, y, z), width, depth) for z, width, depth, y in skull], SIDE, squareness=2.15)]
    neck = ((1.58, 0.072, 0.066, 0.016), (1.63, 0.062, 0.060, 0.010), (1.70, 0.056, 0.058, -0.004), (1.79, 0.056, 0.062, -0.016))
    parts.append(sweep([Section((0.0, y, z), width, depth) for z, width, depth, y in neck], SIDE))
    parts.append(ellipsoid((0.0, -0.124, 1.838), (0.012, 0.018, 0.024)))
    ear = ellipsoid((0.077, -0.004, 1.845), (0.010, 0.018, 0.028))
    return merge([*parts, ear, ear.mirrored()])


def limb(point: Points, bone: str, stations: list[tuple[float, float, float, float]]) -> list[Section]:
    """Sections along a bone from (fraction, half width, half depth, shift towards the back)."""
    return [Section(tuple(point(bone, at) + [0, shift, 0]), width, depth) for at, width, depth, shift in stations]


def shoulder_slope(thickness: float) -> Solid:
    sections = [Section((x, y, z), depth + thickness, height + thickness) for x, y, z, depth, height in SHOULDER_SLOPE]
    return sweep(sections, (0.0, 1.0, 0.0))


def jersey() -> Solid:
    """A loose sleeveless jersey. Collar and armholes are painted: see materials.jersey."""
    return merge([torso(JERSEY_THICKNESS, JERSEY_HEM, JERSEY_TOP, loose=0.036), both(shoulder_slope(0.009))])


def arm(point: Points) -> Solid:
    """The left arm with its deltoid, to the wrist, and the slope from the neck to the shoulder."""
    upper = limb(point, "upper_arm.L", [(-0.15, 0.044, 0.044, 0), (-0.04, 0.061, 0.060, 0), (0.12, 0.067, 0.065, 0),
                                        (0.30, 0.058, 0.058, 0), (0.55, 0.056, 0.057, -0.003), (0.88, 0.043, 0.044, 0)])
    fore = limb(point, "forearm.L", [(0.04, 0.043, 0.044, 0), (0.22, 0.052, 0.048, 0), (0.48, 0.045, 0.042, 0), (0.80, 0.033, 0.030, 0),
                                     (1.0, 0.030, 0.025, 0)])
    return merge([sweep(upper + fore, (0.0, 1.0, 0.0)), shoulder_slope(0.0)])


def hand(point: Points) -> Solid:
    """The left hand: a palm, four fingers a little bent, a thumb."""
    wrist = point("hand.L", 0.0)
    along = point("hand.L", 1.0) - wrist
    along /= np.linalg.norm(along)
    across = np.array([0.0, -1.0, 0.0])
    across -= along * (along @ across)
    across /= np.linalg.norm(across)
    palm_side = np.cross(across, along)
    palm_side *= -np.sign(palm_side[2])  # down: the palm faces the thigh when the arm hangs

    def at(forward: float, sideways: float, inward: float = 0.0) -> tuple[float, float, float]:
        return tuple(wrist + along * forward + across * sideways + palm_side * inward)

    axis = tuple(across)
    parts = [sweep([Section(at(-0.03, 0), 0.029, 0.025), Section(at(0.0, 0), 0.030, 0.023), Section(at(0.05, 0.002), 0.042, 0.019),
                    Section(at(0.092, 0.0), 0.043, 0.015), Section(at(0.106, 0.0), 0.038, 0.011)], axis, squareness=2.5)]
    for sideways, length, width in ((0.031, 0.079, 0.0100), (0.0105, 0.088, 0.0104), (-0.0105, 0.082, 0.0100), (-0.031, 0.064, 0.0090)):
        spread = sideways * 1.22
        parts.append(sweep([Section(at(0.085, sideways), width * 1.1, width * 1.1),
                            Section(at(0.10 + length * 0.35, spread, 0.004), width, width),
                            Section(at(0.10 + length * 0.7, spread * 1.04, 0.013), width * 0.92, width * 0.92),
                            Section(at(0.10 + length, spread * 1.02, 0.026), width * 0.6, width * 0.6)], axis))
    parts.append(sweep([Section(at(0.020, 0.022, 0.004), 0.017, 0.016), Section(at(0.052, 0.050, 0.012), 0.0145, 0.014),
                        Section(at(0.080, 0.066, 0.018), 0.0115, 0.0115), Section(at(0.104, 0.073, 0.022), 0.0065, 0.0065)], axis))
    return merge(parts)


def leg(point: Points) -> Solid:
    """The left leg from the hip to the ankle."""
    thigh = limb(point, "thigh.L", [(-0.05, 0.070, 0.080, 0.004), (0.10, 0.072, 0.086, 0.002), (0.35, 0.072, 0.084, 0),
                                    (0.65, 0.066, 0.074, 0), (0.90, 0.055, 0.060, 0)])
    shin = limb(point, "shin.L", [(0.03, 0.053, 0.057, 0), (0.12, 0.053, 0.056, 0.008), (0.28, 0.059, 0.066, 0.018),
                                  (0.50, 0.049, 0.054, 0.013), (0.75, 0.034, 0.037, 0.004), (0.97, 0.035, 0.042, 0.004)])
    return sweep(thigh + shin, SIDE)


def sock(point: Points) -> Solid:
    return sweep(limb(point, "shin.L", [(0.66, 0.043, 0.047, 0.007), (0.72, 0.041, 0.044, 0.006), (0.84, 0.040, 0.042, 0.004),
                                        (0.96, 0.042, 0.048, 0.004)]), SIDE)


def shoe(point: Points) -> Solid:
    """The left sneaker: a body over a flat sole, and a collar round the ankle."""
    ankle, ball = point("foot.L", 0.0), point("foot.L", 1.0)
    x, heel, toe = ankle[0], ankle[1] + 0.052, ball[1] - 0.108
    profile = ((0.0, 0.020, 0.030), (0.03, 0.034, 0.046), (0.15, 0.041, 0.054), (0.32, 0.042, 0.060), (0.5, 0.047, 0.049),
               (0.68, 0.053, 0.038), (0.84, 0.050, 0.031), (0.95, 0.036, 0.024), (1.0, 0.016, 0.014))
    sections = [Section((x + 0.008 * at, heel + (toe - heel) * at, height), width, height) for at, width, height in profile]
    body = sweep(sections, SIDE, squareness=2.6)
    body.vertices[:, 2] = np.maximum(body.vertices[:, 2], 0.004)
    collar = sweep([Section((x, ankle[1] + 0.004, 0.05), 0.040, 0.058), Section((x, ankle[1] + 0.005, 0.10), 0.045, 0.052),
                    Section((x, ankle[1] + 0.008, 0.150), 0.047, 0.052)], SIDE)
    return merge([body, collar])


def sole(point: Points) -> Solid:
    ankle, ball = point("foot.L", 0.0), point("foot.L", 1.0)
    x, heel, toe = ankle[0], ankle[1] + 0.058, ball[1] - 0.114
    outline = ((0.0, 0.022), (0.04, 0.037), (0.16, 0.044), (0.35, 0.044), (0.52, 0.049), (0.70, 0.056), (0.86, 0.052), (0.96, 0.036),
               (1.0, 0.018))
    return sweep([Section((x + 0.008 * at, heel + (toe - heel) * at, 0.013), width, 0.013) for at, width in outline], SIDE, squareness=5.0)


def shorts(point: Points) -> Solid:
    """Basketball shorts, wide and to just above the knee."""
    tube = limb(point, "thigh.L", [(-0.07, 0.050, 0.085, 0.006), (0.06, 0.084, 0.108, 0.006), (0.32, 0.094, 0.116, 0.004),
                                   (SHORTS_LENGTH, 0.094, 0.113, 0.004)])
    apart = [section._replace(centre=(section.centre[0] + SHORTS_GAP / 2, *section.centre[1:])) for section in tube]
    left = sweep(apart, SIDE, squareness=2.2)
    seat = sweep([Section((0.0, y, z), width, depth) for z, width, depth, y in SHORTS_SEAT], SIDE, squareness=2.4)
    return merge([torso(SHORTS_THICKNESS, 1.02, SHORTS_WAIST), seat, left, left.mirrored()])


def both(solid: Solid) -> Solid:
    return merge([solid, solid.mirrored()])


def pieces(point: Points) -> dict[str, tuple[Solid, float]]:
    """Name -> (solid, size of the voxels that fuse its overlapping parts)."""
    skin = merge([torso(0.0, TORSO[0][0], TORSO[-1][0]), head(), both(arm(point)), both(leg(point))])
    return {
        "skin": (skin, 0.0095),
        "hands": (both(hand(point)), 0.0045),
        "jersey": (jersey(), 0.009),
        "shorts": (shorts(point), 0.0095),
        "socks": (both(sock(point)), 0.009),
        "shoes": (both(shoe(point)), 0.007),
        "soles": (both(sole(point)), 0.0065),
    }
