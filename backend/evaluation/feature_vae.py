"""The evaluator: a motion autoencoder whose latent means are the features that the metrics compare.

The layers are those of the MAS program's evaluator, so its weights load. Ours is smaller and reads several frames a token, which trains
in minutes on one core.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from backend.diffusion.denoiser import sinusoids
from backend.errors import KineliftError
from backend.motion.files import write_bytes
from backend.motion.motion2d import Motion2DSet

Report = Callable[[float, str], None]

FILE = "evaluator.safetensors"
BATCH = 32  # the loss sums KL over the batch, so its weight means something at this size only
KL_WEIGHT = 1e-5
WARMUP_STEPS = 100
MIN_FRAMES = 60


@dataclass(frozen=True)
class EvaluatorSettings:
    """Sizes of the evaluator; the defaults are the MAS program's. `patch` is the number of frames a token holds."""

    keypoints: int
    width: int = 256
    feedforward: int = 1024
    layers: int = 6
    heads: int = 4
    dropout: float = 0.1
    patch: int = 1

    @classmethod
    def small(cls, keypoints: int) -> EvaluatorSettings:
        """Sizes that train in minutes on one CPU core."""
        return cls(keypoints, width=128, feedforward=256, layers=3, dropout=0.0, patch=4)


class FeatureVae(nn.Module):
    """Transformer autoencoder: two learned query tokens become mean and log variance of one latent for the whole motion; the decoder
    makes every frame from its position and that latent. mean, std [J,2] are the normalisation it was trained with."""

    MAX_TOKENS = 5000

    def __init__(self, settings: EvaluatorSettings):
        super().__init__()
        self.settings = settings
        width, features = settings.width, settings.keypoints * 2 * settings.patch
        sizes = (width, settings.heads, settings.feedforward, settings.dropout, "gelu")
        self.frame_in = nn.Linear(features, width)
        self.mu_query, self.sigma_query = nn.Parameter(torch.randn(width)), nn.Parameter(torch.randn(width))
        encoder_layer = nn.TransformerEncoderLayer(*sizes, batch_first=True)
        self.encoder = nn.TransformerEncoder(encoder_layer, settings.layers, enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(*sizes, batch_first=True), settings.layers)
        self.frame_out = nn.Linear(width, features)
        self.dropout = nn.Dropout(settings.dropout)
        self.register_buffer("mean", torch.zeros(settings.keypoints, 2))
        self.register_buffer("std", torch.ones(settings.keypoints, 2))
        self.register_buffer("positions", sinusoids(self.MAX_TOKENS, width), persistent=False)

    def _token_count(self, frames: int) -> int:
        return -(-frames // self.settings.patch)

    def _padding(self, tokens: int, lengths: torch.Tensor, ahead: int) -> torch.Tensor:
        """[B,ahead+tokens], True where a token holds no valid frame; the first `ahead` tokens are queries."""
        counts = (lengths + self.settings.patch - 1) // self.settings.patch
        return torch.arange(ahead + tokens, device=lengths.device) >= counts.unsqueeze(1) + ahead

    def encode(self, x: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x [B,T,J,2] normalised, lengths [B]: latent mean and log variance [B,width]."""
        batch, frames = x.shape[:2]
        valid = torch.arange(frames, device=x.device) < lengths.unsqueeze(1)
        flat = (x * valid[..., None, None]).flatten(2)
        tokens = self._token_count(frames)
        flat = nn.functional.pad(flat, (0, 0, 0, tokens * self.settings.patch - frames))
        queries = torch.stack([self.mu_query, self.sigma_query]).expand(batch, -1, -1)
        sequence = torch.cat([queries, self.frame_in(flat.reshape(batch, tokens, -1))], 1)
        sequence = self.dropout(sequence + self.positions[: tokens + 2])
        encoded = self.encoder(sequence, src_key_padding_mask=self._padding(tokens, lengths, 2))
        return encoded[:, 0], encoded[:, 1]

    def decode(self, latent: torch.Tensor, lengths: torch.Tensor, frames: int) -> torch.Tensor:
        """latent [B,width]: the motion [B,T,J,2] normalised."""
        tokens = self._token_count(frames)
        target = self.dropout(self.positions[:tokens].expand(len(latent), -1, -1))
        decoded = self.decoder(target, latent.unsqueeze(1), tgt_key_padding_mask=self._padding(tokens, lengths, 0))
        return self.frame_out(decoded).reshape(len(latent), tokens * self.settings.patch, -1, 2)[:, :frames]

    @torch.no_grad()
    def features(self, keypoints: np.ndarray, lengths: np.ndarray, batch: int = 128) -> np.ndarray:
        """Features [N,width] of motions: keypoints [N,T,J,2] in the pack's units, without gaps; lengths [N]."""
        self.eval()
        found = []
        for start in range(0, len(keypoints), batch):
            count = torch.as_tensor(lengths[start : start + batch], device=self.mean.device).long()
            shown = np.ascontiguousarray(keypoints[start : start + batch, : int(count.max())], np.float32)
            x = torch.from_numpy(shown).to(self.mean.device)
            found.append(self.encode((x - self.mean) / self.std, count)[0].double().cpu().numpy())
        return np.concatenate(found)


def vae_loss(vae: FeatureVae, x: torch.Tensor, mask: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the seen points plus KL_WEIGHT times the KL divergence summed over batch and latent.

    x [B,T,J,2] normalised; mask [B,T,J], 0 where a point was missed or the frame is padding. The MAS program averages over
    padding and missed points too; here they teach nothing.
    """
    mu, logvar = vae.encode(x, lengths)
    latent = mu + (logvar / 2).exp() * torch.randn_like(mu)
    weight = mask.unsqueeze(-1).expand_as(x)
    error = ((vae.decode(latent, lengths, x.shape[1]) - x) ** 2 * weight).sum() / weight.sum().clamp(min=1)
    divergence = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
    return error + KL_WEIGHT * divergence


def learning_rate_at(step: int, steps: int, highest: float) -> float:
    """A short warm-up, then half a cosine down to a hundredth."""
    return highest * min(1.0, (step + 1) / WARMUP_STEPS) * (0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)


def train_evaluator(motions: Motion2DSet, mean: torch.Tensor, std: torch.Tensor, settings: EvaluatorSettings, steps: int = 3000,
                    learning_rate: float = 1e-3, seed: int = 0, report: Report = lambda fraction, message: None) -> FeatureVae:
    """Trains an evaluator on gapless motions (see `fill_gaps`), on random crops so that it knows all lengths.

    mean, std [J,2]: the pack's normalisation. Returns it ready for use; the same seed gives the same weights on one machine.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    vae = FeatureVae(settings)
    vae.mean.copy_(mean.cpu())
    vae.std.copy_(std.cpu())
    optimiser = torch.optim.AdamW(vae.parameters(), learning_rate)
    longest, running = motions.keypoints.shape[1], math.nan
    for step in range(steps):
        rows = rng.integers(len(motions), size=BATCH)
        spans = np.minimum(motions.lengths[rows], rng.integers(min(MIN_FRAMES, longest), longest + 1, size=BATCH))
        x = np.zeros((BATCH, int(spans.max()), settings.keypoints, 2), np.float32)
        mask = np.zeros(x.shape[:3], np.float32)
        for slot, (row, span) in enumerate(zip(rows, spans, strict=True)):
            start = int(rng.integers(motions.lengths[row] - span + 1))
            x[slot, :span] = motions.keypoints[row, start : start + span]
            mask[slot, :span] = motions.confidences[row, start : start + span] > 0
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, steps, learning_rate)
        loss = vae_loss(vae, (torch.from_numpy(x) - vae.mean) / vae.std, torch.from_numpy(mask), torch.from_numpy(spans))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        running = float(loss.detach()) if math.isnan(running) else 0.98 * running + 0.02 * float(loss.detach())
        if step % 20 == 0:
            report(step / steps, f"evaluator step {step} of {steps}, loss {running:.3f}")
    return vae.eval().requires_grad_(False)


def save_evaluator(vae: FeatureVae, folder: Path) -> Path:
    """Writes `folder`/evaluator.safetensors: float16 weights, the settings in the file's own header."""
    tensors = {key: (value.float() if key in ("mean", "std") else value.half()).cpu().contiguous()
               for key, value in vae.state_dict().items()}
    return write_bytes(Path(folder) / FILE, save(tensors, {"settings": json.dumps(asdict(vae.settings))}))


def load_evaluator(folder: Path, device: torch.device | str = "cpu") -> FeatureVae:
    """Reads an evaluator's file. Raises KineliftError naming the file and the remedy; runs no code from it."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise KineliftError("there is no evaluator", "Run `python -m backend evaluate mas` once: it trains one", str(path), "missing-file")
    try:
        with safe_open(path, "pt") as file:
            vae = FeatureVae(EvaluatorSettings(**json.loads((file.metadata() or {})["settings"])))
            vae.load_state_dict({key: file.get_tensor(key).float() for key in file.keys()})  # noqa: SIM118  it is no dict
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise KineliftError(f"this is not a readable evaluator ({error})", "Delete it; the next evaluation trains one", str(path),
                            "bad-evaluator") from error
    return vae.to(device).eval().requires_grad_(False)


def evaluator_in(folder: Path, motions: Motion2DSet, mean: torch.Tensor, std: torch.Tensor, seed: int, report: Report) -> FeatureVae:
    """The evaluator in a folder; where there is none, a small one is trained on gapless motions, which takes minutes. mean, std [J,2] are
    the motions' normalisation. Raises KineliftError where the one that is there knows other keypoints."""
    points = motions.keypoints.shape[2]
    if not (Path(folder) / FILE).is_file():
        save_evaluator(train_evaluator(motions, mean, std, EvaluatorSettings.small(points), seed=seed, report=report), folder)
    evaluator = load_evaluator(folder)
    if evaluator.settings.keypoints != points:
        raise KineliftError(f"the evaluator knows {evaluator.settings.keypoints} keypoints, the pack has {points}",
                            "Delete it; the next evaluation trains one", str(Path(folder) / FILE), "bad-evaluator")
    return evaluator
