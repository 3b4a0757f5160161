"""A four-legged animal's fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.fitting.kinematics import Rig
from backend.fitting.plan import Plan, stiffness
from backend.fitting.quadruped.ends import with_ends
from backend.fitting.quadruped.places import ENDS, scales
from backend.fitting.quadruped.rest import hinges, read_rest, tail_root
from backend.fitting.quadruped.source import ELBOW, LIMBS, NAMES, read_animal
from backend.fitting.quadruped.tail import follow_through
from backend.fitting.quadruped.targets import build_targets
from backend.motion.motion3d import Motion3D

REST_SIGMA = {"pelvis": np.inf, "spine": 0.4, "neck": 0.5, "head": 1.0, "scapula": 0.35, "upper_arm": 0.8, "forearm": 1.2, "metacarpus": 1.5,
              "front_pastern": 0.7, "front_hoof": 0.35, "thigh": 0.8, "shin": 1.0, "metatarsus": 1.2, "hind_pastern": 0.7, "hind_hoof": 0.35}
TWIST_SIGMA = {"spine": 0.3, "neck": 0.4, "scapula": 0.2, "upper_arm": 0.3, "forearm": 0.15, "metacarpus": 0.1, "front_pastern": 0.1,
               "front_hoof": 0.1, "thigh": 0.4, "shin": 0.15, "metatarsus": 0.1, "hind_pastern": 0.1, "hind_hoof": 0.1}
"""See `plan.stiffness`. Joints that keypoints don't show are where these leave them: the stiffer a joint, the less it takes of a bend."""

SPEED_SIGMA = 3.0
"""Radians a second that a joint of an animal usually turns: most of a limb's joints no keypoint shows, and each takes of a bend what the one before left it."""

ROUNDS, DAMPING = (0.01, 1.0), 1e-3
"""See `plan.Plan`. A limb of six bones has wrong bends in which a fit could be caught: at first the rest pose leads."""


def plan(motion: Motion3D, place: str, rig: Rig, contacts: str) -> Plan:
    """What to solve for an animal's motion. contacts: a key of `contacts.MODES`. Raises KineliftError naming `place` for a motion that can't be used."""
    whole, tail = with_ends(rig), set(rig.chain("tail"))
    solved = [bone for bone in range(rig.bones) if bone not in tail]
    rig = whole.part(solved)
    rest = read_rest(rig)
    animal = read_animal(motion, place, min(rest.height(pair) for pair in LIMBS) / rest.leg, contacts)
    if "upper_arm.L" not in rig.index and animal.kinds["front"] is ELBOW:
        # One bone from the shoulder to the carpus has no elbow: the limb bends below it.
        animal = replace(animal, kinds=animal.kinds | {"front": replace(ELBOW, middle=LIMBS["front"].middle, ahead=True, mirrored=True)})
    rest = read_rest(rig, animal.kinds, {pair: upper / lower for pair, (upper, lower) in animal.lengths.items()})
    seen = np.einsum("tji,tj->ti", animal.heading, animal["tail_root"] - animal.girdle("hind")) / animal.leg
    rest = replace(rest, ends=rest.ends | {"hind": tail_root(whole, rest, np.median(seen, axis=0))})
    scale, _ = scales(animal, rest)
    points = {}
    for pair, side in NAMES:
        limb = rest.limbs[pair, side]
        own = (limb.top_bone, limb.top), (limb.middle_bone, limb.middle), (limb.last, limb.foot)
        points |= {f"{joint}.{side}": point for joint, point in zip(animal.kinds[pair].joints, own, strict=False)}
    points |= {ENDS["hind"]: (0, rest.ends["hind"]), ENDS["front"]: ((rig.chain("spine") or [0])[-1], rest.ends["front"])}
    targets = build_targets(rig, rest, animal, contacts)
    if "head" in targets.joints:
        points["head"] = rig.index["head"], rig.heads[rig.index["head"]]
    floor = np.array([0.0, 0.0, animal.floor])
    objects = motion.object_positions if motion.object_positions is not None else np.zeros((motion.frames, 0, 3))

    def finish(world: np.ndarray, heads: np.ndarray) -> np.ndarray:
        if not tail:
            return world
        turns, places = np.empty((len(world), whole.bones, 3, 3)), np.empty((len(world), whole.bones, 3))
        turns[:, solved], places[:, solved] = world, heads
        return follow_through(whole, rest, turns, places, animal.heading, motion.fps)

    return Plan(
        rig=rig,
        targets=targets,
        hinges=hinges(rig, rest),
        stiffness=stiffness(rig, motion.fps, REST_SIGMA, TWIST_SIGMA, SPEED_SIGMA),
        scale=scale,
        points=points,
        feet={f"{LIMBS[pair].joints[2]}.{side}": animal.limb(pair, side)[2] for pair, side in NAMES},
        stands=animal.contacts.stands,
        finish=finish,
        objects=lambda reached: scale * (objects - floor),
        holders=np.full(objects.shape[:2], "", dtype="U6"),
        rounds=ROUNDS,
        damping=DAMPING,
    )
