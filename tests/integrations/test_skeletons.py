"""Each integration installs as a distribution of its own and imports beside its framework."""

from __future__ import annotations

import importlib
import tomllib
from importlib.metadata import packages_distributions, requires, version
from importlib.resources import files
from pathlib import Path

import pytest

INTEGRATIONS = Path(__file__).parents[2] / "integrations"
HOMES = {
    "langchain_hybridge": "langchain",
    "llama_index.retrievers.hybridge": "llama_index",
    "llama_index.postprocessor.hybridge": "llama_index",
}


@pytest.mark.parametrize(("module", "folder"), HOMES.items())
def test_it_installs_with_its_framework_s_core_alone(module: str, folder: str) -> None:
    project = tomllib.loads((INTEGRATIONS / folder / "pyproject.toml").read_text())["project"]
    assert importlib.import_module(module).__version__ == project["version"]
    assert version(project["name"]) == project["version"]
    assert requires(project["name"]) == project["dependencies"]
    assert [need.split(">")[0] for need in project["dependencies"]] == [
        "hybridge",
        f"{folder.replace('_', '-')}-core",
    ]


@pytest.mark.parametrize("module", HOMES)
def test_it_is_typed(module: str) -> None:
    assert files(module).joinpath("py.typed").is_file()


@pytest.mark.parametrize("level", ["", "retrievers", "postprocessor"])
def test_llama_index_stays_a_namespace_that_others_share(level: str) -> None:
    assert not (INTEGRATIONS / "llama_index" / "llama_index" / level / "__init__.py").exists()
    namespace = importlib.import_module(".".join(filter(None, ["llama_index", level])))
    assert namespace.__file__ is None


def test_llama_index_s_own_packages_still_import() -> None:
    core = importlib.import_module("llama_index.core")
    assert "llama-index-core" in packages_distributions()["llama_index"]
    assert not Path(core.__file__ or "").is_relative_to(INTEGRATIONS)
