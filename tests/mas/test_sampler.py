from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.devices import has_bfloat16
from backend.errors import Cancelled
from backend.mas import sampler
from backend.mas.sampler import (
    MODES,
    Noise,
    SamplerSettings,
    camera_ring,
    noise_exchanged,
    on_the_sides_of,
    sample,
    sample_2d,
    with_sides_exchanged,
)
from backend.mas.stopwatch import Stopwatch
from backend.mas.triangulation import reproject
from backend.motion.bones import bone_lengths
from backend.packs.model import MasModel

QUICK = SamplerSettings(views=3, calls=6)


def test_a_seed_gives_one_motion(tiny: MasModel):
    first, again = (sample(tiny, 20, [5], QUICK) for _ in range(2))
    assert torch.equal(first, again)
    assert (first - sample(tiny, 20, [6], QUICK)).abs().max() > 1e-3
    assert first.shape == (1, 20, 18, 3)


@pytest.mark.parametrize("settings", [QUICK, replace(QUICK, eta=0.0), replace(QUICK, order=2), replace(QUICK, consistent_noise=False)])
def test_a_motion_does_not_depend_on_its_batch_mates(settings: SamplerSettings, tiny: MasModel):
    together = sample(tiny, 20, list(range(8)), settings)
    for seed in (0, 5):
        assert torch.allclose(together[seed], sample(tiny, 20, [seed], settings)[0], atol=1e-4)


