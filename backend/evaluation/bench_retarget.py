"""`bench retarget`: how good recorded and animated test clips sit on real rigs, and what a fit costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from backend.errors import KineliftError
from backend.evaluation.clicks import section_in, with_section
from backend.evaluation.output import add_output_arguments, write_output
from backend.evaluation.retargeting import flips, jerk, joint_error, limb_flips, penetration, wrong_way_frames
from backend.evaluation.tables import markdown_table
from backend.fitting import human
from backend.fitting.contacts import MODES
from backend.fitting.ends import with_ends
from backend.fitting.fit import fit_motion
from backend.fitting.kinematics import Rig, forward, load_rig, relative
from backend.fitting.limits import Hinge
from backend.fitting.quadruped import ends as animal_ends
from backend.fitting.quadruped import rest as animal_rest
from backend.fitting.quadruped.source import NAMES, read_animal
from backend.fitting.source import read_body
from backend.mas.generate import GenerateSettings, generate
from backend.motion.motion3d import Motion3D
from backend.motion.roles import by_role
from backend.training.domain import Clip, Domain
from rigs import Skeleton, load_skeleton

DOMAINS = ("basketball", "human", "horse", "lift-cat")
"""Where test clips come from, and how their joints are read."""

PACKS = ("basketball", "horse")
"""Shipped packs that make the motions where there is no data."""

SAMPLES, SECONDS = 3, 6.0
"""Motions a pack makes, and their length."""

ENDS = {"human": ("ankle", "wrist"), "quadruped": ("front_foot", "back_foot")}
"""Kind of character -> its end effectors."""

SOLES = {"human": ("foot", "toe"), "quadruped": ("front_hoof", "hind_hoof", "front_pastern", "hind_pastern")}
"""Kind of character -> the parts whose bones may reach the floor."""


HUMAN_ANKLE, ANIMAL_FOOT = 0.1, 0.05
"""In leg lengths: usual heights of ankles and of feet; nothing that is measured of a clip alone depends on them."""


@dataclass(frozen=True)
class Measurement:
    """One clip on one rig. Errors in per cent of the rig's height, skating in cm/s of the rig, penetration in cm, jerk in m/s³ of the
    rig; `source_...` the same of the clip scaled to the rig, flips those of its arms and legs as their joints tell them; seconds of the processor."""

    rig: str
    clip: str
    frames: int
    joint_error: float
    end_error: float
    flips: int
    source_flips: int
    wrong_way: int
    skate: float
    source_skate: float
    penetration: float
    jerk: float
    source_jerk: float
    seconds: float


def motions_of(domain: Domain, data: Path, most: int | None) -> Iterator[tuple[str, Motion3D]]:
    """The test clips of a domain by name as motions; those that are animated in place travel at the speed that their feet claim."""
    skeleton = domain.skeleton
    clips = [clip for clip in domain.clips(data, "test") if len(clip.keypoints) > 3]
    for clip in clips[:: max(1, -(-len(clips) // most))] if most else clips:
        yield clip.name, _motion(clip, skeleton, domain.settings["fps"])


def _motion(clip: Clip, skeleton: Skeleton, fps: float) -> Motion3D:
    count = len(skeleton.joints)
    keypoints = clip.keypoints.copy()
    keypoints[..., 1] -= clip.speed * np.arange(len(keypoints))[:, None] / fps
    objects = {}
    if clip.seen[count:].any():
        objects = {"object_names": list(skeleton.objects), "object_positions": keypoints[:, count:]}
    return Motion3D(keypoints[:, :count], list(skeleton.joints), list(skeleton.parents), fps, skeleton.name, **objects)


def new_motions(pack: str, most: int | None) -> list[tuple[str, Motion3D]]:
    """Motions that a pack makes, seeds 1 and up, by name."""
    with tempfile.TemporaryDirectory() as folder:
        made = generate(GenerateSettings(pack, SECONDS, seed=1, variants=min(most or SAMPLES, SAMPLES)), Path(folder))
        return [(path.stem, Motion3D.load(path)) for path in made]


def _groups(arguments) -> Iterator[tuple[str, Skeleton, list[tuple[str, Motion3D]]]]:
    """Where motions come from by name, the skeleton of these, and the motions by name."""
    if arguments.data is None:
        if arguments.domains:
            raise KineliftError("the domains' clips are nowhere", "Give --data the folder that their paths start from", code="missing-file")
        for pack in PACKS:
            motions = new_motions(pack, arguments.most)
            yield f"new {pack}", load_skeleton(motions[0][1].skeleton), motions
        return
    for name in arguments.domains or DOMAINS:
        domain = Domain.load(name)
        yield domain.name, domain.skeleton, list(motions_of(domain, arguments.data, arguments.most))


def measure(rig_file: Path, name: str, motion: Motion3D, contacts: str) -> Measurement:
    """Fits a motion to a rig and looks at the result."""
    rig = load_rig(rig_file)
    with tempfile.TemporaryDirectory() as folder:
        motion_file = motion.save(Path(folder) / "motion.npz")
        began = time.process_time()
        result = fit_motion(motion_file, rig_file, Path(folder) / "fit.npz", lambda fraction, message: None, contacts)
        seconds = time.process_time() - began
        with np.load(result["fit"]) as data:
            fit = {key: data[key] for key in data.files}
    height = float(np.ptp(np.concatenate([rig.heads, rig.tails])[:, 2]))
    turns, ends = _turns(rig, fit), with_ends(rig) if rig.kind == "human" else animal_ends.with_ends(rig)
    world, heads = forward(rig, turns, fit["root_positions"])
    source = {role: result["scale"] * positions for role, positions in by_role(motion, name).items()}
    roles = [str(role) for role in fit["target_roles"]]
    common = [role for role in roles if role in source]
    found = fit["fitted_positions"][:, [roles.index(role) for role in common]]
    wanted = np.stack([source[role] for role in common], axis=1)
    reached = [number for number, role in enumerate(common) if role.split(".")[0] in ENDS[rig.kind]]
    lift = np.median((found - wanted)[:, reached, 2])
    return Measurement(
        rig=rig_file.stem,
        clip=name,
        frames=motion.frames,
        joint_error=float(joint_error(fit["fitted_positions"], fit["target_positions"], height).mean()),
        end_error=float(joint_error(found[:, reached], wanted[:, reached] + [0, 0, lift], height).mean()),
        flips=flips(turns, motion.fps),
        source_flips=_source_flips(motion, name, rig.kind),
        wrong_way=wrong_way_frames(np.stack([hinge.flexion(turns) for hinge in _hinges(ends)], axis=1)),
        skate=100 * result["skate"],
        source_skate=100 * result["source_skate"],
        penetration=penetration(_soles(ends, world, heads)),
        jerk=jerk(found, motion.fps),
        source_jerk=jerk(wanted, motion.fps),
        seconds=seconds,
    )


def _source_flips(motion: Motion3D, name: str, kind: str) -> int:
    """How often limbs of the motion itself jump."""
    if kind == "human":
        body = read_body(motion, name, HUMAN_ANKLE, "never")
        limbs = [(frame, *(body[f"{joint}.{side}"] for joint in joints)) for side in "LR" for frame, joints in (
            (body.pelvis, ("hip", "knee", "ankle")), (body.chest, ("shoulder", "elbow", "wrist")))]
    else:
        animal = read_animal(motion, name, ANIMAL_FOOT, "never")
        limbs = [(animal.frame, *animal.limb(pair, side)) for pair, side in NAMES]
    return sum(limb_flips(*limb, motion.fps) for limb in limbs)


def _hinges(rig: Rig) -> list[Hinge]:
    return human.hinges(rig) if rig.kind == "human" else animal_rest.hinges(rig, animal_rest.read_rest(rig))


def _turns(rig: Rig, fit: dict[str, np.ndarray]) -> np.ndarray:
    posed = Rotation.from_quat(fit["rotations"].reshape(-1, 4), scalar_first=True).as_matrix().reshape(*fit["rotations"].shape[:2], 3, 3)
    rest = Rotation.from_quat(rig.rotations, scalar_first=True).as_matrix()
    return relative(rig, posed @ np.swapaxes(rest, -1, -2))


def _soles(rig: Rig, world: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """[T,P,3] points of the feet, lifted by how far each is below the floor at rest."""
    bones = [bone for bone, role in enumerate(rig.roles) if role.split(".")[0] in SOLES[rig.kind]]
    tails = heads[:, bones] + np.einsum("tnij,nj->tni", world[:, bones], (rig.tails - rig.heads)[bones])
    below = np.minimum(rig.tails[bones, 2] - rig.origin[2], 0)
    return tails - below[:, None] * [0, 0, 1]


def table(measurements: list[Measurement]) -> str:
    """One line a rig and group of clips: the mean over the frames, of flips, wrong ways and penetration the worst."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.rig, one.clip.split("/")[0]), []).append(one)
    headings = ["rig", "clips", "frames", "joint error %", "end effectors %", "flips", "of the clip", "wrong way", "skate cm/s", "of the clip",
                "penetration cm", "jerk m/s³", "of the clip", "CPU s for 250 frames"]
    rows = []
    for (rig, source), group in groups.items():
        frames = np.array([one.frames for one in group])
        mean = {key: float(np.average([getattr(one, key) for one in group], weights=frames))
                for key in ("joint_error", "end_error", "skate", "source_skate", "jerk", "source_jerk")}
        rows.append([rig, f"{len(group)} of {source}", str(frames.sum()), f"{mean['joint_error']:.2f}", f"{mean['end_error']:.1f}",
                     str(sum(one.flips for one in group)), str(sum(one.source_flips for one in group)), str(sum(one.wrong_way for one in group)),
                     f"{mean['skate']:.1f}", f"{mean['source_skate']:.1f}", f"{max(one.penetration for one in group):.1f}",
                     f"{mean['jerk']:.0f}", f"{mean['source_jerk']:.0f}", f"{250 * sum(one.seconds for one in group) / frames.sum():.2f}"])
    return markdown_table(headings, rows)


