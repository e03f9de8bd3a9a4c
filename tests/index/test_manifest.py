"""Damaged manifests: every missing or wrong entry is an error that names it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import CallableEncoder, HybridIndex
from hybridge.encoders.sparse import CallableSparseEncoder
from hybridge.errors import CorruptIndexError, EncoderMismatchError, InvalidInputError
from hybridge.index.manifest import Manifest
from hybridge.index.open_stages import restored_stages
from hybridge.protocols import Vectors
from hybridge.stages import BM25, Dense, LateInteraction, LearnedSparse, Stage
from hybridge.testing import PASSAGES

MISSING = object()
VALUES = [MISSING, None, 0, -1, 7, 1.5, True, "", "x", [], [1], {}, {"x": 1}]


class WordTokens:
    """One vector a word."""

    identity = "words"
    dimension = 4

    def encode_queries(self, queries: list[str]) -> list[Vectors]:
        return [np.eye(4, dtype=np.float32)[: len(text.split()) % 5] for text in queries]

    encode_passages = encode_queries

    def to_config(self) -> None:
        return None


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    dense = CallableEncoder(
        lambda texts: [[text.count("a") + 1, text.count("e")] for text in texts],
        dimension=2,
        identity="letters",
    )
    sparse = CallableSparseEncoder(lambda texts: [{len(text): 1.0} for text in texts], identity="s")
    return [
        BM25(),
        BM25(name="stored", lexical="qdrant"),
        Dense(dense),
        LearnedSparse(sparse),
        LateInteraction(WordTokens()),
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, stages: list[Stage]) -> Path:
    path = tmp_path_factory.mktemp("damaged") / "index"
    with HybridIndex.create(path, stages=stages, filter_fields={"year": "float"}) as index:
        index.add(PASSAGES)
    return path


def keys_of(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each entry of a JSON value."""
    if above:
        yield above
    if not isinstance(value, dict | list):
        return
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        yield from keys_of(child, (*above, key))


def damaged_by(manifest: Any, keys: tuple[Any, ...], value: object) -> Any:
    changed = parent = copy.deepcopy(manifest)
    for key in keys[:-1]:
        parent = parent[key]
    if value is MISSING:
        del parent[keys[-1]]
    else:
        parent[keys[-1]] = value
    return changed


def test_every_damage_is_an_error_of_hybridge_or_none(path: Path, stages: list[Stage]) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    overrides = {stage.name: stage for stage in stages[2:]}
    messages = []
    for keys in keys_of(manifest):
        for value in VALUES:
            config = damaged_by(manifest, keys, value)
            with suppress(EncoderMismatchError, InvalidInputError):
                try:
                    restored_stages(Manifest.from_config(config, "here"), overrides, "here")
                except CorruptIndexError as error:
                    messages.append(str(error))
    assert len(messages) > 700
    for message in messages:
        assert "here" in message
        assert "restore it from a copy" in message or "has format" in message


def test_a_whole_manifest_is_none(path: Path, stages: list[Stage]) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    restored = Manifest.from_config(manifest, "here")
    assert restored.to_config() == manifest
    names = [each.name for each in restored_stages(restored, {s.name: s for s in stages[2:]}, "")]
    assert names == [stage.name for stage in stages]


