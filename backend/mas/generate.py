"""Generate motion: from a pack and a seed to motion files an animator can use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import savgol_filter

from backend import __version__
from backend.errors import KineliftError
from backend.mas.sampler import MODES, SamplerSettings, sample
from backend.motion.bones import hold_bone_lengths
from backend.motion.folds import unfold
from backend.motion.motion3d import Motion3D
from backend.motion.planting import plant
from backend.motion.rigid_fit import things_of
from backend.motion.root_path import root_path
from backend.packs.model import MasModel, load_model
from rigs import skeleton_names

SMOOTHING_FRAMES = 7  # moves recorded basketball by 2 mm, and takes the last tremor out of a sample
MAX_SEED = 2**31 - 1  # Blender's integer properties hold no more


@dataclass(frozen=True)
class GenerateSettings:
    """What the user chose. `variants` motions are made with the seeds seed, seed + 1, ...; `views` and `calls` override
    the mode's; `in_place` leaves the root over the origin."""

    pack: str
    seconds: float = 6.0
    seed: int = 0
    variants: int = 1
    mode: str = "fast"
    in_place: bool = False
    device: str = "auto"
    views: int | None = None
    calls: int | None = None

    def sampler(self) -> SamplerSettings:
        """The mode's settings with the overrides. Raises KineliftError for values that mean nothing."""

        def check(ok: bool, message: str, remedy: str):
            if not ok:
                raise KineliftError(message, remedy, code="bad-setting")

        check(self.mode in MODES, f"there is no mode {self.mode!r}", f"Choose one of: {', '.join(MODES)}")
        check(np.isfinite(self.seconds) and self.seconds > 0, f"{self.seconds} seconds is no duration", "Give a positive number")
        check(0 <= self.seed <= MAX_SEED, f"seed {self.seed} is out of range", f"Give a whole number from 0 to {MAX_SEED}")
        check(1 <= self.variants <= 64, f"{self.variants} variants can't be made at once", "Ask for 1 to 64")
        check(self.views is None or 2 <= self.views <= 36, f"{self.views} views can't be triangulated", "Ask for 2 to 36")
        check(self.calls is None or 2 <= self.calls <= 99, f"{self.calls} network calls can't be made", "Ask for 2 to 99")
        overrides = {key: value for key, value in (("views", self.views), ("calls", self.calls)) if value is not None}
        return replace(MODES[self.mode], **overrides)


def to_motion(points: np.ndarray, model: MasModel, in_place: bool, provenance: dict) -> Motion3D:
    """From a centred sample [T,J+K,3] to a motion in the world: nothing folded, bones of one length, the root on its path, the feet
    planted on the floor, boxes rigid. In place, feet are planted first and the path is taken away then, so that a standing foot goes as fast as the ground."""
    skeleton, fps = model.skeleton, float(model.card["fps"])
    joints = len(skeleton.joints)
    points = unfold(points, skeleton, fps)
    if len(points) >= SMOOTHING_FRAMES:
        points = savgol_filter(points, SMOOTHING_FRAMES, 2, axis=0)
    feet = [skeleton.joints.index(name) for name in skeleton.feet]
    body = hold_bone_lengths(points[:, :joints], list(skeleton.parents), skeleton.mirror_order[:joints], skeleton.elastic_joints)
    objects = points[:, joints : joints + len(skeleton.objects)]
    travel = points[:, skeleton.keypoints.index(skeleton.travel), :2] if skeleton.travel else None
    if model.card["centring"] == "root-horizontal":
        lift, standing = np.full(len(points), float(model.card["centre_height"])), model.card.get("standing_height")
    else:  # heights are lost: a foot, or with acrobats and animals any joint, is always on the floor
        lowest = body if model.card["centring"] == "mean" else body[:, feet]
        lift, standing = -lowest[..., 2].min(1), 0.0
    path = lift[:, None] * [0, 0, 1] + root_path(body, feet, fps, travel)
    planted, shift = plant(body + path[:, None], skeleton, fps, standing)
    path = path + shift
    if in_place:
        planted -= path[:, None] * [1, 1, 0]
        path *= [0, 0, 1]
    things = things_of(np.concatenate([planted, objects + path[:, None]], 1), np.ones(len(skeleton.keypoints), bool), skeleton)
    return Motion3D(planted, list(skeleton.joints), list(skeleton.parents), fps, skeleton.name, **things, provenance=provenance,
                    roles={} if skeleton.name in skeleton_names() else skeleton.roles)


def generate(settings: GenerateSettings, out_dir: Path, report: Callable[[float, str], None] = lambda fraction, message: None) -> list[Path]:
    """Makes `variants` motion files in `out_dir` and returns their paths. Raises KineliftError or Cancelled."""
    sampler = settings.sampler()
    report(0.0, "loading the pack")
    model = load_model(settings.pack, settings.device)
    longest = float(model.card["seconds"]["max"])
    if settings.seconds > longest + 1e-6:
        raise KineliftError(f"{settings.seconds:g} s is longer than the pack {model.name!r} knows", f"Ask for at most {longest:g} s", code="bad-setting")
    frames = max(2, round(settings.seconds * model.card["fps"]))
    seeds = [(settings.seed + index) % (MAX_SEED + 1) for index in range(settings.variants)]
    points = sample(model, frames, seeds, sampler, report).cpu().double().numpy()
    paths = []
    for seed, motion in zip(seeds, points):
        provenance = {"kinelift": __version__, "pack": model.name, "seed": seed, "mode": settings.mode, "in_place": settings.in_place,
                      "sampler": asdict(sampler)}
        name = f"{model.name}_{settings.seconds:g}s_seed{seed}.npz"
        paths.append(to_motion(motion, model, settings.in_place, provenance).save(Path(out_dir) / name))
    report(1.0, "done")
    return paths


def add_arguments(parser) -> None:
    parser.add_argument("--pack", required=True, help="a pack's name or folder")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", type=int, default=1)
    parser.add_argument("--mode", default="fast", choices=MODES)
    parser.add_argument("--views", type=int)
    parser.add_argument("--calls", type=int, help="network evaluations a view")
    parser.add_argument("--in-place", action="store_true", help="leave the root over the origin")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--to", type=Path, required=True, help="folder for the motion files")


def run(arguments) -> int:
    chosen = {key: value for key, value in vars(arguments).items() if key in GenerateSettings.__dataclass_fields__}
    for path in generate(GenerateSettings(**chosen), arguments.to):
        print(path)
    return 0
