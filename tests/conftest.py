"""What tests on the cluster share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import Project

NO_CLI = "the Pulumi CLI or its Kubernetes provider is not on PATH"


def has_pulumi() -> bool:
    return all(
        map(shutil.which, ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes"))
    )


def project(factory: pytest.TempPathFactory, engine: str) -> Iterator[Project]:
    """Give a project, and remove what it deployed."""
    if engine == "pulumi" and not has_pulumi():
        pytest.skip(NO_CLI)
    made = Project(factory.mktemp(engine) / "project", engine)
    yield made
    assert made.run("down").status == 0


@pytest.fixture(scope="module", params=["direct", pytest.param("pulumi", marks=pytest.mark.engine)])
def factory(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The program, deployed by each engine in turn; a module's tests tell one story with it."""
    yield from project(tmp_path_factory, request.param)


@pytest.fixture(scope="module")
def pulumi_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The program, deployed by the Pulumi engine."""
    yield from project(tmp_path_factory, "pulumi")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder of this repository."""
    return Path(__file__).resolve().parents[1]