@pytest.mark.parametrize(
    ("keys", "value", "named"),
    [
        (("store", "vectors", "dense"), MISSING, r"'store\.vectors' lacks 'dense'"),
        (("store", "vectors", "stored"), MISSING, r"'store\.vectors' lacks 'stored'"),
        (("store", "vectors"), [], r"'store\.vectors' must be a mapping, not \[\]"),
        (("store", "hnsw"), 0, r"'store\.hnsw' must be a mapping or null, not 0"),
        (("store", "quantization"), "int9", "quantization must be"),
        (("stages",), {}, "'stages' must be a list"),
        (("stages", 2, "vector"), "x", r"'store\.vectors' lacks 'x' of the stage 'dense'"),
        (("stages", 2, "kind"), [], r"'stages\[2\]\.kind' must be a string"),
        (("stages", 2, "kind"), "", r"'stages\[2\]\.kind' is '', which names no kind"),
        (("stages", 2, "kind"), "=\n", r"'stages\[2\]\.kind' is '=\\n'"),
        (("stages", 0, "identity"), "x", r"'stages\[0\]\.identity' must be 'bm25', not 'x'"),
        (("stages", 2, "name"), MISSING, r"it lacks 'stages\[2\]\.name'"),
        (("stages", 2, "name"), "bm25", "'stages' has a name twice"),
        (("stages", 2, "config", "distance"), MISSING, "'dense': no 'distance'"),
        (("stages", 0, "config", "analyzer"), 7, "'bm25': no analyzer can be made of 7"),
        (("stages", 1, "state"), MISSING, "'stored': its state has no valid 'average_length'"),
        (("stages", 1, "state", "terms"), 7, "'stored': its state has no valid 'terms'"),
        (("stages", 1, "state", "reweighing"), None, "has no valid 'reweighing'"),
        (("weights", "x"), 0.5, "'weights' has 'x', which is no stage"),
        (("weights", "late-interaction"), 0.5, "must not have the stage 'late-interaction'"),
        (("weights", "dense"), MISSING, "'weights' lacks the stage 'dense'"),
        (("weights", "dense"), None, "a weight must be"),
        (("weights", "dense"), -1, "a weight must be"),
        (("depth",), "many", "'depth' must be a whole number"),
        (("depth",), 0, "'depth' must be a whole number"),
        (("fusion",), [], "'fusion' must be a mapping"),
        (("fusion", "normalization"), 7, "normalization must be one of"),
        (("search_text",), 7, r"'search_text' is 7: no search text can be made of 7"),
        (("search_text",), {"callable": 7}, "'search_text' is .*no search text"),
        (("stages", 1, "search_text"), {"template": "{"}, r"'stages\[1\]\.search_text' is .*lone"),
        (("pending",), MISSING, "it lacks 'pending'"),
        (("pending",), {}, r"it lacks 'pending\.name'"),
    ],
)
def test_damage_is_named_and_harms_nothing(
    path: Path,
    stages: list[Stage],
    keys: tuple[Any, ...],
    value: object,
    named: str,
) -> None:
    file = path / "manifest.json"
    whole = file.read_text()
    file.write_text(json.dumps(damaged_by(json.loads(whole), ("hybridge", *keys), value)))
    try:
        with pytest.raises(CorruptIndexError, match=named) as raised:
            HybridIndex.open(path, stages=stages[2:])
        assert str(path) in str(raised.value)
        assert "restore it from a copy, or index again" in str(raised.value)
    finally:
        file.write_text(whole)
    with HybridIndex.open(path, stages=stages[2:]) as index:
        assert len(index) == len(PASSAGES)
        assert index.dense.vectors([PASSAGES[0].id]).shape == (1, 2)


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("manifest.json", "[" * 100_000, "cannot be read"),
        ("generation.json", "[" * 100_000, "cannot be read"),
        ("seal.json", "[" * 100_000, "cannot be read"),
        ("manifest.json", '{"hybridge": null}', "'hybridge' must be a mapping, not None"),
        ("manifest.json", '{"hybridge": 7}', "'hybridge' must be a mapping, not 7"),
        ("manifest.json", '{"hybridge": "x"}', "'hybridge' must be a mapping, not 'x'"),
        ("manifest.json", "{}", "it lacks 'hybridge'"),
        ("manifest.json", "[]", r"a mapping with 'hybridge', not \[\]"),
    ],
)
def test_a_damaged_file_is_named(
    path: Path, stages: list[Stage], file: str, text: str, named: str
) -> None:
    whole = (path / file).read_text()
    (path / file).write_text(text)
    try:
        for read_only in (False, True):
            with pytest.raises(CorruptIndexError, match=named) as raised:
                HybridIndex.open(path, stages=stages[2:], read_only=read_only)
            assert file in str(raised.value)
    finally:
        (path / file).write_text(whole)


def test_a_kind_that_no_package_brings_may_be_installed(path: Path, stages: list[Stage]) -> None:
    config = json.loads((path / "manifest.json").read_text())
    config["hybridge"]["stages"][2]["kind"] = "soundex"
    with pytest.raises(InvalidInputError, match="'soundex'"):
        restored_stages(Manifest.from_config(config, "here"), {}, "here")
