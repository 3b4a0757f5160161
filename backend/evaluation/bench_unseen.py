"""`bench unseen`: where a fit has joints of people that a motion doesn't show, or not surely, with the pose prior and without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.evaluation.bench_retarget import motions_of
from backend.evaluation.output import add_output_arguments, write_output
from backend.evaluation.retargeting import flips
from backend.evaluation.tables import markdown_table
from backend.fitting import human
from backend.fitting.fit import solved
from backend.fitting.kinematics import Rig, forward, load_rig, relative
from backend.fitting.limits import Hinge
from backend.fitting.prior import PosePrior, people
from backend.fitting.smpl.body import BODY, TO_WORLD, load_body
from backend.fitting.smpl.fit_smpl import bends_of, fit_body
from backend.fitting.smpl.shape import JOINTS
from backend.fitting.solver import PosePull
from backend.motion.motion3d import Motion3D
from backend.motion.roles import joint_roles
from backend.training.domain import Domain

SECONDS = 1.0
"""How long joints are hidden, in the middle of a clip that is at least three times as long."""

HIDDEN = {
    "an arm": ("elbow.L", "wrist.L"),
    "both arms": ("elbow.L", "wrist.L", "elbow.R", "wrist.R"),
    "a leg": ("knee.L", "ankle.L", "toe.L"),
    "the far side": ("elbow.R", "wrist.R", "knee.R", "ankle.R", "toe.R"),
    "the head": ("nose", "head_top", "eye.L", "eye.R", "ear.L", "ear.R"),
}
"""What is hidden: the roles of its joints."""

NOISE, UNSURE = 0.025, 0.5
"""Metres of noise in each direction that joints have all the time, and the confidence that they are then given."""

BONES = {"elbow": "forearm", "wrist": "hand", "knee": "shin", "ankle": "foot"}
"""Joint -> the bone that begins there."""

WITHOUT_TWIST = {"upper_arm": 1.0, "thigh": 0.7}
WITHOUT_SIGMA = {"head": 1.0, "upper_arm": 2.0, "forearm": 2.0, "thigh": 2.0, "shin": 2.0, "foot": 1.0}
"""Radians that a bone may be away from its rest pose, about itself and in all, in a fit without the prior."""


class RestPose(PosePrior):
    """In the place of the prior: every bone is drawn to its rest pose."""

    def pull(self, rig: Rig, hinges: list[Hinge], share: float = 1.0) -> PosePull:
        sigmas = [WITHOUT_SIGMA.get(role.split(".")[0], np.inf) for role in rig.roles]
        precision = np.diag(np.repeat(sigmas, 3) ** -2.0)
        for bone, role in enumerate(rig.roles):
            axis, block = rig.direction(bone), slice(3 * bone, 3 * bone + 3)
            precision[block, block] += np.outer(axis, axis) * WITHOUT_TWIST.get(role.split(".")[0], np.inf) ** -2.0
        return PosePull(np.tile(np.eye(3), (rig.bones, 1, 1)), precision)


@dataclass(frozen=True)
class Pose:
    """A fitted motion: points by role [T,3] of joints and of the head's look, metres, and world turns [T,N,3,3]."""

    points: dict[str, np.ndarray]
    turns: np.ndarray


@dataclass(frozen=True)
class Measurement:
    """What is hidden of one clip on one body. Centimetres on a usual body between where hidden joints (with noise: elbows, wrists, knees, ankles)
    are and where a fit to the whole clip has them, going evenly over the gap (None: not told), by a fit without the prior and with it; how odd the
    poses meanwhile are, in the prior, likewise, and of the fit to the whole clip; flips without and with the prior."""

    body: str
    hidden: str
    clip: str
    even: float | None
    without: float
    with_prior: float
    odd_without: float
    odd_with: float
    odd_whole: float
    flips_without: int
    flips_with: int


@dataclass(frozen=True)
class Subject:
    """What motions are fitted to: its rig and hinges, and from a motion and a prior to the first guess, in which hidden joints go evenly over the gap, and
    the fit."""

    name: str
    rig: Rig
    hinges: list[Hinge]
    fit: Callable[[Motion3D, PosePrior], tuple[Pose | None, Pose]]


