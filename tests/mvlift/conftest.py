from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_pack import make_tiny_pack


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_pack(tmp_path_factory.mktemp("packs"))
