"""BVH files: a hierarchy of joints, and in every frame where each of them is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError

EXPORT_AGAIN = "Export the file again as BVH"
COMMON_FPS = (24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60, 100, 120000 / 1001, 120, 240)
CLOSE = 1.5e-3
"""How far from a common frame rate the written frame time may be, as a share: files round it to few digits."""

LARGEST = 1e9
"""Numbers beyond this are no places and no angles."""


@dataclass
class Joint:
    """A joint as the file writes it: place from its parent at rest, channels in their order ("Xposition", "Zrotation" ...)."""

    name: str
    parent: int
    line: int
    is_end: bool = False
    offset: np.ndarray | None = None
    channels: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bvh:
    """joints [J], parents before children, ends of limbs included; values [T,C] of all channels in a row; frame_time: seconds, 0 where
    the file's means nothing."""

    joints: list[Joint]
    values: np.ndarray
    frame_time: float

    @property
    def fps(self) -> float:
        """Frames a second: a common rate where the frame time is close to one."""
        fps = 1 / self.frame_time
        near = min(COMMON_FPS, key=lambda rate: abs(rate - fps))
        return near if abs(near - fps) < CLOSE * near else fps

    @property
    def parents(self) -> list[int]:
        return [joint.parent for joint in self.joints]

    def rest(self) -> np.ndarray:
        """Places [J,3] of the joints without any turn, in the file's units and axes."""
        places = np.zeros((len(self.joints), 3))
        for number, joint in enumerate(self.joints):
            places[number] = joint.offset + (places[joint.parent] if joint.parent >= 0 else 0)
        return places

    def positions(self) -> np.ndarray:
        """Places [T,J,3] in the file's units and axes. A joint's own positions stand in the place of its offset; turns follow one
        another in the order of the channels."""
        frames, column = len(self.values), 0
        places, turns = np.zeros((frames, len(self.joints), 3)), np.zeros((frames, len(self.joints), 3, 3))
        for number, joint in enumerate(self.joints):
            local, turn = np.tile(joint.offset, (frames, 1)), np.broadcast_to(np.eye(3), (frames, 3, 3))
            for channel in joint.channels:
                values, axis = self.values[:, column], channel[0]
                column += 1
                if channel.endswith("position"):
                    local[:, "XYZ".index(axis)] = values
                else:
                    turn = turn @ Rotation.from_euler(axis, values[:, None], degrees=True).as_matrix()
            if joint.parent < 0:
                places[:, number], turns[:, number] = local, turn
            else:
                places[:, number] = places[:, joint.parent] + (turns[:, joint.parent] @ local[:, :, None])[..., 0]
                turns[:, number] = turns[:, joint.parent] @ turn
        return places


def read_bvh(path: Path | str) -> Bvh:
    """Reads a BVH file. Raises KineliftError naming the file and the line."""
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise KineliftError(f"the file can't be read ({getattr(error, 'strerror', error)})", "Check the path", str(path), "missing-file") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
    start = next((number for number, line in enumerate(lines, 1) if line.upper() == "MOTION"), None)
    if start is None:
        _bad("there is no line MOTION", EXPORT_AGAIN, path, len(lines))
    joints = _hierarchy(lines[: start - 1], path)
    values, frame_time = _motion(lines, start, sum(len(joint.channels) for joint in joints), path)
    return Bvh(_named_apart(_without_empty_ends(joints)), values, frame_time)


def _bad(message: str, remedy: str, path: Path | str, line: int) -> NoReturn:
    raise KineliftError(message, remedy, f"{path}, line {line}", "bad-bvh")


def _parts(lines: list[str]) -> Iterator[tuple[int, str]]:
    """(line, text) of what the braces part."""
    for number, line in enumerate(lines, 1):
        for part in re.findall(r"[{}]|[^{}]+", line):
            if part.strip():
                yield number, part.strip()


