from __future__ import annotations

import pytest
import torch

from backend.diffusion.schedule import Schedule
from backend.mvlift.network import LiftDenoiser, LiftNetworkSettings

SIZES = {"keypoints": 4, "conditions": 5, "width": 16, "feedforward": 24, "layers": 2, "heads": 2, "head_width": 6, "dropout": 0.1}


def network(**changes) -> LiftDenoiser:
    torch.manual_seed(0)
    return LiftDenoiser(LiftNetworkSettings(**{**SIZES, **changes}), Schedule(1000, 1.0)).eval()


def inputs(views: int = 3, frames: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    noise = torch.Generator().manual_seed(1)
    return (torch.randn(2, views, frames, 4, 2, generator=noise), torch.randint(1000, (2, views), generator=noise),
            torch.randn(2, views, frames, 5, generator=noise))


@pytest.mark.parametrize("cross", ["none", "own", "shared"])
def test_padding_is_ignored(cross: str):
    x, steps, given = inputs()
    lengths = torch.tensor([5, 7])
    denoiser = network(cross=cross)
    before = denoiser(x, steps, given, lengths)
    x[0, :, 5:], given[0, :, 5:] = 99.0, -99.0
    after = denoiser(x, steps, given, lengths)
    assert torch.allclose(before[0, :, :5], after[0, :, :5], atol=1e-6)
    assert torch.allclose(before[1], after[1], atol=1e-6)
    alone = denoiser(x[:1, :, :5], steps[:1], given[:1, :, :5])
    assert torch.allclose(alone[0], after[0, :, :5], atol=1e-5)


def test_views_look_at_each_other_only_where_they_may():
    x, steps, given = inputs()
    changed = x.clone()
    changed[:, 1] += 1
    for cross, reaches in (("none", False), ("own", True), ("shared", True)):
        denoiser = network(cross=cross)
        moved = (denoiser(x, steps, given) - denoiser(changed, steps, given)).abs().amax((0, 2, 3, 4))
        assert moved[1] > 1e-3
        assert bool(moved[0] > 1e-6) == reaches
        assert bool(moved[2] > 1e-6) == reaches


@pytest.mark.parametrize("cross", ["own", "shared"])
def test_a_network_of_many_views_begins_as_that_of_one(cross: str):
    line, many = network(), network(cross=cross, conditions=7)
    torch.manual_seed(1)
    for weight in line.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    before = many.frame_in.weight[:, 8:].clone()
    many.begin_as(line)
    for name, weight in line.state_dict().items():
        mine = many.state_dict()[name]
        assert torch.equal(mine[:, :8], weight[:, :8]) if name == "frame_in.weight" else torch.equal(mine, weight), name
    assert torch.equal(many.frame_in.weight[:, 8:], before)
    x, steps, given = inputs()
    given = torch.cat([given, given[..., :2]], -1)
    changed = x.clone()
    changed[:, 1] += 1
    moved = (many(x, steps, given) - many(changed, steps, given)).abs().amax((0, 2, 3, 4))
    assert moved[1] > 1e-3 and moved[0] < 1e-6 and moved[2] < 1e-6  # nothing is exchanged until it is learned
    many(x, steps, given).square().sum().backward()
    assert all(layer.attention.out.weight.grad.abs().max() > 0 for layer in many.crosses)


def test_other_sizes_begin_from_nothing():
    line, many = network(layers=1), network(cross="own")
    before = {name: weight.clone() for name, weight in many.state_dict().items()}
    many.begin_as(line)
    assert all(torch.equal(weight, before[name]) for name, weight in many.state_dict().items())


def test_views_are_told_apart():
    x, steps, given = inputs()
    x[:], steps[:], given[:] = x[:, :1], 10, given[:, :1]
    output = network(cross="own")(x, steps, given)
    assert (output[:, 0] - output[:, 1]).abs().max() > 1e-3


def test_a_layer_of_its_own_is_not_a_shared_one():
    own, shared = network(cross="own"), network(cross="shared")
    assert (len(own.crosses), len(shared.crosses), len(network(cross="none").crosses)) == (2, 1, 0)
    shared.load_state_dict({key: value for key, value in own.state_dict().items() if not key.startswith("crosses.1")})
    x, steps, given = inputs()
    assert (own(x, steps, given) - shared(x, steps, given)).abs().max() > 1e-3


def test_a_nearly_clean_input_passes_where_the_network_may_skip():
    x, steps, given = inputs()
    assert torch.allclose(network(skip=True)(x, torch.zeros_like(steps), given), x, atol=0.1)


def test_all_views_learn():
    denoiser = network(cross="own", dropout=0.0).train()
    x, steps, given = inputs()
    denoiser(x, steps, given).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for name, parameter in denoiser.named_parameters() if "key.bias" not in name)


def test_queries_and_keys_are_held_to_a_few_times_what_they_began_with():
    torch.manual_seed(0)
    network = LiftDenoiser(LiftNetworkSettings(5, 15, 32, 32, 2, 2, 16, 0.0, views=4, cross="own"), Schedule(1000, 1.0))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.hold_sharpness()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    grown = [attention for layer in (*network.layers, *network.crosses) for attention in (layer.attention.query, layer.attention.key)]
    with torch.no_grad():
        for layer in grown:
            layer.weight.mul_(100)
            layer.bias.mul_(100)
    network.hold_sharpness()
    for name, value in network.state_dict().items():
        times = 1.0 if not any(part in name for part in ("query", "key")) else float(value.norm() / before[name].norm())
        assert torch.allclose(value, times * before[name], rtol=1e-4), name
        assert times == 1.0 or 2 < times < 3, name
