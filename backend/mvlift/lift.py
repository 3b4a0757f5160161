"""Lift: from the 2D poses of one ordinary video to motion in the world, and the camera that filmed it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from backend.motion.motion3d import Motion3D
from backend.mvlift.alternate import AlternateSettings, alternate
from backend.mvlift.denoise import DenoiseSettings, denoise
from backend.mvlift.look import look
from backend.mvlift.model import LiftModel, load_lift_model
from backend.mvlift.settings import LiftSettings
from backend.mvlift.subjects import rays_of, subjects
from backend.mvlift.track import Track
from backend.mvlift.world import to_world
from backend.poses.poses2d import Poses2D

Report = Callable[[float, str], None]

LOOKED = 0.4  # share of the time that it takes to find an unknown focal length by fitting bodies


def lift(poses: Poses2D, model: LiftModel, settings: LiftSettings, report: Report = lambda fraction, message: None) -> list[Motion3D]:
    """The motion of every track in one world, seen by one camera. Raises KineliftError or Cancelled."""
    settings.check()
    found = subjects(poses, model)
    calls = settings.calls_of(model)
    share = settings.look_calls / (calls + settings.look_calls) if model.prior is None else 0.0 if settings.focal or poses.focal else LOOKED
    focal, up = look(model, found, poses, settings, lambda fraction, message: report(fraction * share, message))
    results = []
    for number, subject in enumerate(found):
        track = Track(model, *rays_of(subject, focal, poses.image_size, model.device), up.to(model.device))

        def within(fraction: float, message: str, number: int = number) -> None:
            report(share + (1 - share) * (number + fraction) / len(found), message)

        results.append(denoise(track, settings.seed, DenoiseSettings(calls=calls), within) if model.prior is None else
                       alternate(track, model.prior, up, settings.seed, AlternateSettings(calls=calls), within))
    return to_world(model, found, results, up, focal, poses, settings)


def lift_file(settings: LiftSettings, out_dir: Path, report: Report = lambda fraction, message: None) -> list[Path]:
    """Lifts a 2D pose file to a motion file a track in `out_dir`; returns their paths. Raises KineliftError or Cancelled."""
    settings.check()
    report(0.0, "loading the pack")
    model, poses = load_lift_model(settings.pack, settings.device), Poses2D.load(settings.poses)
    motions = lift(poses, model, settings, report)
    stem = Path(settings.poses).stem
    paths = [motion.save(Path(out_dir) / (f"{stem}_lifted.npz" if len(motions) == 1 else f"{stem}_{number}_lifted.npz"))
             for number, motion in enumerate(motions)]
    report(1.0, "done")
    return paths


def add_arguments(parser) -> None:
    parser.add_argument("--pack", required=True, help="a pack's name or folder")
    parser.add_argument("--poses", required=True, help="a 2D pose file (.npz)")
    parser.add_argument("--height", type=float, default=0.0, help="metres the subject is tall; the pack's usual height without it")
    parser.add_argument("--focal", type=float, default=0.0, help="focal length in pixels; the file's, or estimated, without it")
    parser.add_argument("--pitch", type=float, default=math.nan, help="degrees by which the camera looks down; estimated without it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=LiftSettings.calls, help="network evaluations a view; as many as usual without it")
    parser.add_argument("--look-calls", type=int, default=LiftSettings.look_calls,
                        help="network evaluations a view to estimate the camera, for packs without a pose prior")
    parser.add_argument("--no-plant", dest="plant", action="store_false", help="leave the feet where the picture shows them")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--to", type=Path, required=True, help="folder for the motion files")


def run(arguments) -> int:
    chosen = {key: value for key, value in vars(arguments).items() if key in LiftSettings.__dataclass_fields__}
    for path in lift_file(LiftSettings(**chosen), arguments.to):
        print(path)
    return 0
