"""Fitting a motion to an armature: joint positions in, world rotations of its bones out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from backend.fitting.ends import with_ends
from backend.fitting.kinematics import Rig, bone_quaternions, forward, load_rig
from backend.fitting.limits import hinges
from backend.fitting.measures import measure
from backend.fitting.objects import place_objects
from backend.fitting.solver import Stiffness, solve
from backend.fitting.source import read_body
from backend.fitting.targets import build_targets
from backend.motion.files import write_npz
from backend.motion.motion3d import Motion3D

REST_SIGMA = {"pelvis": np.inf, "spine": 0.6, "neck": 0.6, "head": 1.0, "clavicle": 0.35, "upper_arm": 2.0, "forearm": 2.0,
              "hand": 0.3, "thigh": 2.0, "shin": 2.0, "foot": 1.0, "toe": 0.5}
TWIST_SIGMA = {"clavicle": 0.3, "upper_arm": 1.0, "forearm": 0.3, "thigh": 0.7, "shin": 0.15, "neck": 0.6, "spine": 0.6}
"""Radians a joint is away from rest without being odd, and the same about the bone itself."""

SPEED_SIGMA = 12.0
"""Radians a second a joint usually turns."""

SIDEWAYS_SIGMA, BACKWARDS_SIGMA, SLACK = 0.03, 0.005, np.radians(2.0)


def fit_motion(motion_path: Path | str, armature_path: Path | str, out_path: Path | str,
               report: Callable[[float, str], None]) -> dict:
    """Fits a motion file to an armature file and writes the fit file.

    Returns {"fit": path, "scale": metres of the armature for a metre of the motion, "mean_error": metres between where
    joints are and where they should be}. Raises KineliftError for files that can't be used.
    """
    report(0.0, "Reading the motion")
    motion = Motion3D.load(motion_path)
    rig = with_ends(load_rig(armature_path))
    measures = measure(rig)
    body = read_body(motion, str(motion_path), measures.ankle / measures.leg)
    scale = measures.leg / body.leg
    bends = hinges(rig)
    report(0.05, "Measuring the motion")
    targets = build_targets(rig, measures, bends, body, scale)
    turns, root = solve(rig, targets.pulls, bends, stiffness(rig, motion.fps), targets.turns, targets.root,
                        lambda fraction: report(0.1 + 0.85 * fraction, "Fitting the motion to the armature"))
    world, heads = forward(rig, turns, root)

    names = list(targets.joints)
    reached = np.stack([_reached(rig, world, heads, measures.bones[name], measures.joints[name]) for name in names], axis=1)
    wanted = np.stack([targets.joints[name] for name in names], axis=1)
    objects = motion.object_positions if motion.object_positions is not None else np.zeros((motion.frames, 0, 3))
    wrists = {side: reached[:, names.index(f"wrist.{side}")] for side in "LR"}
    report(0.97, "Writing the fit")
    path = write_npz(out_path, {
        "bone_names": np.array(rig.names),
        "rotations": bone_quaternions(rig, world).astype(np.float32),
        "root_positions": root.astype(np.float32),
        "fps": np.float64(motion.fps),
        "scale": np.float64(scale),
        "target_roles": np.array(names),
        "target_positions": wanted.astype(np.float32),
        "fitted_positions": reached.astype(np.float32),
        "object_names": np.array(motion.object_names, dtype=str),
        "object_positions": place_objects(body, objects, wrists, scale).astype(np.float32),
    })
    report(1.0, "Fitted")
    return {"fit": str(path), "scale": scale, "mean_error": float(np.linalg.norm(reached - wanted, axis=-1).mean())}


def stiffness(rig: Rig, fps: float) -> Stiffness:
    """How stiff each bone of a human is; see `REST_SIGMA`."""
    parts = [role.split(".")[0] for role in rig.roles]
    return Stiffness(
        rest=np.array([REST_SIGMA.get(part, 1.0) ** -2.0 for part in parts]),
        twist=np.array([TWIST_SIGMA.get(part, np.inf) ** -2.0 for part in parts]),
        smooth=np.full(rig.bones, (fps / SPEED_SIGMA) ** 2),
        sideways=SIDEWAYS_SIGMA**-2,
        backwards=BACKWARDS_SIGMA**-2,
        slack=float(SLACK),
    )


def _reached(rig: Rig, world: np.ndarray, heads: np.ndarray, bone: int, rest: np.ndarray) -> np.ndarray:
    return heads[:, bone] + world[:, bone] @ (rest - rig.heads[bone])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("motion", type=Path, help="motion file (.npz)")
    parser.add_argument("armature", type=Path, help="armature file (.npz) written by the add-on")
    parser.add_argument("--to", type=Path, default=Path("fit.npz"), help="where to write the fit (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    result = fit_motion(args.motion, args.armature, args.to,
                        lambda fraction, message: print(f"\r{fraction:4.0%} {message:<40}", end="", file=sys.stderr, flush=True))
    print(file=sys.stderr)
    print(f"{result['fit']}: scale {result['scale']:.3f}, mean joint error {1000 * result['mean_error']:.1f} mm")
    return 0
