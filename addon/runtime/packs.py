"""The model packs that a panel offers, as a list to choose from that survives packs coming and going."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from ...backend.errors import KineliftError
from ...backend.packs.catalogue import Pack, list_packs
from .location import user_folder

CHOICES: list[PackChoice] = []
"""One for each panel that offers packs."""


def refresh_all() -> None:
    """Looks for packs on the disk again, for all panels."""
    for choice in CHOICES:
        choice.refresh()


class PackChoice:
    """Packs of some kind, and the items of the property `pack` of a group that keeps the choice in its property `pack_name`.

    `items` is the same list until the next refresh, since Blender needs its texts to stay alive.
    """

    def __init__(self, is_offered: Callable[[Pack], bool]):
        self._is_offered = is_offered
        CHOICES.append(self)
        self.packs: list[Pack] = []
        self.items: list[tuple[str, str, str, int]] = []

    def refresh(self) -> None:
        """Looks for packs on the disk again."""
        self.packs = [pack for pack in list_packs([user_folder("packs")]) if self._is_offered(pack)]
        self.items = [(pack.name, pack.title, pack.description, number) for number, pack in enumerate(self.packs)]

    def number(self, group: bpy.types.PropertyGroup) -> int:
        """The number of the chosen item; of the first where the chosen pack is gone."""
        return next((number for number, pack in enumerate(self.packs) if pack.name == group.pack_name), 0)

    def choose(self, group: bpy.types.PropertyGroup, number: int) -> None:
        group.pack_name = self.packs[number].name

    def chosen(self, group: bpy.types.PropertyGroup) -> Pack | None:
        """The chosen pack; None when there are none."""
        return self.packs[self.number(group)] if self.packs else None

    def usable(self, group: bpy.types.PropertyGroup) -> Pack:
        """The chosen pack. Raises KineliftError when there is none, or a broken one."""
        pack = self.chosen(group)
        if pack is None:
            raise KineliftError("there are no model packs", "Copy a pack into the folder of packs, then click Refresh",
                                str(user_folder("packs")), "missing-pack")
        if pack.problem:
            raise KineliftError(f"the pack {pack.title} can't be used: {pack.problem.rstrip('.')}", "Choose another pack",
                                str(pack.folder), "bad-pack")
        return pack
