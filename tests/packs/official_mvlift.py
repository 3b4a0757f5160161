"""Checkpoints as the MVLift paper's program writes them, with random weights, and its networks restated from their description with plain
tensor operations: what an imported pack is checked against."""

from __future__ import annotations

import math
from pathlib import Path

import torch

WIDTH, LAYERS, HEADS, KEY, FRAMES, VIEWS, STEPS = 32, 3, 4, 12, 20, 4, 1000


def random(*shape: int) -> torch.Tensor:
    """Weights that survive the pack's float16 unchanged."""
    return (torch.randn(*shape) * 0.2).half().float()


def table(rows: int) -> torch.Tensor:
    """[rows,WIDTH]: sine at even and cosine at odd columns; the first row is zero."""
    made = torch.zeros(rows, WIDTH)
    for row in range(1, rows):
        for column in range(WIDTH):
            angle = row / 10000 ** (2 * (column // 2) / WIDTH)
            made[row, column] = math.cos(angle) if column % 2 else math.sin(angle)
    return made


def cumulative() -> torch.Tensor:
    def signal(u: float) -> float:
        return math.cos((u / STEPS + 0.008) / 1.008 * math.pi / 2) ** 2

    product, values = 1.0, []
    for step in range(STEPS):
        product *= 1 - min(1 - signal(step + 1) / signal(step), 0.999)
        values.append(product)
    return torch.tensor(values, dtype=torch.float32)


def layer(prefix: str) -> dict[str, torch.Tensor]:
    shapes = {"pos_ffn.w_1": (WIDTH, WIDTH, 1), "pos_ffn.w_2": (WIDTH, WIDTH, 1), "self_attn.fc": (WIDTH, HEADS * KEY)}
    shapes |= {f"self_attn.{part}": (HEADS * KEY, WIDTH) for part in ("w_q", "w_k", "w_v")}
    state = {}
    for name, shape in shapes.items():
        state |= {f"{prefix}.{name}.weight": random(*shape), f"{prefix}.{name}.bias": random(shape[0])}
    for norm in ("self_attn.layer_norm", "pos_ffn.layer_norm"):
        state |= {f"{prefix}.{norm}.weight": (random(WIDTH) + 1).half().float(), f"{prefix}.{norm}.bias": random(WIDTH)}
    return state


def network_state(joints: int, across: bool) -> dict[str, torch.Tensor]:
    """The model's tensors: a line-conditioned network, or a multi-view one."""
    torch.manual_seed(11)
    features, body = joints * 2, "denoise_fn.motion_transformer"
    state = {"betas": torch.rand(STEPS), "alphas_cumprod": cumulative(), "p2_loss_weight": torch.ones(STEPS),
             f"{body}.start_conv.weight": random(WIDTH, features + joints * (2 if across else 3), 1), f"{body}.start_conv.bias": random(WIDTH),
             f"{body}.position_vec.weight": table(FRAMES + 2), "denoise_fn.linear_out.weight": random(features, WIDTH),
             "denoise_fn.linear_out.bias": random(features), "denoise_fn.time_mlp.1.weight": random(256, 64), "denoise_fn.time_mlp.1.bias": random(256),
             "denoise_fn.time_mlp.3.weight": random(WIDTH, 256), "denoise_fn.time_mlp.3.bias": random(WIDTH),
             "clip_encoder.0.weight": random(8, 8), "clip_encoder.0.bias": random(8)}
    for number in range(LAYERS):
        state |= layer(f"{body}.layer_stack.{number}")
        if across:
            state |= layer(f"{body}.cross_view_layer_stack.{number}")
    if across:
        state[f"{body}.view_position_vec.weight"] = table(VIEWS + 1)
    return state


def write(path: Path, state: dict[str, torch.Tensor]) -> Path:
    """A checkpoint whose moving average is `state`, and whose other weights are not."""
    average = {"initted": torch.tensor(True), "step": torch.tensor([7]), **{f"ema_model.{key}": value for key, value in state.items()},
               **{f"online_model.{key}": value + 1 for key, value in state.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"step": 60000, "model": {key: value + 1 for key, value in state.items()}, "ema": average, "scaler": {}}, path)
    return path


def linear(state: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    return x @ state[f"{name}.weight"].reshape(state[f"{name}.weight"].shape[:2]).T + state[f"{name}.bias"]


def normed(state: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]


def run_layer(state: dict, name: str, x: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """One post-norm layer on [R,N,WIDTH]: padding is looked at, and made zero after each half; valid [R,N,1]."""
    query, key, value = (linear(state, f"{name}.self_attn.{part}", x) for part in ("w_q", "w_k", "w_v"))
    heads = []
    for head in range(HEADS):
        part = slice(head * KEY, (head + 1) * KEY)
        heads.append((query[..., part] @ key[..., part].transpose(1, 2) / math.sqrt(KEY)).softmax(-1) @ value[..., part])
    x = normed(state, f"{name}.self_attn.layer_norm", linear(state, f"{name}.self_attn.fc", torch.cat(heads, -1)) + x) * valid
    inner = linear(state, f"{name}.pos_ffn.w_1", x).clamp(min=0)
    return normed(state, f"{name}.pos_ffn.layer_norm", linear(state, f"{name}.pos_ffn.w_2", inner) + x) * valid


def network(state: dict, x: torch.Tensor, t: torch.Tensor, given: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """The denoiser: x [B,V,T,2J], t [B,V], given [B,V,T,C], lengths [B] -> x0 [B,V,T,2J]. The first cross-view layer runs after every block."""
    batch, views, frames, _ = x.shape
    body = "denoise_fn.motion_transformer"
    angle = t.reshape(-1, 1) * torch.exp(torch.arange(32) * (-math.log(10000) / 31))
    hidden = linear(state, "denoise_fn.time_mlp.1", torch.cat([angle.sin(), angle.cos()], -1))
    step = linear(state, "denoise_fn.time_mlp.3", hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2))))
    tokens = torch.cat([step.unsqueeze(1), linear(state, f"{body}.start_conv", torch.cat([x, given], -1).reshape(batch * views, frames, -1))], 1)
    tokens = tokens + state[f"{body}.position_vec.weight"][1 : frames + 2]
    valid = (torch.arange(frames + 1) < lengths.repeat_interleave(views).unsqueeze(1) + 1).float().unsqueeze(-1)
    for number in range(LAYERS):
        tokens = run_layer(state, f"{body}.layer_stack.{number}", tokens, valid)
        if f"{body}.view_position_vec.weight" in state:
            tokens = tokens.reshape(batch, views, frames + 1, WIDTH) + state[f"{body}.view_position_vec.weight"][1 : views + 1, None]
            rows = tokens.permute(0, 2, 1, 3).reshape(batch * (frames + 1), views, WIDTH)
            mask = valid.reshape(batch, views, frames + 1, 1).permute(0, 2, 1, 3).reshape(-1, views, 1)
            rows = run_layer(state, f"{body}.cross_view_layer_stack.0", rows, mask)
            tokens = rows.reshape(batch, frames + 1, views, WIDTH).permute(0, 2, 1, 3).reshape(batch * views, frames + 1, WIDTH)
    return linear(state, "denoise_fn.linear_out", tokens[:, 1:]).reshape(batch, views, frames, -1)
