"""The section of a page on what a retarget costs from the click to the last key. Blender measures it (`addon/benchmark/time_clicks.py`); needs no
more than the standard library, and imports relatively."""

from __future__ import annotations

from dataclasses import dataclass

from .tables import markdown_table

HEADING = "## From the click to the last key"


@dataclass(frozen=True)
class Clicks:
    """A retarget of one motion to one rig, several times: seconds of the processor in Blender and in the backend, the medians; first: both together
    for the first click after Blender has started, with the backend's start."""

    rig: str
    controls: str
    frames: int
    in_blender: float
    in_backend: float
    first: float


def section(clicks: list[Clicks], program: str, repetitions: int, command: str) -> str:
    """The section, from its heading on."""
    rows = [[one.rig, one.controls, str(one.frames), *(f"{seconds:.2f}" for seconds in
             (one.in_blender, one.in_backend, one.in_blender + one.in_backend, one.first))] for one in clicks]
    return f"""{HEADING}

What Apply Take costs in the packaged extension in {program}, in seconds of the processor: reading the armature, the fit in the backend and the keys, on
rigs that Rigify generated. The motions are new ones of the shipped packs, played forth and back; medians of {repetitions} clicks. The first click after Blender
has started also starts the backend. One run of

```
{command}
```

{markdown_table(["rig", "controls", "frames", "in Blender", "in the backend", "together", "the first click"], rows)}
"""


def with_section(page: str, own: str) -> str:
    """A page with this section, which is its last, in the place of an earlier one."""
    return f"{page.partition(HEADING)[0].rstrip()}\n\n{own}"


def section_in(page: str) -> str:
    """The section as a page has it, "" where it has none."""
    _, heading, rest = page.partition(HEADING)
    return heading + rest
