from __future__ import annotations

from pathlib import Path

import pytest

from backend.evaluation.lifting.scenes import Scene, make_scenes
from backend.training.domain import Domain
from tests.evaluation.lifting.world import make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("lift"))


@pytest.fixture(scope="session")
def domain(world: Path) -> Domain:
    return Domain.load(str(world / "walks.toml"))


@pytest.fixture(scope="session")
def scenes(world: Path, domain: Domain) -> list[Scene]:
    return make_scenes(domain, world, 2, 0)
