"""Keys on a curve: those of a motion take the place of what was there in their time; all others stay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import bpy
import numpy as np

from .compat import OURS
from .thinning import apart, keys_that_matter, slopes, turned_too_far

Channel = tuple[str, int, str]
"""Data path, index and group of a curve."""

ATTRIBUTES = {"co": 2, "handle_left": 2, "handle_right": 2, "interpolation": 1, "handle_left_type": 1, "handle_right_type": 1, "type": 1,
              "easing": 1, "amplitude": 1, "back": 1, "period": 1}
"""What a key has, with the count of its numbers."""


@dataclass(frozen=True)
class Keys:
    """frames [K] counted from the start of the motion, values [K]; tangents [K], change a frame, for smooth curves, else straight lines;
    steps [K]: whether a key's value is held until the next one."""

    frames: np.ndarray
    values: np.ndarray
    tangents: np.ndarray | None = None
    steps: np.ndarray | None = None


@dataclass(frozen=True)
class Thinning:
    """How far curves may be from the motion, degrees and metres, so that fewer keys do; smooth curves or straight lines."""

    degrees: float = 0.5
    metres: float = 0.002
    smooth: bool = True


def sampled(channels: dict[Channel, np.ndarray], breaks: Iterable[int] = (), thinning: Thinning | None = None,
            unit: float = 1.0) -> dict[Channel, Keys]:
    """Keys for channels [T], one a frame or thinned. Values are held before each of `breaks`, frames where something new begins.

    Channels of one group keep the same frames. `unit` is the length in metres of 1 in location channels.
    """
    breaks = sorted(breaks)
    groups: dict[str, list[Channel]] = {}
    for channel in channels:
        groups.setdefault(channel[2], []).append(channel)
    result = {}
    for group in groups.values():
        values = np.stack([channels[channel] for channel in group], axis=-1)
        tangents, frames = None, np.arange(len(values))
        if thinning is not None:
            tangents = slopes(values, breaks) if thinning.smooth else None
            frames = keys_that_matter(values, tangents, _error(group, thinning, unit), breaks)
        steps = np.isin(frames + 1, breaks)
        for column, channel in enumerate(group):
            result[channel] = Keys(frames, values[frames, column], None if tangents is None else tangents[frames, column], steps)
    return result


def switched(channels: dict[Channel, np.ndarray]) -> dict[Channel, Keys]:
    """Keys for channels [T] that are either this or that: one where it changes, held until the next."""
    result = {}
    for channel, values in channels.items():
        frames = np.flatnonzero(np.concatenate([[True], np.diff(values) != 0]))
        result[channel] = Keys(frames, values[frames], None, np.ones(len(frames), bool))
    return result


def _error(group: list[Channel], thinning: Thinning, unit: float):
    parts: dict[str, list[int]] = {}
    for column, (data_path, _, _) in enumerate(group):
        parts.setdefault(data_path.rpartition(".")[2], []).append(column)

    def error(values: np.ndarray, others: np.ndarray) -> np.ndarray:
        worst = np.zeros(len(values))
        for property, columns in parts.items():
            limit = turned_too_far(property, thinning.degrees) if property.startswith("rotation") else apart(thinning.metres / unit)
            worst = np.maximum(worst, limit(values[:, columns], others[:, columns]))
        return worst

    return error


def write_keys(curve: bpy.types.FCurve, keys: Keys, start: float, span: tuple[float, float]) -> None:
    """Writes keys to a curve, the first frame of the motion at `start`. What the curve had from span[0] to span[1] goes; the keys beside that
    keep their handles, so that the curve before and after stays as it was."""
    points, new = curve.keyframe_points, _attributes(keys, start)
    if not len(points):
        _write(curve, new)
        return
    old = {name: _read(points, name) for name in ATTRIBUTES}
    outside = (old["co"][:, 0] < span[0] - 0.5) | (old["co"][:, 0] > span[1] + 0.5)
    beside = [*np.flatnonzero(old["co"][:, 0] < span[0] - 0.5)[-1:], *np.flatnonzero(old["co"][:, 0] > span[1] + 0.5)[:1]]
    for side in ("handle_left_type", "handle_right_type"):
        automatic = [_enum(side, "AUTO"), _enum(side, "AUTO_CLAMPED")]
        old[side][beside] = np.where(np.isin(old[side][beside], automatic), _enum(side, "ALIGNED"), old[side][beside])
    order = np.argsort(np.concatenate([old["co"][outside, 0], new["co"][:, 0]]), kind="stable")
    _write(curve, {name: np.concatenate([old[name][outside], new[name]])[order] for name in ATTRIBUTES})


def forget(curve: bpy.types.FCurve) -> bool:
    """Takes the keys of motions out of a curve and returns whether others are left."""
    points = curve.keyframe_points
    old = {name: _read(points, name) for name in ATTRIBUTES}
    kept = old["type"][:, 0] != _enum("type", OURS)
    if kept.all():
        return True
    _write(curve, {name: values[kept] for name, values in old.items()})
    return bool(kept.any())


def _write(curve: bpy.types.FCurve, attributes: dict[str, np.ndarray]) -> None:
    """Gives a curve these keys, in the order of their frames, and no others."""
    points = curve.keyframe_points
    points.clear()
    points.add(len(attributes["co"]))
    for name, values in attributes.items():
        points.foreach_set(name, values.ravel())
    curve.update()


def _attributes(keys: Keys, start: float) -> dict[str, np.ndarray]:
    count, steps = len(keys.frames), keys.steps if keys.steps is not None else np.zeros(len(keys.frames), bool)
    places = np.stack([start + keys.frames, keys.values], axis=1)
    left, right, handles = places.copy(), places.copy(), "AUTO_CLAMPED"
    if keys.tangents is not None:
        handles = "ALIGNED"
        third = np.diff(places[:, 0], append=places[-1:, 0] + 1) / 3
        before = np.concatenate([third[:1], third[:-1]])
        left -= np.stack([before, before * keys.tangents], axis=1)
        right += np.stack([third, third * keys.tangents], axis=1)
    usual = _enum("interpolation", "LINEAR" if keys.tangents is None else "BEZIER")
    values = {"co": places, "handle_left": left, "handle_right": right,
              "interpolation": np.where(steps, _enum("interpolation", "CONSTANT"), usual),
              "handle_left_type": np.full(count, _enum("handle_left_type", handles)),
              "handle_right_type": np.full(count, _enum("handle_right_type", handles)),
              "type": np.full(count, _enum("type", OURS)), "easing": np.full(count, _enum("easing", "AUTO")),
              "amplitude": np.full(count, 0.8), "back": np.full(count, 1.70158), "period": np.full(count, 4.1)}
    return {name: np.asarray(values[name], _kind(name)).reshape(count, size) for name, size in ATTRIBUTES.items()}


def _read(points: bpy.types.FCurveKeyframePoints, name: str) -> np.ndarray:
    values = np.empty(len(points) * ATTRIBUTES[name], _kind(name))
    points.foreach_get(name, values)
    return values.reshape(-1, ATTRIBUTES[name])


@cache
def _kind(name: str) -> type:
    return np.int32 if bpy.types.Keyframe.bl_rna.properties[name].type == "ENUM" else np.float32


@cache
def _enum(property: str, item: str) -> int:
    return bpy.types.Keyframe.bl_rna.properties[property].enum_items[item].value
