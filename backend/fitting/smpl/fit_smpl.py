"""`fit-smpl`: a body of the SMPL family fitted to a motion, as a file of the AMASS kind.

Betas come first, from the lengths of the bones. Pose and place of the whole clip are then one least-squares problem, that of every human
armature (`backend.fitting.solver`) with the same prior of poses (`backend.fitting.prior`), for the joints of these bodies play the same roles: first with
joints that bones of these lengths can reach, soles on the floor, then with joints where the motion has them, neither scaled nor lifted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from backend.fitting.ends import with_ends
from backend.fitting.human import REST_SIGMA, TWIST_SIGMA, body_stiffness
from backend.fitting.kinematics import Rig, forward
from backend.fitting.limits import Hinge, body_axes, hinges
from backend.fitting.measures import measure
from backend.fitting.prior import PosePrior
from backend.fitting.smpl.body import BODY, FINGERS, TO_WORLD, BodyModel, load_body
from backend.fitting.smpl.shape import fit_shape
from backend.fitting.solver import solve
from backend.fitting.source import read_body
from backend.fitting.targets import build_targets
from backend.fitting.vectors import across, length, unit
from backend.motion.files import write_npz
from backend.motion.motion3d import Motion3D

SHARES = {"neck": 0.03, "hip": 0.03, "shoulder": 0.03, "knee": 0.1, "elbow": 0.1, "wrist": 0.5, "ankle": 1.0}
"""Weights of the joints beside those of a fit to reachable ones. Hips, shoulders and neck mean other points in other data sets, and bones may stay too
long or short: neither must bend the trunk. Feet miss least."""

RESTS = REST_SIGMA | {"head": 1.0}
TWISTS = {"shin": TWIST_SIGMA["shin"]}
"""Turns away from rest and twists that are held beside the prior: a head that looks elsewhere than its joints lie does not bend the back."""

PRIOR_SHARE = 1 / 24
"""See `prior.SHARE`: where joints count for less, poses count for more."""


@dataclass(frozen=True)
class BodyMotion:
    """betas [B]; poses [T,J,3] and trans [T,3] as `BodyModel.posed` takes them, in our world; missed [T,P]: metres between joints of
    the motion and of the body, none (NaN) where a joint is not seen."""

    betas: np.ndarray
    poses: np.ndarray
    trans: np.ndarray
    missed: np.ndarray


def fit_body(motion: Motion3D, place: str, model: BodyModel, report: Callable[[float, str], None], prior: PosePrior | None = None) -> BodyMotion:
    """Fits a body to a human's motion. prior: of poses, another than the shipped one. Raises KineliftError naming `place` for a motion that can't be used."""
    report(0.0, "Measuring the motion")
    usual = measure(with_ends(model.rig(np.zeros(model.shapes))))
    body = read_body(motion, place, usual.ankle / usual.leg, "never")
    betas = fit_shape(model, body.joints, place)
    rig = with_ends(model.rig(betas))
    measures = measure(rig)
    bends = bends_of(rig)
    targets = build_targets(rig, measures, bends, body, 1.0, "never")
    stiff = body_stiffness(rig, bends, motion.fps, RESTS, TWISTS, PRIOR_SHARE, prior)
    names = list(measures.joints)
    wanted = np.stack([body[name] for name in names], axis=1)
    exact = replace(targets.pulls, point_targets=wanted,
                    point_weights=targets.pulls.point_weights * np.array([SHARES[name.split(".")[0]] for name in names]))
    turns, root = targets.turns, targets.root
    for number, pulls in enumerate((targets.pulls, exact)):
        turns, root = solve(rig, pulls, bends, stiff, turns, root,
                            lambda fraction, done=number: report(0.1 + 0.42 * (done + fraction), "Fitting the body to the motion"))
    heads = forward(rig, turns, root)[1]
    poses, trans = _as_parameters(model, betas, turns, root)
    report(1.0, "Fitted")
    missed = np.where(exact.point_weights > 0, length(heads[:, exact.point_bones] - wanted), np.nan)
    return BodyMotion(betas, poses, trans, missed)


def bends_of(rig: Rig) -> list[Hinge]:
    """As every rig's, but elbows bend the hand forward: at rest these bodies hold their arms sideways, bent by chance."""
    ahead = -body_axes(rig)[1]
    found = []
    for hinge in hinges(rig):
        bend = unit(across(ahead, hinge.straight)) if rig.roles[hinge.bone].startswith("forearm") else hinge.bend
        found.append(replace(hinge, bend=bend, axis=np.cross(hinge.straight, bend)))
    return found


