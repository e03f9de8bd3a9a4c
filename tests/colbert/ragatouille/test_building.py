"""An index is a function of its vectors, and RAGatouille's own."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from hybridge.colbert.ragatouille import RAGatouilleTokenEncoder, building
from hybridge.colbert.ragatouille.building import _partitions, _parts, build
from hybridge.colbert.ragatouille.plaid import PlaidIndex
from hybridge.protocols import Vectors

QUERY = "what keeps blood from clotting?"


@pytest.fixture(scope="module")
def vectors(encoder: RAGatouilleTokenEncoder, abstracts: list[str]) -> list[Vectors]:
    return encoder.encode_passages(abstracts)


def written(
    folder: Path, texts: list[str], vectors: list[Vectors], encoder: RAGatouilleTokenEncoder
) -> Path:
    build(
        folder,
        [f"text {number}" for number in range(len(texts))],
        texts,
        np.concatenate(vectors).astype(np.float16),
        [len(rows) for rows in vectors],
        checkpoint=str(encoder.folder),
        passage_length=encoder.passage_length,
        bits=4,
    )
    return folder


def test_ragatouille_opens_it_wherever_it_is_moved(
    encoder: RAGatouilleTokenEncoder, abstracts: list[str], vectors: list[Vectors], tmp_path: Path
) -> None:
    built = written(tmp_path / "building" / "plaid", abstracts, vectors, encoder)
    (tmp_path / "elsewhere").mkdir()
    moved = built.rename(tmp_path / "elsewhere" / "plaid")
    from ragatouille import RAGPretrainedModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = RAGPretrainedModel.from_index(moved, n_gpu=1, verbose=0)
        found = theirs.search(QUERY, k=len(abstracts))
    index = PlaidIndex(moved)
    scores = index.search(encoder.encode_queries([QUERY])[0], len(abstracts))
    assert {hit["document_id"]: hit["score"] for hit in found} == pytest.approx(
        {index.keys[number]: score for number, score in scores.items()}, abs=1e-3
    )
    assert [hit["content"] for hit in found[:1]] == [abstracts[max(scores, key=scores.__getitem__)]]


def test_the_same_vectors_give_the_same_index(
    encoder: RAGatouilleTokenEncoder, abstracts: list[str], vectors: list[Vectors], tmp_path: Path
) -> None:
    np.random.seed(1)  # nobody else's random numbers count
    first = written(tmp_path / "first" / "plaid", abstracts, vectors, encoder)
    np.random.seed(2)
    second = written(tmp_path / "second" / "plaid", abstracts, vectors, encoder)
    names = sorted(path.name for path in first.iterdir())
    assert {"centroids.pt", "0.codes.pt", "0.residuals.pt", "ivf.pid.pt"} <= set(names)
    for name in names:
        left, right = (folder.joinpath(name).read_bytes() for folder in (first, second))
        assert left.replace(b"first", b"second") == right, name


def test_parts_that_cannot_be_written_are_an_error_at_once(
    encoder: RAGatouilleTokenEncoder,
    abstracts: list[str],
    vectors: list[Vectors],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from colbert.indexing.codecs.residual_embeddings import ResidualEmbeddings

    full = OSError(28, "No space left on device")

    def save(self: ResidualEmbeddings, prefix: str) -> None:
        raise full

    monkeypatch.setattr(ResidualEmbeddings, "save", save)
    # One part alone: a thread that writes would wait for ever with more than three.
    with pytest.raises(OSError, match="No space left") as error:
        written(tmp_path / "plaid", abstracts, vectors, encoder)
    assert error.value is full
    monkeypatch.undo()
    monkeypatch.setattr(building, "_AT_A_TIME", 64)
    assert len(_parts([len(rows) for rows in vectors])) > 3
    assert len(PlaidIndex(written(tmp_path / "again", abstracts, vectors, encoder)).keys) == 8


@pytest.mark.parametrize("tokens", [1, 2, 5, 25])
def test_a_text_may_be_as_short_as_it_likes(
    encoder: RAGatouilleTokenEncoder, tokens: int, tmp_path: Path
) -> None:
    rows = np.random.default_rng(tokens).normal(size=(tokens, 384))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    some = [rows.astype(np.float32)]
    index = PlaidIndex(written(tmp_path / "plaid", ["text"], some, encoder))
    [(number, score)] = index.search(some[0], 10).items()
    assert number == 0
    assert score == pytest.approx(tokens, rel=0.05)


def test_a_long_collection_is_worked_on_in_parts() -> None:
    lengths = [300] * 1000
    parts = _parts(lengths)
    assert [start for start, _ in parts] == [0, *(stop for _, stop in parts[:-1])]
    assert parts[-1][1] == 1000
    assert all(0 < 300 * (stop - start) <= (1 << 17) + 300 for start, stop in parts)
    assert _parts([7]) == [(0, 1)]


def test_there_are_never_more_centroids_than_vectors() -> None:
    assert [_partitions(tokens) for tokens in (1, 3, 20, 100, 1_000_000)] == [1, 3, 16, 32, 2048]