def test_padding_has_no_influence(tiny: MasModel):
    draw = Noise.draw

    def loud_padding(self, *shape):
        drawn = draw(self, *shape)
        drawn[:, 13:] += 100
        return drawn

    padded = sample(tiny, 20, [1], QUICK, lengths=torch.tensor([13]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Noise, "draw", loud_padding)
        loud = sample(tiny, 20, [1], QUICK, lengths=torch.tensor([13]))
    assert torch.allclose(loud[0, :13], padded[0, :13], atol=1e-4)
    assert (loud[0, 13:] - padded[0, 13:]).abs().max() > 0.01


def test_sides_are_kept_without_a_look_at_padding(tiny: MasModel):
    shown = []

    def spy(points, skeleton, fps):
        shown.append(len(points))
        return np.zeros(len(points), bool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampler, "exchanged_frames", spy)
        sample(tiny, 40, [3, 4], replace(QUICK, calls=20, keep_sides=True), lengths=torch.tensor([40, 27]))
    assert set(shown) == {40, 27}


def test_exchanged_sides_are_put_right_on_the_way(tiny: MasModel):
    """What the network is shown after a motion with its sides exchanged differs from what it is shown without mending; a motion that
    has its sides right is left alone."""

    class Listening(Oracle):
        def __call__(self, x, steps, lengths=None):
            self.heard = [*getattr(self, "heard", []), x.clone()]
            return self.views

    right = standing_still(tiny, 30)
    order = tiny.skeleton.mirror_order
    for motion, mended in ((right, False), (right[:, :, order], True)):
        heard = []
        for keep in (False, True):
            settings = SamplerSettings(views=4, calls=8, eta=0.0, keep_sides=keep)
            network = Listening(tiny, motion, settings)
            sample(replace(tiny, denoiser=network), 30, [0], settings)
            heard.append(torch.stack(network.heard))
        assert torch.allclose(*heard, atol=1e-5) != mended


@pytest.mark.parametrize(("centring", "moves"), [("root", False), ("root-horizontal", False), ("mean", True)])
def test_a_root_with_a_side_stays_where_the_centring_has_it(tiny: MasModel, centring: str, moves: bool):
    skeleton = replace(tiny.skeleton, root="LHip")
    model = replace(tiny, skeleton=skeleton, card={**tiny.card, "centring": centring})
    motion = standing_still(tiny, 10) + torch.tensor([-0.1, 0.0, 0.3])
    motion[:, :, skeleton.keypoints.index("RHip"), 2] += 0.05
    wrong = torch.arange(10)[None] >= 6
    made = with_sides_exchanged(motion, wrong, model)
    assert torch.equal(made[:, :6], motion[:, :6])
    root, height = skeleton.keypoints.index("LHip"), slice(2, 3) if centring == "root-horizontal" else slice(2, 2)
    stays = torch.allclose(made[:, 6:, root, :2], motion[:, 6:, root, :2])
    assert stays != moves
    assert torch.allclose(made[:, 6:, root, height], motion[:, 6:, root, height] + 0.05)
    if not moves:
        assert torch.allclose(with_sides_exchanged(made, wrong, model)[..., :2], motion[..., :2], atol=1e-6)
    order = skeleton.mirror_order
    between = [points[:, 6:, 0] - points[:, 6:, root] for points in (made, motion[:, :, order])]
    assert torch.allclose(*between, atol=1e-6), "the body itself is only exchanged"


def test_noise_goes_along_when_sides_are_exchanged(tiny: MasModel):
    settings, t = replace(QUICK, views=4), 40
    axes, order, share = camera_ring(tiny, settings), list(tiny.skeleton.mirror_order), math.sqrt(tiny.schedule.abar[40])
    motion, noise = standing_still(tiny, 10)[:, :, order], torch.randn(4, 1, 10, len(order), 2, generator=torch.Generator().manual_seed(1))
    wrong = torch.arange(10)[None] < 7
    kept = with_sides_exchanged(motion, wrong, tiny)

    def seen(points: torch.Tensor) -> torch.Tensor:
        return share * tiny.normalise(reproject(points, axes, tiny.distance, tiny.scale))

    made = noise_exchanged(seen(motion) + noise, motion, kept, wrong, t, axes, tiny)
    assert torch.allclose(made[:, :, :7], (seen(kept) + noise[..., order, :])[:, :, :7], atol=1e-5)
    assert torch.allclose(made[:, :, 7:], (seen(motion) + noise)[:, :, 7:], atol=1e-5)


@pytest.mark.parametrize("part", ["noise_exchanged", "on_the_sides_of"])
def test_the_next_step_goes_on_from_what_was_exchanged(tiny: MasModel, part: str, monkeypatch):
    settings = SamplerSettings(views=4, calls=8, eta=0.0, order=2, keep_sides=True)
    exchanged = standing_still(tiny, 30)[:, :, tiny.skeleton.mirror_order]
    original, heard = getattr(sampler, part), []

    class Listening(Oracle):
        def __call__(self, x, steps, lengths=None):
            heard[-1].append(x.clone())
            return self.views

    for moved in (0.0, 1.0):
        heard.append([])
        monkeypatch.setattr(sampler, part, lambda *given, moved=moved: original(*given) + moved)
        sample(replace(tiny, denoiser=Listening(tiny, exchanged, settings)), 30, [0], settings)
    assert not torch.allclose(*map(torch.stack, heard), atol=1e-3)


def test_the_last_step_is_brought_to_the_sides_of_this_one(tiny: MasModel):
    motion = standing_still(tiny, 10)
    mixed = with_sides_exchanged(motion, torch.arange(10)[None] < 4, tiny) + 0.01
    assert torch.allclose(on_the_sides_of(motion, mixed, tiny), motion, atol=0.011)
    assert torch.equal(on_the_sides_of(motion, motion + 0.01, tiny), motion + 0.01)


def standing_still(model: MasModel, frames: int) -> torch.Tensor:
    """A person [1,T,K,3] who stands and faces -Y, on the tiny pack's keypoints."""
    places = {"hip": (0.1, 0, 0), "knee": (0.1, -0.1, -0.4), "ankle": (0.1, 0, -0.8), "shoulder": (0.2, 0, 0.5), "elbow": (0.25, 0.1, 0.2),
              "wrist": (0.25, -0.1, 0), "neck": (0, 0, 0.55), "nose": (0, -0.12, 0.7), "head_top": (0, 0, 0.85)}
    pose = torch.zeros(len(model.skeleton.keypoints), 3)
    for index, name in enumerate(model.skeleton.joints):
        part, _, side = model.skeleton.roles[name].partition(".")
        pose[index] = torch.tensor(places.get(part, (0, 0, 0))) * torch.tensor([{"L": 1, "R": -1, "": 1}[side], 1, 1])
    return pose.expand(1, frames, -1, -1).clone()


def test_the_second_order_needs_fewer_calls(tiny: MasModel):
    """With the best x0 for normal data, which is known, few second-order calls end nearer to where many calls end."""

    class Best:
        def __call__(self, x, steps, lengths=None):
            abar, variance = float(tiny.schedule.abar[int(steps[0])]), 0.3**2
            return abar**0.5 * variance / (abar * variance + 1 - abar) * x

    model = replace(tiny, denoiser=Best())
    ends = {(order, calls): sample(model, 6, [0], SamplerSettings(views=5, calls=calls, eta=0.0, order=order))
            for order, calls in ((1, 99), (1, 12), (2, 12))}
    first, second = (float((ends[order, 12] - ends[1, 99]).norm()) for order in (1, 2))
    assert second < 0.5 * first


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_runs(mode: str, tiny: MasModel):
    watch = Stopwatch(tiny.device)
    settings = MODES[mode]
    motion = sample(tiny, 8, [0], settings, watch=watch)
    assert torch.isfinite(motion).all()
    assert watch.counts["calls"] == settings.calls
    assert watch.counts["rows"] == settings.calls * settings.views
    assert watch.seconds["network"] > 0 < watch.seconds["triangulation"]
    assert (watch.counts["iterations"] > settings.calls) == settings.adam


def test_reference_and_exact_triangulation_agree(tiny: MasModel):
    """The same network, noise and steps; the reference stops its Adam early, so it lands nearby only."""
    exact = sample(tiny, 8, [0], replace(MODES["reference"], adam=False, eta=0.0))
    adam = sample(tiny, 8, [0], replace(MODES["reference"], eta=0.0))
    assert (exact - adam).norm(dim=-1).mean() < 0.02


def test_the_first_noise_is_one_in_3d_unless_turned_off(tiny: MasModel):
    """With a network that returns its input, one deterministic step shows the noise that each view was given."""

    class Echo:
        def __call__(self, x, steps, lengths=None):
            self.seen = x
            return x

    for consistent in (True, False):
        echo = Echo()
        sample(replace(tiny, denoiser=echo), 40, [0], SamplerSettings(views=4, calls=1, consistent_noise=consistent))
        front, _, back, _ = echo.seen
        together = float((front[..., 0] * back[..., 0]).mean())  # opposite views see x mirrored
        assert together == pytest.approx(-1 if consistent else 0, abs=0.1)


def test_bones_are_held(tiny: MasModel):
    joints, parents = len(tiny.skeleton.joints), list(tiny.skeleton.parents)
    motions = sample(tiny, 20, [0, 1], replace(QUICK, hold_bones=True)).numpy()
    for motion in motions:
        assert bone_lengths(motion[:, :joints], parents).std(0).max() < 1e-5


def test_a_prominent_view_gets_its_way(tiny: MasModel):
    """With a network that says the same of all views, a motion can please one of them, not all."""
    class Right:
        def __call__(self, x, steps, lengths=None):
            return tiny.normalise(torch.tensor([0.5, 0.0])).expand_as(x)

    settings = SamplerSettings(views=4, calls=2, prominent=True)
    motion = sample(replace(tiny, denoiser=Right()), 3, [0], settings)
    seen = reproject(motion, camera_ring(tiny, settings), tiny.distance, tiny.scale)
    assert torch.allclose(seen[0], torch.tensor([0.5, 0.0]), atol=0.01)
    assert (seen[2, ..., 0] < 0).all()


def test_views_are_placed_on_the_ring_or_a_given_angle_apart(tiny: MasModel):
    around = camera_ring(tiny, SamplerSettings(views=5))
    assert torch.allclose(around[:, 0].sum(0), torch.zeros(3), atol=1e-5)
    two = camera_ring(tiny, SamplerSettings(views=2, apart_degrees=120))
    assert math.degrees(math.acos(float(two[0, 0] @ two[1, 0]))) == pytest.approx(120, abs=1e-3)


def test_elevations_spread_over_the_packs_range(tiny: MasModel):
    card = {**tiny.card, "camera": {**tiny.card["camera"], "elevation": [0.1, 0.4]}}
    forward = camera_ring(replace(tiny, card=card), SamplerSettings(views=5))[:, 2]
    elevations = (-forward[:, 2]).asin()
    assert elevations.min() >= 0.1 - 1e-6
    assert elevations.max() <= 0.4
    assert len(elevations.unique()) == 5


def test_half_precision_stays_close(tiny: MasModel):
    if not has_bfloat16(tiny.device):
        pytest.skip("this processor has no bfloat16")
    full, half = (sample(tiny, 20, [0], replace(QUICK, bfloat16=half)) for half in (False, True))
    assert (full - half).norm(dim=-1).mean() < 0.02
    assert half.dtype == torch.float32


def test_a_compiled_network_is_used(tiny: MasModel, monkeypatch):
    calls = []

    def compiled(network):
        def run(*args):
            calls.append(network)
            return network(*args)
        return run

    monkeypatch.setattr(torch, "compile", compiled)
    model = replace(tiny)
    motion = sample(model, 20, [0], replace(QUICK, compiled=True))
    assert calls == [model.denoiser] * QUICK.calls
    assert torch.equal(motion, sample(tiny, 20, [0], QUICK))


def test_a_user_can_cancel_at_every_step(tiny: MasModel):
    seen = []

    def report(fraction: float, message: str) -> None:
        seen.append(fraction)
        if len(seen) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        sample(tiny, 20, [0], QUICK, report)
    assert seen == pytest.approx([0, 1 / 6, 2 / 6])


def test_2d_samples(tiny: MasModel):
    flat = sample_2d(tiny, 20, [0, 1, 2], QUICK)
    assert flat.shape == (3, 20, 18, 2)
    assert torch.allclose(flat[1], sample_2d(tiny, 20, [1], QUICK)[0], atol=1e-4)
    padded = sample_2d(tiny, 20, [0, 1], QUICK, lengths=torch.tensor([20, 9]))
    assert torch.allclose(padded[0], flat[0], atol=1e-4)


class Oracle:
    """A network that knows the motion: it returns its views, whatever the noise."""

    def __init__(self, model: MasModel, motion: torch.Tensor, settings: SamplerSettings):
        views = reproject(motion, camera_ring(model, settings), model.distance, model.scale)
        self.views = model.normalise(views).flatten(0, 1)

    def __call__(self, x, steps, lengths=None):
        return self.views


@pytest.mark.parametrize("settings", [QUICK, replace(QUICK, eta=0.0), replace(QUICK, order=2), SamplerSettings(views=2, calls=6, apart_degrees=120)])
def test_a_perfect_network_gives_its_motion(settings: SamplerSettings, tiny: MasModel):
    motion = torch.randn(1, 10, 18, 3, generator=torch.Generator().manual_seed(0)) * 0.4
    found = sample(replace(tiny, denoiser=Oracle(tiny, motion, settings)), 10, [0], settings)
    assert (found - motion).norm(dim=-1).max() < 1e-4