def _as_parameters(model: BodyModel, betas: np.ndarray, turns: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turns [T,22,3,3] and root [T,3] of the rig -> poses [T,J,3] and trans [T,3]; fingers are relaxed, jaw and eyes at rest."""
    own = TO_WORLD.T @ turns @ TO_WORLD
    own[:, 0] = turns[:, 0] @ TO_WORLD
    poses = np.zeros((len(turns), len(model.joints), 3))
    poses[:, : len(BODY)] = Rotation.from_matrix(own.reshape(-1, 3, 3)).as_rotvec().reshape(len(turns), -1, 3)
    if len(model.hands):
        poses[:, -FINGERS:] = model.hands
    return poses, root - model.shaped(betas)[0]


def fit_smpl(motion_path: Path | str, model_path: Path | str, out_path: Path | str, report: Callable[[float, str], None]) -> dict:
    """Fits a body to a motion file and writes a file of the AMASS kind.

    Returns {"amass": path, "mean_error": metres between joints of the motion and of the body, "height": metres from
    soles to the top of the head}. Raises KineliftError for files that can't be used.
    """
    motion, model = Motion3D.load(motion_path), load_body(model_path)
    fitted = fit_body(motion, str(motion_path), model, report)
    flat = fitted.poses.reshape(len(fitted.poses), -1).astype(np.float32)
    path = write_npz(out_path, {
        "poses": flat, "trans": fitted.trans.astype(np.float32), "betas": fitted.betas.astype(np.float32), "num_betas": np.int64(model.shapes),
        "gender": np.array(model.gender), "surface_model_type": np.array(model.kind),
        "mocap_framerate": np.float64(motion.fps), "mocap_frame_rate": np.float64(motion.fps),  # tools ask for one or the other
        "mocap_time_length": np.float64(motion.frames / motion.fps),
        **{name: flat[:, 3 * start : 3 * end] for name, (start, end) in _parts(model.kind).items()},
    })
    sole, top = model.shaped_ends(fitted.betas)
    return {"amass": str(path), "mean_error": float(np.nanmean(fitted.missed)), "height": float(top[1] - sole[1])}


def _parts(kind: str) -> dict[str, tuple[int, int]]:
    """The parts of `poses` that AMASS also stores by themselves: name -> first joint, and the one after its last."""
    body = {"root_orient": (0, 1), "pose_body": (1, len(BODY))}
    if kind == "smpl":
        return body | {"pose_body": (1, 24)}
    first = 52 - FINGERS if kind == "smplh" else 55 - FINGERS
    return body | {"pose_hand": (first, first + FINGERS)} | ({"pose_jaw": (22, 23), "pose_eye": (23, 25)} if kind == "smplx" else {})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--motion", type=Path, required=True, help="motion file (.npz)")
    parser.add_argument("--model", type=Path, required=True, help="model file (.npz) that import-smpl wrote")
    parser.add_argument("--to", type=Path, default=Path("amass.npz"), help="where to write the body's motion (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    result = fit_smpl(args.motion, args.model, args.to,
                      lambda fraction, message: print(f"\r{fraction:4.0%} {message:<40}", end="", file=sys.stderr, flush=True))
    print(file=sys.stderr)
    print(f"{result['amass']}: a body {result['height']:.2f} m tall, mean joint error {1000 * result['mean_error']:.1f} mm")
    return 0