def page(measurements: list[Measurement], arguments) -> str:
    motions = "Test clips, which no model was trained on" if arguments.data else "New motions of the shipped packs"
    clicks = section_in(arguments.write.read_text(encoding="utf-8")) if arguments.write.exists() else ""
    own = f"""# How good a motion sits on a rig

{motions}, on real armatures. Joint error: from where the joints should be on the rig's own proportions;
end effectors: hands and feet (an animal's four feet) from where the clip, scaled by leg length, has them; both in per cent of the rig's height.
Flips: how often a bone turns by more than 60° in a thirtieth of a second against the one that carries it, beside how often an arm or a leg of the clip does
so by its own joints, whose places tell the plane of a bent limb too; wrong way: frames in which a knee, an elbow or its like on an animal bends
against the anatomy. Skating: speed along the floor of feet that stand, beside that of the scaled clip at the same moments; penetration: the deepest
point of a sole in any clip; jerk: the mean third derivative of the joints, beside the scaled clip's. Contacts: {arguments.contacts}.

How to read it: animals are scaled by the length of their limbs, so that a rig with another trunk, neck or stance cannot have its feet where the
clip has them: the end effectors of a fox on a horse tell of two bodies, of a clip on its own rig of the fit. A trunk that is longer beside the limbs also moves
its ends further, and faster: jerk grows with it. Where a clip hardly moves (a jerk of a few m/s³, that of an animal that stands), the ratio says little.
Times are of the processor, and those of the shortest clips mostly what every fit costs, however short. This page is one run of

```
{arguments.typed}
```

{table(measurements)}
"""
    return with_section(own, clicks) if clicks else own


