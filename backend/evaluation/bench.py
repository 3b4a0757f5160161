"""`bench`: what the methods cost. `bench lift` is `backend.evaluation.lifting.bench`. Here is `bench mas`: what a
motion costs in each mode of the sampler and over a sweep of its settings, on one network and one seed in one run, and with `--fid` what each
setting is worth."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import torch

from backend.devices import has_bfloat16
from backend.errors import KineliftError
from backend.evaluation import bench_retarget, bench_unseen
from backend.evaluation.evaluate import Evaluation, EvaluationSettings
from backend.evaluation.lifting import bench as lifting
from backend.evaluation.output import add_kinds, add_output_arguments, write_output
from backend.evaluation.progress import print_progress
from backend.evaluation.subjects import Subject
from backend.evaluation.tables import markdown_table, with_interval
from backend.mas.sampler import MODES, SamplerSettings, sample
from backend.mas.stopwatch import Stopwatch
from backend.packs.model import MasModel, find_pack, load_model

CALLS, VIEWS = (10, 20, 50), (3, 5)
WAYS = {"first order": {"order": 1}, "second order": {}, "second order without noise": {"eta": 0.0}}
REFERENCE = "reference"


@dataclass
class Measurement:
    """One setting: wall and CPU seconds of a run, its parts, and the FID (mean, half width) against both splits, where measured."""

    name: str
    settings: SamplerSettings
    calls: int
    rows: int
    seconds: float
    cpu_seconds: float
    network_seconds: float
    triangulation_seconds: float
    adam_iterations: int
    fid: dict[str, tuple[float, float]] | None = None


def candidates() -> dict[str, SamplerSettings]:
    """The modes, what held bones, kept sides and half precision do to them, and a sweep of the fast mode over CALLS x VIEWS x WAYS, by name."""
    fast, paper = MODES["fast"], replace(MODES["paper"], bfloat16=True)
    sweep = {f"{calls} calls, {views} views, {way}": replace(fast, calls=calls, views=views, **changes)
             for calls, views, (way, changes) in product(CALLS, VIEWS, WAYS.items())}
    return {**MODES, "paper, bfloat16": paper, "paper, bfloat16, bones held": replace(paper, hold_bones=True),
            "fast, float32": replace(fast, bfloat16=False), "fast, compiled": replace(fast, compiled=True), "fast, bones held": replace(fast, hold_bones=True),
            "fast, sides not kept": replace(fast, keep_sides=False), **sweep}


def measure(name: str, settings: SamplerSettings, model: MasModel, frames: int, seeds: list[int]) -> Measurement:
    """Samples once after a warm-up and says where the time went."""
    try:
        sample(model, frames, seeds, replace(settings, calls=2))
    except torch._dynamo.exc.TorchDynamoException as error:
        raise KineliftError(f"{name}: the network can't be compiled ({str(error).splitlines()[0]})", "Install a C++ compiler, or leave it out with --only",
                            code="no-compiler") from error
    watch = Stopwatch(model.device)
    began, began_cpu = time.perf_counter(), time.process_time()
    sample(model, frames, seeds, settings, lambda fraction, message: print_progress(fraction, f"{name}: {message}"), watch=watch)
    seconds, counts = watch.seconds, watch.counts
    return Measurement(name, settings, counts["calls"], counts["rows"], time.perf_counter() - began, time.process_time() - began_cpu,
                       seconds["network"], seconds["triangulation"], counts["iterations"])


def measure_fids(measurements: list[Measurement], evaluation: Evaluation) -> None:
    """Notes each setting's FID. The network runs in half precision for all, so that only the sampler differs and nothing is done twice."""
    known: dict[SamplerSettings, dict[str, tuple[float, float]]] = {}
    for one in measurements:
        settings = replace(one.settings, bfloat16=True)
        if settings not in known:
            scores = evaluation.score(one.name, Subject(one.name, settings), standing=0.0)
            known[settings] = {split: metrics["fid"] for split, metrics in scores["all"].items()}
            print_progress(1.0, "")
        one.fid = known[settings]
        print(f"{one.name}: FID {one.fid['train'][0]:.2f} (training), {one.fid['test'][0]:.2f} (test)", flush=True)


def bench_table(measurements: list[Measurement]) -> str:
    """One line a measurement; the first is what the others' times are compared with."""
    first, with_fid = measurements[0], any(one.fid for one in measurements)
    headings = ["", "network calls", "rows", "seconds", "CPU seconds", "in the network", "in triangulation", "times faster"]
    rows = []
    for one in measurements:
        share = one.triangulation_seconds / one.seconds
        iterations = f", {one.adam_iterations} Adam steps" if one.adam_iterations else ""
        cells = [one.name, str(one.calls), str(one.rows), f"{one.seconds:.2f}", f"{one.cpu_seconds:.2f}", f"{one.network_seconds:.2f}",
                 f"{one.triangulation_seconds:.2f} ({share:.0%}{iterations})", f"{first.seconds / one.seconds:.1f}"]
        if with_fid:
            cells += [with_interval(*one.fid[split]) for split in ("train", "test")] if one.fid else ["", ""]
        rows.append(cells)
    return markdown_table(headings + (["FID, training", "FID, test"] if with_fid else []), rows)


