"""Rig presets: which bones of an armature play which part, one TOML file each."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..controls import IkLimb, Switch, limb_lines, read_limbs, read_switches

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

LIMBS = {"human": (("clavicle", "upper_arm", "forearm", "hand"), ("thigh", "shin", "foot", "toe")), "quadruped": (FRONT_LIMB, HIND_LIMB)}
"""Kind of character -> the parts of its limbs, from the trunk to their ends."""


def above(role: str, roles: Iterable[str], kind: str) -> str | None:
    """The role of these that comes before one in its limb; None where none does."""
    part, _, side = role.partition(".")
    there = set(roles)
    for limb in LIMBS[kind]:
        if part in limb:
            return next((f"{before}.{side}" for before in reversed(limb[: limb.index(part)]) if f"{before}.{side}" in there), None)
    return None


@dataclass(frozen=True)
class Mapping:
    """Which bones of one armature play which part. `roles` maps bone names to roles; bones of a list role are numbered
    from the pelvis outwards (`spine.0`). `title` says where it comes from. `ik` are the limbs that IK controls can drive."""

    kind: str
    roles: dict[str, str]
    switches: tuple[Switch, ...] = ()
    title: str = ""
    ik: tuple[IkLimb, ...] = ()

    @property
    def bones(self) -> dict[str, str]:
        """Role -> bone name."""
        return {role: bone for bone, role in self.roles.items()}

    @property
    def missing(self) -> list[str]:
        """Roles that no bone plays and without which the character can't be fitted."""
        return [role for role in NEEDED[self.kind] if role not in self.bones]


@dataclass(frozen=True)
class Preset:
    """A preset file. `kind` is a key of `ROLES`; `roles` is as in `Mapping`; `prefix` is a regular expression of what may stand before all the names;
    `forearm`: the least and largest share of a four-legged animal's front limb, without the scapula, that lies between elbow and carpus: rigs
    with the same names may differ in that."""

    name: str
    title: str
    kind: str
    roles: dict[str, str]
    switches: tuple[Switch, ...] = ()
    prefix: str = ""
    ik: tuple[IkLimb, ...] = ()
    forearm: tuple[float, float] | None = None

    def on(self, bone_names: Iterable[str]) -> Mapping | None:
        """The mapping of an armature with these bones, or None. All bones of the preset must be there, but toes and the
        later bones of a chain, which other versions of the rig may lack."""
        names = set(bone_names)
        pelvis = next(bone for bone, role in self.roles.items() if role == "pelvis")
        pattern = re.compile(f"(?P<before>{self.prefix}){re.escape(pelvis)}")
        prefixes = [match["before"] for match in map(pattern.fullmatch, sorted(names)) if match]
        complete = [self._after(prefix, names) for prefix in prefixes if all(prefix + bone in names for bone in self._first_bones)]
        return max(complete, key=lambda mapping: len(mapping.roles), default=None)

    @property
    def _first_bones(self) -> list[str]:
        return [bone for bone, role in self.roles.items()
                if (role.endswith(".0") if role.split(".")[0] in CHAIN_ROLES else role.split(".")[0] != "toe")]

    def _after(self, prefix: str, names: set[str]) -> Mapping:
        there = {prefix + bone: role for bone, role in self.roles.items() if prefix + bone in names}
        limbs = tuple(limb for limb in self.ik if names.issuperset(limb.bones))
        return Mapping(self.kind, numbered(there), self.switches, self.title, limbs)


def numbered(roles: dict[str, str]) -> dict[str, str]:
    """The same roles with the bones of each list role numbered without gaps."""
    result, counts = {}, dict.fromkeys(CHAIN_ROLES, 0)
    for bone, role in sorted(roles.items(), key=lambda entry: _place(entry[1])):
        part = role.split(".")[0]
        result[bone] = f"{part}.{counts[part]}" if part in counts else role
        if part in counts:
            counts[part] += 1
    return result


def _place(role: str) -> tuple[str, int]:
    part, _, number = role.partition(".")
    return (part, int(number)) if part in CHAIN_ROLES else (role, 0)


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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: this is not a TOML file ({error}). Correct that line.") from None
    except OSError as error:
        raise ValueError(f"{path}: this file can't be read ({error.strerror}). Check that it is there and may be read.") from None
    for key, kind in (("title", str), ("kind", str), ("bones", dict)):
        if not isinstance(data.get(key), kind):
            raise ValueError(f"{path}: '{key}' is missing or of the wrong type. Write it as in the shipped presets.")
    if data["kind"] not in ROLES:
        raise ValueError(f"{path}: 'kind' is {data['kind']!r}. Use one of: {', '.join(ROLES)}.")
    roles = _roles(data["bones"], data["kind"], path)
    return Preset(path.stem, data["title"], data["kind"], roles, read_switches(data.get("switches", []), path), _prefix(data.get("prefix", ""), path),
                  read_limbs(data.get("ik", []), roles.values(), path), _forearm(data.get("forearm"), path))


def write_preset(path: Path, mapping: Mapping) -> None:
    """Writes a mapping as a preset file, which `read_preset` reads back as it was. Raises OSError."""
    single = {role: bone for role, bone in mapping.bones.items() if role.split(".")[0] not in CHAIN_ROLES}
    lines = [f"title = {_text(mapping.title)}", f"kind = {_text(mapping.kind)}", "", "[bones]"]
    for chain in CHAIN_ROLES:
        bones = [bone for bone, role in numbered(mapping.roles).items() if role.split(".")[0] == chain]
        if bones:
            lines.append(f"{chain} = [{', '.join(map(_text, bones))}]")
    lines += [f"{_text(role)} = {_text(bone)}" for role, bone in single.items()]
    for switch in mapping.switches:
        lines += ["", "[[switches]]", f"bone = {_text(switch.bone)}", f"property = {_text(switch.property)}", f"value = {float(switch.value)}"]
    for limb in mapping.ik:
        lines += limb_lines(limb)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _text(text: str) -> str:
    """A TOML string; JSON's escapes are TOML's, but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


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


def _prefix(prefix: object, path: Path) -> str:
    try:
        re.compile(prefix)
    except (re.error, TypeError):
        raise ValueError(f"{path}: 'prefix' is not a regular expression. Write what may stand before the names, as in mixamo.toml.") from None
    return prefix


def _forearm(shares: object, path: Path) -> tuple[float, float] | None:
    if shares is None:
        return None
    if not (isinstance(shares, list) and len(shares) == 2 and all(isinstance(share, float) for share in shares) and shares[0] < shares[1]):
        raise ValueError(f"{path}: 'forearm' is {shares!r}. Write the least and the largest share, such as [0.4, 0.7].")
    return shares[0], shares[1]
