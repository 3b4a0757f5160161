"""The real server loop on the real streams, with jobs that last as long as a test needs."""

import os
import sys
import time

from backend.errors import KineliftError
from backend.service import server


def count(params, report):
    """Reports `steps` times, `pause` seconds apart."""
    for step in range(params["steps"]):
        report(step / params["steps"], f"step {step}")
        time.sleep(params["pause"])
    return {"steps": params["steps"]}


def chatter(params, report):
    """Prints where a careless library would."""
    print("stray print")
    os.system("echo stray child")
    os.write(1, b"stray write\n")
    return {"stdin": sys.stdin.read()}


def fail(params, report):
    raise KineliftError("The clip is empty", "Choose a longer clip.", place="clip.npz", code="bad-file")


def crash(params, report):
    raise ZeroDivisionError("a bug")


def out_of_memory(params, report):
    raise MemoryError


def not_a_number(params, report):
    return {"mean_error": float("nan")}


if __name__ == "__main__":
    for job in (count, chatter, fail, crash, out_of_memory, not_a_number):
        server.HANDLERS[job.__name__] = job
    sys.exit(server.run(None))