def _hierarchy(lines: list[str], path: Path | str) -> list[Joint]:
    joints: list[Joint] = []
    open_joints: list[int] = []
    is_announced = False
    parts = _parts(lines)
    line, first = next(parts, (1, ""))
    if first.upper() != "HIERARCHY":
        _bad("this does not begin with HIERARCHY", "Choose a BVH file", path, line)
    for line, part in parts:
        key, *rest = part.split()
        key = key.upper()
        if is_announced != (part == "{"):
            _bad("a joint's name must be followed by '{'" if is_announced else "this '{' belongs to no joint", EXPORT_AGAIN, path, line)
        is_announced = False
        if key in ("ROOT", "JOINT", "END"):
            if (key == "ROOT") == bool(open_joints) or (open_joints and joints[open_joints[-1]].is_end):
                _bad("ROOT stands inside a joint" if key == "ROOT" else f"{key} stands outside of a joint", EXPORT_AGAIN, path, line)
            parent = open_joints[-1] if open_joints else -1
            name = f"{joints[parent].name} end" if key == "END" else " ".join(rest) or f"joint {len(joints)}"
            joints.append(Joint(name, parent, line, key == "END"))
            is_announced = True
        elif part == "{":
            open_joints.append(len(joints) - 1)
        elif not open_joints:
            _bad(f"{part[:30]!r} stands outside of a joint", EXPORT_AGAIN, path, line)
        elif part == "}":
            open_joints.pop()
        elif key == "OFFSET":
            joints[open_joints[-1]].offset = _numbers(rest, 3, path, line)
        elif key == "CHANNELS":
            joints[open_joints[-1]].channels = _channels(rest, path, line)
        else:
            _bad(f"{part[:30]!r} is not understood", EXPORT_AGAIN, path, line)
    if open_joints or is_announced:
        _bad(f"joint {joints[-1].name[:60]!r} is not closed before MOTION", EXPORT_AGAIN, path, len(lines) + 1)
    if not joints:
        _bad("the hierarchy has no joints", EXPORT_AGAIN, path, len(lines) + 1)
    for joint in joints:
        if joint.offset is None:
            _bad(f"joint {joint.name[:60]!r} has no OFFSET", EXPORT_AGAIN, path, joint.line)
    return joints


def _channels(words: list[str], path: Path | str, line: int) -> list[str]:
    found = [f"{word[0].upper()}{word[1:].lower()}" for word in words[1:]]
    unknown = [word for word in found if not re.fullmatch(r"[XYZ](position|rotation)", word)]
    if unknown:
        _bad(f"{unknown[0][:30]!r} is no channel", "Write channels as Xposition, Zrotation and so on", path, line)
    if words[:1] != [str(len(found))]:
        _bad(f"CHANNELS announces {' '.join(words[:1])[:12] or 'nothing'} and names {len(found)}", "Correct the number of channels", path, line)
    return found


def _numbers(words: list[str], count: int, path: Path | str, line: int) -> np.ndarray:
    if len(words) != count:
        _bad(f"here should be {count} numbers, not {len(words)}", EXPORT_AGAIN, path, line)
    try:
        values = np.array(words, np.float64)
    except ValueError:
        _bad("something here is not a number", EXPORT_AGAIN, path, line)
    if not (np.abs(values) < LARGEST).all():
        _bad(f"{words[int(np.argmax(~(np.abs(values) < LARGEST)))][:30]} is no place and no angle", EXPORT_AGAIN, path, line)
    return values


def _motion(lines: list[str], start: int, channels: int, path: Path | str) -> tuple[np.ndarray, float]:
    """The values [T,C] and the frame time of what follows line `start`."""
    rows = [(number, line) for number, line in enumerate(lines[start:], start + 1) if line]
    (count_line, count), (time_line, time) = (rows + [(len(lines), "")] * 2)[:2]
    announced = re.fullmatch(r"frames\s*:\s*(\d{1,9})", count, re.IGNORECASE)
    if not announced:
        _bad("here should be 'Frames:' and a whole number", EXPORT_AGAIN, path, count_line)
    frame_time = re.fullmatch(r"frame\s*time\s*:\s*(\S+)", time, re.IGNORECASE)
    if not frame_time:
        _bad("here should be 'Frame Time:' and seconds", EXPORT_AGAIN, path, time_line)
    frames = int(announced[1])
    if not frames:
        _bad("the file has no frames", "Export the file again with its animation", path, count_line)
    if not channels:
        _bad("no joint has channels, so nothing moves", "Export the file again with its animation", path, count_line)
    if len(rows) - 2 != frames:
        _bad(f"{frames} frames are announced, and {len(rows) - 2} follow", "Export the file again, or correct the number after 'Frames:'", path, count_line)
    values = np.stack([_numbers(line.split(), channels, path, number) for number, line in rows[2:]])
    seconds = float(_numbers([frame_time[1]], 1, path, time_line)[0])
    return values, seconds if 1e-5 < seconds < 100 else 0.0


def _without_empty_ends(joints: list[Joint]) -> list[Joint]:
    """The joints without ends that lie on the joint before them."""
    kept = [number for number, joint in enumerate(joints) if not joint.is_end or np.abs(joint.offset).max() > 1e-9]
    place = {number: index for index, number in enumerate(kept)} | {-1: -1}
    for number in kept:
        joints[number].parent = place[joints[number].parent]
    return [joints[number] for number in kept]


def _named_apart(joints: list[Joint]) -> list[Joint]:
    """The joints with a number after names that were there before."""
    taken: set[str] = set()
    for joint in joints:
        base, number = joint.name, 0
        while joint.name in taken:
            number += 1
            joint.name = f"{base}.{number:03}"
        taken.add(joint.name)
    return joints
