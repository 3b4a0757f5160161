"""ElePose on walks made by code and filmed from one side each: no 3D reaches the training."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.errors import KineliftError
from backend.evaluation.elepose import (
    FILE,
    ElePose,
    ElePoseSettings,
    NormalisingFlow,
    load_elepose,
    losses,
    save_elepose,
    subspace,
    train_elepose,
)
from backend.motion.cameras import project_perspective, view_axes
from backend.motion.motion2d import Motion2DSet
from backend.motion.root_path import travel_points
from backend.packs.model import MasModel, load_model
from rigs import load_skeleton
from tests.motions import walk_with_ball
from tests.tiny_pack import make_tiny_pack

SKELETON = load_skeleton("nba16-ball")
JOINTS = len(SKELETON.joints)
SMALL = ElePoseSettings(width=64, flow_width=32, batch=128, flow_steps=200, steps=300)
QUICK = replace(SMALL, flow_steps=3, steps=3)
RANGE = (0.1, 0.3)


def turn(azimuths: torch.Tensor) -> torch.Tensor:
    """Rotations [N,1,3,3] of the world that bring cameras at `azimuths` [N] to azimuth 0."""
    return view_axes(azimuths, torch.zeros_like(azimuths))[:, [0, 2, 1]].unsqueeze(1)


def filmed(count: int, seed: int, centring: str = "root-horizontal", scale: float = 1.0) -> tuple[Motion2DSet, np.ndarray]:
    """Walks of half a second to a second, and [N,T,J,3] what they are in 3D when their camera is at azimuth 0."""
    rng = np.random.default_rng(seed)
    clip = walk_with_ball(3.0)
    travel = travel_points(clip["positions"][:, 0], 30.0)[:, None]
    points = np.concatenate([clip["positions"], clip["object_positions"], travel], 1).astype(np.float64)
    points -= points[:, :1] * ([1, 1, 0] if centring == "root-horizontal" else 1)
    points[..., 2] -= 0.9 * (centring == "root-horizontal")
    if centring == "mean":
        points -= points[:, :JOINTS].mean(1, keepdims=True)
    starts, lengths = rng.integers(len(points) - 30, size=count), rng.integers(15, 31, size=count)
    cut = torch.from_numpy(np.stack([points[start : start + 30] for start in starts]))
    azimuths, elevations = (torch.from_numpy(rng.uniform(*ends, count)) for ends in ((-math.pi, math.pi), RANGE))
    truth = (turn(azimuths).unsqueeze(1) @ cut.unsqueeze(-1)).squeeze(-1)
    flat = project_perspective(truth, view_axes(torch.zeros(count).double(), elevations)[:, None, None], 7.0, scale)
    flat += 0.004 / scale * torch.from_numpy(rng.standard_normal(flat.shape))
    motions = Motion2DSet(flat.float().numpy(), np.ones(flat.shape[:3], np.float32), lengths, ["walk"] * count, SKELETON.name, 30.0)
    return motions, truth.numpy()


def with_card(model: MasModel, centring: str, scale: float = 1.0) -> MasModel:
    return replace(model, card=model.card | {"centring": centring, "camera": {"distance": 7.0, "elevation": list(RANGE), "scale": scale}})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MasModel:
    return with_card(load_model(str(make_tiny_pack(tmp_path_factory.mktemp("packs"))), "cpu"), "root-horizontal")


@pytest.fixture(scope="module")
def trained(model: MasModel) -> ElePose:
    return train_elepose(filmed(200, 0)[0], model, SMALL)


@pytest.fixture(scope="module")
def untrained(model: MasModel) -> ElePose:
    return train_elepose(filmed(200, 0)[0], model, replace(SMALL, flow_steps=0, steps=0))


def aligned_error(lifted: np.ndarray, truth: np.ndarray) -> float:
    """PA-MPJPE: mean distance of joints in metres after the best similarity of each pose; [M,J,3]."""
    lifted, truth = (points - points.mean(1, keepdims=True) for points in (lifted, truth))
    u, s, vt = np.linalg.svd(lifted.transpose(0, 2, 1) @ truth)
    mirrored = np.sign(np.linalg.det(u @ vt))
    s[:, -1] *= mirrored
    u[:, :, -1] *= mirrored[:, None]
    sizes = s.sum(1) / (lifted**2).sum((1, 2))
    return float(np.linalg.norm(sizes[:, None, None] * lifted @ (u @ vt) - truth, axis=-1).mean())


def test_it_lifts_better_than_a_flat_guess_and_than_an_untrained_one(trained: ElePose, untrained: ElePose):
    motions, truth = filmed(40, 1)
    valid = np.arange(truth.shape[1]) < motions.lengths[:, None]
    bodies = truth[valid][:, :JOINTS]
    lifted, unlearned = (lifter.lift(motions)[valid][:, :JOINTS] for lifter in (trained, untrained))
    error = aligned_error(lifted, bodies)
    assert error < 0.07
    assert error < 0.6 * aligned_error(lifted * [1, 0, 1], bodies)
    assert error < 0.6 * aligned_error(unlearned, bodies)
    depths = [(points[..., 1] - points[:, :1, 1]).ravel() for points in (lifted, bodies)]
    assert np.corrcoef(*depths)[0, 1] > 0.8  # and not -0.8: the depth of all poses is not turned round


@pytest.mark.parametrize(("centring", "scale"), [("root-horizontal", 1.0), ("root", 2.5), ("mean", 0.4)])
def test_the_camera_sees_a_lifted_motion_as_it_was_recorded(centring: str, scale: float, model: MasModel):
    motions, _ = filmed(6, 2, centring, scale)
    lifter = train_elepose(motions, with_card(model, centring, scale), QUICK)
    poses = torch.from_numpy(motions.keypoints).flatten(0, 1)
    lifted, elevations = lifter.lift_poses(poses)
    assert elevations.min() >= RANGE[0]
    assert elevations.max() <= RANGE[1]
    axes = view_axes(torch.zeros_like(elevations), elevations)[:, None]
    assert torch.allclose(project_perspective(lifted, axes, 7.0, scale), poses, atol=1e-5)
    whole = lifter.lift(motions)
    valid = np.arange(30) < motions.lengths[:, None]
    assert np.allclose(whole[valid], lifted.unflatten(0, (6, 30)).numpy()[valid], atol=1e-5)
    assert not whole[~valid].any()


@pytest.mark.parametrize("centring", ["root-horizontal", "root", "mean"])
def test_lifted_motions_are_centred_as_the_pack(centring: str, model: MasModel):
    motions, truth = filmed(6, 2, centring)
    lifted = train_elepose(motions, with_card(model, centring), QUICK).lift(motions)
    valid = np.arange(30) < motions.lengths[:, None]
    middle = lifted[valid][:, :JOINTS].mean(1) if centring == "mean" else lifted[valid][:, 0]
    expected = truth[valid][:, :JOINTS].mean(1) if centring == "mean" else truth[valid][:, 0]
    assert np.abs(middle - expected).max() < 0.06  # the detector's noise, and an elevation that is not known yet


def test_a_pack_of_one_elevation_is_lifted_with_it(model: MasModel):
    one = replace(model, card=model.card | {"camera": model.card["camera"] | {"elevation": [0.2, 0.2]}})
    motions, _ = filmed(6, 2)
    lifter = train_elepose(motions, one, QUICK)
    assert torch.allclose(lifter.lift_poses(torch.from_numpy(motions.keypoints[0]))[1], torch.tensor(0.2))
    assert all(torch.isfinite(parameter).all() for parameter in lifter.parameters())


def random_flow(dimensions: int) -> NormalisingFlow:
    torch.manual_seed(0)
    flow = NormalisingFlow(dimensions, couplings=3, width=8)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return flow


@pytest.mark.parametrize("dimensions", [2, 5])
def test_the_flow_is_invertible(dimensions: int):
    flow, x = random_flow(dimensions), 2 * torch.randn(20, dimensions)
    z, _ = flow(x)
    assert not torch.allclose(z, x, atol=0.5)
    assert torch.allclose(flow.inverse(z), x, atol=1e-4)


def test_the_likelihood_is_that_of_the_change_of_variables():
    flow, x = random_flow(3), torch.randn(3)
    jacobian = torch.autograd.functional.jacobian(lambda one: flow(one[None])[0][0], x)
    normal = torch.distributions.MultivariateNormal(torch.zeros(3), torch.eye(3))
    expected = normal.log_prob(flow(x[None])[0][0]) + jacobian.det().abs().log()
    assert torch.allclose(flow.log_likelihood(x[None])[0], expected, atol=1e-5)


def test_the_density_of_the_flow_is_one_in_all():
    flow, axis = random_flow(2), torch.linspace(-40, 40, 801)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    assert float(flow.log_likelihood(grid).detach().exp().sum()) * 0.1**2 == pytest.approx(1, abs=0.02)


def test_the_flow_learned_which_poses_are_likely(trained: ElePose):
    flat = torch.from_numpy(filmed(40, 1)[0].keypoints[:, :15]).flatten(0, 1)
    seen = torch.ones(flat.shape[:2])
    upside_down = flat * torch.tensor([1, -1])
    assert trained.improbability(flat, seen) < trained.improbability(upside_down, seen) - 10


def test_poses_that_were_not_seen_are_not_judged(trained: ElePose):
    flat = torch.from_numpy(filmed(8, 1)[0].keypoints[:, 0])
    seen = torch.ones(8, len(SKELETON.keypoints))
    seen[:4] = 0
    assert torch.allclose(trained.improbability(flat, seen), trained.improbability(flat[4:], seen[4:]))


def test_a_perfect_lifter_has_no_inconsistency(trained: ElePose, monkeypatch: pytest.MonkeyPatch):
    """One that knows the truth for both cameras: what is left is the likelihood and the spread of true bones."""
    truth = torch.from_numpy(filmed(8, 3)[1][:, 0]).float()
    azimuths, elevations = torch.linspace(-3, 3, 8), torch.linspace(*RANGE, 8)
    first = torch.linspace(*reversed(RANGE), 8)
    flat = project_perspective(truth, view_axes(torch.zeros(8), first)[:, None], 7.0, 1.0)
    answers = [(truth, first), ((turn(azimuths) @ truth.unsqueeze(-1)).squeeze(-1), elevations)]
    asked = []

    def oracle(seen: torch.Tensor):
        asked.append(seen)
        return answers[len(asked) - 1]

    monkeypatch.setattr(trained, "lift_poses", oracle)
    terms = losses(trained, flat, torch.ones(flat.shape[:2]), azimuths, elevations)
    assert max(float(terms[name]) for name in ("reprojection", "pose", "deformation", "elevation")) < 1e-3
    assert float(terms["bone"]) < 0.1
    mine = project_perspective(answers[1][0], view_axes(torch.zeros(8), elevations)[:, None], 7.0, 1.0)
    assert torch.allclose(asked[1], mine, atol=1e-5)


def test_missed_points_weigh_nothing(trained: ElePose, monkeypatch: pytest.MonkeyPatch):
    flat = torch.from_numpy(filmed(8, 3)[0].keypoints[:, 0])
    lifted = trained.lift_poses(flat)[0]
    seen, others = torch.ones(flat.shape[:2]), (torch.zeros(8), torch.full((8,), 0.2))
    seen[:, 6] = 0
    shaken = lifted.clone()
    shaken[:, 6] += torch.randn(8, 3)
    found = []
    for pose in (lifted, shaken):
        calls = iter([(lifted, others[1]), (pose, others[1])])
        monkeypatch.setattr(trained, "lift_poses", lambda _, calls=calls: next(calls))
        found.append(losses(trained, flat, seen, *others))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_bones_are_read_off_the_2d_poses(untrained: ElePose):
    truth = filmed(1, 0)[1][0]
    parents, children = (list(ends) for ends in zip(*SKELETON.bones, strict=True))
    lengths = np.linalg.norm(truth[:, children] - truth[:, parents], axis=-1).mean(0)
    assert np.allclose(untrained.bones.numpy(), lengths / lengths.mean(), rtol=0.12)


def test_the_subspace_explains_what_was_asked():
    rows = torch.randn(500, 3) @ torch.tensor([[3.0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0.01]]) + 5
    centre, basis, spread = subspace(rows, 0.99)
    assert (basis.shape, spread.shape) == ((4, 2), (2,))
    assert torch.allclose(basis.T @ basis, torch.eye(2), atol=1e-5)
    coordinates = (rows - centre) @ basis
    assert torch.allclose(coordinates.std(0), spread, rtol=1e-3)
    assert torch.allclose(coordinates @ basis.T + centre, rows, atol=0.1)


def test_training_repeats_and_reports(model: MasModel):
    motions, messages = filmed(20, 0)[0], []
    first = train_elepose(motions, model, QUICK, seed=4, report=lambda fraction, message: messages.append((fraction, message)))
    second, other = (train_elepose(motions, model, QUICK, seed=seed) for seed in (4, 5))
    assert same(first, second)
    assert not same(first, other)
    assert [fraction for fraction, _ in messages] == sorted(fraction for fraction, _ in messages)
    assert "flow" in messages[0][1]
    assert "lifter" in messages[-1][1]


def same(one: ElePose, other: ElePose) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_loaded_lifter_is_the_saved_one(trained: ElePose, model: MasModel, tmp_path: Path):
    loaded = load_elepose(save_elepose(trained, tmp_path).parent, model)
    assert same(loaded, trained)
    assert (loaded.settings, loaded.geometry) == (trained.settings, trained.geometry)
    motions, _ = filmed(3, 1)
    assert np.array_equal(loaded.lift(motions), trained.lift(motions))


@pytest.mark.parametrize("content", [None, b"", b"garbage that is long enough to hold a header"])
def test_a_missing_or_damaged_file_is_named(content: bytes | None, model: MasModel, tmp_path: Path):
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(KineliftError) as caught:
        load_elepose(tmp_path, model)
    assert caught.value.place == str(tmp_path / FILE)
    assert caught.value.remedy


def test_a_lifter_of_another_camera_or_with_other_weights_is_refused(trained: ElePose, model: MasModel, tmp_path: Path):
    path = save_elepose(trained, tmp_path)
    with pytest.raises(KineliftError, match="another skeleton, camera or centring"):
        load_elepose(tmp_path, with_card(model, "root-horizontal", scale=2.0))
    facts = {"geometry": asdict(trained.geometry), "settings": asdict(trained.settings), "dimensions": trained.dimensions + 1}
    save_file(load_file(path), path, {"elepose": json.dumps(facts)})
    with pytest.raises(KineliftError, match="not a readable ElePose"):
        load_elepose(tmp_path, model)
