"""BVH files made by code: a body in a T pose that faces +Z with Y up, and swings its limbs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rigs import load_preset

ARM = {"clavicle": (0.03, 0.18, 0), "upper_arm": (0.15, 0.02, 0), "forearm": (0.28, 0, 0), "hand": (0.25, 0, 0)}
LEG = {"thigh": (0.09, -0.05, 0), "shin": (0, -0.42, 0.01), "foot": (0, -0.41, -0.01), "toe": (0, -0.06, 0.13)}
TRUNK = [("spine", (0, 0.1, 0)), ("spine", (0, 0.12, 0)), ("neck", (0, 0.25, 0)), ("head", (0, 0.1, 0.02))]
HEIGHT = 0.95


def bones() -> list[tuple[str, str, tuple[float, float, float]]]:
    """(role, the role that carries it, offset in metres)."""
    found, above = [("pelvis", "", (0.0, HEIGHT, 0.0))], "pelvis"
    counts = {"spine": 0, "neck": 0}
    for part, offset in TRUNK:
        role = f"{part}.{counts[part]}" if part in counts else part
        counts[part] = counts.get(part, 0) + 1
        found.append((role, above, offset))
        above = role
    for side, sign in (("L", 1), ("R", -1)):
        for parts, start in ((ARM, "spine.1"), (LEG, "pelvis")):
            above = start
            for part, (x, y, z) in parts.items():
                found.append((f"{part}.{side}", above, (sign * x, y, z)))
                above = f"{part}.{side}"
    return found


def names_of(preset: str, prefix: str = "") -> dict[str, str]:
    """Role -> name of the joint in the manner of a rig preset."""
    return {role: prefix + bone for bone, role in load_preset(preset).roles.items()}


def write_bvh(path: Path, names: dict[str, str], unit: float = 0.01, frames: int = 40, frame_time: str = "0.0333333", z_up: bool = False,
              newline: str = "\n") -> Path:
    """A walk on the spot; `unit` is metres of one of the file's units."""
    found = [(role, above, offset) for role, above, offset in bones() if role in names]
    below = {role: [child for child, above, _ in found if above == role] for role, _, _ in found}
    offsets = {role: offset for role, _, offset in found}
    lines, channels = ["HIERARCHY"], []

    def place(offset: tuple[float, float, float]) -> str:
        x, y, z = np.array(offset) / unit
        return f"{x:.6f} {-z:.6f} {y:.6f}" if z_up else f"{x:.6f} {y:.6f} {z:.6f}"

    def write(role: str, depth: int) -> None:
        tab = "\t" * depth
        lines.append(f"{tab}{'JOINT' if depth else 'ROOT'} {names[role]}")
        lines.extend([f"{tab}{{", f"{tab}\tOFFSET {place(offsets[role])}"])
        if role == "pelvis":
            lines.append(f"{tab}\tCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation")
            channels.extend((role, axis) for axis in "xyzZXY")
        else:
            lines.append(f"{tab}\tCHANNELS 3 Zrotation Xrotation Yrotation")
            channels.extend((role, axis) for axis in "ZXY")
        for child in below[role]:
            write(child, depth + 1)
        if not below[role]:
            lines.extend([f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET {place((0, 0.17, 0) if role == 'head' else (0, 0, 0.05))}", f"{tab}\t}}"])
        lines.append(f"{tab}}}")

    write("pelvis", 0)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {frame_time}"]
    for frame in range(frames):
        lines.append(" ".join(f"{_value(role, axis, frame, unit, z_up):.6f}" for role, axis in channels))
    path.write_text(newline.join(lines) + newline, encoding="utf-8", newline="")
    return path


def _value(role: str, axis: str, frame: int, unit: float, z_up: bool) -> float:
    swing, side = np.sin(frame / 5), -1 if role.endswith("R") else 1
    if axis in "xyz":
        return {"x": 0.1 * swing, "z" if z_up else "y": HEIGHT + 0.02 * swing}.get(axis, 0.02 * frame) / unit
    if axis == "X":
        return {"thigh": 25 * side * swing, "shin": 30 + 25 * side * swing, "upper_arm": -20 * side * swing}.get(role.split(".")[0], 0.0)
    return 3 * swing if axis == ("Y" if z_up else "Z") else -2 * swing
