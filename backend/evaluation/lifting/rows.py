"""The rows of the MVLift paper's tables: what lifts the scenes, what each needs, and what it costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from backend.errors import KineliftError
from backend.evaluation.lifting.frames import FrameLifter
from backend.evaluation.lifting.metrics import mean_joints
from backend.evaluation.lifting.networks import DistilSettings, Windows, distil, draw_views, in_batches, mas_given, rows_counted
from backend.evaluation.lifting.results import Lifted, from_camera, rays_of
from backend.evaluation.lifting.scenes import Scene
from backend.evaluation.lifting.smplify import fit
from backend.mas.sampler import Report
from backend.motion.motion2d import Motion2DSet
from backend.motion.rigid_fit import keypoints_of
from backend.mvlift.body_fit import FitSettings, with_objects
from backend.mvlift.lift import lift
from backend.mvlift.model import LINE, LiftModel, load_lift_model
from backend.mvlift.optimise import FAST, PAPER, OptimiseSettings
from backend.mvlift.pose_prior import PosePrior
from backend.mvlift.settings import LiftSettings
from backend.mvlift.windows import Body
from backend.packs.catalogue import CARD
from backend.packs.model import find_pack
from backend.training.domain import Domain

ALONE = OptimiseSettings(calls=50, agree=False, iterations=0)  # every view by itself, as the program samples them
MAS_CALLS = 99
PAPER_CALLS = 999  # all steps of the diffusion but the last, which is clean


@dataclass(frozen=True)
class RowSettings:
    """What the user chose for the rows. calls: network evaluations a view of the lift; stage_2: how its views are drawn, and paper_iterations as in
    the paper's program; distil_iterations: of "SDS for 3D"."""

    calls: int = LiftSettings.calls
    stage_2: OptimiseSettings = FAST
    paper_iterations: int = PAPER.iterations
    distil_iterations: int = DistilSettings.iterations
    seed: int = 0
    bfloat16: bool = True


@dataclass
class Lifters:
    """All that rows are made with. pack: its name or folder, "" without one; flat and body: the domain's 2D motions, gaps filled, and the body they
    show, None without them; folder: where what is trained for the evaluation is kept. What a row lacks is said by a KineliftError of the code "missing"."""

    domain: Domain
    data: Path
    pack: str
    device: str
    flat: Motion2DSet | None
    body: Body | None
    folder: Path | None
    settings: RowSettings
    report: Report

    @cached_property
    def model(self) -> LiftModel:
        if not self.pack:
            raise missing("it needs a pack that lifts", "Give --pack")
        return self._fitting(load_lift_model(self.pack, self.device))

    @cached_property
    def line(self) -> LiftModel:
        if not self.pack:
            raise missing("it needs a pack that lifts", "Give --pack")
        folder = find_pack(self.pack) / "line"
        if not (folder / CARD).is_file():
            raise missing("it needs the line-conditioned network, the pack's folder 'line'", "Give a pack that `train-lift` or `import-mvlift --line` made")
        return self._fitting(load_lift_model(str(folder), self.device, LINE))

    @cached_property
    def frame_lifter(self) -> FrameLifter:
        if self.flat is None or self.folder is None:
            raise missing("it learns from the domain's 2D motions", "Give --flat, and --evaluator where there is no pack")
        return FrameLifter(self.domain, self.flat, self.body, self.folder, self.settings.seed, self.report)

    @cached_property
    def prior(self) -> PosePrior:
        self.report(0.0, "reading the training clips")
        skeleton = self.domain.skeleton
        return PosePrior.learn([mean_joints(clip.keypoints, skeleton) for clip in self.domain.clips(self.data, "train")], skeleton, self.settings.seed)

    def _fitting(self, model: LiftModel) -> LiftModel:
        skeleton, fps = self.domain.skeleton.name, float(self.domain.settings["fps"])
        if (model.skeleton.name, model.fps) != (skeleton, fps):
            raise KineliftError(f"the pack has the skeleton {model.skeleton.name!r} at {model.fps:g} fps, the domain {skeleton!r} at {fps:g}",
                                "Name the domain the pack was trained on", self.pack, "bad-domain")
        return model

    def ours(self, scenes: Sequence[Scene], condition: str, told: bool) -> list[Lifted]:
        """The lift as users have it; `told`: the camera's pitch and focal length are known."""
        return self._lifted(self.model, scenes, condition, told, self.settings.calls)

    def sampled(self, scenes: Sequence[Scene], condition: str, calls: int) -> list[Lifted]:
        """The lift from noise alone, as the paper samples."""
        return self._lifted(replace(self.model, prior=None), scenes, condition, True, calls)

    def _lifted(self, model: LiftModel, scenes: Sequence[Scene], condition: str, told: bool, calls: int) -> list[Lifted]:
        skeleton, made = self.domain.skeleton, []
        for number, scene in enumerate(scenes):
            poses = scene.poses(skeleton, model.fps, condition)
            pitch = math.degrees(scene.pitch) if told else math.nan
            settings = LiftSettings(model.name, scene.name, pitch=pitch, seed=self.settings.seed + number, calls=calls)
            motion = lift(poses if told else replace(poses, focal=0.0), model, settings,
                          lambda fraction, message, number=number: self.report((number + fraction) / len(scenes), message))[0]
            points = keypoints_of(motion, skeleton)
            made.append(Lifted(points, motion.camera.project(points)))
        return made

    def drawn(self, scenes: Sequence[Scene], condition: str, settings: OptimiseSettings) -> list[Lifted]:
        return self._batched(scenes, condition, lambda windows, seeds, report: draw_views(windows, self.line, seeds, self._precise(settings), report))

    def distilled(self, scenes: Sequence[Scene], condition: str, lines: bool) -> list[Lifted]:
        settings = DistilSettings(self.settings.distil_iterations, bfloat16=self.settings.bfloat16)
        return self._batched(scenes, condition, lambda windows, seeds, report: distil(windows, self.line, seeds, settings, lines, report))

    def mas(self, scenes: Sequence[Scene], condition: str) -> list[Lifted]:
        settings = self._precise(OptimiseSettings(calls=MAS_CALLS))
        return self._batched(scenes, condition, lambda windows, seeds, report: mas_given(windows, self.line, seeds, settings, report))

    def smplify(self, scenes: Sequence[Scene], condition: str) -> list[Lifted]:
        return self._fitted(scenes, condition, self.prior)

    def smplify_of_pack(self, scenes: Sequence[Scene], condition: str) -> list[Lifted]:
        if self.model.prior is None:
            raise missing("the pack knows no poses", "Give a pack that `train-lift` made")
        return self._fitted(scenes, condition, self.model.prior)

    def _fitted(self, scenes: Sequence[Scene], condition: str, prior: PosePrior) -> list[Lifted]:
        bodies = fit(scenes, condition, prior, FitSettings(), self.report)
        return [from_camera(with_objects(body, *rays_of(scene, condition), self.domain.skeleton), scene) for body, scene in zip(bodies, scenes)]

    def elepose(self, scenes: Sequence[Scene], condition: str) -> list[Lifted]:
        return self.frame_lifter.lift(scenes, condition, self.report)

    def _precise(self, settings: OptimiseSettings) -> OptimiseSettings:
        return replace(settings, bfloat16=self.settings.bfloat16)

    def _batched(self, scenes: Sequence[Scene], condition: str, make: Callable[[Windows, Sequence[int], Report], list[Lifted]]) -> list[Lifted]:
        return in_batches(scenes, condition, self.line, self.settings.seed, self.report, make)

    def prepare(self, row: Row) -> None:
        """Loads and trains what a row needs, so that its time is that of lifting alone. Raises KineliftError for what is missing."""
        for part in row.needs:
            getattr(self, part)
        if "frame_lifter" in row.needs:
            _ = self.frame_lifter.lifter

    def run(self, row: Row, scenes: Sequence[Scene], condition: str) -> tuple[list[Lifted], int, float]:
        """What a row makes of the scenes, the network rows it took, and the seconds."""
        self.prepare(row)
        with rows_counted(*(getattr(self, part) for part in row.needs if part in ("model", "line"))) as counted:
            began = time.perf_counter()
            lifted = row.make(self, scenes, condition)
            return lifted, counted[0], time.perf_counter() - began


