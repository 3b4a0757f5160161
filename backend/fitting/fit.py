"""Fitting a motion to an armature: joint positions in, world rotations of its bones out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from backend.errors import KineliftError
from backend.fitting import human
from backend.fitting.contacts import MODES, check_mode
from backend.fitting.kinematics import Rig, bone_quaternions, forward, load_rig
from backend.fitting.plan import Plan
from backend.fitting.quadruped import plan as quadruped
from backend.fitting.root_motion import ground_path
from backend.fitting.solver import ENOUGH, solve
from backend.motion.contacts import slide_speed
from backend.motion.files import write_npz
from backend.motion.motion3d import Motion3D
from backend.motion.roles import joint_roles

PLANS = {"human": human.plan, "quadruped": quadruped.plan}
"""Kind of character -> what makes the plan of its fit."""

ROUGH = 0.1
"""What is `solver.ENOUGH` for the rounds before the last."""

PAST_STRAIGHT, HARDER = np.radians(-1.0), (4.0, 16.0, 64.0)
"""How far past straight a joint may be bent the wrong way, radians; where one is, on a rig that is built quite otherwise than the motion's body, all is
solved again with joints held so many times harder, from what was found."""


def fit_motion(motion_path: Path | str, armature_path: Path | str, out_path: Path | str,
               report: Callable[[float, str], None], contacts: str = "auto") -> dict:
    """Fits a motion file to an armature file and writes the fit file. contacts: how feet are kept on the floor, a key of `contacts.MODES`.

    Returns {"fit": path, "scale": metres of the armature for a metre of the motion, "mean_error": metres between where
    seen joints are and where they should be, "skate", "source_skate": metres a second that standing feet slide, on the armature and in the scaled
    motion at the same moments}. Raises KineliftError for files that can't be used.
    """
    check_mode(contacts)
    report(0.0, "Reading the motion")
    motion = Motion3D.load(motion_path)
    rig = load_rig(armature_path)
    _check_kind(motion, str(motion_path), rig)
    report(0.05, "Measuring the motion")
    plan = PLANS[rig.kind](motion, str(motion_path), rig, contacts)
    turns, root = solved(plan, lambda fraction: report(0.1 + 0.85 * fraction, "Fitting the motion to the armature"))
    world, heads = forward(plan.rig, turns, root)

    reached = {name: _reached(plan.rig, world, heads, *point) for name, point in plan.points.items()}
    found, wanted = (np.stack([joints[name] for name in plan.points], axis=1) for joints in (reached, plan.targets.joints))
    weights = dict(zip(plan.targets.joints, plan.targets.pulls.point_weights.T, strict=True))
    told = np.stack([weights[name] > 0 for name in plan.points], axis=1)
    report(0.97, "Writing the fit")
    path = write_npz(out_path, {
        "bone_names": np.array(rig.names),
        "rotations": bone_quaternions(rig, plan.finish(world, heads)).astype(np.float32),
        "root_positions": root.astype(np.float32),
        "ground_path": ground_path(plan.rig, world[:, 0], root, motion.fps).astype(np.float32),
        "fps": np.float64(motion.fps),
        "scale": np.float64(plan.scale),
        "target_roles": np.array(list(plan.points)),
        "target_positions": wanted.astype(np.float32),
        "fitted_positions": found.astype(np.float32),
        "object_names": np.array(motion.object_names, dtype=str),
        "object_positions": plan.objects(reached).astype(np.float32),
        "object_holders": plan.holders,
        **({"object_rotations": motion.object_rotations.astype(np.float32)} if motion.object_rotations is not None else {}),
        **({"object_sizes": (plan.scale * motion.object_sizes).astype(np.float32)} if motion.object_sizes is not None else {}),
    })
    report(1.0, "Fitted")
    feet = np.stack([reached[name] for name in plan.feet], axis=1), plan.scale * np.stack(list(plan.feet.values()), axis=1)
    skate, source_skate = (slide_speed(ways, plan.stands, motion.fps) for ways in feet)
    return {"fit": str(path), "scale": plan.scale, "mean_error": float(np.linalg.norm(found - wanted, axis=-1)[told].mean()),
            "skate": skate, "source_skate": source_skate}


def solved(plan: Plan, report: Callable[[float], None]) -> tuple[np.ndarray, np.ndarray]:
    """Turns [T,N,3,3] relative to the parents' and root [T,3] that suit a plan best."""
    turns, root = plan.targets.turns, plan.targets.root
    for number, share in enumerate(plan.rounds):
        pulls = replace(plan.targets.pulls, point_weights=share * plan.targets.pulls.point_weights)
        turns, root = solve(plan.rig, pulls, plan.hinges, plan.stiffness, turns, root,
                            lambda fraction, done=number: report((done + fraction) / len(plan.rounds)), plan.damping, ENOUGH if share == 1 else ROUGH)
    for harder in HARDER:
        if min(hinge.flexion(turns).min() for hinge in plan.hinges) > PAST_STRAIGHT:
            break
        stiffness = replace(plan.stiffness, backwards=harder * plan.stiffness.backwards)
        turns, root = solve(plan.rig, plan.targets.pulls, plan.hinges, stiffness, turns, root, lambda fraction: report(1.0), plan.damping)
    return turns, root


def _check_kind(motion: Motion3D, place: str, rig: Rig) -> None:
    """Raises KineliftError when the motion is of another kind of character than the armature."""
    kind = "quadruped" if "front_foot.L" in joint_roles(motion, place).values() else "human"
    if kind != rig.kind:
        raise KineliftError(f"this is the motion of a {kind}, and the armature is that of a {rig.kind}",
                            f"Choose the armature of a {kind}", place, "wrong-kind")


def _reached(rig: Rig, world: np.ndarray, heads: np.ndarray, bone: int, rest: np.ndarray) -> np.ndarray:
    return heads[:, bone] + world[:, bone] @ (rest - rig.heads[bone])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("motion", type=Path, help="motion file (.npz)")
    parser.add_argument("armature", type=Path, help="armature file (.npz) written by the add-on")
    parser.add_argument("--contacts", choices=MODES, default="auto",
                        help="; ".join(f"{mode}: {text}" for mode, text in MODES.items()) + " (default: %(default)s)")
    parser.add_argument("--to", type=Path, default=Path("fit.npz"), help="where to write the fit (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    result = fit_motion(args.motion, args.armature, args.to,
                        lambda fraction, message: print(f"\r{fraction:4.0%} {message:<40}", end="", file=sys.stderr, flush=True),
                        args.contacts)
    print(file=sys.stderr)
    print(f"{result['fit']}: scale {result['scale']:.3f}, mean joint error {1000 * result['mean_error']:.1f} mm, "
          f"feet slide {100 * result['skate']:.1f} cm/s where the motion's slide {100 * result['source_skate']:.1f}")
    return 0
