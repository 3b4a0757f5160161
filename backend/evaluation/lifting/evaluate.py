"""`evaluate lift`: Tables 1 to 3 of the MVLift paper on held-out 3D clips, each filmed by one camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from backend.errors import KineliftError
from backend.evaluation.feature_vae import FeatureVae, evaluator_in
from backend.evaluation.lifting.others import MOTIONBERT, WHAM, read_results
from backend.evaluation.lifting.page import lift_page, tables
from backend.evaluation.lifting.results import MEASURES, Lifted, compare, measure, other_views
from backend.evaluation.lifting.rows import ROWS, USUAL, Lifters, RowSettings
from backend.evaluation.lifting.scenes import CONDITIONS, Scene, export, make_scenes
from backend.evaluation.metrics import frechet_distance
from backend.evaluation.output import add_output_arguments, named_folders, update_card, write_output
from backend.evaluation.progress import print_progress
from backend.motion.motion2d import Motion2DSet
from backend.mvlift.optimise import FAST, PAPER
from backend.mvlift.training import distances_of, in_rays, middle_elevation, require_lift, usual_body
from backend.mvlift.windows import Body, fill_gaps, frame, hips_of, up_of
from backend.packs.model import find_pack
from backend.training.domain import Domain
from backend.training.train import normalisation

LEAST_SCENES = 2


@dataclass
class OtherViews:
    """FID of views that nobody filmed: what ring cameras see of lifted motions against what they see of the true ones. Features are of a
    motion autoencoder trained on the domain's 2D motions, framed as windows (the paper's program holds no code for it)."""

    evaluator: FeatureVae
    domain: Domain
    body: Body
    scenes: Sequence[Scene]

    @classmethod
    def learn(cls, domain: Domain, motions: Motion2DSet, body: Body, folder: Path, scenes: Sequence[Scene], seed: int) -> OtherViews:
        """motions: gaps filled."""
        rays = in_rays(motions, distances_of(motions, domain))
        pictures = replace(motions, keypoints=framed(rays.keypoints, rays.confidences > 0, domain, body), distances=None)
        return cls(evaluator_in(folder, pictures, *normalisation(pictures), seed, print_progress), domain, body, scenes)

    @cached_property
    def true(self) -> np.ndarray:
        return self.features([scene.points for scene in self.scenes])

    def features(self, motions: Sequence[np.ndarray]) -> np.ndarray:
        """Features [N (V-1), D] of motions [T,P,3] turned as the scenes, from the scenes' other sides."""
        hips, found = hips_of(self.domain.skeleton), []
        for scene, points in zip(self.scenes, motions):
            seen = other_views(scene, points, hips).astype(np.float32)
            pictures = framed(seen, np.ones(seen.shape[:3], bool), self.domain, self.body)
            found.append(self.evaluator.features(pictures, np.full(len(pictures), len(points))))
        return np.concatenate(found)

    def score(self, lifted: Sequence[Lifted]) -> float:
        """FID; nan where the lifter lacks keypoints."""
        skeleton = self.domain.skeleton
        named = len(skeleton.joints) + len(skeleton.objects)
        hips = hips_of(skeleton)
        turned = [compare(scene, one, skeleton).turned for scene, one in zip(self.scenes, lifted)]
        turned = [points + (scene.points[0, hips] - points[0, hips]).mean(0) for scene, points in zip(self.scenes, turned)]
        for points, scene in zip(turned, self.scenes):
            told = scene.there & (np.arange(points.shape[1]) < named)  # a travel point trails the root, so lifters don't say it
            points[:, ~told] = scene.points[:, ~told]
        if not all(np.isfinite(points).all() for points in turned):
            return float("nan")
        return frechet_distance(self.features(turned), self.true)


def framed(rays: np.ndarray, seen: np.ndarray, domain: Domain, body: Body) -> np.ndarray:
    """Pictures [N,T,P,2] of rays, framed as windows."""
    pictures, _ = frame(torch.from_numpy(np.ascontiguousarray(rays)), torch.from_numpy(seen), up_of(middle_elevation(domain)), body)
    return pictures.numpy()


