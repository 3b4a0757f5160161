"""From 3D clips to what one camera sees of each: the 2D motions a model is trained on.

A pass takes every chosen clip once and films it with one camera; no clip of a pass is seen from two sides, so the
model learns from 2D alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d

from backend.motion.cameras import project_perspective, view_axes
from backend.motion.motion2d import Motion2DSet
from backend.motion.root_path import travel_points
from backend.training.ball_play import play_ball
from backend.training.domain import Clip, Domain
from backend.training.repertoire import Repertoire, vary
from backend.training.stitching import MotionGraph

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
        lost = np.linalg.norm(centred[:, column], axis=-1) > detector["lost_object"]
        confidence[lost, column] = 0
    safe = np.where(confidence[..., None] > 0, centred, 0.0)
    flat = project_perspective(torch.from_numpy(safe), axes, distance or camera["distance"], camera["scale"]).numpy()
    noise = gaussian_filter1d(rng.standard_normal(flat.shape), 1.0, axis=0) * 1.9  # the filter leaves 0.53 of the spread
    flat = flat + noise * detector["noise"] / camera["scale"]
    for frame, column in np.argwhere(rng.random(confidence.shape) < detector["miss"]):
        confidence[frame : frame + int(rng.integers(1, 6)), column] = 0
    return flat * (confidence[..., None] > 0), confidence


def bodies(domain: Domain, clips: list[Clip], rng: np.random.Generator, stitch: bool) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
    """Motions without end, drawn by the sources' shares and widened as the domain says; of at most its longest duration. With `stitch`,
    clips of sources that ask for it are chained to that. Gives keypoints [T,J+K,3] metres, which are there [J+K], and the clip's or source's name."""
    settings = domain.settings
    most = round(settings["seconds"]["max"] * settings["fps"])
    least = round(settings["seconds"]["min"] * settings["fps"]) if stitch else 2
    by_source = [[clip for clip in clips if clip.source == i] for i in range(len(settings["sources"]))]
    shares = np.array([source["share"] if by_source[i] else 0.0 for i, source in enumerate(settings["sources"])])
    makers = {i: maker for i, source in enumerate(settings["sources"])
              if by_source[i] and (maker := _maker(domain, source, by_source[i], stitch))}
    while True:
        source = int(rng.choice(len(shares), p=shares / shares.sum()))
        clip = by_source[source][int(rng.integers(len(by_source[source])))]
        widening = domain.widenings.get(settings["sources"][source].get("widen"))
        body = makers[source](most, rng) if source in makers else clip.keypoints
        if widening and not widening.acts:
            body = vary(body, widening, domain.skeleton, settings["fps"], rng)
        if len(body) > most:
            start = int(rng.integers(len(body) - most + 1))
            body = body[start : start + most]
        if len(body) < least and source in makers:
            continue
        seen = clip.seen
        if settings["sources"][source].get("ball"):
            joints = body[:, : len(domain.skeleton.joints)]
            body = np.concatenate([joints, play_ball(joints, domain.skeleton, settings["fps"], rng)[:, None]], 1)
            seen = np.ones_like(seen)
        yield body, seen, settings["sources"][source]["name"] if source in makers else clip.name


def project(domain: Domain, clips: list[Clip], motions: int, seed: int, stitch: bool, report=lambda fraction, message: None) -> Motion2DSet:
    """Films `motions` motions (see `bodies`), each with a camera of its own. Returns the 2D set, padded with zeros."""
    rng = np.random.default_rng(seed)
    settings = domain.settings
    most = round(settings["seconds"]["max"] * settings["fps"])
    keypoints = np.zeros((motions, most, len(domain.skeleton.keypoints), 2), np.float32)
    confidences = np.zeros(keypoints.shape[:3], np.float32)
    lengths, names = np.zeros(motions, np.int64), []
    distance = None
    distances = np.zeros(motions) if isinstance(settings["camera"]["distance"], list) else None
    for row, (body, seen, name) in enumerate(islice(bodies(domain, clips, rng, stitch), motions)):
        if distances is not None:
            distances[row] = distance = clear_distance(body, settings["camera"]["distance"], rng)
        flat, confidence = film(body, seen, domain, rng, distance)
        keypoints[row, : len(body)], confidences[row, : len(body)], lengths[row] = flat, confidence, len(body)
        names.append(name)
        if row % 50 == 0:
            report(row / motions, f"{row} of {motions} motions filmed")
    return Motion2DSet(keypoints, confidences, lengths, names, domain.skeleton.name, settings["fps"],
                       None if distances is None else distances / settings["camera"]["scale"])


def clear_distance(body: np.ndarray, between: list[float], rng: np.random.Generator) -> float:
    """A distance in metres at which a camera that looks at the first frame of body [T,J,3] never has it closer than CLEAR."""
    reach = float(np.linalg.norm((body - body[0].mean(0))[..., :2], axis=-1).max())
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
