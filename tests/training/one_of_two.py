"""One process of a training on two: trains on walks and leaves its weights in the given folder. Started by torchrun."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch

from backend.diffusion.denoiser import DenoiserSettings
from backend.training.project import project
from backend.training.train import Trainer, TrainingSettings
from tests.training.clips import walks, write_clips

folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
clips = folder / f"clips{rank}"
clips.mkdir()
domain = walks(clips)
write_clips(clips)
motions = project(domain, domain.clips(clips, "train"), 8, 0, stitch=True)
network = DenoiserSettings(keypoints=18, width=16, feedforward=24, layers=1, heads=2)
trainer = Trainer(motions, domain, network, TrainingSettings(minutes=0.05, batch=4, min_frames=20), folder / "pack", "cpu")
assert trainer.world == 2
time.sleep(0.5 * rank)  # the processes' clocks don't agree
trainer.run(lambda fraction, message: None)
torch.save({"steps": trainer.state.step, "weights": trainer.denoiser.state_dict()}, folder / f"rank{rank}.pt")
