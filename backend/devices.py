"""Where the networks run, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from backend.errors import KineliftError


def choose_device(wanted: str = "auto") -> torch.device:
    """"auto" takes CUDA, then MPS, then the CPU; another word is used as it is. Raises KineliftError if it isn't there."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise KineliftError(f"the device {wanted!r} can't be used ({error})", "Choose 'auto' or 'cpu'", code="no-device") from error
    return torch.device(wanted)


def has_bfloat16(device: torch.device) -> bool:
    """True where bfloat16 is faster than float32: GPUs, and CPUs with instructions for it (elsewhere it is emulated)."""
    if device.type == "cpu":
        probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))  # torch has no public ones
        return any(probe() for probe in probes if probe)
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def network_precision(bfloat16: bool, device: torch.device) -> AbstractContextManager:
    """The context in which a network runs: float32, or bfloat16 where that is asked for and pays."""
    half = bfloat16 and has_bfloat16(device)
    return torch.autocast(device.type, torch.bfloat16) if half else nullcontext()
