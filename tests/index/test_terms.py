"""Stored terms are those of the stemmer that reads them, or it is said that they are not."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge
import Stemmer

from hybridge import Analyzer, CallableEncoder, HybridIndex, Passage
from hybridge.errors import EncoderMismatchError, StoreError
from hybridge.index import served as served_storage
from hybridge.lexical import BM25Retriever, SparseBM25
from hybridge.stages import BM25
from hybridge.vectors.collection import write_manifest
from hybridge.vectors.connection import connect
from hybridge.vectors.edge import EdgeStore

PASSAGES = [Passage(f"p{n}", f"the university opened w{n}") for n in range(30)]


@pytest.fixture
def another_stemmer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For the length of a test, a release of PyStemmer that stems one word otherwise."""
    real = Stemmer.Stemmer

    class Other:
        def __init__(self, language: str, size: int) -> None:
            self._real = real(language, size)

        def stemWord(self, word: str) -> str:  # noqa: N802 - as PyStemmer spells it
            return "universiti-x" if word == "university" else self._real.stemWord(word)

    with monkeypatch.context() as patched:
        patched.setattr(Stemmer, "Stemmer", Other)
        patched.setattr(Stemmer, "version", lambda: "1.9.9")
        yield


def scores(index: HybridIndex, passages: list[Passage], query: str) -> list[float]:
    return index.bm25.score([query], [[passage.id for passage in passages]])[0]


def expected(passages: list[Passage], query: str) -> list[float]:
    return BM25Retriever(passages).score([query], [[passage.id for passage in passages]])[0]


def check(index: HybridIndex, passages: list[Passage] = PASSAGES) -> None:
    """Every word is found, by the right scores."""
    for query in ("university", "opening w3"):
        wanted = expected(passages, query)
        assert min(wanted) > 0
        assert scores(index, passages, query) == pytest.approx(wanted, rel=1e-3)


