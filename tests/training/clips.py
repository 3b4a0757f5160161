"""A small domain and its clips, made by code."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backend.training.domain import Domain
from tests.motions import JOINTS, walk_with_ball, write_motion

TABLE = "\n".join(f'{name} = ["{name}"]' for name in JOINTS)
TOML = f"""
title = "Walks"
skeleton = "nba16-ball"
fps = 30
centring = "root-horizontal"
centre_height = 0.9
[seconds]
default = 2.0
min = 1.0
max = 3.0
[camera]
distance = 7.0
elevation = [0.15, 0.25]
scale = 1.0
[detector]
noise = 0.004
miss = 0.01
lost_object = 3.0
[[sources]]
name = "walks"
files = "walks/*.npz"
exclude = ["skip_*"]
joints = "walk"
share = 1.0
stitch = true
licence = "CC0"
credit = "made by code"
[joints.walk]
{TABLE}
Ball = {{ object = "Ball" }}
"""


def write_domain(folder: Path, text: str = TOML) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "walks.toml"
    path.write_text(text)
    return path


def write_clips(folder: Path, seconds: float = 2.0, test: bool = True, **changes) -> Path:
    """Walks at three paces for training and, as the last, for the test; `changes` replace arrays (None leaves one out)."""
    for number, pace in enumerate((1.0, 0.9, 1.1, 1.05)):
        arrays = walk_with_ball(seconds, fps=60.0)
        for key in ("positions", "object_positions"):
            arrays[key] = arrays[key] * np.float32([1, pace, 1])
        arrays |= {"split": np.array("test" if test and number == 3 else "train"), "quality": np.array("clean")} | changes
        write_motion(folder / "walks" / f"walk_{number}.npz", {key: value for key, value in arrays.items() if value is not None})
    return folder


def walks(folder: Path) -> Domain:
    return Domain.load(str(write_domain(folder)))
