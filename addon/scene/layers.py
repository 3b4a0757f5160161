"""Where the keys of a motion go: a new Action, a strip of the NLA, or into the Action that plays; and taking them out again."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import bpy
import numpy as np

from . import compat
from .curves import Channel, Keys, forget, write_keys
from .notes import drop_note, note_of, write_note
from .paths import set_value_at, value_at

NEW, NLA, BAKE = "NEW", "NLA", "BAKE"

SLOT = "Kinelift"
"""Always the same slot name, so that Actions can be swapped on an object and keep playing."""

CURVES_TAG = "kinelift_curves"
"""Custom property of an Action: data path and index of the curves that hold keys of motions, as JSON. The keys themselves are of the type
that Blender has for generated ones, which a key loses when the user keys over it: then it is the user's."""

MADE_TAG = "kinelift_made"
"""Custom property of an Action that was made for a motion: it goes when nothing is left in it. And of the objects of a take: they go with it."""


BEFORE_TAG = "kinelift_before"
"""Note about a data-block: the values that its switches had before the first motion, by data path, as JSON."""


def put(id_data: bpy.types.ID, name: str, channels: dict[Channel, Keys], start: float, layer: str = NEW,
        is_held: bool = False) -> bpy.types.Action:
    """Puts keys on a data-block, the first frame at `start`; returns their Action. is_held: a strip plays on before and after itself. Layers:

    NEW: a new Action, the one before stays in the file. NLA: a new Action as a strip above all others; the Action that played is pushed
    down to a strip of its own. BAKE: into the Action that plays, in place of the keys it has there between the first and the last frame.
    Raises KineliftError when the data-block is linked or being tweaked in the NLA.
    """
    span = (start, start + max(keys.frames[-1] for keys in channels.values()))
    if layer == BAKE:
        action, container, is_new = compat.current_action(id_data, name, SLOT)
        if not is_new:
            channels = _near(container, _with_returns(id_data, channels, span), start)
    else:
        before = compat.playing(id_data)
        action, container = compat.new_action(id_data, name, SLOT)
        is_new = True
    existing = {(curve.data_path, curve.array_index): curve for curve in container.fcurves}
    for (data_path, index, group), keys in channels.items():
        curve = existing.get((data_path, index)) or compat.new_fcurve(container, data_path, index, group)
        write_keys(curve, keys, start, span)
    if is_new:
        action[MADE_TAG] = True
    action[CURVES_TAG] = json.dumps(sorted(_tagged(action) | {(data_path, index) for data_path, index, _ in channels}))
    if layer == NLA:
        ours = compat.playing(id_data)
        compat.push_down(id_data, before, is_top=False)
        compat.push_down(id_data, ours, is_top=not is_held)
    return action


def played_paths(id_data: bpy.types.ID, beside: str | None = None) -> set[tuple[str, int]]:
    """Data path and index of all curves that play on a data-block, in its Action or in strips; with `beside` those that go on playing when
    a motion is put on that layer."""
    return {(curve.data_path, curve.array_index) for action in actions_of(id_data, beside) for container in compat.containers(action)
            for curve in container.fcurves}


def motion_paths(id_data: bpy.types.ID) -> set[str]:
    """Data paths of the curves that play on a data-block and hold keys of motions."""
    return {data_path for action in actions_of(id_data) for data_path, _ in _tagged(action)}


def actions_of(id_data: bpy.types.ID, beside: str | None = None) -> list[bpy.types.Action]:
    """The Action of a data-block and those of its strips, each once; `beside` as in `played_paths`."""
    data = id_data.animation_data
    if data is None:
        return []
    strips = [strip.action for track in data.nla_tracks for strip in track.strips]
    return [action for action in dict.fromkeys([None if beside == NEW else data.action, *strips]) if action is not None]


def span_of(id_data: bpy.types.ID) -> tuple[float, float] | None:
    """First and last frame of what plays on a data-block: its Action, else its strips; None when nothing does."""
    data = id_data.animation_data
    if data is None:
        return None
    if data.action is not None:
        return tuple(data.action.frame_range)
    strips = [strip for track in data.nla_tracks for strip in track.strips if not (track.mute or strip.mute)]
    return (min(strip.frame_start for strip in strips), max(strip.frame_end for strip in strips)) if strips else None


def remember(id_data: bpy.types.ID, data_paths: list[str]) -> None:
    """Notes the values of switches before a motion sets them, for `clear` to set back."""
    known = json.loads(note_of(id_data, BEFORE_TAG, "{}"))
    write_note(id_data, BEFORE_TAG, json.dumps({path: value_at(id_data, path) for path in data_paths} | known))


