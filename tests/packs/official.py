"""Folders as the MAS paper's program writes them, with random weights, and its networks restated from their description with plain
tensor operations: what an imported pack is checked against."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch

WIDTH, FEEDFORWARD, LAYERS, HEADS = 32, 48, 2, 4
JOINTS = {"nba": 16, "horse": 17, "gymnastics": 18}
ARGS = {"activation": "gelu", "arch": "trans_enc", "cond": "no_cond", "diffusion_steps": 100, "dropout": 0.1, "emb_trans_dec": False,
        "ff_size": FEEDFORWARD, "latent_dim": WIDTH, "layers": LAYERS, "model_mean_type": "x_start", "noise_schedule": "cosine_tau_2",
        "num_heads": HEADS, "e_num_layers": LAYERS, "e_latent_dim": WIDTH, "e_num_heads": HEADS, "e_dropout": 0.1, "e_activation": "gelu",
        "e_ff_size": FEEDFORWARD}


def position_table(rows: int = 5000) -> torch.Tensor:
    """[rows,1,WIDTH]: sine at even and cosine at odd columns."""
    table = torch.zeros(rows, 1, WIDTH)
    for column in range(WIDTH // 2):
        angle = torch.arange(rows) * math.exp(-2 * column * math.log(10000) / WIDTH)
        table[:, 0, 2 * column], table[:, 0, 2 * column + 1] = angle.sin(), angle.cos()
    return table


def random_layer(prefix: str, cross: bool = False) -> dict[str, torch.Tensor]:
    shapes = {"linear1.weight": (FEEDFORWARD, WIDTH), "linear1.bias": (FEEDFORWARD,), "linear2.weight": (WIDTH, FEEDFORWARD), "linear2.bias": (WIDTH,)}
    for attention in ("self_attn", "multihead_attn")[: 1 + cross]:
        shapes |= {f"{attention}.in_proj_weight": (3 * WIDTH, WIDTH), f"{attention}.in_proj_bias": (3 * WIDTH,),
                   f"{attention}.out_proj.weight": (WIDTH, WIDTH), f"{attention}.out_proj.bias": (WIDTH,)}
    for norm in ("norm1", "norm2", "norm3")[: 2 + cross]:
        shapes |= {f"{norm}.weight": (WIDTH,), f"{norm}.bias": (WIDTH,)}
    return {f"{prefix}.{name}": random(*shape) for name, shape in shapes.items()}


def random(*shape: int) -> torch.Tensor:
    """Weights that survive the pack's float16 unchanged."""
    return (torch.randn(*shape) * 0.2).half().float()


def network_state(joints: int) -> dict[str, torch.Tensor]:
    features = joints * 2
    state = {"input_process.poseEmbedding.weight": random(WIDTH, features), "input_process.poseEmbedding.bias": random(WIDTH),
             "sequence_pos_encoder.pe": position_table(), "embed_timestep.sequence_pos_encoder.pe": position_table(),
             "output_process.poseFinal.weight": random(features, WIDTH), "output_process.poseFinal.bias": random(features)}
    for number in (0, 2):
        state |= {f"embed_timestep.time_embed.{number}.weight": random(WIDTH, WIDTH), f"embed_timestep.time_embed.{number}.bias": random(WIDTH)}
    for layer in range(LAYERS):
        state |= random_layer(f"seqTransEncoder.layers.{layer}")
    return state


def evaluator_state(joints: int) -> dict[str, torch.Tensor]:
    features = joints * 2
    state = {"encoder.mu_query": random(WIDTH), "encoder.sigma_query": random(WIDTH), "encoder.sequence_pos_encoder.pe": position_table(),
             "decoder.sequence_pos_encoder.pe": position_table(),
             "encoder.input_process.poseEmbedding.weight": random(WIDTH, features), "encoder.input_process.poseEmbedding.bias": random(WIDTH),
             "decoder.output_process.poseFinal.weight": random(features, WIDTH), "decoder.output_process.poseFinal.bias": random(features)}
    for layer in range(LAYERS):
        state |= random_layer(f"encoder.seqTransEncoder.layers.{layer}") | random_layer(f"decoder.seqTransDecoder.layers.{layer}", cross=True)
    return state