def test_a_folder_is_analyzed_anew_once(
    tmp_path: Path,
    words: CallableEncoder,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "index"
    with HybridIndex.create(path, encoder=words, lexical="qdrant") as index:
        index.add(PASSAGES)
    request.getfixturevalue("another_stemmer")
    with HybridIndex.open(path, encoder=words, read_only=True) as index:  # a copy, for this time
        check(index)
    with HybridIndex.open(path, encoder=words) as index:
        check(index)
    assert sum("writing them anew" in record.message for record in caplog.records) == 2
    caplog.clear()
    with caplog.at_level(logging.INFO), HybridIndex.open(path, encoder=words) as index:
        check(index)
        index.add([Passage("more", "university")])
        assert index.bm25.search(["university"], 1)[0][0].passage.id == "more"
    assert not caplog.records


def test_a_kill_while_terms_are_written_anew_is_made_good(
    tmp_path: Path,
    words: CallableEncoder,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "index"
    with HybridIndex.create(path, encoder=words, lexical="qdrant") as index:
        index.add(PASSAGES)
    with monkeypatch.context() as patched:
        request.getfixturevalue("another_stemmer")

        def fail(*_: object) -> None:
            raise StoreError("the disk is full")

        patched.setattr(EdgeStore, "set_vectors", fail)
        with pytest.raises(StoreError, match="disk"):
            HybridIndex.open(path, encoder=words)
    with HybridIndex.open(path, encoder=words) as index:
        check(index)


def of_an_earlier_release(config: Any) -> dict[str, Any]:
    """A manifest as it was in the first format, of an average length of 2 and of unknown terms."""
    now = config["hybridge"]
    bm25, dense = now["stages"]
    store = now["store"]
    earlier = {
        "encoder": dense["identity"],
        "store": {
            "dimension": store["vectors"]["dense"]["dimension"],
            "distance": store["vectors"]["dense"]["distance"],
            "sparse": True,
            "hnsw": store["hnsw"],
            "quantization": store["quantization"],
            "tokens": None,
            "filter_fields": store["filter_fields"],
        },
        "lexical": "qdrant",
        "analyzer": bm25["config"]["analyzer"],
        "bm25": bm25["config"]["parameters"],
        "fusion": now["fusion"],
        "weights": now["weights"],
        "depth": now["depth"],
        "encoder_config": dense["config"]["encoder"],
        "average_length": 2.0,
        "reweighing": False,
        "terms": None,
        "token_encoder": None,
        "token_encoder_config": None,
        "blend": 0.0,
        "format": 1,
    }
    return {"hybridge": earlier}


def test_an_index_of_an_earlier_release_is_brought_up_to_date(
    tmp_path: Path, words: CallableEncoder
) -> None:
    path = tmp_path / "index"
    with HybridIndex.create(path, encoder=words, lexical="qdrant") as index:
        index.add(PASSAGES)
        points = [index._storage.store.point(passage.id) for passage in PASSAGES]
    # As it was then: IDF by the engine, no lengths, the average of the first passages alone.
    shard = edge.EdgeShard.load(str(path / "points"))
    shard.update(edge.UpdateOperation.delete_vector_name("bm25"))
    shard.update(edge.UpdateOperation.create_sparse_vector("bm25", edge.Modifier.Idf))
    weights = SparseBM25(Analyzer(), average_length=2).encode_passages([p.text for p in PASSAGES])
    vectors = [
        edge.PointVectors(point, {"bm25": edge.SparseVector(*vector)})
        for point, vector in zip(points, weights, strict=True)
    ]
    shard.update(edge.UpdateOperation.update_vectors(vectors))
    shard.close()
    (path / "points" / "frequencies.npz").unlink()
    (path / "seal.json").unlink()
    manifest = json.loads((path / "manifest.json").read_text())
    earlier = of_an_earlier_release(manifest)
    del earlier["hybridge"]["terms"], earlier["hybridge"]["reweighing"]
    earlier["hybridge"]["learned_from"] = 30
    (path / "manifest.json").write_text(json.dumps(earlier))
    for _ in range(2):
        with HybridIndex.open(path, encoder=words) as index:
            check(index)
    with HybridIndex.open(path, encoder=words) as index:
        index.delete(passage.id for passage in PASSAGES[1:])
        assert [hit.passage.id for hit in index.bm25.search(["university"])[0]] == ["p0"]


@pytest.fixture
def served(words: CallableEncoder, monkeypatch: pytest.MonkeyPatch) -> HybridIndex:
    """An index on a server, which opens once more at each `HybridIndex.open`."""
    client = connect(":memory:")
    monkeypatch.setattr(served_storage, "connect", lambda *_: client)
    monkeypatch.setattr(client, "close", lambda: None)
    index = HybridIndex.create(url=":memory:", encoder=words, lexical="qdrant")
    index.add(PASSAGES)
    return index


def test_a_server_is_refused_until_it_is_asked_for(
    served: HybridIndex, words: CallableEncoder, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("another_stemmer")
    bm25 = served._stages.definitions["bm25"]
    assert isinstance(bm25, BM25)
    real = bm25.analyzer.versions["snowball"]
    for read_only in (True, False):
        with pytest.raises(EncoderMismatchError, match=rf"snowball {real} \(here 1\.9\.9\).*rea"):
            HybridIndex.open(url=":memory:", encoder=words, read_only=read_only)
    check_found(served)
    with HybridIndex.open(url=":memory:", encoder=words, reanalyze=True) as index:
        check(index)
    with HybridIndex.open(url=":memory:", encoder=words) as index:
        check(index)
    # The one that was open all the while writes no terms that the others would not find.
    with pytest.raises(EncoderMismatchError, match=r"snowball 1\.9\.9"):
        served.add([Passage("late", "the university")])
    assert len(served) == len(PASSAGES)


def check_found(index: HybridIndex) -> None:
    assert len(index.bm25.search(["university"], 100)[0]) == len(PASSAGES)


def test_terms_that_are_being_written_are_refused(
    served: HybridIndex, words: CallableEncoder
) -> None:
    storage = served._storage
    config: Any = storage.manifest.to_config()
    config["hybridge"]["stages"][0]["state"]["terms"] = {}
    write_manifest(storage.store._connection, "hybridge", config)  # type: ignore[attr-defined]
    with pytest.raises(EncoderMismatchError, match="being written anew"):
        HybridIndex.open(url=":memory:", encoder=words)
    with HybridIndex.open(url=":memory:", encoder=words, reanalyze=True) as index:
        check(index)


def test_a_collection_of_an_earlier_release_is_brought_up_to_date_by_the_first_write(
    served: HybridIndex, words: CallableEncoder
) -> None:
    storage = served._storage
    weights = SparseBM25(Analyzer(), average_length=2).encode_passages([p.text for p in PASSAGES])
    points = [storage.store.point(passage.id) for passage in PASSAGES]
    storage.store.set_vectors("bm25", points, weights)
    config = of_an_earlier_release(storage.manifest.to_config())
    write_manifest(storage.store._connection, "hybridge", config)  # type: ignore[attr-defined]
    with HybridIndex.open(url=":memory:", encoder=words) as index:
        check_found(index)
        assert index._storage.manifest.stage("bm25").state["terms"] is None
        more = Passage("more", "a university of three words and more")
        index.add([more])
        assert index._storage.manifest.stage("bm25").state["terms"] is not None
        every = [*PASSAGES, more]
        assert scores(index, every, "university") == pytest.approx(
            expected(every, "university"), rel=0.02
        )


def test_your_own_tokenizer_has_no_release(tmp_path: Path, words: CallableEncoder) -> None:
    analyzer = Analyzer.from_callable(str.split, name="whitespace")
    path = tmp_path / "index"
    with HybridIndex.create(path, encoder=words, lexical="qdrant", analyzer=analyzer) as index:
        index.add(PASSAGES)
    with HybridIndex.open(path, encoder=words, analyzer=analyzer) as index:
        check_found(index)
