"""Rig presets: which bones of an armature play which part, one TOML file each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent

CHAIN_ROLES = ("spine", "neck", "tail")
"""Roles that take a list of bones, from the pelvis outwards."""


def _both(*parts: str) -> tuple[str, ...]:
    return tuple(f"{part}.{side}" for side in "LR" for part in parts)


HUMAN_ROLES = ("pelvis", "spine", "neck", "head", *_both("clavicle", "upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe"))
NEEDED_ROLES = ("pelvis", *_both("upper_arm", "forearm", "hand", "thigh", "shin", "foot"))
"""Roles without which a human can't be fitted."""

FRONT_LIMB = ("scapula", "upper_arm", "forearm", "metacarpus", "front_pastern", "front_hoof")
HIND_LIMB = ("thigh", "shin", "metatarsus", "hind_pastern", "hind_hoof")
"""A limb of four-legged animals from the trunk to the floor. The forearm ends at the carpus and the shin at the hock, also where one bone
stands for the whole limb above; the pasterns of a paw are its toes, and its hooves their tips."""

QUADRUPED_ROLES = ("pelvis", "spine", "neck", "head", "tail", *_both(*FRONT_LIMB, *HIND_LIMB))

ROLES = {"human": HUMAN_ROLES, "quadruped": QUADRUPED_ROLES}
"""Kind of character -> its roles."""

NEEDED = {"human": NEEDED_ROLES, "quadruped": ("pelvis", *_both("forearm", "metacarpus", "shin", "metatarsus"))}
"""Kind of character -> roles without which it can't be fitted."""


@dataclass(frozen=True)
class Switch:
    """A custom property of a pose bone and the value it needs so that the mapped bones drive the rig."""

    bone: str
    property: str
    value: float


@dataclass(frozen=True)
class Preset:
    """`kind` is a key of `ROLES`; `roles` maps bone names to roles; bones of a list role are numbered from the pelvis outwards (`spine.0`)."""

    name: str
    title: str
    kind: str
    roles: dict[str, str]
    switches: tuple[Switch, ...]

    def fits(self, bone_names: Iterable[str]) -> bool:
        """True when an armature with these bones has every bone of the preset."""
        return self.roles.keys() <= set(bone_names)


def preset_names() -> list[str]:
    """Names of the shipped presets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


@lru_cache
def load_preset(name: str) -> Preset:
    """Reads `rigs/presets/NAME.toml`. Raises ValueError naming the file, the spot and the remedy."""
    if name not in preset_names():
        raise ValueError(f"There is no rig preset {name!r}. Choose one of: {', '.join(preset_names())}.")
    return read_preset(FOLDER / f"{name}.toml")


def read_preset(path: Path) -> Preset:
    """Reads any preset file; `load_preset` says which errors to expect."""
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: this is not a TOML file ({error}). Correct that line.") from None
    for key, kind in (("title", str), ("kind", str), ("bones", dict)):
        if not isinstance(data.get(key), kind):
            raise ValueError(f"{path}: '{key}' is missing or of the wrong type. Write it as in the shipped presets.")
    if data["kind"] not in ROLES:
        raise ValueError(f"{path}: 'kind' is {data['kind']!r}. Use one of: {', '.join(ROLES)}.")
    return Preset(path.stem, data["title"], data["kind"], _roles(data["bones"], data["kind"], path), _switches(data.get("switches", []), path))


def detect(bone_names: Iterable[str]) -> Preset | None:
    """The shipped preset whose bones are all there, the one with most bones if several fit, or None."""
    names = set(bone_names)
    fitting = [preset for preset in map(load_preset, preset_names()) if preset.fits(names)]
    return max(fitting, key=lambda preset: len(preset.roles), default=None)


def _roles(bones: dict, kind: str, path: Path) -> dict[str, str]:
    missing = [role for role in NEEDED[kind] if role not in bones]
    if missing:
        raise ValueError(f"{path}: [bones] lacks {', '.join(missing)}. Name the bone that plays each part.")
    roles: dict[str, str] = {}
    for role, value in bones.items():
        if role not in ROLES[kind]:
            raise ValueError(f"{path}: [bones] has the unknown role {role!r}. Use one of: {', '.join(ROLES[kind])}.")
        is_chain = role in CHAIN_ROLES
        if isinstance(value, list) != is_chain:
            raise ValueError(f"{path}: [bones] {role!r} must be {'a list of bone names' if is_chain else 'one bone name'}. Rewrite it so.")
        for number, bone in enumerate(value if is_chain else [value]):
            if not isinstance(bone, str) or not bone:
                raise ValueError(f"{path}: [bones] {role!r} holds {bone!r}. Write a bone name in quotes.")
            if bone in roles:
                raise ValueError(f"{path}: [bones] gives bone {bone!r} to {roles[bone]!r} and {role!r}. Keep one of them.")
            roles[bone] = f"{role}.{number}" if is_chain else role
    return roles


def _switches(entries: object, path: Path) -> tuple[Switch, ...]:
    if not isinstance(entries, list):
        raise ValueError(f"{path}: 'switches' is not a list. Write each one under its own [[switches]].")
    switches = []
    for number, entry in enumerate(entries):
        try:
            switches.append(Switch(str(entry["bone"]), str(entry["property"]), float(entry["value"])))
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{path}: [[switches]] number {number + 1} is incomplete. "
                             "Give it 'bone', 'property' and a number as 'value'.") from None
    return tuple(switches)
