"""What camera filmed: its focal length and how far it looks down, where they are not given."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from backend.mvlift.denoise import Denoised, DenoiseSettings, denoise
from backend.mvlift.model import LiftModel
from backend.mvlift.settings import LiftSettings
from backend.mvlift.skeleton_fit import fit_skeleton
from backend.mvlift.subjects import Subject, rays_of
from backend.mvlift.track import Drawn, Track
from backend.mvlift.windows import up_of
from backend.poses.poses2d import Poses2D

Report = Callable[[float, str], None]

TRIED_FOCALS = (1.0, 0.75, 1.4)  # widths of the picture's longer side, the usual one first
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
    model = track.model
    fitted = fit_skeleton(result.points[None], result.normal[None], model.skeleton)[0]
    pictures = track.from_camera(fitted[track.index])
    shown = pictures @ track.axes[:, None, 0].transpose(-1, -2)
    flat = shown[..., :2] / (1 + shown[..., 2:] / track.distance.view(-1, 1, 1, 1))
    off = (flat - track.filmed).norm(dim=-1) * track.trust
    return float(off.sum() / track.trust.sum().clamp(min=1e-6))


def look(model: LiftModel, found: list[Subject], poses: Poses2D, settings: LiftSettings, report: Report) -> tuple[float, torch.Tensor]:
    """The focal length in pixels and up [3]: given, or usual ones; a fit then tilts its floor. A pack that fits no body takes a first look with few
    network calls to tell them."""
    side = max(poses.image_size)
    known = settings.focal or poses.focal
    given_up = None if math.isnan(settings.pitch) else up_of(math.radians(settings.pitch))
    if model.prior is not None:
        focal = known or side
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
