"""A human's fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.fitting.ends import with_ends
from backend.fitting.kinematics import Rig
from backend.fitting.limits import Hinge, hinges
from backend.fitting.measures import measure
from backend.fitting.objects import holders, holds, place_objects
from backend.fitting.plan import Plan, stiffness
from backend.fitting.prior import SHARE, PosePrior, people
from backend.fitting.solver import Stiffness
from backend.fitting.source import read_body
from backend.fitting.targets import build_targets
from backend.motion.motion3d import Motion3D

REST_SIGMA = {"spine": 0.6, "neck": 0.6, "clavicle": 0.35, "hand": 0.3, "toe": 0.5} | dict.fromkeys(
    ("pelvis", "head", "upper_arm", "forearm", "thigh", "shin", "foot"), np.inf)
TWIST_SIGMA = {"clavicle": 0.3, "forearm": 0.3, "shin": 0.15, "neck": 0.6, "spine": 0.6}
"""See `plan.stiffness`. Where joints of people are when nothing tells says the prior; these share a bend among the bones of a spine, keep bones stiff that
are usually as at rest, whatever the joints around them ask, and limbs from twisting more than they can."""


def body_stiffness(rig: Rig, hinges: list[Hinge], fps: float, rest: dict[str, float] = REST_SIGMA, twist: dict[str, float] = TWIST_SIGMA,
                   share: float = SHARE, prior: PosePrior | None = None) -> Stiffness:
    """What keeps a human rig calm and as people hold themselves. rest, twist: as of `plan.stiffness`; share: see `prior.SHARE`; prior: another than
    the shipped one."""
    return replace(stiffness(rig, fps, rest, twist), pose=(prior or people()).pull(rig, hinges, share))


def plan(motion: Motion3D, place: str, rig: Rig, contacts: str) -> Plan:
    """What to solve for a human's motion. contacts: a key of `contacts.MODES`. Raises KineliftError naming `place` for a motion that can't be used."""
    rig = with_ends(rig)
    measures = measure(rig)
    body = read_body(motion, place, measures.ankle / measures.leg, contacts)
    scale = measures.leg / body.leg
    bends = hinges(rig)
    objects = motion.object_positions if motion.object_positions is not None else np.zeros((motion.frames, 0, 3))
    certainty = holds(body, objects, motion.object_rotations, motion.object_sizes)
    targets = build_targets(rig, measures, bends, body, scale, contacts)
    return Plan(
        rig=rig,
        targets=targets,
        hinges=bends,
        stiffness=body_stiffness(rig, bends, motion.fps),
        scale=scale,
        points={name: (measures.bones[name], measures.joints[name]) for name in targets.joints},
        feet={f"ankle.{side}": body[f"ankle.{side}"] for side in "LR"},
        stands=body.contacts.stands,
        finish=lambda world, heads: world,
        objects=lambda reached: place_objects(body, objects, certainty, {side: reached[f"wrist.{side}"] for side in "LR"}, scale),
        holders=holders(certainty, motion.fps),
    )
