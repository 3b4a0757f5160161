"""From 3D clips to what one camera sees of each: the 2D motions a model is trained on.

A pass takes every chosen clip once and films it with one camera; no clip of a pass is seen from two sides, so the
model learns from 2D alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from backend.errors import KineliftError
from backend.motion.cameras import project_perspective, view_axes
from backend.motion.motion2d import Motion2DSet
from backend.motion.root_path import travel_points
from backend.training.ball_play import play_ball
from backend.training.box_handling import handle_box
from backend.training.domain import Clip, Domain
from backend.training.repertoire import Repertoire, vary
from backend.training.stitching import MotionGraph
from rigs import Skeleton

MOST_FAILURES = 500  # motions that come to nothing, one after another
CLEAR = 1.0  # metres before a camera that stands still


def centre(keypoints: np.ndarray, root: int, settings: dict) -> np.ndarray:
    """Keypoints [T,J,3] moved as the domain's `centring` says: "root" puts the root at the origin in every frame,
    "root-horizontal" keeps heights and takes `centre_height` off them, "first-frame" lets the root go where it goes from there."""
    if settings["centring"] == "first-frame":
        return keypoints - keypoints[0, root]
    centred = keypoints - keypoints[:, root : root + 1]
    if settings["centring"] == "root-horizontal":
        centred[..., 2] = keypoints[..., 2] - settings["centre_height"]
    return centred


def film(keypoints: np.ndarray, seen: np.ndarray, domain: Domain, rng: np.random.Generator,
         distance: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """One random camera's view of a clip, as a detector reports it.

    Args: keypoints [T,J+K,3] metres, joints then objects; seen [J+K]; distance: of the camera, metres; the domain's where it has but one.
    Returns: 2D keypoints [T,J+K(+1),2], the travel point last where the skeleton has one, in the domain's units and confidences [T,J].
    """
    settings, skeleton = domain.settings, domain.skeleton
    camera, detector = settings["camera"], settings["detector"]
    root = skeleton.joints.index(skeleton.root)
    if rng.random() < 0.5:  # before centring: the root may be a joint of one side
        swap = skeleton.mirror_order[: keypoints.shape[1]]
        keypoints, seen = keypoints[:, swap] * [-1, 1, 1], seen[swap]
    if skeleton.travel:
        keypoints = np.concatenate([keypoints, travel_points(keypoints[:, root], settings["fps"])[:, None]], 1)
        seen = np.append(seen, True)
    centred = centre(keypoints, root, settings)
    azimuth, elevation = rng.uniform(-math.pi, math.pi), rng.uniform(*camera["elevation"])
    axes = view_axes(torch.tensor(azimuth), torch.tensor(elevation)).double()
    confidence = np.broadcast_to(seen, centred.shape[:2]).astype(np.float32).copy()
    for column in range(len(skeleton.joints), len(skeleton.joints) + len(skeleton.objects)):
        lost = np.linalg.norm(keypoints[:, column] - keypoints[:, root], axis=-1) > detector["lost_object"]
        confidence[lost, column] = 0
    safe = np.where(confidence[..., None] > 0, centred, 0.0)
    flat = project_perspective(torch.from_numpy(safe), axes, distance or camera["distance"], camera["scale"]).numpy()
    noise = gaussian_filter1d(rng.standard_normal(flat.shape), 1.0, axis=0) * 1.9  # the filter leaves 0.53 of the spread
    flat = flat + noise * detector["noise"] / camera["scale"]
    for frame, column in np.argwhere(rng.random(confidence.shape) < detector["miss"]):
        confidence[frame : frame + int(rng.integers(1, 6)), column] = 0
    return flat * (confidence[..., None] > 0), confidence


def project(domain: Domain, clips: list[Clip], motions: int, seed: int, stitch: bool, report=lambda fraction, message: None) -> Motion2DSet:
    """Films `motions` clips drawn by the sources' shares. With `stitch`, sources that ask for it are chained to the
    domain's longest duration. Sources are widened as the domain says. Returns the 2D set, padded with zeros."""
    rng, settings = np.random.default_rng(seed), domain.settings
    most = round(settings["seconds"]["max"] * settings["fps"])
    keypoints = np.zeros((motions, most, len(domain.skeleton.keypoints), 2), np.float32)
    confidences = np.zeros(keypoints.shape[:3], np.float32)
    lengths, names, distance = np.zeros(motions, np.int64), [], None
    distances = np.zeros(motions) if isinstance(settings["camera"]["distance"], list) else None
    for row, (body, seen, name) in zip(range(motions), bodies(domain, clips, rng, stitch)):
        if distances is not None:
            aim = body[0, domain.skeleton.joints.index(domain.skeleton.root)]
            distances[row] = distance = clear_distance(body, aim, settings["camera"]["distance"], rng)
        flat, confidence = film(body, seen, domain, rng, distance)
        keypoints[row, : len(body)], confidences[row, : len(body)], lengths[row] = flat, confidence, len(body)
        names.append(name)
        if row % 50 == 0:
            report(row / motions, f"{row} of {motions} motions filmed")
    return Motion2DSet(keypoints, confidences, lengths, names, domain.skeleton.name, settings["fps"],
                       None if distances is None else distances / settings["camera"]["scale"])


