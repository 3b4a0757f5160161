"""`evaluate`: the papers' tables. `evaluate lift` and `evaluate footage` are in `backend.evaluation.lifting`. Here is `evaluate mas`: Tables 2 and 3 of the MAS
paper for a pack and its test motions, and how plausible the 3D motions are.

Protocol, that of the paper's program: features are the evaluator's latent means of 2D motions; a 3D motion is filmed once, from a random side for
Table 3, and for Table 2, which compares with lifters, from the sides they did not see as well; lengths are those of test motions. What
is compared, and what differs from the paper, stands on the page that `--write` makes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.errors import KineliftError
from backend.evaluation import plausibility
from backend.evaluation.comparison import fill_gaps, take, with_objects_seen
from backend.evaluation.elepose import FILE as ELEPOSE_FILE
from backend.evaluation.elepose import ElePose, ElePoseSettings, load_elepose, save_elepose, train_elepose
from backend.evaluation.feature_vae import evaluator_in
from backend.evaluation.lifted import LiftedMotions, load_lifted
from backend.evaluation.lifting import evaluate as lifting
from backend.evaluation.lifting import footage
from backend.evaluation.metrics import all_metrics, with_intervals
from backend.evaluation.output import add_kinds, add_output_arguments, named_folders, update_card, write_output
from backend.evaluation.page import evaluation_page, plausibility_table, scores_table, sides_table
from backend.evaluation.progress import print_progress
from backend.evaluation.subjects import SIDES, TABLE_3, Subject, draw, film, generate, subjects
from backend.mas.generate import to_motion
from backend.mas.sampler import Report
from backend.motion.motion2d import Motion2DSet
from backend.packs.model import MasModel, find_pack, load_model
from backend.training.domain import Domain

GROUND_TRUTH = "recorded"
SPLITS = ("train", "test")
ELEPOSE_ROWS = {"elepose": ("ElePose, from test motions", "test"), "elepose-train": ("ElePose, from training motions", "train")}


@dataclass(frozen=True)
class EvaluationSettings:
    """samples: motions a row; iterations: repetitions with other cameras and another draw of recorded motions, and, with
    `fresh`, newly generated motions as in the paper's program."""

    samples: int = 256
    iterations: int = 10
    fresh: bool = False
    seed: int = 0