def average(scenes: Sequence[Scene], lifted: Sequence[Lifted], domain: Domain) -> dict[str, float | None]:
    """The mean over scenes of each measure, None where no scene has it."""
    measured = [measure(scene, one, domain.skeleton) for scene, one in zip(scenes, lifted)]
    values = {name: [one[name] for one in measured if np.isfinite(one[name])] for name in MEASURES}
    return {name: float(np.mean(found)) if found else None for name, found in values.items()}


def add_arguments(parser) -> None:
    parser.add_argument("--domain", required=True, help="a shipped domain's name or a .toml file, with a [lift] table")
    parser.add_argument("--data", type=Path, required=True, help="the folder of 3D motion files that the domain reads: test clips are lifted")
    parser.add_argument("--pack", default="", help="a pack's name or folder; without it only rows that need none are measured")
    parser.add_argument("--flat", type=Path, help="the folder of 2D motions, made by `project`: for FID and ElePose, which learn from them")
    parser.add_argument("--scenes", type=int, default=64, help="how many windows of test clips are lifted")
    parser.add_argument("--conditions", nargs="+", choices=[*CONDITIONS], default=[*CONDITIONS], help="how the windows are seen")
    parser.add_argument("--rows", nargs="+", choices=[*ROWS], default=list(USUAL), help="all but the slowest without it")
    parser.add_argument("--motionbert", action="append", default=[], metavar="NAME=FOLDER",
                        help="MotionBERT's results as a row: in a folder for each condition a .npy for each exported scene")
    parser.add_argument("--wham", action="append", default=[], metavar="NAME=FOLDER", help="WHAM's results likewise, a .pkl for each exported scene")
    parser.add_argument("--export", type=Path, help="write the scenes as 2D pose files for other tools, in a folder a condition, and stop")
    parser.add_argument("--evaluator", type=Path, help="the folder that holds or gets what is trained for the evaluation; the pack's without it")
    parser.add_argument("--calls", type=int, default=RowSettings.calls, help="network evaluations a view of the lift; as many as usual without it")
    parser.add_argument("--sample-calls", type=int, default=FAST.calls, help="network evaluations a view for the first sample of stage 2")
    parser.add_argument("--iterations", type=int, default=FAST.iterations, help="steps of stage 2 after the first sample")
    parser.add_argument("--paper-iterations", type=int, default=PAPER.iterations, help="steps of stage 2 as in the paper's program")
    parser.add_argument("--distil-iterations", type=int, default=RowSettings.distil_iterations, help="of \"SDS for 3D\"; 3000 in the paper's program")
    parser.add_argument("--float32", action="store_true", help="no half precision in the networks of the ablations")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    add_output_arguments(parser, "scores")
    parser.add_argument("--update-card", action="store_true", help="put the scores into the pack's card")


def result_folders(arguments) -> dict[str, tuple[str, Path]]:
    """Other tools' results by name of the row: tool and folder. Raises KineliftError for another form and for a name that is taken."""
    found: dict[str, tuple[str, Path]] = {}
    for tool in (MOTIONBERT, WHAM):
        found |= {name: (tool, folder) for name, folder in named_folders(f"--{tool}", getattr(arguments, tool), (*found, *ROWS)).items()}
    return found


def flat_motions(arguments, domain: Domain) -> tuple[Motion2DSet | None, Body | None]:
    """The domain's 2D training motions, gaps filled, and the body they show."""
    if arguments.flat is None:
        return None, None
    skeleton = domain.skeleton
    motions = Motion2DSet.load_folder(arguments.flat, "train", skeleton.name, len(skeleton.keypoints), float(domain.settings["fps"]))
    if motions.skeleton != skeleton.name:
        raise KineliftError(f"the motions have the skeleton {motions.skeleton!r}, the domain {skeleton.name!r}", "Project them again with this domain",
                            str(arguments.flat), "bad-data")
    filled = fill_gaps(motions.keypoints, motions.confidences > 0).astype(np.float32)
    return replace(motions, keypoints=filled), usual_body(motions, skeleton)


