"""What camera filmed: its focal length and how far it looks down, where they are not given."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from backend.mvlift.alternate import FIRST_FIT
from backend.mvlift.body_fit import HANDED, fit_bodies
from backend.mvlift.denoise import Denoised, DenoiseSettings, denoise
from backend.mvlift.model import LiftModel
from backend.mvlift.pose_prior import PosePrior
from backend.mvlift.settings import LiftSettings
from backend.mvlift.skeleton_fit import fit_skeleton
from backend.mvlift.subjects import Subject, rays_of
from backend.mvlift.track import Drawn, Track
from backend.mvlift.windows import up_of
from backend.poses.poses2d import Poses2D

Report = Callable[[float, str], None]

FOCALS = (1.0, 0.5, 0.7, 1.4, 2.0, 2.8)  # widths of the picture's longer side that bodies are fitted with, the usual one first
UNUSUAL = 0.5  # how much better a body has to fit, as a logarithm, for a focal length whose logarithm is 1
LOOKS = 4  # windows, from beginning to end, by which the focal length is told
TRIED_FOCALS = (1.0, 0.75, 1.4)  # of packs that fit no body
BETTER = 0.95  # share of the usual focal length's error below which another one is believed


def likely_up(model: LiftModel, tracks: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Up [3] for a first look: subjects are mostly seen from the elevation that the pack is used to."""
    middle = torch.stack([model.body.root(rays)[..., 1].median() for rays, _ in tracks]).median()
    return up_of(model.elevation + torch.atan(middle.cpu()))


def seen_up(looks: list[Denoised]) -> torch.Tensor:
    """Up [3] as the windows of all tracks believe; a camera isn't rolled."""
    ups, sharpness = torch.cat([look.ups for look in looks]).double().cpu(), torch.cat([look.sharpness for look in looks]).double().cpu()
    pitches = torch.atan2(-ups[:, 2], ups[:, 1])
    order = pitches.argsort()
    share = sharpness[order].cumsum(0) / sharpness.sum()
    return up_of(pitches[order][int(torch.searchsorted(share, 0.5).clamp(max=len(order) - 1))]).float()


def misfit(track: Track, result: Drawn) -> float:
    """How far a body of constant bones stays from what was filmed, in shares of its usual size: what a wrong focal length makes worse."""
    model, handed = track.model, HANDED.to(result.points)
    fitted = handed * fit_skeleton(handed * result.points[None], handed[:, None] * handed * result.normal[None], model.skeleton)[0]
    pictures = track.from_camera(fitted[track.index])
    shown = pictures @ track.axes[:, None, 0].transpose(-1, -2)
    flat = shown[..., :2] / (1 + shown[..., 2:] / track.distance.view(-1, 1, 1, 1))
    off = (flat - track.filmed).norm(dim=-1) * track.trust
    return float(off.sum() / track.trust.sum().clamp(min=1e-6))


def fitting_focal(model: LiftModel, prior: PosePrior, found: list[Subject], image_size: tuple[int, int], given_up: torch.Tensor | None,
                  report: Callable[[float], None]) -> float:
    """The focal length in pixels with which bodies fit best, between ordinary lenses and long ones. It shows where a subject comes nearer or goes away: its
    size, its place over the floor and the way it takes agree then. Where a subject stays, all fit alike and the usual one is taken."""
    count, side, motions, ups = len(prior.lengths), max(image_size), [], []
    windows = [(subject, start) for subject in found for start in range(0, len(subject.pixels), model.frames)]
    chosen = [windows[int(number)] for number in np.linspace(0, len(windows) - 1, min(LOOKS, len(windows))).round()]
    for share in FOCALS:
        rays = {subject.id: rays_of(subject, share * side, image_size, model.device) for subject in found}
        up = likely_up(model, list(rays.values())) if given_up is None else given_up
        for subject, start in chosen:
            motions.append(tuple(part[start : start + model.frames, :count].double().cpu().numpy() for part in rays[subject.id]))
            ups.append(up)
    fit, best = fit_bodies(prior, motions, ups, FIRST_FIT, report=report)
    worse = fit.costs()[best].view(len(FOCALS), -1).log().mean(1) + UNUSUAL * torch.tensor(FOCALS).log() ** 2
    return FOCALS[int(worse.argmin())] * side


def look(model: LiftModel, found: list[Subject], poses: Poses2D, settings: LiftSettings, report: Report) -> tuple[float, torch.Tensor]:
    """The focal length in pixels and up [3]: given; or the focal length with which bodies fit best and the usual up, a fit then tilts its floor. A pack
    that fits no body takes a first look with few network calls to tell them."""
    side = max(poses.image_size)
    known = settings.focal or poses.focal
    given_up = None if math.isnan(settings.pitch) else up_of(math.radians(settings.pitch))
    if model.prior is not None:
        focal = known or fitting_focal(model, model.prior, found, poses.image_size, given_up, lambda fraction: report(fraction, "looking at the camera"))
        return focal, likely_up(model, [rays_of(subject, focal, poses.image_size, model.device) for subject in found]) if given_up is None else given_up
    if known and given_up is not None:
        return known, given_up
    focals = [known] if known else [share * side for share in TRIED_FOCALS]
    errors, ups = [], []
    how = DenoiseSettings(calls=settings.look_calls)
    for number, focal in enumerate(focals):
        tracks = [rays_of(subject, focal, poses.image_size, model.device) for subject in found]
        up = likely_up(model, tracks) if given_up is None else given_up
        windows = [Track(model, *track, up.to(model.device)) for track in tracks]
        looks = [denoise(track, settings.seed, how, lambda fraction, message, number=number: report((number + fraction) / len(focals), "looking at the camera"))
                 for track in windows]
        errors.append(float(np.mean([misfit(*pair) for pair in zip(windows, looks)])))
        ups.append(seen_up(looks) if given_up is None else given_up)
    best = int(np.argmin(errors))
    best = best if errors[best] < BETTER * errors[0] else 0
    return focals[best], ups[best]
