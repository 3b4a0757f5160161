"""Limbs of a control rig that inverse kinematics can drive: which controls to key then, as a preset's [[ik]] tells them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

LIMBS = tuple(f"{limb}.{side}" for limb in ("arm", "leg", "foreleg", "hindleg") for side in "LR")
"""A human's and a four-legged animal's."""


@dataclass(frozen=True)
class Switch:
    """A property of a pose bone, its own or one of Blender's, and the value it needs so that the mapped bones or controls drive the rig."""

    bone: str
    property: str
    value: float


@dataclass(frozen=True)
class IkLimb:
    """A limb with IK controls.

    limb: which one, of `LIMBS`; chain: the roles of its two long bones and of what they end in, such as thigh, shin and foot;
    control: the bone that takes place and turn of the last of them, or, on an animal that stands on its toes, of the role `holds`;
    pole: the bone that the knee or elbow points at; turned: role -> control that takes its turn, in place of the role's own bone;
    led: those of the turned ones that the rig itself turns along with the others, in its own way; neutral: controls that have to be unposed;
    follows: the bone that is where the last of the chain is, whatever drives the limb; switches: instead of the mapping's own.
    """

    limb: str
    chain: tuple[str, str, str]
    control: str
    pole: str
    follows: str
    turned: dict[str, str] = field(default_factory=dict)
    neutral: tuple[str, ...] = ()
    switches: tuple[Switch, ...] = ()
    holds: str = ""
    led: tuple[str, ...] = ()

    @property
    def held(self) -> str:
        """The role whose place and turn the control takes."""
        return self.holds or self.chain[2]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles without which the limb has no IK."""
        return tuple(dict.fromkeys((*self.chain, self.held)))

    @property
    def placed(self) -> tuple[str, ...]:
        """The controls that have a location."""
        return (self.control, self.pole)

    @property
    def bones(self) -> tuple[str, ...]:
        """The bones without which the limb has no IK."""
        return (*self.placed, *self.led)


def read_limbs(entries: object, roles: Iterable[str], path: Path | str) -> tuple[IkLimb, ...]:
    """[[ik]] of a preset whose bones play `roles`. Raises ValueError naming the file, the spot and the remedy."""
    if not isinstance(entries, list):
        raise ValueError(f"{path}: 'ik' is not a list. Write each limb under its own [[ik]].")
    known = set(roles)
    limbs = []
    for number, entry in enumerate(entries):
        try:
            limb = IkLimb(entry["limb"], tuple(entry["chain"]), entry["control"], entry["pole"], entry["follows"], dict(entry.get("turned", {})),
                          tuple(entry.get("neutral", ())), read_switches(entry.get("switches", []), path), entry.get("holds", ""),
                          tuple(entry.get("led", ())))
        except (KeyError, TypeError, AttributeError):
            raise ValueError(f"{path}: [[ik]] number {number + 1} is incomplete. "
                             "Give it 'limb', 'chain', 'control', 'pole' and 'follows', as in rigify-human.toml.") from None
        texts = (limb.limb, *limb.chain, *limb.bones, limb.follows, limb.held, *limb.turned, *limb.turned.values(), *limb.neutral, *limb.led)
        if not all(isinstance(text, str) and text for text in texts):
            raise ValueError(f"{path}: [[ik]] number {number + 1} holds something else than names. Write all names in quotes.")
        if limb.limb not in LIMBS or len(limb.chain) != 3 or limb.limb in (other.limb for other in limbs):
            raise ValueError(f"{path}: [[ik]] number {number + 1} must be another one of {', '.join(LIMBS)}, with a chain of three roles. Correct it.")
        unknown = {*limb.roles, *limb.turned} - known
        if unknown:
            raise ValueError(f"{path}: [[ik]] of {limb.limb} names {', '.join(sorted(unknown))}, which no bone plays. Use roles from [bones].")
        if not {*limb.led} <= {*limb.turned.values()}:
            raise ValueError(f"{path}: [[ik]] of {limb.limb} has controls in 'led' that 'turned' lacks. Say there whose turn they take.")
        limbs.append(limb)
    return tuple(limbs)


def read_switches(entries: object, path: Path | str) -> tuple[Switch, ...]:
    """A list of switches. Raises ValueError as `read_limbs` does."""
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


def limbs_text(limbs: Iterable[IkLimb]) -> str:
    """JSON of limbs, which `limbs_of` reads back."""
    return json.dumps([asdict(limb) for limb in limbs])


def limbs_of(text: str, roles: Iterable[str], place: str) -> tuple[IkLimb, ...]:
    """Limbs from their JSON; those whose roles are no longer played are left out. Raises ValueError naming `place`."""
    try:
        entries = json.loads(text) if text else []
        known = set(roles)
        entries = [entry for entry in entries if {*entry["chain"], entry.get("holds") or entry["chain"][2]} <= known]
        return read_limbs(entries, known | {role for entry in entries for role in entry["turned"]}, place)
    except (json.JSONDecodeError, KeyError, TypeError):
        raise ValueError(f"{place}: its IK controls can't be read. Detect the bones again.") from None


def limb_lines(limb: IkLimb) -> list[str]:
    """A limb as lines of a preset file."""
    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

    def texts(values: Iterable[str]) -> str:
        return f"[{', '.join(map(text, values))}]"

    lines = ["", "[[ik]]", f"limb = {text(limb.limb)}", f"chain = {texts(limb.chain)}", f"control = {text(limb.control)}", f"pole = {text(limb.pole)}",
             f"follows = {text(limb.follows)}"]
    if limb.holds:
        lines.append(f"holds = {text(limb.holds)}")
    if limb.turned:
        lines.append(f"turned = {{ {', '.join(f'{text(role)} = {text(bone)}' for role, bone in limb.turned.items())} }}")
    if limb.led:
        lines.append(f"led = {texts(limb.led)}")
    if limb.neutral:
        lines.append(f"neutral = {texts(limb.neutral)}")
    if limb.switches:
        lines += ["switches = [", *(f"    {{ bone = {text(switch.bone)}, property = {text(switch.property)}, value = {float(switch.value)} }},"
                                    for switch in limb.switches), "]"]
    return lines
