"""Each integration installs as a distribution of its own, beside its framework and all others."""

from __future__ import annotations

import csv
import importlib
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions, packages_distributions, requires, version
from importlib.resources import files
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
INTEGRATIONS = ROOT / "integrations"
HOMES = {
    "langchain_hybridge": "langchain",
    "llama_index.retrievers.hybridge": "llama_index",
    "llama_index.postprocessor.hybridge": "llama_index",
    "llama_index.vector_stores.hybridge": "llama_index",
}
LLAMA_INDEX = [module for module in HOMES if module.startswith("llama_index")]
NAMESPACES = ["", "retrievers", "postprocessor", "vector_stores"]


def pyproject(folder: str) -> dict[str, Any]:
    return tomllib.loads((INTEGRATIONS / folder / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize(("module", "folder"), HOMES.items())
def test_it_installs_with_its_framework_s_core_alone(module: str, folder: str) -> None:
    project = pyproject(folder)["project"]
    assert importlib.import_module(module).__version__ == version(project["name"])
    needs = list(map(Requirement, project["dependencies"]))
    assert list(map(Requirement, requires(project["name"]) or [])) == needs
    assert [need.name for need in needs] == ["hybridge", f"{folder.replace('_', '-')}-core"]


@pytest.mark.parametrize("folder", ["langchain", "llama_index"])
def test_it_takes_a_core_of_its_own_minor_release_and_no_other(folder: str) -> None:
    project = pyproject(folder)["project"]
    core = Requirement(project["dependencies"][0]).specifier
    ours = Version(version(project["name"]))
    assert version("hybridge") == str(ours)
    assert f"{ours}" in core
    assert f"{ours.major}.{ours.minor}.99" in core
    assert f"{ours.major}.{ours.minor + 1}.0" not in core
    assert f"{ours.major}.{ours.minor - 1}.0" not in core


@pytest.mark.parametrize("folder", ["langchain", "llama_index"])
def test_it_says_of_itself_what_the_core_says(folder: str) -> None:
    ours, core = pyproject(folder), tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for field in ("authors", "classifiers", "dynamic", "license", "requires-python", "urls"):
        assert ours["project"][field] == core["project"][field]
    homes = [INTEGRATIONS / folder, ROOT]
    one, other = (
        (home / project["tool"]["hatch"]["version"]["path"]).resolve()
        for home, project in zip(homes, (ours, core), strict=True)
    )
    assert one == other == ROOT / "src" / "hybridge" / "__init__.py"


@pytest.mark.parametrize("module", HOMES)
def test_it_is_typed(module: str) -> None:
    assert files(module).joinpath("py.typed").is_file()


@pytest.mark.parametrize("level", NAMESPACES)
def test_llama_index_stays_a_namespace_that_others_share(level: str) -> None:
    assert not (INTEGRATIONS / "llama_index" / "llama_index" / level / "__init__.py").exists()
    namespace = importlib.import_module(".".join(filter(None, ["llama_index", level])))
    assert namespace.__file__ is None


def test_llama_index_s_own_packages_still_import() -> None:
    core = importlib.import_module("llama_index.core")
    assert "llama-index-core" in packages_distributions()["llama_index"]
    assert not Path(core.__file__ or "").is_relative_to(INTEGRATIONS)


def test_llamahub_is_told_of_every_class() -> None:
    hub = pyproject("llama_index")["tool"]["llamahub"]
    assert hub["import_path"] in LLAMA_INDEX
    offered = {name for module in LLAMA_INDEX for name in importlib.import_module(module).__all__}
    assert set(hub["class_authors"]) == {
        name for name in offered if name.endswith(("Retriever", "Rerank", "Store"))
    }


# As a source distribution


@pytest.mark.parametrize("folder", ["langchain", "llama_index"])
def test_a_source_distribution_builds_without_the_rest_of_the_tree(
    folder: str, tmp_path: Path
) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path), "-t"]
    subprocess.run([*build, "sdist"], cwd=INTEGRATIONS / folder, check=True, capture_output=True)
    [packed] = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / packed.name.removesuffix(".tar.gz")
    subprocess.run([*build, "wheel"], cwd=unpacked, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name.split("-")[1] == version("hybridge")


# As a wheel


@pytest.fixture(scope="module", params=["langchain", "llama_index"])
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The integration, built as for a package index."""
    folder = tmp_path_factory.mktemp("wheels")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=INTEGRATIONS / request.param,
        check=True,
        capture_output=True,
    )
    [built] = folder.glob("*.whl")
    return built


def others() -> Iterator[tuple[str, str]]:
    """Each file that another distribution installed, with the distribution's name."""
    for distribution in distributions():
        name = distribution.name  # which is read from a file each time
        if name not in ("langchain-hybridge", "llama-index-hybridge"):
            for file, *_ in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
                yield file, name


def test_a_wheel_writes_over_no_file_of_another_distribution(wheel: Path) -> None:
    ours = set(ZipFile(wheel).namelist())
    assert len(ours) > 10
    taken = dict(others())
    if wheel.name.startswith("llama_index"):  # lest there be nothing to collide with
        kinds = {name.split("/")[1] for name in taken if name.startswith("llama_index/")}
        assert {"core", "vector_stores"} <= kinds
    assert {name: taken[name] for name in ours & taken.keys()} == {}


def test_a_wheel_holds_its_packages_whole_and_no_namespace(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    packages = [
        module.replace(".", "/")
        for module, folder in HOMES.items()
        if wheel.name.startswith(folder)
    ]
    for package in packages:
        root = INTEGRATIONS / HOMES[package.replace("/", ".")]
        modules = {str(path.relative_to(root)) for path in (root / package).glob("*.py")}
        assert {*modules, f"{package}/py.typed"} <= names
    outside = [name for name in names if not any(name.startswith(f"{each}/") for each in packages)]
    assert all(".dist-info/" in name for name in outside)
    assert any(name.endswith("licenses/LICENSE") for name in outside)


def neighbours() -> list[str]:
    """Every package of LlamaIndex that others installed, like ``llama_index.llms.openai``."""
    inner = re.compile(r"llama_index/(?!core/)(\w+)/(\w+)/__init__\.py")
    found = filter(None, (inner.fullmatch(name) for name, _ in others()))
    return sorted({"llama_index.core", *(f"llama_index.{each[1]}.{each[2]}" for each in found)})


def test_beside_an_installed_wheel_everything_imports(wheel: Path, tmp_path: Path) -> None:
    if not wheel.name.startswith("llama_index"):
        modules = ["langchain_hybridge", "langchain_core", "langchain_qdrant"]
    else:
        modules = [*neighbours(), *LLAMA_INDEX]
        assert {"llama_index.core", "llama_index.vector_stores.qdrant"} <= set(modules)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install"),
            *("--no-deps", "--no-index", "--target", str(tmp_path), str(wheel)),
        ],
        check=True,
        capture_output=True,
    )
    code = (
        f"import importlib, json, sys; sys.path.insert(0, {str(tmp_path)!r});"
        f"found = {{name: importlib.import_module(name).__file__ for name in {modules!r}}};"
        "print(json.dumps(found))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    homes = json.loads(done.stdout.splitlines()[-1])
    assert list(homes) == modules
    for name, file in homes.items():
        assert Path(file).is_relative_to(tmp_path) is ("hybridge" in name)
