"""`python -m backend COMMAND`: the backend's features for people, farms and the add-on."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys

from backend.errors import Cancelled, KineliftError

# Many small solves: BLAS threads only wait for each other, a hundredfold when the machine is busy. Torch has its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

COMMANDS = {
    "serve": ("backend.service.server", "answer the add-on over stdin/stdout (JSON-RPC)"),
    "packs": ("backend.packs.catalogue", "list the model packs"),
    "generate": ("backend.mas.generate", "generate 3D motions with a pack"),
    "poses": ("backend.poses.import_poses", "show what a 2D pose file holds, and write it as ours"),
    "lift": ("backend.mvlift.lift", "lift the 2D poses of a video to 3D motions with a pack"),
    "import-motion": ("backend.motion.import_motion", "make motion files from a BVH file or the results of the MAS program"),
    "fit": ("backend.fitting.fit", "fit a motion to an armature"),
    "fit-smpl": ("backend.fitting.smpl.fit_smpl", "fit a body of the SMPL family to a motion, as a file of the AMASS kind"),
    "learn-prior": ("backend.fitting.learn_prior", "learn how people hold themselves from 3D clips, for the fit of people"),
    "preview": ("backend.motion.preview", "draw motions as stick figures: a contact sheet or a GIF"),
    "project": ("backend.training.project", "make a folder of 2D motions from 3D motion files"),
    "train": ("backend.training.train", "train a pack on a folder of 2D motions"),
    "train-lift": ("backend.mvlift.stages", "train a pack that lifts, in four stages, on a folder of 2D motions"),
    "evaluate": ("backend.evaluation.evaluate", "print the tables of the papers for a pack"),
    "import-mas": ("backend.packs.import_mas", "make a pack from an official MAS checkpoint"),
    "import-mvlift": ("backend.packs.import_mvlift", "make a pack from official MVLift checkpoints"),
    "import-smpl": ("backend.fitting.smpl.import_smpl", "make a model file of the joints of an SMPL, SMPL-H or SMPL-X file"),
    "bench": ("backend.evaluation.bench", "measure what sampler and lift cost against the papers' programs, or how motions sit on rigs"),
}


def parse(argv: list[str]) -> argparse.Namespace:
    """The arguments of a command, its function `run`, which gets them, and as `typed` the line a person would type for them. Ends the program
    where they can't be understood."""
    parser = argparse.ArgumentParser(prog="python -m backend", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, description) in COMMANDS.items():
        command = commands.add_parser(name, help=description, description=description)
        if argv and argv[0] == name:  # only the chosen command pays for its imports
            implementation = importlib.import_module(module)
            implementation.add_arguments(command)
            command.set_defaults(run=implementation.run, typed=f"python -m backend {shlex.join(argv)}")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns its exit code. A KineliftError becomes one readable line and exit code 1."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        return arguments.run(arguments)
    except KineliftError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (Cancelled, KeyboardInterrupt):
        print("cancelled", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
