from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from backend.__main__ import main
from backend.packs.catalogue import CARD, SHIPPED, WEIGHTS, list_packs, own_packs, read_pack, search_path
from tests.tiny_pack import make_tiny_pack


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_tiny_pack(tmp_path / "packs")
    monkeypatch.setenv("KINELIFT_PACKS", str(tmp_path / "packs"))
    return tmp_path / "packs"


def test_a_pack_tells_what_it_is(packs: Path):
    pack = next(pack for pack in list_packs() if pack.name == "tiny")
    assert (pack.title, pack.kind, pack.skeleton, pack.fps) == ("Tiny (tests)", "mas", "nba16-ball", 30.0)
    assert (pack.seconds_default, pack.seconds_max, pack.problem) == (2.0, 6.0, "")
    assert pack.description == "Random weights for tests."


@pytest.mark.parametrize(("content", "said"), [
    ("{", "can't be read"),
    ("[]", "is not a card"),
    ("null", "is not a card"),
    ('{"kind": "mas", "title": "x"}', "lacks skeleton, fps"),
    ('{"kind": "mas", "title": 3}', "lacks title"),
])
def test_a_broken_card_does_not_hide_nor_spoil_the_others(content: str, said: str, packs: Path):
    (packs / "broken").mkdir()
    (packs / "broken" / CARD).write_text(content)
    found = {pack.name: pack for pack in list_packs()}
    assert said in found["broken"].problem
    assert "Copy the pack again" in found["broken"].description
    assert found["tiny"].problem == ""


def test_missing_weights_are_a_problem(packs: Path):
    (packs / "tiny" / WEIGHTS).unlink()
    assert "weights.safetensors is missing" in read_pack(packs / "tiny").problem


def test_a_card_in_another_encoding_is_a_problem(packs: Path):
    (packs / "tiny" / CARD).write_bytes(b"\xff\xfe{}")
    assert "can't be read" in read_pack(packs / "tiny").problem


def test_the_first_of_a_name_wins(packs: Path, tmp_path: Path):
    other = make_tiny_pack(tmp_path / "other")
    card = json.loads((other / CARD).read_text())
    (other / CARD).write_text(json.dumps({**card, "title": "Other"}))
    assert next(pack for pack in list_packs() if pack.name == "tiny").title == "Tiny (tests)"
    assert next(pack for pack in list_packs([tmp_path / "other"]) if pack.name == "tiny").title == "Other"


def test_the_path_of_packs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("KINELIFT_PACKS", raising=False)
    assert search_path() == [own_packs(), SHIPPED]
    monkeypatch.setenv("KINELIFT_PACKS", str(tmp_path / "nowhere"))
    assert search_path() == [tmp_path / "nowhere", own_packs(), SHIPPED]
    list_packs()


@pytest.mark.parametrize(("platform", "variable", "folder"), [("linux", "XDG_DATA_HOME", "kinelift/packs"), ("win32", "APPDATA", "kinelift/packs"),
                                                              ("darwin", "HOME", "Library/Application Support/kinelift/packs")])
def test_the_users_own_packs_are_found(platform: str, variable: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert own_packs() == tmp_path / folder
    make_tiny_pack(own_packs())
    assert "tiny" in [pack.name for pack in list_packs()]


def test_the_command_lists_packs(packs: Path, capsys):
    assert main(["packs"]) == 0
    assert "Tiny (tests)" in capsys.readouterr().out
    assert main(["packs", "--cards"]) == 0
    assert '"skeleton": "nba16-ball"' in capsys.readouterr().out
