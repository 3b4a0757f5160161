"""The only place that tells Blender versions apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy
from bpy_extras import anim_utils

from ...backend.errors import KineliftError

HAS_SLOTS = "slots" in bpy.types.Action.bl_rna.properties
"""4.4 and later: an Action holds slots, and each slot's curves lie in a channelbag."""

OURS = "GENERATED"
"""The type of keys that motions set."""

Playing = tuple[bpy.types.Action | None, object]
"""An Action and the slot of it that plays, None before 4.4."""


def new_action(id_data: bpy.types.ID, name: str, slot_name: str) -> tuple[bpy.types.Action, object]:
    """Makes an Action, assigns it to a data-block so that it plays, and returns it with what its curves go into.

    The Action that was there before stays in the file. Raises KineliftError when the data-block can't be animated now.
    """
    refuse_linked(id_data)
    data = id_data.animation_data_create()
    _leave_alone_while_tweaking(id_data)
    if data.action is not None:
        data.action.use_fake_user = True
    action = bpy.data.actions.new(name)
    if not HAS_SLOTS:
        data.action = action
        return action, action
    slot = action.slots.new(id_type=id_data.id_type, name=slot_name)
    data.action = action
    data.action_slot = slot
    return action, _channelbag(action, slot)


def current_action(id_data: bpy.types.ID, name: str, slot_name: str) -> tuple[bpy.types.Action, object, bool]:
    """The Action that plays on a data-block, what its curves go into, and whether it had to be made. Raises KineliftError."""
    refuse_linked(id_data)
    data = id_data.animation_data_create()
    _leave_alone_while_tweaking(id_data)
    action = data.action
    if action is None:
        return *new_action(id_data, name, slot_name), True
    if action.library is not None:
        raise KineliftError("the Action is linked from another file and can't be changed", "Make it local, or choose a new Action", action.name, "linked")
    if not HAS_SLOTS:
        return action, action, False
    if data.action_slot is None:
        data.action_slot = action.slots.new(id_type=id_data.id_type, name=slot_name)
    bag = anim_utils.action_get_channelbag_for_slot(action, data.action_slot)
    if bag is None and len(action.layers) and len(action.layers[0].strips):
        bag = action.layers[0].strips[0].channelbag(data.action_slot, ensure=True)
    return action, bag or _channelbag(action, data.action_slot), False


def playing(id_data: bpy.types.ID) -> Playing:
    """What plays on a data-block."""
    data = id_data.animation_data
    return (None, None) if data is None else (data.action, data.action_slot if HAS_SLOTS else None)


def push_down(id_data: bpy.types.ID, before: Playing, is_top: bool) -> None:
    """Makes an Action a strip in a new track above all others, where its keys are; nothing else plays on the data-block then.

    The topmost gives way to those below before and after itself; one alone is held there.
    """
    data, (action, slot) = id_data.animation_data, before
    if action is None or not any(len(container.fcurves) for container in containers(action)):
        return
    has_others = len(data.nla_tracks) > 0
    data.action = None
    track = data.nla_tracks.new()
    track.name = action.name
    strip = track.strips.new(action.name, int(action.frame_range[0]), action)
    if HAS_SLOTS:
        strip.action_slot = slot
    strip.extrapolation = "NOTHING" if is_top and has_others else "HOLD"


def containers(action: bpy.types.Action) -> list[object]:
    """All that holds curves in an Action: itself, or the channelbags of its slots."""
    if not HAS_SLOTS:
        return [action]
    return [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]


def refuse_linked(id_data: bpy.types.ID) -> None:
    """Raises KineliftError for data of another file. A library override belongs to this one."""
    if id_data.library is not None:
        raise KineliftError("this is linked from another file and can't be animated",
                            "Make it yours with Object > Library Override > Make, or append it", id_data.name, "linked")


def _channelbag(action: bpy.types.Action, slot: object) -> object:
    """What holds the curves of a slot in a new Action; 5.0 and later make the layer and the strip themselves."""
    if hasattr(anim_utils, "action_ensure_channelbag_for_slot"):
        return anim_utils.action_ensure_channelbag_for_slot(action, slot)
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True)


def new_fcurve(container: object, data_path: str, index: int, group: str) -> bpy.types.FCurve:
    """Makes the curve of a property's component in an Action or channelbag, in its group there."""
    if not HAS_SLOTS:
        return container.fcurves.new(data_path, index=index, action_group=group)
    curve = container.fcurves.new(data_path, index=index)
    curve.group = container.groups.get(group) or container.groups.new(group)
    return curve


def curves_of(id_data: bpy.types.ID) -> Sequence[bpy.types.FCurve]:
    """The curves that play on a data-block now; empty without an Action."""
    data = id_data.animation_data
    if data is None or data.action is None:
        return ()
    if not HAS_SLOTS:
        return data.action.fcurves
    bag = anim_utils.action_get_channelbag_for_slot(data.action, data.action_slot)
    return () if bag is None else bag.fcurves


@contextmanager
def without_animation(id_data: bpy.types.ID) -> Iterator[None]:
    """Inside, neither the Action nor the NLA of a data-block plays; drivers do. Afterwards both are back."""
    data = id_data.animation_data
    if data is None:
        yield
        return
    _leave_alone_while_tweaking(id_data)
    action, uses_nla = data.action, data.use_nla
    slot = data.action_slot if HAS_SLOTS else None
    was_kept = action.use_fake_user if action else False
    if action:
        action.use_fake_user = True
        data.action = None
    data.use_nla = False
    try:
        yield
    finally:
        data.use_nla = uses_nla
        if action:
            data.action = action
            if HAS_SLOTS:
                data.action_slot = slot
            action.use_fake_user = was_kept


def _leave_alone_while_tweaking(id_data: bpy.types.ID) -> None:
    if id_data.animation_data.use_tweak_mode:
        raise KineliftError("an NLA strip is being tweaked", "Leave tweak mode in the NLA editor (Tab)", id_data.name, "nla-tweak")
