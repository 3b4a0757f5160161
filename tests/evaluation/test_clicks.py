"""The section of the page of `bench retarget` that Blender measures."""

from __future__ import annotations

from backend.evaluation.clicks import HEADING, Clicks, section, section_in, with_section

ONE, OTHER = (section([Clicks("horse", "IK", 250, 0.25, seconds, 1.5)], "Blender 4.5", 5, "the command") for seconds in (0.5, 0.75))


def test_the_section_tells_the_sum():
    row = next(line for line in ONE.splitlines() if "horse" in line)
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["horse", "IK", "250", "0.25", "0.50", "0.75", "1.50"]


def test_a_section_takes_the_place_of_an_earlier_one_alone():
    page = "# Rigs\n\nmuch\n"
    assert section_in(page) == ""
    once = with_section(page, ONE)
    assert once.startswith(page) and section_in(once) == ONE
    twice = with_section(once, OTHER)
    assert twice.count(HEADING) == 1 and section_in(twice) == OTHER and twice.startswith(page)
