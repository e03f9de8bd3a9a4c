"""`hybridge serve`: what it gives the server, and what it refuses before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hybridge import BM25, HybridIndex, Passage
from hybridge.cli.commands import hybridge
from hybridge.cross_encoder import CrossEncoderReranker
from hybridge.server import serving
from hybridge.server.guards import LOOPBACK

KEY = "correct-horse-battery-staple"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with HybridIndex.create(tmp_path / "notes", stages=[BM25()]) as index:
        index.add([Passage("a", "Rye bread", {"topic": "food"}), Passage("b", "Bread and drugs")])
    return tmp_path / "notes"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the server was started with."""
    given: dict[str, Any] = {}

    def serve(index: HybridIndex, **options: Any) -> None:
        found = [hit.passage.id for hit in index.search(["bread"])[0]]
        given.update(options, found=found, is_read_only=index.is_read_only)
        options["started"]("http://127.0.0.1:1/")

    monkeypatch.setattr(serving, "serve", serve)
    monkeypatch.delenv("HYBRIDGE_API_KEYS", raising=False)
    return given


def run(*arguments: object) -> Result:
    return CliRunner().invoke(hybridge, ["serve", *map(str, arguments)])


def test_the_defaults_are_this_machine_and_reading(folder: Path, served: dict[str, Any]) -> None:
    result = run(folder)
    assert result.exit_code == 0, result.output
    assert "Serving at http://127.0.0.1:1/" in result.output
    assert (served["host"], served["port"], served["name"]) == ("127.0.0.1", 8000, "notes")
    assert (served["allow_writes"], served["is_read_only"]) == (False, True)
    assert served["guards"].hosts == LOOPBACK
    assert not served["guards"].keys
    assert (served["rerankers"], served["judgments"]) == ({}, None)
    assert sorted(served["found"]) == ["a", "b"]


def test_options_arrive(
    folder: Path, served: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDGE_API_KEYS", KEY)
    result = run(
        *(folder, "--host", "0.0.0.0", "--port", 9, "--allow-writes", "--judgments", "j.db"),
        *("--allowed-host", "a.example", "--max-body", 1, "--seconds", 2, "--at-once", 3),
    )
    assert result.exit_code == 0, result.output
    assert (served["host"], served["port"]) == ("0.0.0.0", 9)
    assert (served["allow_writes"], served["is_read_only"]) == (True, False)
    assert served["judgments"] == Path("j.db")
    guards = served["guards"]
    assert guards.keys.accept(KEY)
    assert guards.hosts == LOOPBACK | {"a.example"}
    assert (guards.body, guards.seconds, guards.at_once) == (1024 * 1024, 2.0, 3)


def test_a_scope_is_all_that_is_served(folder: Path, served: dict[str, Any]) -> None:
    assert run(folder, "--scope", '{"topic": "food"}').exit_code == 0
    assert served["found"] == ["a"]
    refused = run(folder, "--scope", '{"topic": "food"}', "--allow-writes")
    assert refused.exit_code == 1
    assert "a scope cannot be written to" in refused.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "HYBRIDGE_API_KEYS"),
        (["--rerank", "colbert", "--blend", "0.3"], "--blend"),
        (["--scope", "{"], "is not JSON"),
    ],
)
def test_what_cannot_be_served_is_said(
    folder: Path, served: dict[str, Any], arguments: list[str], words: str
) -> None:
    result = run(folder, *arguments)
    assert result.exit_code != 0
    assert words in result.output
    assert not served


def test_a_short_key_is_refused(
    folder: Path, served: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRIDGE_API_KEYS", "short")
    assert "at least 16 letters" in run(folder).output
    assert not served


@pytest.mark.model
def test_rerankers_have_the_names_of_the_options(
    folder: Path, served: dict[str, Any], models_path: Path
) -> None:
    model = models_path / "scifact-cross-encoder"
    assert run(folder, "--cross-encoder", model).exit_code == 0
    [(name, reranker)] = served["rerankers"].items()
    assert name == "cross-encoder"
    assert isinstance(reranker, CrossEncoderReranker)
