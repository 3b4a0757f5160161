"""Every command line that the documents give is understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from backend.__main__ import parse
from tests.programs.places import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
START = re.compile(r"\s*python -m backend +")


def commands(page: Path) -> list[str]:
    """What follows `python -m backend` in lines that begin so."""
    lines = page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [line[found.end():] for line in lines if (found := START.match(line))]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_documented_commands_are_understood(page: Path):
    for command in commands(page):
        assert parse(shlex.split(command)).run, command


def test_a_command_with_another_option_is_not(capsys):
    with pytest.raises(SystemExit):
        parse(["packs", "--colour"])
    assert "--colour" in capsys.readouterr().err