def bodies(domain: Domain, clips: list[Clip], rng: np.random.Generator, stitch: bool) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Endless motions of a domain, as `project` films them: keypoints [T,J+K,3] in metres, which there are [J+K], and the name of the clip or source.

    Raises KineliftError where no clip has what its source asks for.
    """
    settings = domain.settings
    most = round(settings["seconds"]["max"] * settings["fps"])
    least = round(settings["seconds"]["min"] * settings["fps"]) if stitch else 2
    by_source = [[clip for clip in clips if clip.source == i] for i in range(len(settings["sources"]))]
    shares = np.array([source["share"] if by_source[i] else 0.0 for i, source in enumerate(settings["sources"])])
    makers = {i: maker for i, source in enumerate(settings["sources"])
              if by_source[i] and (maker := _maker(domain, source, by_source[i], stitch))}
    failures = 0
    while failures < MOST_FAILURES:
        number = int(rng.choice(len(shares), p=shares / shares.sum()))
        source, failures = settings["sources"][number], failures + 1
        clip = by_source[number][int(rng.integers(len(by_source[number])))]
        widening = domain.widenings.get(source.get("widen"))
        body = makers[number](most, rng) if number in makers else clip.keypoints
        if widening and not widening.acts:
            body = vary(body, widening, domain.skeleton, settings["fps"], rng)
        if len(body) > most:
            start = int(rng.integers(len(body) - most + 1))
            body = body[start : start + most]
        if len(body) < least and number in makers:
            continue
        played = play(body, clip.seen, source, domain, rng)
        if played is None or len(played[0]) < min(least, len(body)):
            continue
        failures = 0
        yield *played, source["name"] if number in makers else clip.name
    raise KineliftError(f"of the last {MOST_FAILURES} motions none was long enough and had room for what its source asks for",
                        "Add longer clips, or leave 'ball' or 'box' out", str(domain.path), "bad-domain")


def play(body: np.ndarray, seen: np.ndarray, source: dict, domain: Domain, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """A motion [T,J+K,3] with what its source asks for, a ball that is played along or a box that is handled, and which points there are [J+K];
    None where the box didn't fit. Things that aren't there go with the body."""
    skeleton, fps = domain.skeleton, domain.settings["fps"]
    joints = body[:, : len(skeleton.joints)]
    if source.get("ball"):
        objects = {_thing(skeleton, "ball"): play_ball(joints, skeleton, fps, rng)[:, None]}
    elif source.get("box"):
        handled = handle_box(joints, skeleton, fps, rng)
        if handled is None:
            return None
        joints, points = handled
        objects = {_thing(skeleton, "box"): points}
    else:
        return body, seen
    made = np.concatenate([joints, np.repeat(joints.mean(1, keepdims=True), len(skeleton.objects), 1)], 1)
    there = np.arange(made.shape[1]) < len(skeleton.joints)
    for name, points in objects.items():
        made[:, skeleton.things[name]], there[skeleton.things[name]] = points, True
    return made, there


def _thing(skeleton: Skeleton, kind: str) -> str:
    """The name of the skeleton's one thing of a kind: a ball is a point, a box is rigid."""
    return next(name for name in skeleton.things if (name in skeleton.rigid) == (kind == "box"))


def clear_distance(body: np.ndarray, aim: np.ndarray, between: list[float], rng: np.random.Generator) -> float:
    """A distance in metres at which a camera that looks at the point `aim` [3] never has body [T,J,3] closer than CLEAR."""
    reach = float(np.linalg.norm(body - aim, axis=-1).max())
    return max(float(rng.uniform(*between)), reach + CLEAR)


def _maker(domain: Domain, source: dict, clips: list[Clip], stitch: bool) -> Callable[[int, np.random.Generator], np.ndarray] | None:
    """What makes long motions [T,J,3] of at most so many frames from a source's clips; None where clips are filmed one by one."""
    widening = domain.widenings.get(source.get("widen"))
    if widening and widening.acts:
        return Repertoire(clips, widening, domain.skeleton, domain.settings["fps"]).motion
    return MotionGraph(clips, domain.skeleton).walk if stitch and source.get("stitch") else None


def add_arguments(parser) -> None:
    parser.add_argument("--domain", required=True, help="a shipped domain's name or a .toml file")
    parser.add_argument("--data", type=Path, required=True, help="the folder the domain's paths start from")
    parser.add_argument("--to", type=Path, required=True, help="folder to write to")
    parser.add_argument("--motions", type=int, default=6000, help="how many training motions")
    parser.add_argument("--test-motions", type=int, default=1024, help="how many test motions")
    parser.add_argument("--seed", type=int, default=0)


def run(arguments) -> int:
    domain = Domain.load(arguments.domain)
    for split, motions in (("train", arguments.motions), ("test", arguments.test_motions)):
        clips = domain.clips(arguments.data, split)
        made = project(domain, clips, motions, arguments.seed + (split == "test"), stitch=True,
                       report=lambda fraction, message, split=split: print(f"\r{split}: {message}", end="", flush=True) if sys.stdout.isatty() else None)
        made.save(arguments.to / f"{split}.npz")
        print(f"{split}: {len(clips)} clips -> {motions} motions, {made.lengths.mean() / made.fps:.1f} s on average, {arguments.to / split}.npz")
    return 0
