"""Which bone of an armature plays which part: by the names of a preset, else by what names say and where bones lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import dist

from .biped import Body, find_biped
from .bones import Bones
from .limbs import ARM, LEG
from .naming import Hint, hints
from .presets import FRONT_LIMB, Mapping, Preset, load_preset, numbered, preset_names

PRESET, BOTH, NAME, DISPUTED = 1.0, 0.95, 0.75, 0.4
"""Certainty of a bone that a preset names, that name and place agree on, that only its name tells, and on which they differ."""

DOUBTFUL = 0.6
"""A bone that is less certain is shown as a doubt."""

WORST_COST = 25.0
"""A body that costs more is none."""

STRUCTURES = {"human": find_biped}
"""Kind of character -> what finds it by its shape."""


@dataclass(frozen=True)
class Doubt:
    """What the user should look at; `role` is "" for what concerns all, `bone` "" where none was found."""

    role: str
    bone: str
    message: str


@dataclass(frozen=True)
class Detection:
    """certainty: role -> 0..1. The mapping may be incomplete: then its `missing` roles are among the doubts."""

    mapping: Mapping
    certainty: dict[str, float]
    doubts: tuple[Doubt, ...]


def detect(bones: Bones, own: Iterable[Preset] = ()) -> Detection:
    """Finds the parts of an armature. `own` presets of the user go before the shipped ones.

    A preset fits when its needed bones are there and hang together as a body's do; the rest is found by names and shape.
    """
    mapping = _by_preset(bones, list(own))
    if mapping is not None:
        return Detection(mapping, dict.fromkeys(mapping.bones, PRESET), ())
    told = hints(bones.names)
    bodies = {kind: body for kind, find in STRUCTURES.items() if (body := find(bones, told)) is not None and body.cost < WORST_COST}
    kind = min(bodies, key=lambda kind: bodies[kind].cost, default="human")
    return _combined(bones, told, kind, bodies.get(kind))


def _by_preset(bones: Bones, own: list[Preset]) -> Mapping | None:
    """The mapping of the preset that suits best: one of the user's, then one for controls, then the one with most bones,
    then the one that expects least."""
    shipped = [load_preset(name) for name in preset_names()]
    fitting = [(preset, mapping) for preset in own + shipped
               if (mapping := preset.on(bones.names)) is not None and (mapping.switches or hangs_together(bones, mapping))
               and _has_forearms(bones, preset, mapping)]
    best = max(fitting, default=None, key=lambda entry: (entry[0] in own, bool(entry[1].switches), len(entry[1].roles), -len(entry[0].roles)))
    return None if best is None else best[1]


def hangs_together(bones: Bones, mapping: Mapping) -> bool:
    """Whether each part is carried by the part before it, and the arms not by the neck."""
    number = {name: index for index, name in enumerate(bones.names)}
    at = {role: number[bone] for role, bone in mapping.bones.items()}
    return all(bones.carries(at[above], at[below]) for above, below in _links(at)) and not any(
        bones.carries(at[neck], at[arm]) for neck in at if neck.startswith("neck.") for arm in ("upper_arm.L", "upper_arm.R") if arm in at)


def _has_forearms(bones: Bones, preset: Preset, mapping: Mapping) -> bool:
    """Whether the forearm is as long, beside the front limb, as the preset says."""
    if preset.forearm is None:
        return True
    place = dict(zip(bones.names, bones.heads, strict=True))
    limb = [place[mapping.bones[f"{part}.L"]] for part in FRONT_LIMB[1:] if f"{part}.L" in mapping.bones]
    forearm = dist(*(place[mapping.bones[f"{part}.L"]] for part in ("forearm", "metacarpus")))
    least, most = preset.forearm
    return least <= forearm / max(sum(dist(a, b) for a, b in pairwise(limb)), 1e-12) <= most


def _links(roles: Iterable[str]) -> list[tuple[str, str]]:
    """(carrier, carried) pairs among roles."""
    def chain(part: str) -> list[str]:
        return sorted((role for role in roles if role.startswith(f"{part}.") and role not in ("neck", "head")),
                      key=lambda role: int(role.split(".")[1]))

    lines = [["pelvis", *chain("spine"), *chain("neck"), "head"]]
    for side in "LR":
        lines += [["pelvis", *(f"{part}.{side}" for part in ("clavicle", *ARM))], ["pelvis", *(f"{part}.{side}" for part in (*LEG, "toe"))]]
    pairs = []
    for line in lines:
        there = [role for role in line if role in roles]
        pairs += pairwise(there)
    return pairs


def _by_names(bones: Bones, told: Sequence[Hint]) -> dict[str, int]:
    """Role -> bone as the names say: for each limb the longest run of its parts down the tree, for the trunk all of them."""
    found: dict[str, int] = {}
    place = {bone: number for number, bone in enumerate(bones.outwards)}
    for side in "LR":
        for parts in (("clavicle", *ARM), (*LEG, "toe")):
            named = sorted((bone for bone, hint in enumerate(told) if hint.side == side and set(hint.parts) & set(parts)), key=place.get)
            found |= {f"{part}.{side}": bone for part, bone in _run(bones, told, named, parts).items()}
    for part in ("pelvis", "head"):
        named = [bone for bone, hint in enumerate(told) if part in hint.parts]
        if named:
            found[part] = min(named, key=place.get)
    for part in ("spine", "neck"):
        named = sorted((bone for bone, hint in enumerate(told) if part in hint.parts), key=place.get)
        line = max((_line(bones, set(named), bone) for bone in named), key=len, default=[])
        found |= {f"{part}.{number}": bone for number, bone in enumerate(line)}
    return found


def _line(bones: Bones, among: set[int], bone: int) -> list[int]:
    """The bones of a set on the way from a root to a bone of it."""
    return [above for above in reversed(bones.lineage(bone)) if above in among]


def _run(bones: Bones, told: Sequence[Hint], named: list[int], parts: Sequence[str]) -> dict[str, int]:
    """Gives parts to bones so that each part is carried by the one before it; as many as possible, then the likeliest."""
    best: dict[int, tuple[float, dict[str, int]]] = {}
    for bone in named:
        for part in told[bone].parts:
            if part not in parts:
                continue
            before = [run for other, run in best.items() if bones.carries(other // len(parts), bone) and other % len(parts) < parts.index(part)]
            worth, run = max(before, key=lambda entry: entry[0], default=(0.0, {}))
            key = bone * len(parts) + parts.index(part)
            best[key] = (worth + told[bone].worths[told[bone].parts.index(part)], run | {part: bone})
    return max(best.values(), key=lambda entry: entry[0], default=(0.0, {}))[1]


def _combined(bones: Bones, told: Sequence[Hint], kind: str, body: Body | None) -> Detection:
    """Shape gives the body, names confirm it. A limb, chain or single bone that is named otherwise is as its names say, and doubted."""
    shaped = dict(body.roles) if body is not None else {}
    found, certainty = dict(shaped), dict(body.certainty) if body is not None else {}
    named = _by_names(bones, told)
    part_of = {bone: role.split(".")[0] for role, bone in shaped.items()}
    for group in _groups({*shaped, *named}):
        said = {role: named[role] for role in group if role in named}
        if all(part_of[bone] in told[bone].parts if bone in part_of else role not in shaped for role, bone in said.items()):
            said = {role: bone for role, bone in said.items() if bone not in part_of}
            certainty |= {role: BOTH for role in group & shaped.keys() if told[shaped[role]].parts}
        else:
            found = {role: bone for role, bone in found.items() if role not in group}
        found |= said
        certainty |= {role: NAME if role not in shaped else BOTH if shaped[role] == bone else DISPUTED for role, bone in said.items()}
    roles: dict[str, str] = {}
    for role in sorted(found, key=lambda role: (-certainty[role], role)):
        roles.setdefault(bones.names[found[role]], role)
    mapping = Mapping(kind, numbered(roles), (), "Found by names and shape")
    certainty = {role: certainty[roles[bone]] for role, bone in mapping.bones.items()}
    doubts = [Doubt("", "", message) for message in (body.doubts if body is not None else ())]
    doubts += [Doubt(role, "", "no bone was found for it") for role in mapping.missing]
    doubts += [Doubt(role, bone, "its name and its place in the skeleton disagree" if certainty[role] == DISPUTED
                     else "another bone may play this part as well")
               for role, bone in mapping.bones.items() if certainty[role] < DOUBTFUL]
    return Detection(mapping, certainty, tuple(doubts))


def _groups(roles: set[str]) -> list[set[str]]:
    """Roles that are told together: a limb, the bones of a chain, a single bone."""
    groups: dict[tuple[str, str], set[str]] = {}
    for role in roles:
        part, _, side = role.partition(".")
        limb = "arm" if part in ("clavicle", *ARM) else "leg" if part in (*LEG, "toe") else part
        groups.setdefault((limb, side if limb in ("arm", "leg") else ""), set()).add(role)
    return list(groups.values())