def plot(measurements: list[Measurement], path: Path) -> None:
    """Seconds a run, split into network and triangulation, as bars; where FIDs were measured, FID over seconds as well."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    scored = [one for one in measurements if one.fid]
    figure, panels = pyplot.subplots(1, 2 if scored else 1, figsize=(13 if scored else 7, 0.3 * len(measurements) + 1.5), squeeze=False,
                                     layout="constrained")
    bars, names = panels[0][0], [one.name for one in measurements]
    bars.barh(names, [one.network_seconds for one in measurements], label="network")
    bars.barh(names, [one.triangulation_seconds for one in measurements], left=[one.network_seconds for one in measurements],
              label="triangulation")
    for row, one in enumerate(measurements):
        bars.text(one.network_seconds + one.triangulation_seconds, row, f"  {measurements[0].seconds / one.seconds:.1f}x", va="center", fontsize=8)
    bars.invert_yaxis()
    bars.margins(x=0.1)
    bars.set_xlabel("seconds")
    bars.legend()
    if scored:
        points = panels[0][1]
        for one in scored:
            points.errorbar(one.seconds, one.fid["train"][0], one.fid["train"][1], fmt="o")
            points.annotate(one.name, (one.seconds, one.fid["train"][0]), fontsize=7, xytext=(4, 4), textcoords="offset points")
        points.set_xscale("log")
        points.xaxis.set_major_formatter(ScalarFormatter())
        points.xaxis.set_minor_formatter(NullFormatter())
        points.margins(x=0.15)
        points.set_xlabel("seconds")
        points.set_ylabel("FID against the training split")
        points.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def bench_page(model: MasModel, measurements: list[Measurement], arguments) -> str:
    """The measurements as a Markdown page."""
    half = "has" if has_bfloat16(model.device) else "has no"
    scored = any(one.fid for one in measurements)
    sets = (f"{arguments.fid_sets} times with new motions, cameras and recorded motions; ± is 1.96 std / sqrt({arguments.fid_sets})."
            if arguments.fid_sets > 1 else "once: another choice of seeds moves all of them by several points, and the differences between them by three.")
    quality = f"""

FID: by the pack's evaluator, as in the evaluation, of {arguments.fid} motions a setting with the same seeds for every setting,
{sets}
The network ran in bfloat16 for all, so that only the sampler differs.""" if scored else ""
    picture = f"\n![Seconds and FID]({os.path.relpath(arguments.plot, arguments.write.parent)})\n" if arguments.plot else ""
    return f"""# The sampler against the paper's program

`{model.name}`, {arguments.samples} motion(s) of {arguments.seconds:g} s, seed {arguments.seed}, {model.device.type}, {torch.get_num_threads()} thread(s); the
device {half} arithmetic for bfloat16. `{REFERENCE}` is the sampler of the paper's program: seven views, 99 network calls, triangulation by Adam.
This page is one run of

```
{arguments.typed}
```{quality}

{bench_table(measurements)}
{picture}"""


def add_arguments(parser) -> None:
    add_kinds(parser, ("mas", "packs that generate", add_mas_arguments, run_mas), ("lift", "packs that lift", lifting.add_arguments, lifting.run),
              ("retarget", "how good motions sit on rigs", bench_retarget.add_arguments, bench_retarget.run),
              ("unseen", "where fits have joints of people that motions don't show", bench_unseen.add_arguments, bench_unseen.run))


def add_mas_arguments(parser) -> None:
    parser.add_argument("--pack", default="basketball", help="a pack's name or folder")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--samples", type=int, default=1, help="motions a run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="settings of this name, or whose name begins so; the reference is always measured")
    parser.add_argument("--fid", type=int, default=0, metavar="N", help="also measure FIDs with N motions a setting (needs --data)")
    parser.add_argument("--fid-only", nargs="+", metavar="NAME", help="settings to measure FIDs for, chosen likewise")
    parser.add_argument("--fid-sets", type=int, default=1, metavar="K", help="measure FIDs K times, each time with new motions")
    parser.add_argument("--data", type=Path, help="the folder of 2D motions, made by `project`")
    parser.add_argument("--evaluator", type=Path, help="the folder that holds the evaluator; the pack's without it")
    parser.add_argument("--plot", type=Path, help="write a picture (.png)")
    add_output_arguments(parser, "measurements")


def chosen(names, beginnings: list[str] | None) -> list[str]:
    """The names that are one of the given words, or begin with one that is no name; all without words."""
    def is_meant(name: str, word: str) -> bool:
        return name == word if word in names else name.startswith(word)

    return [name for name in names if not beginnings or any(is_meant(name, word) for word in beginnings)]


def run(arguments) -> int:
    return arguments.run_kind(arguments)


def run_mas(arguments) -> int:
    if arguments.fid and not arguments.data:
        raise KineliftError("FIDs need recorded motions to compare with", "Give --data, a folder of 2D motions", code="bad-setting")
    if arguments.samples < 1 or arguments.seconds <= 0:
        raise KineliftError("there is nothing to sample", "Give at least one sample of more than 0 seconds", code="bad-setting")
    model = load_model(arguments.pack, arguments.device)
    frames = max(2, round(arguments.seconds * model.card["fps"]))
    seeds = list(range(arguments.seed, arguments.seed + arguments.samples))
    everything = candidates()
    names = list(dict.fromkeys([REFERENCE, *chosen(everything, arguments.only)]))
    measurements = []
    for name in names:
        measurements.append(measure(name, everything[name], model, frames, seeds))
        print_progress(1.0, "")
        print(f"{name}: {measurements[-1].seconds:.2f} s", flush=True)
    if arguments.fid:
        folder = arguments.evaluator or find_pack(arguments.pack)
        settings = EvaluationSettings(arguments.fid, arguments.fid_sets, fresh=True, seed=arguments.seed)
        evaluation = Evaluation(model, arguments.data, folder, settings, print_progress)
        measure_fids([one for one in measurements if one.name in chosen(names, arguments.fid_only)], evaluation)
    print(f"\n{bench_table(measurements)}\n")
    write_output(arguments, lambda: bench_page(model, measurements, arguments), [asdict(one) for one in measurements])
    if arguments.plot:
        plot(measurements, arguments.plot)
        print(arguments.plot)
    return 0
