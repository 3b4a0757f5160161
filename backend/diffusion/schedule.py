"""The noise schedule and the Gaussian posterior (MAS code facts 4; Ho et al. 2020, eq. 6-7)."""

from __future__ import annotations

import math

import numpy as np
import torch


class Schedule:
    """Cumulative signal levels abar [steps] of the cosine schedule with power 2*tau, and what follows from them.

    Everything is float64 on the CPU; callers get Python floats per step, so no device is involved.
    """

    def __init__(self, steps: int = 100, tau: float = 2.0):
        def signal(u: float) -> float:
            return math.cos((u + 0.008) / 1.008 * math.pi / 2) ** (2 * tau)

        betas = np.array([min(1 - signal((i + 1) / steps) / signal(i / steps), 0.999) for i in range(steps)])
        self.steps = steps
        self.betas = betas
        self.abar = np.cumprod(1 - betas)

    def signal_and_noise(self, t: int) -> tuple[float, float]:
        """sqrt(abar_t) and sqrt(1 - abar_t)."""
        return math.sqrt(self.abar[t]), math.sqrt(1 - self.abar[t])

    def add_noise(self, x0: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """q(x_t | x0) for a batch: x0, noise [B,...]; t [B] int64."""
        abar = torch.as_tensor(self.abar, dtype=x0.dtype, device=x0.device)[t].view(-1, *[1] * (x0.ndim - 1))
        return abar.sqrt() * x0 + (1 - abar).sqrt() * noise

    def posterior(self, t: int, s: int) -> tuple[float, float, float]:
        """q(x_s | x_t, x0) for s < t, any stride: coefficients of x0 and x_t, and the standard deviation.

        s = t - 1 gives the ancestral step of the paper; s = -1 means the clean signal.
        """
        abar_s = self.abar[s] if s >= 0 else 1.0
        alpha = self.abar[t] / abar_s
        rest = 1 - self.abar[t]
        return (math.sqrt(abar_s) * (1 - alpha) / rest, math.sqrt(alpha) * (1 - abar_s) / rest,
                math.sqrt((1 - alpha) * (1 - abar_s) / rest))

    def strided(self, calls: int) -> list[int]:
        """`calls` steps from the noisiest down to 1, evenly spread. The paper's schedule is `steps - 1` calls: it never
        evaluates t = 0."""
        return np.unique(np.linspace(1, self.steps - 1, calls).round().astype(int))[::-1].tolist()
