"""The noise schedule and the Gaussian posterior (Ho et al. 2020, eq. 6-7), as in the MAS paper's program."""

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

    def step(self, t: int, s: int, eta: float = 1.0) -> tuple[float, float, float]:
        """From x_t to x_s, any stride: coefficients of x0 and x_t, and the standard deviation of the fresh noise.

        eta = 1 is the posterior q(x_s | x_t, x0), which with s = t - 1 is the paper's ancestral step; eta = 0 is the
        deterministic step of DDIM (Song et al. 2021, eq. 12).
        """
        abar_t, abar_s = float(self.abar[t]), float(self.abar[s])
        deviation = eta * math.sqrt((1 - abar_s) / (1 - abar_t) * (1 - abar_t / abar_s))
        of_x_t = math.sqrt(max(0.0, 1 - abar_s - deviation**2) / (1 - abar_t))
        return math.sqrt(abar_s) - of_x_t * math.sqrt(abar_t), of_x_t, deviation

    def extrapolation(self, before: int, t: int, s: int) -> float:
        """How much of the change of x0 since the step `before` to add to the x0 of t on the way to s: the second-order multistep
        correction of DPM-Solver++ (Lu et al. 2022, algorithm 2), which holds for any eta."""
        half_log_snr = [0.5 * math.log(self.abar[step] / (1 - self.abar[step])) for step in (before, t, s)]
        return (half_log_snr[2] - half_log_snr[1]) / (half_log_snr[1] - half_log_snr[0]) / 2

    def strided(self, calls: int, spacing: float = 1.0) -> list[int]:
        """`calls` different steps from the noisiest down to 1. The paper's schedule is `steps - 1` calls: it never evaluates t = 0.

        spacing: steps lie at u**spacing for even u in 0..1; below 1 they are denser where there is much noise.
        """
        last, order = self.steps - 1, np.arange(calls)
        wanted = 1 + (last - 1) * np.linspace(0, 1, calls) ** spacing if calls > 1 else np.array([last])
        apart = np.maximum.accumulate(wanted.round().astype(int) - order) + order
        return np.minimum(apart, last - order[::-1])[::-1].tolist()