def on_rig(path: Path) -> Subject:
    """A rig; sizes are told at the motion's scale."""
    rig = human.with_ends(load_rig(path))

    def fit(motion: Motion3D, prior: PosePrior) -> tuple[Pose, Pose]:
        plan = human.plan(motion, "motion", rig, "auto")
        plan = replace(plan, stiffness=human.body_stiffness(rig, plan.hinges, motion.fps, prior=prior))

        def pose(turns: np.ndarray, root: np.ndarray) -> Pose:
            world, heads = forward(rig, turns, root)
            points = {f"{joint}.{side}": heads[:, rig.index[f"{bone}.{side}"]] for joint, bone in BONES.items() for side in "LR"}
            if "head" in rig.index:
                head = rig.index["head"]
                top = rig.tails[head] - rig.heads[head]
                look = np.array([top, np.linalg.norm(top) * np.array([0, -0.5, 0.4])])
                points |= {role: heads[:, head] + world[:, head] @ way for role, way in zip(("head_top", "nose"), look, strict=True)}
            return Pose({role: point / plan.scale for role, point in points.items()}, world)

        return pose(plan.targets.turns, plan.targets.root), pose(*solved(plan, lambda fraction: None))

    return Subject(path.stem, rig, human.hinges(rig), fit)


def on_body(path: Path) -> Subject:
    """A body model. Its first guess is not told."""
    model = load_body(path)
    rig = human.with_ends(model.rig(np.zeros(model.shapes)))

    def fit(motion: Motion3D, prior: PosePrior) -> tuple[None, Pose]:
        fitted = fit_body(motion, "motion", model, lambda fraction, message: None, prior)
        joints = model.posed(fitted.betas, fitted.poses, fitted.trans)
        points = {role: joints[:, number] for role, number in JOINTS.items() if role.split(".")[0] in BONES}
        own = Rotation.from_rotvec(fitted.poses[:, : len(BODY)].reshape(-1, 3)).as_matrix().reshape(-1, len(BODY), 3, 3)
        turns = TO_WORLD @ own @ TO_WORLD.T
        turns[:, 0] = own[:, 0] @ TO_WORLD.T
        return None, Pose(points, forward(rig, turns, fitted.trans)[0])

    return Subject(f"{model.kind}, {model.gender}", rig, bends_of(rig), fit)


def hide(motion: Motion3D, roles: tuple[str, ...], frames: slice) -> Motion3D:
    """The motion with joints of these roles not seen in some frames; where they are put then says nothing."""
    columns = [number for number, name in enumerate(motion.joint_names) if joint_roles(motion, "motion").get(name) in roles]
    positions, confidences = motion.positions.copy(), np.ones(motion.positions.shape[:2])
    positions[frames, columns], confidences[frames, columns] = 0.0, 0.0
    return replace(motion, positions=positions, confidences=confidences)


def noisy(motion: Motion3D, seed: int) -> Motion3D:
    """The motion with noise on every joint, of which none is sure."""
    noise = np.random.default_rng(seed).normal(0, NOISE, motion.positions.shape)
    return replace(motion, positions=motion.positions + noise, confidences=np.full(motion.positions.shape[:2], UNSURE))


def measure(subject: Subject, clip: str, motion: Motion3D) -> list[Measurement]:
    """All that can be hidden of a clip."""
    middle, half = motion.frames // 2, round(SECONDS * motion.fps / 2)
    gap = slice(middle - half, middle + half)
    prior = people()
    whole = subject.fit(motion, prior)[1]
    cases = [(name, hide(motion, roles, gap), roles, gap) for name, roles in HIDDEN.items()]
    limbs = tuple(f"{joint}.{side}" for joint in BONES for side in "LR")
    measurements = []
    for name, shown, roles, frames in [*cases, ("nothing, but noise", noisy(motion, len(clip)), limbs, slice(None))]:
        joints = [role for role in roles if role in whole.points]
        if not joints:
            continue
        even, found = subject.fit(shown, prior)
        without = subject.fit(shown, RestPose(prior.means, prior.covariance, ""))[1]

        def away(pose: Pose, joints: list[str] = joints, frames: slice = frames) -> float:
            return float(100 * np.mean([np.linalg.norm(pose.points[role] - whole.points[role], axis=-1)[frames].mean() for role in joints]))

        odd = [float(prior.away(subject.rig, subject.hinges, pose.turns[frames]).mean()) for pose in (without, found, whole)]
        flipped = [flips(relative(subject.rig, pose.turns), motion.fps) for pose in (without, found)]
        measurements.append(Measurement(subject.name, name, clip, None if even is None else away(even), away(without), away(found), *odd, *flipped))
    return measurements