def add_arguments(parser) -> None:
    parser.add_argument("--rigs", type=Path, required=True, help="folder of armature files (.npz); `build.py bench retarget` makes one")
    parser.add_argument("--data", type=Path, help="the folder that the domains' paths start from; without it the shipped packs make the motions")
    parser.add_argument("--domains", nargs="+", metavar="NAME", help="domains, or files of domains, whose test clips are fitted")
    parser.add_argument("--only", nargs="+", metavar="RIG", help="rigs whose file's name begins so")
    parser.add_argument("--most", type=int, metavar="N", help="at most about N clips a domain, spread over all; all without it")
    parser.add_argument("--contacts", choices=MODES, default="auto", help="how feet are kept on the floor")
    add_output_arguments(parser, "measurements")


def run(arguments) -> int:
    files = [path for path in sorted(arguments.rigs.glob("*.npz")) if not arguments.only or path.stem.startswith(tuple(arguments.only))]
    if not files:
        raise KineliftError("there are no armature files", "Give --rigs a folder of files that the add-on wrote", str(arguments.rigs), "missing-file")
    kinds = {path: load_rig(path).kind for path in files}
    measurements = []
    for name, skeleton, motions in _groups(arguments):
        kind = "quadruped" if "front_foot.L" in skeleton.roles.values() else "human"
        for path in (path for path in files if kinds[path] == kind):
            measurements += [measure(path, f"{name}/{clip}", motion, arguments.contacts) for clip, motion in motions]
            print(f"{path.stem}: {name}", flush=True)
    print(f"\n{table(measurements)}\n")
    write_output(arguments, lambda: page(measurements, arguments), [asdict(one) for one in measurements])
    return 0