class Evaluation:
    """One pack against its 2D data: gapless motions that show the pack's objects, and the evaluator."""

    def __init__(self, model: MasModel, data: Path, evaluator_folder: Path, settings: EvaluationSettings, report: Report):
        self.model, self.settings, self.report, self.folder = model, settings, report, evaluator_folder
        skeleton = model.skeleton
        objects = [skeleton.keypoints.index(name) for name in skeleton.objects]
        sets = {split: self._load(data, split) for split in SPLITS}
        self.evaluator = evaluator_in(evaluator_folder, sets["train"], model.mean, model.std, settings.seed, report)
        self.counts = {split: len(motions) for split, motions in sets.items()}
        self.sets = {split: take(motions, with_objects_seen(motions, objects)) for split, motions in sets.items()}
        self.features = {split: self.evaluator.features(motions.keypoints, motions.lengths) for split, motions in self.sets.items()}
        self.plausibility: dict[str, dict] = {}

    def _load(self, data: Path, split: str) -> Motion2DSet:
        skeleton = self.model.skeleton
        motions = Motion2DSet.load_folder(data, split, skeleton.name, len(skeleton.keypoints), float(self.model.card["fps"]))
        if motions.skeleton != skeleton.name:
            raise KineliftError(f"the motions have the skeleton {motions.skeleton!r}, the pack {skeleton.name!r}",
                                "Give the 2D motions the pack was trained on", str(data), "bad-data")
        return fill_gaps(motions, self.model.mean.cpu())

    def elepose(self) -> ElePose:
        """The lifter in the evaluator's folder; where there is none, one is trained on the training motions, which takes minutes."""
        if not (self.folder / ELEPOSE_FILE).is_file():
            save_elepose(train_elepose(self.sets["train"], self.model, ElePoseSettings(), self.settings.seed, self.report), self.folder)
        return load_elepose(self.folder, self.model)

    def _rng(self, iteration: int, purpose: int) -> np.random.Generator:
        """Every row sees the same draws, so that rows differ by their motions alone."""
        return np.random.default_rng([self.settings.seed, iteration, purpose])

    def _compared(self, iteration: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """For each split the motions that rows are compared with in an iteration, and other training motions to compare with them."""
        order = {split: self._rng(iteration, number).permutation(len(self.features[split])) for number, split in enumerate(SPLITS)}
        count = min(self.settings.samples, len(order["test"]), len(order["train"]) // 2)
        return {split: rows[:count] for split, rows in order.items()}, order["train"][count : 2 * count]

    def _metrics(self, features: np.ndarray, iteration: int) -> dict[str, dict[str, float]]:
        """Metrics by split of features [N,D]."""
        return {split: all_metrics(features, self.features[split][rows], self._rng(iteration, 2))
                for split, rows in self._compared(iteration)[0].items()}

    def ground_truth(self) -> dict[str, dict]:
        """Recorded training motions in the place of generated ones: what a perfect model would reach. As `score`."""
        return summary([{"all": self._metrics(self.features["train"][self._compared(iteration)[1]], iteration)}
                        for iteration in range(self.settings.iterations)])

    def score(self, name: str, subject: Subject, standing: float) -> dict[str, dict]:
        """Generates a subject's motions and compares them with both splits; notes the plausibility of 3D ones under `name`.

        Returns metrics (mean, half width) by side they are filmed from (`SIDES`, only "all" for flat ones) and split.
        """
        settings = self.settings

        def made(iteration: int) -> tuple[np.ndarray, np.ndarray]:
            lengths = self.sets["test"].lengths[self._drawn(iteration)]
            return generate(subject, self.model, lengths, settings.seed + iteration * settings.samples, self.report), lengths

        return self._compare(name, made, standing, subject.flat, settings.fresh)

    def score_lifter(self, name: str, lift: Callable[[Motion2DSet], np.ndarray], split: str, standing: float) -> dict[str, dict]:
        """The same for recorded motions of a split that are lifted: `lift` makes [N,T,J,3] metres, centred, of gapless 2D motions.

        Test motions are those whose lengths generated motions have, training motions those of the row of recorded ones; lifting costs
        little, so every iteration has its own.
        """

        def made(iteration: int) -> tuple[np.ndarray, np.ndarray]:
            motions = take(self.sets[split], self._drawn(iteration) if split == "test" else self._compared(iteration)[1])
            return lift(motions), motions.lengths

        return self._compare(name, made, standing)

    def score_lifted(self, name: str, motions: LiftedMotions, standing: float) -> dict[str, dict]:
        """The same for motions that were lifted elsewhere; all of them where there are fewer than samples."""

        def made(iteration: int) -> tuple[np.ndarray, np.ndarray]:
            rows = draw(len(motions.lengths), min(self.settings.samples, len(motions.lengths)), self._rng(iteration, 3))
            return motions.positions[rows], motions.lengths[rows]

        return self._compare(name, made, standing)

    def _drawn(self, iteration: int) -> np.ndarray:
        """The test motions of an iteration whose lengths generated motions have."""
        return draw(len(self.sets["test"]), self.settings.samples, self._rng(iteration, 3))

    def _compare(self, name: str, made: Callable[[int], tuple[np.ndarray, np.ndarray]], standing: float, flat: bool = False,
                 fresh: bool = True) -> dict[str, dict]:
        """What `score` says of the motions [N,T,J,3] (or [N,T,J,2] where `flat`) and lengths [N] that `made` gives for an iteration;
        those of the first one for all where not `fresh`."""
        repetitions, motions, lengths = [], np.zeros(0), np.zeros(0)
        for iteration in range(self.settings.iterations):
            if fresh or not iteration:
                motions, lengths = made(iteration)
            seen = {"all": motions} if flat else {side: film(motions, self.model, self._rng(iteration, 4), side) for side in SIDES}
            repetitions.append({side: self._metrics(self.evaluator.features(flat_motions, lengths), iteration) for side, flat_motions in seen.items()})
        if not flat:
            self.plausibility[name] = measure_generated(motions, lengths, self.model, standing)
        return summary(repetitions)


def summary(repetitions: list[dict[str, dict[str, dict[str, float]]]]) -> dict[str, dict]:
    """Mean and half width of each metric, by side and split."""
    return {side: {split: with_intervals([repetition[side][split] for repetition in repetitions]) for split in SPLITS} for side in repetitions[0]}


def measure_generated(motions: np.ndarray, lengths: np.ndarray, model: MasModel, standing: float) -> dict[str, float]:
    """Plausibility of samples [N,T,J,3]: bones as they were sampled, the rest as the motion is delivered, bones held and on its path."""
    skeleton, found = model.skeleton, []
    feet = [skeleton.joints.index(name) for name in skeleton.feet]
    for points, length in zip(motions.astype(np.float64), lengths, strict=True):
        delivered = to_motion(points[:length], model, in_place=False, provenance={})
        bones = plausibility.bone_variation(points[:length, : len(skeleton.joints)], list(skeleton.parents), skeleton.elastic_joints)
        found.append({"bone_variation": bones, "wrong_sides": plausibility.wrong_sides(delivered.positions, skeleton),
                      **plausibility.measure(delivered.positions, feet, delivered.fps, standing)})
    return plausibility.average(found)


def measure_recorded(clips: Sequence[np.ndarray], model: MasModel, standing: float) -> dict[str, float]:
    """Plausibility of recorded clips [T,J,3] on the pack's joints."""
    skeleton = model.skeleton
    feet = [skeleton.joints.index(name) for name in skeleton.feet]
    return plausibility.average([{"bone_variation": plausibility.bone_variation(clip, list(skeleton.parents), skeleton.elastic_joints),
                                  "wrong_sides": plausibility.wrong_sides(clip, skeleton),
                                  **plausibility.measure(clip, feet, float(model.card["fps"]), standing)} for clip in clips])


def recorded_clips(domain: str, folder: Path, model: MasModel) -> list[np.ndarray]:
    """The training clips [T,J,3] of a domain, on the pack's joints."""
    loaded = Domain.load(domain)
    if loaded.skeleton.name != model.skeleton.name:
        raise KineliftError(f"the domain has the skeleton {loaded.skeleton.name!r}, the pack {model.skeleton.name!r}",
                            "Name the domain the pack was trained on", domain, "bad-domain")
    return [clip.keypoints[:, : len(model.skeleton.joints)] for clip in loaded.clips(folder, "train")]


def training_steps(training: dict) -> int | None:
    """Steps of a card's training, those of the runs it was started from included; None where the card doesn't know."""
    steps = [run.get("steps") for run in (training, *training.get("before", []))]
    return None if None in steps else sum(steps)


def add_arguments(parser) -> None:
    add_kinds(parser, ("mas", "packs that generate", add_mas_arguments, run_mas), ("lift", "packs that lift", lifting.add_arguments, lifting.run),
              ("footage", "packs that lift, on real footage of several cameras", footage.add_arguments, footage.run))


def add_mas_arguments(parser) -> None:
    parser.add_argument("--pack", required=True, help="a pack's name or folder")
    parser.add_argument("--data", type=Path, required=True, help="the folder of 2D motions, made by `project`")
    parser.add_argument("--clips", type=Path, help="the folder of 3D motion files, for a plausibility row of recorded motion")
    parser.add_argument("--domain", help="the domain that reads them")
    parser.add_argument("--samples", type=int, default=EvaluationSettings.samples, help="motions a row; the paper has 1024")
    parser.add_argument("--iterations", type=int, default=EvaluationSettings.iterations)
    parser.add_argument("--fresh", action="store_true", help="generate anew in every iteration, as the paper's program does")
    parser.add_argument("--rows", nargs="+", choices=[GROUND_TRUTH, *subjects(), *ELEPOSE_ROWS], default=[GROUND_TRUTH, *TABLE_3, *ELEPOSE_ROWS],
                        help="Tables 2 and 3 without it; ElePose is trained once, for minutes, into the evaluator's folder")
    parser.add_argument("--lifted", nargs="+", action="extend", default=[], metavar="NAME=FOLDER",
                        help="another lifter's results as a row NAME: .npy files [T,J,3], metres, the pack's keypoints and centring")
    parser.add_argument("--dreamfusion-iterations", type=int, default=200, help="200 in the paper, 1000 in its program")
    parser.add_argument("--float32", action="store_true", help="no half precision in the network")
    parser.add_argument("--evaluator", type=Path, help="the folder that holds or gets the evaluator; the pack's without it")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    add_output_arguments(parser, "scores")
    parser.add_argument("--update-card", action="store_true", help="put the scores into the pack's card")


def check_settings(arguments) -> None:
    """Raises KineliftError for settings that mean nothing."""
    if arguments.samples < 2 or arguments.iterations < 1:
        raise KineliftError("there is nothing to compare", "Give at least 2 samples and 1 iteration", code="bad-setting")
    if bool(arguments.clips) != bool(arguments.domain):
        raise KineliftError("recorded clips need a domain that reads them", "Give --clips and --domain together", code="bad-setting")


def run(arguments) -> int:
    return arguments.run_kind(arguments)


def run_mas(arguments) -> int:
    check_settings(arguments)
    folders = named_folders("--lifted", arguments.lifted, (GROUND_TRUTH, *subjects(), *ELEPOSE_ROWS))
    folder = find_pack(arguments.pack)
    model = load_model(arguments.pack, arguments.device)
    settings = EvaluationSettings(arguments.samples, arguments.iterations, arguments.fresh, arguments.seed)
    lifted = {name: load_lifted(path, model.skeleton) for name, path in folders.items()}
    clips = recorded_clips(arguments.domain, arguments.clips, model) if arguments.clips else []
    feet = [model.skeleton.joints.index(name) for name in model.skeleton.feet]
    standing = plausibility.standing_height(clips, feet) if clips and model.card["centring"] == "root-horizontal" else 0.0
    evaluation = Evaluation(model, arguments.data, arguments.evaluator or folder, settings, print_progress)
    rows: dict[str, dict] = {}
    for name in (*arguments.rows, *lifted):
        if name == GROUND_TRUTH:
            rows[name] = {"title": "recorded training motions", **evaluation.ground_truth()}
        elif name in ELEPOSE_ROWS:
            title, split = ELEPOSE_ROWS[name]
            rows[name] = {"title": title, **evaluation.score_lifter(name, evaluation.elepose().lift, split, standing)}
        elif name in lifted:
            rows[name] = {"title": name, **evaluation.score_lifted(name, lifted[name], standing)}
        else:
            subject = subjects(not arguments.float32, arguments.dreamfusion_iterations)[name]
            rows[name] = {"title": subject.title, **evaluation.score(name, subject, standing)}
        print_progress(1.0, "")
        print(f"done: {rows[name]['title']}, FID {rows[name]['all']['test']['fid'][0]:.2f}", flush=True)
    measured = {GROUND_TRUTH: {"title": "recorded motions", **measure_recorded(clips, model, standing)}} if clips else {}
    measured |= {name: {"title": rows[name]["title"], **values} for name, values in evaluation.plausibility.items()}
    scores = {
        "samples": settings.samples, "iterations": settings.iterations, "fresh": settings.fresh,
        "lifted": {name: min(settings.samples, len(motions.lengths)) for name, motions in lifted.items()},
        "compared": {split: [len(motions), evaluation.counts[split]] for split, motions in evaluation.sets.items()},
        "bfloat16": not arguments.float32, "dreamfusion_iterations": arguments.dreamfusion_iterations,
        "training_steps": training_steps(model.card["training"]), "standing": standing, "rows": rows, "plausibility": measured,
    }
    for split in reversed(SPLITS):
        print(f"\nagainst the {split} split\n{scores_table(rows, split)}\n")
    if sides := sides_table(rows):
        print(f"{sides}\n")
    if measured:
        print(f"{plausibility_table(measured)}\n")
    write_output(arguments, lambda: evaluation_page(model.card, scores, arguments.typed), scores)
    if arguments.update_card:
        update_card(folder, scores)
    return 0