@dataclass(frozen=True)
class Row:
    """A row of the tables: how it is made, and which parts of `Lifters` it needs; ablation: it belongs to Table 3."""

    title: str
    make: Callable[[Lifters, Sequence[Scene], str], list[Lifted]]
    needs: tuple[str, ...]
    ablation: bool = False


def missing(message: str, remedy: str) -> KineliftError:
    return KineliftError(message, remedy, code="missing")


OURS, SMPLIFY = "ours", "smplify"
ROWS = {
    OURS: Row("MVLift, ours", lambda lifters, scenes, condition: lifters.ours(scenes, condition, True), ("model",), True),
    "ours-unknown-camera": Row("MVLift, ours, pitch and focal length unknown",
                               lambda lifters, scenes, condition: lifters.ours(scenes, condition, False), ("model",)),
    "sampled": Row("MVLift, ours, sampled from noise", lambda lifters, scenes, condition: lifters.sampled(scenes, condition, lifters.settings.calls),
                   ("model",), True),
    "sampled-paper": Row(f"the same in {PAPER_CALLS} steps", lambda lifters, scenes, condition: lifters.sampled(scenes, condition, PAPER_CALLS),
                         ("model",), True),
    SMPLIFY: Row("SMPLify-2D", Lifters.smplify, ("prior",)),
    "smplify-pack": Row("SMPLify-2D, its prior from stage 3", Lifters.smplify_of_pack, ("model",), True),
    "mas": Row("MAS, given the view", Lifters.mas, ("line",)),
    "elepose": Row("ElePose", Lifters.elepose, ("frame_lifter",)),
    "stage-1": Row("stage 1: views by lines alone", lambda lifters, scenes, condition: lifters.drawn(scenes, condition, ALONE), ("line",), True),
    "stage-2-sample": Row("stage 2, its first sample alone", lambda lifters, scenes, condition: lifters.drawn(
        scenes, condition, replace(lifters.settings.stage_2, iterations=0)), ("line",), True),
    "stage-2": Row("stage 2: views optimised", lambda lifters, scenes, condition: lifters.drawn(scenes, condition, lifters.settings.stage_2),
                   ("line",), True),
    "stage-2-no-epipolar": Row("stage 2 without the epipolar loss", lambda lifters, scenes, condition: lifters.drawn(
        scenes, condition, replace(lifters.settings.stage_2, consistency=0.0, agree=False)), ("line",), True),
    "stage-2-paper": Row("stage 2, as in the paper's program", lambda lifters, scenes, condition: lifters.drawn(
        scenes, condition, replace(PAPER, iterations=lifters.settings.paper_iterations)), ("line",), True),
    "sds-3d": Row("SDS for 3D", lambda lifters, scenes, condition: lifters.distilled(scenes, condition, True), ("line",), True),
    "sds-3d-no-epipolar": Row("SDS for 3D without epipolar lines",
                              lambda lifters, scenes, condition: lifters.distilled(scenes, condition, False), ("line",), True),
}
USUAL = tuple(name for name in ROWS if not name.endswith("-paper"))
