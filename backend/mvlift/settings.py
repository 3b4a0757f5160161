"""What a user chooses of a lift."""

from __future__ import annotations

import math
from dataclasses import dataclass

from backend.errors import KineliftError
from backend.mas.generate import MAX_SEED
from backend.mvlift.alternate import AlternateSettings
from backend.mvlift.denoise import DenoiseSettings
from backend.mvlift.model import LiftModel


@dataclass(frozen=True)
class LiftSettings:
    """What the user chose. height: of the subject in metres, 0 for the pack's usual one; focal: in pixels, 0 where unknown; pitch: degrees
    by which the camera looks down, nan where unknown; calls and look_calls: network evaluations a view, 0 for as many as usual, and those of the
    first look that tells pitch and focal length where the pack fits no body; plant: put standing feet on the floor and keep them in place."""

    pack: str
    poses: str
    height: float = 0.0
    focal: float = 0.0
    pitch: float = math.nan
    seed: int = 0
    calls: int = 0
    look_calls: int = 6
    plant: bool = True
    device: str = "auto"

    def check(self) -> None:
        """Raises KineliftError for values that mean nothing."""

        def check(holds: bool, message: str, remedy: str):
            if not holds:
                raise KineliftError(message, remedy, code="bad-setting")

        check(math.isfinite(self.height) and (self.height == 0 or 0.05 <= self.height <= 10), f"a height of {self.height} m means nothing",
              "Give metres from 0.05 to 10, or 0 for the usual height")
        check(math.isfinite(self.focal) and self.focal >= 0, f"a focal length of {self.focal} pixels means nothing", "Give a positive number, or 0")
        check(math.isnan(self.pitch) or -60 <= self.pitch <= 80, f"a pitch of {self.pitch} degrees is out of range", "Give degrees from -60 to 80")
        check(0 <= self.seed <= MAX_SEED, f"seed {self.seed} is out of range", f"Give a whole number from 0 to {MAX_SEED}")
        for calls in (self.calls or 2, self.look_calls):
            check(2 <= calls <= 999, f"{calls} network calls can't be made", "Ask for 2 to 999")

    def calls_of(self, model: LiftModel) -> int:
        """Network evaluations a view: what starts from a fitted body needs fewer than what starts from noise."""
        return self.calls or (DenoiseSettings.calls if model.prior is None else AlternateSettings.calls)