def check(arguments) -> None:
    """Raises KineliftError for settings that mean nothing."""
    if arguments.scenes < LEAST_SCENES or min(arguments.distil_iterations, arguments.paper_iterations, arguments.sample_calls) < 1 or arguments.iterations < 0:
        raise KineliftError("there is nothing to compare", f"Give at least {LEAST_SCENES} scenes, 1 call and 1 iteration", code="bad-setting")
    if arguments.update_card and not arguments.pack:
        raise KineliftError("there is no card to put the scores into", "Give --pack, or leave --update-card out", code="bad-setting")


def run(arguments) -> int:
    check(arguments)
    folders, domain = result_folders(arguments), Domain.load(arguments.domain)
    require_lift(domain)
    scenes = make_scenes(domain, arguments.data, arguments.scenes, arguments.seed)
    if arguments.export:
        for condition in arguments.conditions:
            written = export(scenes, domain.skeleton, float(domain.settings["fps"]), condition, arguments.export / condition)
            print(f"{len(written)} scenes, {CONDITIONS[condition]}: {arguments.export / condition}")
        return 0
    flat, body = flat_motions(arguments, domain)
    folder = arguments.evaluator or (find_pack(arguments.pack) if arguments.pack else None)
    stage_2 = replace(FAST, calls=arguments.sample_calls, iterations=arguments.iterations)
    settings = RowSettings(arguments.calls, stage_2, arguments.paper_iterations, arguments.distil_iterations, arguments.seed, not arguments.float32)
    lifters = Lifters(domain, arguments.data, arguments.pack, arguments.device, flat, body, folder, settings, print_progress)
    views = OtherViews.learn(domain, flat, body, folder, scenes, arguments.seed) if flat is not None and folder else None
    rows: dict[str, dict] = {}
    for name in (*arguments.rows, *folders):
        rows[name] = score(name, arguments.conditions, scenes, lifters, views, folders)
        print_progress(1.0, "")
        print(f"left out: {rows[name]['title']}: {rows[name]['missing']}" if "missing" in rows[name] else f"done: {rows[name]['title']}", flush=True)
    scores = {"domain": domain.name, "pack": arguments.pack, "scenes": len(scenes), "clips": len({scene.name.partition(" ")[2] for scene in scenes}),
              "seconds": float(np.mean([len(scene.points) for scene in scenes])) / float(domain.settings["fps"]), "fid": views is not None,
              "objects": bool(domain.skeleton.objects), "object_points": len(domain.skeleton.objects), "calls": arguments.calls,
              "stage_2": {"calls": stage_2.calls, "iterations": stage_2.iterations}, "paper_iterations": arguments.paper_iterations,
              "distil_iterations": arguments.distil_iterations, "threads": torch.get_num_threads(), "rows": rows}
    print("\n" + "\n\n".join(f"{title}\n{table}" for title, table in tables(scores)) + "\n")
    write_output(arguments, lambda: lift_page(domain.settings["title"], scores, arguments.typed), scores)
    if arguments.update_card:
        update_card(find_pack(arguments.pack), scores)
    return 0


def score(name: str, conditions: Sequence[str], scenes: Sequence[Scene], lifters: Lifters, views: OtherViews | None,
          folders: dict[str, tuple[str, Path]]) -> dict:
    """A row of the tables: title, ablation, and by condition the measures, FID, and network rows and seconds a window; or what it is missing."""
    row: dict = {"title": ROWS[name].title if name in ROWS else name, "ablation": name in ROWS and ROWS[name].ablation}
    for condition in conditions:
        cost: dict[str, float | None] = {"rows": None, "window_seconds": None}
        if name in folders:
            tool, folder = folders[name]
            lifted = read_results(tool, folder / condition, scenes, lifters.domain.skeleton, condition)
        else:
            try:
                lifted, counted, seconds = lifters.run(ROWS[name], scenes, condition)
            except KineliftError as error:
                if error.code != "missing":
                    raise
                return {**row, "missing": f"{error.message}. {error.remedy}"}
            cost = {"rows": counted / len(scenes), "window_seconds": seconds / len(scenes)}
        fid = views.score(lifted) if views else float("nan")
        row[condition] = {**average(scenes, lifted, lifters.domain), "fid": fid if np.isfinite(fid) else None, **cost}
    return row
