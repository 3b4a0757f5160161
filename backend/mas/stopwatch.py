"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up wall seconds and work by part of a run. On CUDA it waits for the device, so measured runs are a little slower."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @contextmanager
    def part(self, name: str, **counts: int) -> Iterator[None]:
        """Times the block as `name`; `counts` are added to what is counted."""
        began = self._now()
        yield
        self.seconds[name] += self._now() - began
        self.counts.update(counts)