def table(measurements: list[Measurement]) -> str:
    """One line a body and what is hidden: means over the clips, of flips the sum."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.body, one.hidden), []).append(one)
    headings = ["body", "hidden", "clips", "evenly, cm", "without, cm", "with, cm", "oddness without", "with", "of the whole", "flips without", "with"]
    rows = []
    for (body, hidden), group in groups.items():
        mean = {key: None if group[0].even is None and key == "even" else np.mean([getattr(one, key) for one in group])
                for key in ("even", "without", "with_prior", "odd_without", "odd_with", "odd_whole")}
        rows.append([body, hidden, str(len(group)), *(f"{value:.{2 if 'odd' in key else 1}f}" if value is not None else "" for key, value in mean.items()),
                     str(sum(one.flips_without for one in group)), str(sum(one.flips_with for one in group))])
    return markdown_table(headings, rows)


def page(measurements: list[Measurement], arguments) -> str:
    return f"""# Joints that a motion doesn't show

People are fitted with a prior of poses (`backend/fitting/pose_prior.npz`): a Gaussian of how joints are usually turned, all together, in anatomical axes
that are read off the joints of a rest pose, so that it is the same for every rig and for SMPL bodies. It was learned from recorded people whose licences
allow that, named in the file, by `learn-prior`. Joints that a motion shows are where it shows them; the prior says where the others are.

Test clips of people, of whom joints are hidden for {SECONDS:g} s, or who have {100 * NOISE:g} cm of noise in each direction on every joint, which is then
said to be half sure: how far these joints (of a head, its top and its nose; of noise, elbows, wrists, knees and ankles) are from where a fit to the whole clip
has them, in centimetres at the clip's size. With the prior, and, in the same run, without it: drawn to the rest pose of the rig, as fits were before. Evenly:
each joint goes straight from where it was last to where it is next, as the trunk carries it, which is where both fits begin.
Oddness: how far poses are from the usual one, by the prior (1: as far as people usually are); of the whole clip's fit too. Flips: bones that turn by more than
60° in a thirtieth of a second, in the whole clip. No test clip was learned from.

How to read it: a leg that is not seen is guessed no better than evenly, for nothing tells on which foot somebody stands. The more a rest pose holds its arms
sideways, as bodies of the SMPL family do, the further it is from people. This page is one run of

```
{arguments.typed}
```

{table(measurements)}
"""


def add_arguments(parser) -> None:
    parser.add_argument("--rigs", type=Path, nargs="+", default=[], metavar="FILE",
                        help="armature files (.npz) of people; `build.py bench retarget` makes some")
    parser.add_argument("--models", type=Path, nargs="+", default=[], metavar="FILE", help="model files (.npz) that import-smpl wrote")
    parser.add_argument("--data", type=Path, required=True, help="the folder that the domain's paths start from")
    parser.add_argument("--domain", default="human", help="domain, or file of a domain, whose test clips are used (default: %(default)s)")
    parser.add_argument("--most", type=int, metavar="N", help="at most about N clips, spread over all; all without it")
    add_output_arguments(parser, "measurements")


def run(arguments) -> int:
    subjects = [*map(on_rig, arguments.rigs), *map(on_body, arguments.models)]
    if not subjects:
        raise KineliftError("there is nothing to fit to", "Give --rigs or --models", code="bad-setting")
    measurements = []
    for clip, motion in motions_of(Domain.load(arguments.domain), arguments.data, arguments.most):
        if motion.frames >= 3 * SECONDS * motion.fps:
            measurements += [one for subject in subjects for one in measure(subject, clip, motion)]
    print(f"\n{table(measurements)}\n")
    write_output(arguments, lambda: page(measurements, arguments), [asdict(one) for one in measurements])
    return 0