def clear(id_data: bpy.types.ID) -> int:
    """Takes all keys of motions out of what plays on a data-block and returns how many curves had some. The user's keys stay, those on the same
    curves too; an Action that was made for a motion goes when it is empty, with its strips; switches are as they were."""
    count = 0
    for action in actions_of(id_data):
        tagged = _tagged(action)
        if not tagged or action.library is not None:
            continue
        for container in compat.containers(action):
            for curve in [curve for curve in container.fcurves if (curve.data_path, curve.array_index) in tagged]:
                count += 1
                if not forget(curve):
                    container.fcurves.remove(curve)
            for group in [group for group in container.groups if not len(group.channels)]:
                container.groups.remove(group)
        del action[CURVES_TAG]
        if action.get(MADE_TAG) and not any(len(container.fcurves) for container in compat.containers(action)):
            _remove(id_data, action)
    _set_back(id_data)
    return count


def _tagged(action: bpy.types.Action) -> set[tuple[str, int]]:
    return {tuple(entry) for entry in json.loads(action.get(CURVES_TAG, "[]"))}


def _set_back(id_data: bpy.types.ID) -> None:
    before = json.loads(note_of(id_data, BEFORE_TAG, "{}"))
    drop_note(id_data, BEFORE_TAG)
    for path, value in before.items():
        with suppress(ValueError):  # the bone, or the rig's feature, is no longer there
            set_value_at(id_data, path, value)
    id_data.update_tag()


def _remove(id_data: bpy.types.ID, action: bpy.types.Action) -> None:
    data = id_data.animation_data
    for track in list(data.nla_tracks):
        strips = list(track.strips)
        ours = [strip for strip in strips if strip.action == action]
        for strip in ours:
            track.strips.remove(strip)
        if ours and len(ours) == len(strips):
            data.nla_tracks.remove(track)
    if data.action == action:
        data.action = None
    action.use_fake_user = False
    if action.users == 0:
        bpy.data.actions.remove(action)


def _with_returns(id_data: bpy.types.ID, channels: dict[Channel, Keys], span: tuple[float, float]) -> dict[Channel, Keys]:
    """Switches are set back to what they were before and after the motion, so that the rest of the Action stays as it is."""
    curves = {(curve.data_path, curve.array_index): curve for curve in compat.curves_of(id_data)}
    last = int(span[1] - span[0])
    result = {}
    for channel, keys in channels.items():
        if keys.steps is None or not keys.steps.all():
            result[channel] = keys
            continue
        curve = curves.get(channel[:2])
        own = {round(point.co[0]) for point in curve.keyframe_points} if curve is not None else set()
        returns = [(place, curve.evaluate(span[0] + place) if curve is not None else value_at(id_data, channel[0]))
                   for place in (-1, last + 1) if span[0] + place not in own]  # a key that is there does it
        frames, values = np.concatenate([keys.frames, [place for place, _ in returns]]), np.concatenate([keys.values, [value for _, value in returns]])
        order = np.argsort(frames)
        result[channel] = Keys(frames[order], values[order], None, np.ones(len(frames), bool))
    return result


def _near(container: object, channels: dict[Channel, Keys], start: float) -> dict[Channel, Keys]:
    """Turns in the form that is next to the user's keys before: Euler angles by whole turns, quaternions by their sign."""
    earlier: dict[tuple[str, int], float] = {}
    for curve in container.fcurves:
        if curve.data_path.endswith(("rotation_euler", "rotation_quaternion")):
            values = [point.co[1] for point in curve.keyframe_points if point.co[0] < start - 0.5]
            if values:
                earlier[curve.data_path, curve.array_index] = values[-1]
    signs: dict[str, float] = {}
    for (data_path, index, _), keys in channels.items():
        signs[data_path] = signs.get(data_path, 0.0) + earlier.get((data_path, index), 0.0) * keys.values[0]
    result = dict(channels)
    for channel, keys in channels.items():
        data_path, index, _ = channel
        if data_path.endswith("rotation_quaternion") and signs[data_path] < 0:
            result[channel] = replace(keys, values=-keys.values, tangents=None if keys.tangents is None else -keys.tangents)
        elif data_path.endswith("rotation_euler") and (data_path, index) in earlier:
            turns = np.round((earlier[data_path, index] - keys.values[0]) / (2 * np.pi))
            result[channel] = replace(keys, values=keys.values + 2 * np.pi * turns)
    return result