def write_folder(folder: Path, dataset: str = "nba", state: dict | None = None, step: int = 500000, **changes) -> dict[str, torch.Tensor]:
    """Writes checkpoint, args.json, Mean.npy and Std.npy; returns the model's tensors. `changes` go into args.json."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    state = network_state(JOINTS[dataset]) if state is None else state
    optimiser = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-5, "betas": (0.9, 0.999), "params": [0]}]}
    torch.save({"model": state, "optimizer": optimiser, "step": step}, folder / f"checkpoint_{step}.pth")
    (folder / "args.json").write_text(json.dumps({**ARGS, "dataset": dataset, **changes}))
    rng = np.random.default_rng(1)
    np.save(folder / "Mean.npy", rng.normal(size=(JOINTS[dataset], 2)))
    np.save(folder / "Std.npy", rng.uniform(0.2, 1, (JOINTS[dataset], 2)))
    return state


def linear(state: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def normed(state: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]


def attend(state: dict, name: str, x: torch.Tensor, memory: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Multi-head attention of x [B,N,D] on memory [B,M,D]; hidden [B,M] True where nothing may be looked at."""
    weights, biases = state[f"{name}.in_proj_weight"].split(WIDTH), state[f"{name}.in_proj_bias"].split(WIDTH)
    query, key, value = (source @ w.T + b for source, w, b in zip((x, memory, memory), weights, biases, strict=True))
    result = torch.zeros_like(query)
    size = WIDTH // HEADS
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        scores = query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(size)
        scores = scores.masked_fill(hidden.unsqueeze(1), -math.inf)
        result[..., part] = scores.softmax(-1) @ value[..., part]
    return linear(state, f"{name}.out_proj", result)


def feed(state: dict, layer: str, x: torch.Tensor) -> torch.Tensor:
    inner = linear(state, f"{layer}.linear1", x)
    gelu = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
    return linear(state, f"{layer}.linear2", gelu)


def encode(state: dict, prefix: str, x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    for number in range(LAYERS):
        layer = f"{prefix}.layers.{number}"
        x = normed(state, f"{layer}.norm1", x + attend(state, f"{layer}.self_attn", x, x, hidden))
        x = normed(state, f"{layer}.norm2", x + feed(state, layer, x))
    return x


def network(state: dict, x: torch.Tensor, t: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The diffusion model: x [B,J,2,T], t [B], lengths [B] -> x0 [B,J,2,T]."""
    batch, joints, _, frames = x.shape
    table = state["sequence_pos_encoder.pe"][:, 0]
    poses = x.permute(0, 3, 1, 2).reshape(batch, frames, joints * 2)
    hidden_step = linear(state, "embed_timestep.time_embed.0", table[t])
    step = linear(state, "embed_timestep.time_embed.2", hidden_step * hidden_step.sigmoid())
    tokens = torch.cat([step.unsqueeze(1), linear(state, "input_process.poseEmbedding", poses)], 1) + table[: frames + 1]
    hidden = torch.arange(frames + 1) > lengths.unsqueeze(1)
    encoded = encode(state, "seqTransEncoder", tokens, hidden)
    return linear(state, "output_process.poseFinal", encoded[:, 1:]).reshape(batch, frames, joints, 2).permute(0, 2, 3, 1)


def evaluator(state: dict, x: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The evaluator: x [B,J,2,T] -> mean and log variance [B,WIDTH], and what the decoder makes of the mean [B,J,2,T]."""
    batch, joints, _, frames = x.shape
    table = state["encoder.sequence_pos_encoder.pe"][:, 0]
    poses = x.permute(0, 3, 1, 2).reshape(batch, frames, joints * 2)
    queries = torch.stack([state["encoder.mu_query"], state["encoder.sigma_query"]]).expand(batch, 2, WIDTH)
    tokens = torch.cat([queries, linear(state, "encoder.input_process.poseEmbedding", poses)], 1) + table[: frames + 2]
    encoded = encode(state, "encoder.seqTransEncoder", tokens, torch.arange(frames + 2) >= lengths.unsqueeze(1) + 2)
    mu, logvar = encoded[:, 0], encoded[:, 1]
    target, memory = table[:frames].expand(batch, frames, WIDTH), mu.unsqueeze(1)
    hidden, nothing_hidden = torch.arange(frames) >= lengths.unsqueeze(1), torch.zeros(batch, 1, dtype=torch.bool)
    for number in range(LAYERS):
        layer = f"decoder.seqTransDecoder.layers.{number}"
        target = normed(state, f"{layer}.norm1", target + attend(state, f"{layer}.self_attn", target, target, hidden))
        target = normed(state, f"{layer}.norm2", target + attend(state, f"{layer}.multihead_attn", target, memory, nothing_hidden))
        target = normed(state, f"{layer}.norm3", target + feed(state, layer, target))
    made = linear(state, "decoder.output_process.poseFinal", target).reshape(batch, frames, joints, 2).permute(0, 2, 3, 1)
    return mu, logvar, made
