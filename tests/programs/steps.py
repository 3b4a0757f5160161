"""Says what set-up is doing and for how long, and stops it with a remedy where it can't go on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class SetupError(Exception):
    """Set-up can't go on: what is wrong, and the next step as an imperative sentence."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}\n  -> {remedy}")


@contextmanager
def step(title: str) -> Iterator[None]:
    """Prints what begins now, and the seconds it took when it is done."""
    print(f"[build] {title} ...", flush=True)
    start = time.monotonic()
    yield
    print(f"[build] {title}: done in {time.monotonic() - start:.1f} s", flush=True)


def execute(command: list[str], remedy: str, env: dict[str, str] | None = None) -> str:
    """Runs a set-up command quietly and returns its output; a failure shows the output's end."""
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, encoding="utf-8", errors="replace")
    if done.returncode:
        for line in done.stdout.splitlines()[-40:]:
            print(f"    {line}", file=sys.stderr)
        raise SetupError(f"`{' '.join(command)[:200]}` ended with code {done.returncode}", remedy)
    return done.stdout
