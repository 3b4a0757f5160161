"""`bench lift`: what lifting a window costs, against the paper's program, on one network and one machine in one run.

The program makes 1,000 network calls on four views, 500 steps of Adam to triangulate and 1,000 to fit a body; its stage 2 makes 5,000
steps, each a call for five views. Its network steps are made here a few times and the time is multiplied, and the tables say so; the steps of Adam
are made in full, those of the body on joints alone, which costs less than the program's 6,890 vertices.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
import roma
import torch

from backend.devices import choose_device
from backend.diffusion.schedule import Schedule
from backend.errors import KineliftError
from backend.evaluation.lifting.networks import rows_counted
from backend.evaluation.output import add_output_arguments, write_output
from backend.evaluation.progress import print_progress
from backend.evaluation.tables import markdown_table
from backend.mvlift.alternate import FIRST_FIT, AlternateSettings
from backend.mvlift.lift import lift
from backend.mvlift.model import LINE, MULTIVIEW, LiftModel, load_lift_model, make_body, make_features
from backend.mvlift.network import LiftDenoiser, LiftNetworkSettings
from backend.mvlift.optimise import FAST, PAPER, Optimiser, OptimiseSettings
from backend.mvlift.settings import LiftSettings
from backend.mvlift.training import STEPS, TAU, elevation_between, require_lift
from backend.mvlift.views import ring, see
from backend.packs.model import find_pack
from backend.poses.poses2d import Poses2D
from backend.training.domain import Domain

OFFICIAL_CALLS, OFFICIAL_VIEWS, OFFICIAL_TRIANGULATION, OFFICIAL_FIT = 1000, 4, 500, 1000
SWEEP = (7, 28, 50)
IMAGE, FOCAL = (1920, 1080), 1000.0


@dataclass
class Cost:
    """What one way to do it costs a window: network calls and rows, steps of Adam, wall and CPU seconds; where `extrapolated`, they are those
    of a few network steps times the number of steps, and those of all other work."""

    name: str
    calls: int
    rows: int
    adam: int
    seconds: float
    cpu_seconds: float
    extrapolated: bool = False


def untrained(domain: Domain, kind: str, device: str) -> LiftModel:
    """A network of the paper's size with random weights, which costs what a trained one does."""
    skeleton, many = domain.skeleton, kind == MULTIVIEW
    keypoints, views = len(skeleton.keypoints), int(domain.settings["lift"]["views"])
    schedule = Schedule(STEPS, TAU)
    torch.manual_seed(0)
    settings = LiftNetworkSettings(keypoints, keypoints * 3, **({"views": views, "cross": "own"} if many else {}))
    bones = [child for _, child in skeleton.bones if child not in skeleton.elastic_joints]
    card = {"fps": domain.settings["fps"], "seconds": {"default": domain.settings["seconds"]["default"]},
            "camera": {"elevation": list(elevation_between(domain))},
            "body": {"lengths": [0.25] * len(bones), "bones": 0.25 * len(bones), "height": domain.settings["lift"]["height"],
                     "standing_height": domain.settings["lift"]["standing_height"]}}
    body, target = make_body(card, skeleton), choose_device(device)
    features = make_features(torch.zeros(keypoints, 2, device=target), torch.full((keypoints, 2), 0.25, device=target), body)
    return LiftModel("untrained", card, LiftDenoiser(settings, schedule).to(target).eval().requires_grad_(False), features, body, schedule, skeleton)


def made_up_poses(model: LiftModel, seconds: float, seed: int) -> Poses2D:
    """2D poses of something that sways before a camera: what it looks like costs nothing."""
    skeleton, rng = model.skeleton, np.random.default_rng(seed)
    named = len(skeleton.joints) + len(skeleton.objects)
    time_ = np.arange(max(2, round(seconds * model.fps)))[:, None, None] / model.fps
    home, phase = rng.normal(0, 120, (named, 2)), rng.uniform(0, 2 * math.pi, (named, 2))
    keypoints = home + np.array(IMAGE) / 2 + 30 * np.sin(2 * math.pi * 0.7 * time_ + phase)
    return Poses2D(keypoints[None], np.ones((1, *keypoints.shape[:2])), list(skeleton.keypoints[:named]), skeleton.name, model.fps, IMAGE, FOCAL, ["1"],
                   "bench")


def clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def timed(work: Callable[[], object], device: torch.device) -> np.ndarray:
    """Wall and CPU seconds [2]; the second hardly depends on what else the machine does."""
    began, began_cpu = clock(device), time.process_time()
    work()
    return np.array([clock(device) - began, time.process_time() - began_cpu])


def measure_lift(name: str, model: LiftModel, seconds: float, seed: int, told: bool, calls: int) -> Cost:
    """Our lift, from pixels to a motion in the world, after a warm-up. `told`: the camera is known, so there is no first look."""
    poses = made_up_poses(model, seconds, seed)
    settings = LiftSettings(model.name, poses.source, pitch=5.0 if told else math.nan, seed=seed, calls=calls)
    poses = poses if told else replace(poses, focal=0.0)
    lift(poses, model, replace(settings, calls=2, look_calls=2))
    with rows_counted(model) as counted:
        spent = timed(lambda: lift(poses, model, settings, lambda fraction, message: print_progress(fraction, f"{name}: {message}")), model.device)
    adam = AlternateSettings(calls=settings.calls_of(model)).adam + (0 if told else FIRST_FIT.adam) if model.prior else 0
    return Cost(name, counted[0] // model.denoiser.settings.views, counted[0], adam, *map(float, spent))


def adam_triangulation(model: LiftModel, frames: int, steps: int) -> Callable[[], None]:
    """The program's triangulation: points from the origin, Adam at 0.01, the mean squared distance in the views."""
    keypoints, views = len(model.skeleton.keypoints), OFFICIAL_VIEWS
    axes, distance = ring(views, torch.zeros(1), 0.0).to(model.device), torch.full((1,), 3.0, device=model.device)
    target = 0.3 * torch.randn(1, views, frames, keypoints, 2, device=model.device, generator=torch.Generator(model.device).manual_seed(0))

    def work() -> None:
        points = torch.zeros(1, frames, keypoints, 3, device=model.device, requires_grad=True)
        optimiser = torch.optim.Adam([points], 0.01)
        for _ in range(steps):
            optimiser.zero_grad()
            ((see(points, axes, distance) - target) ** 2).mean().backward()
            optimiser.step()

    return work


def adam_body(model: LiftModel, frames: int, steps: int) -> Callable[[], None]:
    """The program's body fit, on joints alone: a turn for every joint and frame, a place and a size, Adam at 0.01, the mean squared distance of
    joints and a thousandth of the change of turns."""
    skeleton, device = model.skeleton, model.device
    joints = len(skeleton.joints)
    rest = 0.25 * torch.randn(joints, 3, device=device, generator=torch.Generator(device).manual_seed(1))
    target = torch.randn(1, frames, joints, 3, device=device, generator=torch.Generator(device).manual_seed(2))

    def work() -> None:
        turns = torch.zeros(1, frames, joints, 3, device=device, requires_grad=True)
        place, size = (torch.zeros(1, frames, 3, device=device, requires_grad=True), torch.ones(1, device=device, requires_grad=True))
        optimiser = torch.optim.Adam([turns, place, size], 0.01)
        for _ in range(steps):
            local = roma.rotvec_to_rotmat(turns + 1e-6)
            globally, points = [], []
            for joint, parent in enumerate(skeleton.parents):
                globally.append(local[:, :, joint] if parent < 0 else globally[parent] @ local[:, :, joint])
                points.append(torch.zeros_like(place) if parent < 0 else points[parent] + globally[parent] @ rest[joint])
            found = size * torch.stack(points, 2) + place.unsqueeze(2)
            loss = ((found - target) ** 2).mean() + 1e-3 * (turns.diff(dim=1).flatten(2).norm(dim=-1) + 1e-9).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return work


def network_step(model: LiftModel, frames: int) -> Callable[[], None]:
    """One ancestral step of the program: a call for the views of one window in float32, the clamp, the posterior."""
    keypoints, views = len(model.skeleton.keypoints), model.denoiser.settings.views
    x = torch.randn(1, views, frames, keypoints, 2, device=model.device)
    given = torch.zeros(1, views, frames, model.denoiser.settings.conditions, device=model.device)
    steps, (of_x0, of_x, deviation) = torch.full((1, views), 500, device=model.device), model.schedule.step(500, 499)

    @torch.no_grad()
    def work() -> None:
        clean = model.denoiser(x, steps, given).clamp(-1, 1)
        _ = of_x0 * clean + of_x * x + deviation * torch.randn_like(x)

    return work


def measure_official(model: LiftModel, seconds: float, timed_steps: int) -> Cost:
    """The program's lift of a window, without its reading and framing."""
    frames = max(2, round(seconds * model.fps))
    step = network_step(model, frames)
    step()
    network = timed(lambda: [step() for _ in range(timed_steps)], model.device)
    adam_triangulation(model, frames, 3)()
    adam_body(model, frames, 3)()
    adam = timed(adam_triangulation(model, frames, OFFICIAL_TRIANGULATION), model.device) + timed(adam_body(model, frames, OFFICIAL_FIT), model.device)
    views = model.denoiser.settings.views
    return Cost("the paper's program", OFFICIAL_CALLS, OFFICIAL_CALLS * views, OFFICIAL_TRIANGULATION + OFFICIAL_FIT,
                *map(float, network / timed_steps * OFFICIAL_CALLS + adam), extrapolated=True)


def measure_stage_2(name: str, line: LiftModel, seconds: float, seed: int, settings: OptimiseSettings, timed_steps: int) -> Cost:
    """Drawing the views of one window in training; of more than `timed_steps` steps only so many are made."""
    frames = max(2, round(seconds * line.fps))
    made = replace(settings, iterations=min(settings.iterations, timed_steps))
    pictures = 0.3 * torch.randn(1, frames, len(line.skeleton.keypoints), 2, generator=torch.Generator().manual_seed(seed)).to(line.device)

    def run(how: OptimiseSettings) -> None:
        Optimiser(line, pictures, torch.ones_like(pictures[..., 0]), torch.tensor([frames], device=line.device), torch.full((1,), 4.0, device=line.device),
                  torch.full((1,), line.elevation, device=line.device), [seed], how).run(
                      lambda fraction, message: print_progress(fraction, f"{name}: {message}"))

    run(replace(made, calls=min(made.calls, 1), iterations=1))
    first = timed(lambda: run(replace(made, iterations=0)), line.device) if made.calls else np.zeros(2)
    steps = timed(lambda: run(replace(made, calls=0)), line.device)
    return Cost(name, settings.calls + settings.iterations, settings.rows, settings.iterations,
                *map(float, first + steps / made.iterations * settings.iterations), extrapolated=made.iterations < settings.iterations)


def cost_table(costs: list[Cost]) -> str:
    """The first row is what the others are compared with; a tilde marks seconds that were extrapolated."""
    first = costs[0]
    rows = []
    for one in costs:
        mark, ratio_mark = "~" if one.extrapolated else "", "~" if first.extrapolated or one.extrapolated else ""
        rows.append([one.name, f"{one.calls:,}", f"{one.rows:,}", f"{one.adam:,}", f"{mark}{one.seconds:.2f}", f"{mark}{one.cpu_seconds:.2f}",
                     f"{first.rows / one.rows:.1f}", f"{ratio_mark}{first.seconds / one.seconds:.1f}"])
    return markdown_table(["", "network calls", "network rows", "Adam steps", "seconds", "CPU seconds", "fewer rows", "times faster"], rows)


def bench_page(model: LiftModel, lifting: list[Cost], drawing: list[Cost], arguments) -> str:
    """The measurements as a Markdown page."""
    weights = "a network of the paper's size with random weights, which cost what trained ones do" if model.name == "untrained" else f"the pack `{model.name}`"
    drawn = f"""
## Drawing the views that nobody filmed (stage 2 of the training)

{cost_table(drawing)}
""" if drawing else ""
    return f"""# Lifting against the paper's program

One window of {arguments.seconds:g} s, {weights}, {model.device.type}, {torch.get_num_threads()} thread(s). This page is one run of

```
{arguments.typed}
```

## Lifting a window

{cost_table(lifting)}

The program's counts are those of its code: 1,000 network calls on four views, 500 steps of Adam to triangulate, 1,000 to fit a body. A tilde marks
seconds that were **extrapolated**: {arguments.timed_steps} steps of the network were timed, and multiplied. The steps of Adam were made in full;
those that fit the body on joints alone, though the program fits 6,890 vertices, which costs more and was not timed. Reading, framing and
writing are left out of the program's seconds and are in ours, whose other part is triangulation, scale, bones and floor; for a pack with a pose
prior that is mostly Adam on a body of joints. Where the camera is unknown, a pack
without such a prior tries three focal lengths in a first look.
{drawn}"""


def add_arguments(parser) -> None:
    parser.add_argument("--pack", default="", help="a pack's name or folder; without it networks of the paper's size with random weights")
    parser.add_argument("--domain", default="lift-human", help="whose skeleton and windows they have, without a pack")
    parser.add_argument("--seconds", type=float, default=4.0, help="of the window")
    parser.add_argument("--timed-steps", type=int, default=10, help="how many of the program's network steps are timed")
    parser.add_argument("--calls", type=int, nargs="*", default=list(SWEEP), help="further numbers of network evaluations a view to measure")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    add_output_arguments(parser, "measurements")


def load_models(arguments) -> tuple[LiftModel, LiftModel | None]:
    """The multi-view and the line-conditioned network; a pack may lack the second."""
    if not arguments.pack:
        domain = Domain.load(arguments.domain)
        require_lift(domain)
        return untrained(domain, MULTIVIEW, arguments.device), untrained(domain, LINE, arguments.device)
    line = find_pack(arguments.pack) / "line"
    return load_lift_model(arguments.pack, arguments.device), load_lift_model(str(line), arguments.device, LINE) if line.is_dir() else None


def run(arguments) -> int:
    if arguments.seconds <= 0 or arguments.timed_steps < 1:
        raise KineliftError("there is nothing to time", "Give a window of more than 0 seconds and at least one step", code="bad-setting")
    model, line = load_models(arguments)
    usual = LiftSettings("", "").calls_of(model)
    ways = [(f"lift, {usual} calls a view, camera unknown", False, usual), (f"lift, {usual} calls a view", True, usual),
            *((f"lift, {calls} calls a view", True, calls) for calls in arguments.calls)]
    lifting = [measure_official(model, arguments.seconds, arguments.timed_steps)]
    lifting += [measure_lift(name, model, arguments.seconds, arguments.seed, told, calls) for name, told, calls in ways]
    drawing = [] if line is None else [
        measure_stage_2(name, line, arguments.seconds, arguments.seed, settings, arguments.timed_steps)
        for name, settings in (("the paper's program", PAPER), ("ours", FAST))]
    print_progress(1.0, "")
    print(f"\nlifting a window\n{cost_table(lifting)}\n" + (f"\ndrawing views, stage 2\n{cost_table(drawing)}\n" if drawing else ""))
    print("~ is extrapolated from a few steps")
    write_output(arguments, lambda: bench_page(model, lifting, drawing, arguments),
                 {"lifting": [asdict(one) for one in lifting], "drawing": [asdict(one) for one in drawing]})
    return 0
