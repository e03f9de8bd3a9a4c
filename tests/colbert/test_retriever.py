"""A retriever finds what exact late interaction finds, after any writes and on reopening."""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import MultiVectorEncoder

from hybridge import BM25Retriever, Hit, HybridIndex, Passage
from hybridge.colbert import ColBERTRetriever, export_checkpoint, max_sim
from hybridge.colbert.ragatouille import RAGatouilleTokenEncoder
from hybridge.errors import (
    ClosedError,
    CorruptIndexError,
    EncoderMismatchError,
    HybridgeError,
    IndexExistsError,
    IndexLockedError,
    IndexNotFoundError,
    InvalidInputError,
    ModelNotFoundError,
)
from hybridge.filters import Eq, Gte
from hybridge.protocols import Retriever, Scorer, Vectors
from hybridge.testing import RetrieverConformance

# Everything, in a process that nothing was imported in.
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
QUERIES = ["one two three", "seven", "ten nine eight one", "four four five"]


class Noting(RAGatouilleTokenEncoder):
    """Notes the passages that it encodes, and what their vectors are."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.encoded: list[str] = []
        self.vectors: dict[str, Vectors] = {}

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
        vectors = super().encode_passages(texts, progress=progress)
        self.encoded += texts
        self.vectors.update(zip(texts, vectors, strict=True))
        return vectors


def text_of(number: int) -> str:
    """Six words, other ones for each number and hardly ever the same."""
    return " ".join(random.Random(number).choices(WORDS, k=6))


def passage(number: int) -> Passage:
    return Passage(f"p{number}", text_of(number), {"number": number, "even": number % 2 == 0})


def ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


@pytest.fixture(scope="module")
def tiny(
    random_colbert: Callable[[int, int], MultiVectorEncoder],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A checkpoint of random weights whose vectors are just long enough to be packed."""
    return export_checkpoint(random_colbert(32, 2), tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="module")
def tokens(tiny: Path) -> RAGatouilleTokenEncoder:
    return RAGatouilleTokenEncoder(tiny)


@pytest.fixture(scope="module")
def real(checkpoint: Path) -> RAGatouilleTokenEncoder:
    return RAGatouilleTokenEncoder(checkpoint, passage_length=64)


@pytest.fixture
def made(tokens: RAGatouilleTokenEncoder) -> Iterator[Callable[..., ColBERTRetriever]]:
    """Makes retrievers and closes them."""
    retrievers = []

    def make(*arguments: Any, **named: Any) -> ColBERTRetriever:
        retriever = ColBERTRetriever.create(*arguments, **{"model": tokens, **named})
        retrievers.append(retriever)
        return retriever

    yield make
    for retriever in retrievers:
        retriever.close()


@pytest.fixture(scope="module")
def many(tokens: RAGatouilleTokenEncoder) -> Iterator[ColBERTRetriever]:
    """More texts than are all scored, to be searched only."""
    with ColBERTRetriever.create(None, map(passage, range(400)), model=tokens) as retriever:
        yield retriever


class TestConformance(RetrieverConformance):
    complete = True

    @pytest.fixture(autouse=True)
    def _give_encoder(self, real: RAGatouilleTokenEncoder) -> None:
        self.encoder = real

    def build(self, passages: list[Passage]) -> ColBERTRetriever:
        return ColBERTRetriever.create(None, passages, model=self.encoder)


def test_it_is_a_retriever_and_a_scorer(many: ColBERTRetriever) -> None:
    assert isinstance(many, Retriever)
    assert isinstance(many, Scorer)


@pytest.mark.slow
def test_it_ranks_as_exact_late_interaction_does(
    checkpoint: Path, small_corpus: tuple[Passage, ...], scifact: Any
) -> None:
    encoder = Noting(checkpoint, passage_length=48)
    passages = [Passage(each.id, each.text[:300]) for each in small_corpus[:200]]
    known = {each.id for each in passages}
    judged = scifact.qrels("test")
    queries = [scifact.queries[name] for name, found in judged.items() if found.keys() & known][:30]
    with ColBERTRetriever.create(None, passages, model=encoder) as retriever:
        results = retriever.search(queries)
    vectors = [encoder.vectors[each.text] for each in passages]
    shared = first = 0
    for query, hits in zip(encoder.encode_queries(queries), results, strict=True):
        exact = dict(zip((each.id for each in passages), max_sim(query, vectors), strict=True))
        best = sorted(exact, key=lambda name: -exact[name])[:10]
        shared += len(set(best) & set(ids(hits)))
        first += best[0] == ids(hits)[0]
        # Four bits a coordinate move each token's cosine by a hundredth or so.
        assert [hit.score / len(query) for hit in hits] == pytest.approx(
            [exact[name] / len(query) for name in ids(hits)], abs=0.05
        )
    assert len(queries) == 30
    assert shared >= 280  # of 300
    assert first >= 27  # of 30


def test_passages_come_and_go(made: Callable[..., ColBERTRetriever]) -> None:
    retriever = made()
    assert retriever.add(iter([passage(2), passage(1)])) == 2
    assert retriever.add([]) == 0
    assert len(retriever) == 2
    assert list(retriever) == [passage(1), passage(2)]
    assert retriever.get(["p2", "none", "p2"]) == [passage(2), None, passage(2)]
    assert ids(retriever.search([text_of(1)])[0]) == ["p1", "p2"]

    changed = Passage("p1", "nine nine nine", {"new": True})
    assert retriever.add([changed, passage(3)]) == 2
    assert retriever.get(["p1"]) == [changed]
    hits = retriever.search(["nine nine nine"])[0]
    assert hits[0].passage == changed
    assert sorted(ids(hits)) == ["p1", "p2", "p3"]

    assert retriever.delete(["p2", "none"]) == 1
    assert retriever.delete(["p2"]) == 0
    assert retriever.delete([]) == 0
    assert sorted(ids(retriever.search(["nine"])[0])) == ["p1", "p3"]
    assert retriever.delete(where={"new": True}) == 1
    assert retriever.delete(where=Eq("number", 4)) == 0
    assert list(retriever) == [passage(3)]
    assert ids(retriever.search(["nine"])[0]) == ["p3"]
    assert retriever.delete(where=Eq("number", 3)) == 1
    assert len(retriever) == 0
    assert retriever.search(["nine"]) == [[]]


def test_nothing_is_there_before_anything_is_added(made: Callable[..., ColBERTRetriever]) -> None:
    retriever = made()
    retriever.optimize()
    assert (len(retriever), list(retriever), retriever.get(["p1"])) == (0, [], [None])
    assert retriever.search(["one", ""], where={"number": 1}) == [[], []]
    assert retriever.score(["one"], [[]]) == [[]]
    assert retriever.delete(["p1"]) == 0
    with pytest.raises(InvalidInputError, match="no passage has the id 'p1'"):
        retriever.score(["one"], [["p1"]])


def test_blank_passages_are_stored_and_never_found(made: Callable[..., ColBERTRetriever]) -> None:
    blank = [Passage("empty", ""), Passage("space", " \n\t")]
    retriever = made(None, blank)
    retriever.optimize()
    assert retriever.search(["one"], 5) == [[]]
    assert retriever.score(["one"], [["space", "empty"]]) == [[0.0, 0.0]]
    retriever.add([passage(1)])
    assert [ids(hits) for hits in retriever.search(["one", " \t", ""], 5)] == [["p1"], [], []]
    [[empty, found], [nothing]] = retriever.score(["one", ""], [["empty", "p1"], ["p1"]])
    assert (empty, nothing) == (0.0, 0.0)
    assert found == retriever.search(["one"])[0][0].score > 0
    assert retriever.get(["space", "empty"]) == blank[::-1]


def test_equal_scores_are_ordered_by_id(made: Callable[..., ColBERTRetriever]) -> None:
    same = [Passage(name, "one two three") for name in ("b", "d", "a", "c")]
    retriever = made(None, [*same, Passage("z", "nine ten")])
    [hits] = retriever.search(["one two three"], 5)
    assert ids(hits) == ["a", "b", "c", "d", "z"]
    assert len({hit.score for hit in hits[:4]}) == 1
    assert ids(retriever.search(["one two three"], 2)[0]) == ["a", "b"]
    assert [hit.trace[0].rank for hit in hits] == [1, 2, 3, 4, 5]


def test_filters_let_nothing_else_through(many: ColBERTRetriever) -> None:
    names = [f"p{number}" for number in range(400)]
    scores = [dict(zip(names, row, strict=True)) for row in many.score(QUERIES, [names] * 4)]
    for lowest in (0, 30, 250, 396, 400):  # up to 256 texts are all scored
        for where in ({"number": {"$gte": lowest}}, Gte("number", lowest)):
            for exact, hits in zip(scores, many.search(QUERIES, 20, where=where), strict=True):
                passing = sorted(names[lowest:], key=lambda name: (-exact[name], name))
                assert len(hits) == min(20, 400 - lowest)
                assert set(ids(hits)) <= set(passing)
                if lowest >= 250:
                    assert ids(hits) == passing[:20]
    for hits in many.search(QUERIES, 400, where=Eq("even", True) & Gte("number", 100)):
        assert sorted(ids(hits)) == sorted(names[100::2])


def test_k_may_be_more_than_there_is(many: ColBERTRetriever) -> None:
    for k, expected in ((1, 1), (399, 399), (400, 400), (5000, 400)):
        for hits in many.search(QUERIES, k):
            assert len({*ids(hits)}) == len(hits) == expected


def test_scores_are_those_that_search_reports(many: ColBERTRetriever) -> None:
    results = many.search(QUERIES, 15)
    scores = many.score(QUERIES, [ids(hits) for hits in results])
    for row, hits in zip(scores, results, strict=True):
        assert row == pytest.approx([hit.score for hit in hits], abs=1e-5)


def test_what_grew_and_shrank_is_what_was_built_at_once(
    made: Callable[..., ColBERTRetriever], tiny: Path
) -> None:
    numbers = list(range(300))
    grown = made(None, map(passage, numbers[:150]))
    grown.search(QUERIES)
    grown.add(map(passage, numbers[150:]))
    grown.search(QUERIES)
    gone = [0, *random.Random(0).sample(numbers[1:], 40)]  # the first, and any others
    assert grown.delete(passage(number).id for number in gone) == 41
    grown.optimize()
    kept = [passage(number) for number in numbers if number not in gone]

    def check(passages: list[Passage]) -> None:
        fresh = made(None, passages, model=RAGatouilleTokenEncoder(tiny))
        assert list(grown) == sorted(passages, key=lambda each: each.id)
        expected = fresh.search(QUERIES, 30)
        assert grown.search(QUERIES, 30) == expected
        where = {"number": {"$lt": 200}}
        assert grown.search(QUERIES, 30, where=where) == fresh.search(QUERIES, 30, where=where)
        grown.optimize()
        assert grown.search(QUERIES, 30) == expected

    check(kept)
    new = [Passage("p7", "ten ten ten"), *map(passage, range(300, 320))]
    grown.add(new)
    check([each for each in kept if each.id != "p7"] + new)


@pytest.mark.slow
def test_the_real_model_s_index_is_the_same_too(
    real: RAGatouilleTokenEncoder, small_corpus: tuple[Passage, ...]
) -> None:
    passages = [Passage(each.id, each.text[:150]) for each in small_corpus[:40]]
    queries = [each.text[150:200] for each in small_corpus[:8]]
    with (
        ColBERTRetriever.create(None, passages[:20], model=real) as grown,
        ColBERTRetriever.create(None, passages[10:], model=real) as fresh,
    ):
        grown.search(queries)
        grown.delete(each.id for each in passages[:10])
        grown.add(passages[:5:-1])
        grown.delete(each.id for each in passages[:10])
        grown.optimize()
        assert grown.search(queries) == fresh.search(queries)


def test_a_text_is_encoded_once(
    made: Callable[..., ColBERTRetriever], tiny: Path, tmp_path: Path
) -> None:
    encoder = Noting(tiny)
    first = [Passage("a", "one"), Passage("b", "two"), Passage("c", "one"), Passage("d", " ")]
    retriever = made(tmp_path / "index", first, model=encoder)
    retriever.add([Passage("e", "two"), Passage("a", "three"), Passage("f", "three")])
    retriever.search(["one"])
    retriever.delete(["c"])
    retriever.add([Passage("c", "one"), Passage("g", "four")])
    retriever.search(["one"])
    retriever.delete(["b"])
    retriever.optimize()
    retriever.close()
    with ColBERTRetriever.open(tmp_path / "index", model=encoder) as retriever:
        retriever.add([Passage("b", "four")])
        assert ids(retriever.search(["four"], 2)[0]) == ["b", "g"]
    assert sorted(encoder.encoded) == ["four", "one", "three", "two"]


def test_deleting_builds_nothing(made: Callable[..., ColBERTRetriever], tmp_path: Path) -> None:
    retriever = made(tmp_path / "index", map(passage, range(20)))
    retriever.search(QUERIES)
    [before] = (tmp_path / "index").glob("plaid-*")
    retriever.delete(["p0", "p7"])
    for hits in retriever.search(QUERIES, 20):
        assert sorted(ids(hits)) == sorted(f"p{n}" for n in range(20) if n not in (0, 7))
    assert list((tmp_path / "index").glob("plaid-*")) == [before]
    retriever.optimize()
    [after] = (tmp_path / "index").glob("plaid-*")
    assert after != before
    assert text_of(7) not in (after / "collection.json").read_text()


def test_optimizing_forgets_what_was_deleted(
    made: Callable[..., ColBERTRetriever], tmp_path: Path
) -> None:
    retriever = made(tmp_path / "index", [passage(1), Passage("blank", " ")])
    retriever.search(["one"])
    retriever.delete(["p1"])
    assert retriever.search(["one"]) == [[]]
    retriever.optimize()
    left = [path.name for path in (tmp_path / "index").iterdir()]
    assert sorted(left) == ["colbert.jsonl", "lock"]
    retriever.add([passage(1), passage(2)])
    assert sorted(ids(retriever.search(["one"])[0])) == ["p1", "p2"]


def test_it_is_found_again_as_it_was(tiny: Path, tmp_path: Path) -> None:
    with ColBERTRetriever.create(
        tmp_path / "index", map(passage, range(30)), model=tiny, query_length=12, bits=2
    ) as retriever:
        retriever.delete(["p3"])
        before = retriever.search(QUERIES)
        info = retriever.info()
    built = sorted((tmp_path / "index").rglob("*"))
    encoder = Noting(tiny, query_length=12)
    for model in (None, tiny, encoder):
        with ColBERTRetriever.open(tmp_path / "index", model=model) as again:
            assert again.search(QUERIES) == before
            assert again.info() == info
            assert list(again) == sorted(
                (passage(n) for n in range(30) if n != 3), key=lambda each: each.id
            )
    assert encoder.encoded == []
    assert sorted((tmp_path / "index").rglob("*")) == built, "nothing was built again"
    assert info == {
        "place": str(tmp_path / "index"),
        "passages": 29,
        "encoder": encoder.identity,
        "bits": 2,
        "format": 1,
    }


def test_only_one_has_it_open(made: Callable[..., ColBERTRetriever], tmp_path: Path) -> None:
    retriever = made(tmp_path / "index", [passage(1)])
    with pytest.raises(IndexLockedError, match="is open already"):
        ColBERTRetriever.open(tmp_path / "index")
    with pytest.raises(IndexLockedError, match="is open already"):
        made(tmp_path / "index", overwrite=True)
    retriever.close()
    with ColBERTRetriever.open(tmp_path / "index") as again:
        assert list(again) == [passage(1)]


def test_another_model_is_refused(
    made: Callable[..., ColBERTRetriever],
    tiny: Path,
    real: RAGatouilleTokenEncoder,
    tmp_path: Path,
) -> None:
    made(tmp_path / "index", [passage(1)]).close()
    others = (real, real.folder, RAGatouilleTokenEncoder(tiny, query_length=16))
    kept = []  # with their frames, so that nothing is let go of by being collected
    for other in others:
        with pytest.raises(EncoderMismatchError, match="was made with the model") as error:
            ColBERTRetriever.open(tmp_path / "index", model=other)
        kept.append(error)
    with pytest.raises(ModelNotFoundError, match="there is no folder"):
        ColBERTRetriever.open(tmp_path / "index", model=tmp_path / "none")
    ColBERTRetriever.open(tmp_path / "index").close()  # the lock was let go of each time


def test_what_is_not_a_retriever_is_refused(
    made: Callable[..., ColBERTRetriever], tmp_path: Path
) -> None:
    with pytest.raises(IndexNotFoundError, match=r"ColBERTRetriever\.create makes one"):
        ColBERTRetriever.open(tmp_path / "index")
    made(tmp_path / "index", [passage(1)]).close()
    path = tmp_path / "index" / "colbert.jsonl"
    header, *lines = path.read_text().splitlines()
    newer = json.dumps(json.loads(header) | {"plaid": 99})
    path.write_text("\n".join([newer, *lines]) + "\n")
    with pytest.raises(CorruptIndexError, match="has format 99"):
        ColBERTRetriever.open(tmp_path / "index")
    less = {name: value for name, value in json.loads(header).items() if name != "bits"}
    path.write_text("\n".join([json.dumps(less), *lines]) + "\n")
    with pytest.raises(CorruptIndexError, match="lacks its 'bits'"):
        ColBERTRetriever.open(tmp_path / "index")

    BM25Retriever([passage(1)]).save(tmp_path / "bm25")
    [passages] = (tmp_path / "bm25").glob("*.jsonl")
    path.write_bytes(passages.read_bytes())
    with pytest.raises(CorruptIndexError, match="has format None"):
        ColBERTRetriever.open(tmp_path / "index")
    path.write_text(header[:-5])
    with pytest.raises(CorruptIndexError, match="was not written by Hybridge"):
        ColBERTRetriever.open(tmp_path / "index")


@pytest.mark.parametrize("lost", [["centroids.pt"], ["ivf.pid.pt", "tokens"]])
def test_what_is_derived_is_made_again(
    tiny: Path, tmp_path: Path, lost: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with ColBERTRetriever.create(
        tmp_path / "index", map(passage, range(8)), model=tiny
    ) as retriever:
        before = retriever.search(QUERIES)
    [folder] = (tmp_path / "index").glob("plaid-*")
    (folder / lost[0]).write_bytes(b"damaged")
    if "tokens" in lost:
        [vectors] = (tmp_path / "index" / "tokens").glob("*.f16")
        vectors.write_bytes(vectors.read_bytes()[:-1])
    encoder = Noting(tiny)
    with (
        caplog.at_level(logging.WARNING),
        ColBERTRetriever.open(tmp_path / "index", model=encoder) as retriever,
    ):
        assert retriever.search(QUERIES) == before
    assert f"{folder} is no whole PLAID index" in caplog.text
    assert "building it anew" in caplog.text
    assert len(encoder.encoded) == (8 if "tokens" in lost else 0)
    caplog.clear()
    with ColBERTRetriever.open(tmp_path / "index") as retriever:
        assert retriever.search(QUERIES) == before
    assert caplog.text == ""


def test_only_a_retriever_is_overwritten(
    made: Callable[..., ColBERTRetriever], tmp_path: Path
) -> None:
    path = tmp_path / "index"
    made(path, map(passage, range(5))).close()
    with pytest.raises(IndexExistsError, match="pass overwrite=True"):
        made(path)
    with pytest.raises(InvalidInputError, match="bits must be"):
        made(path, overwrite=True, bits=3)
    with ColBERTRetriever.open(path) as kept:
        assert len(kept) == 5
        kept.search(QUERIES)
    made(path, [passage(9)], overwrite=True).close()
    with ColBERTRetriever.open(path) as replaced:
        assert list(replaced) == [passage(9)]
        assert ids(replaced.search([text_of(0)])[0]) == ["p9"]

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("irreplaceable")
    for overwrite in (False, True):
        with pytest.raises(IndexExistsError, match="holds other files"):
            made(tmp_path / "other", overwrite=overwrite)
    assert (tmp_path / "other" / "thesis.txt").read_text() == "irreplaceable"


def test_what_cannot_be_replaced_stays(
    made: Callable[..., ColBERTRetriever], tiny: Path, tmp_path: Path
) -> None:
    class Failing(RAGatouilleTokenEncoder):
        def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
            raise error

    path = tmp_path / "index"
    with made(path, map(passage, range(5))) as retriever:
        before = retriever.search(QUERIES)
    files = sorted(path.rglob("*"))
    for error in (InvalidInputError("NaN"), ModelNotFoundError("damaged"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            made(path, [passage(9)], overwrite=True, model=Failing(tiny))
        assert sorted(path.rglob("*")) == files
        with ColBERTRetriever.open(path) as kept:
            assert kept.search(QUERIES) == before


def test_replacing_takes_no_vectors_of_another_model(
    made: Callable[..., ColBERTRetriever], tiny: Path, tmp_path: Path
) -> None:
    passages = [Passage(str(number), "one two three " * 3 + text_of(number)) for number in range(9)]
    made(tmp_path / "index", passages).close()
    cut = RAGatouilleTokenEncoder(tiny, passage_length=6)
    replaced = made(tmp_path / "index", passages, model=cut, overwrite=True)
    assert replaced.search(QUERIES) == made(None, passages, model=cut).search(QUERIES)


def test_an_index_keeps_token_vectors_by_it(checkpoint: Path, tmp_path: Path) -> None:
    encoder = RAGatouilleTokenEncoder(checkpoint, query_length=24, passage_length=48)
    passages = [Passage("1", "Aspirin thins the blood."), Passage("2", "Bread needs yeast.")]
    with HybridIndex.create(tmp_path / "index", late_interaction=encoder) as index:
        index.add(passages)
        [before] = index.search(["what does a baker need?"])
    with HybridIndex.open(tmp_path / "index") as index:
        assert index.search(["what does a baker need?"]) == [before]


def test_a_temporary_folder_goes(
    made: Callable[..., ColBERTRetriever],
    tokens: RAGatouilleTokenEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    retriever = made(None, [passage(1)])
    retriever.search(["one"])
    assert retriever.info()["place"] == "temporary"
    assert repr(retriever) == "ColBERTRetriever(temporary)"
    assert len(list(tmp_path.iterdir())) == 1
    retriever.close()
    assert list(tmp_path.iterdir()) == []

    forgotten = ColBERTRetriever.create(None, [passage(1)], model=tokens)
    forgotten.search(["one"])
    assert len(list(tmp_path.iterdir())) == 1
    del forgotten
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_retriever_raises(made: Callable[..., ColBERTRetriever], tmp_path: Path) -> None:
    with made(tmp_path / "index", [passage(1)]) as retriever:
        retriever.search(["one"])
    retriever.close()
    calls: list[Callable[[], object]] = [
        lambda: retriever.search(["one"]),
        lambda: retriever.search([""]),
        lambda: retriever.score(["one"], [["p1"]]),
        lambda: retriever.add([passage(2)]),
        lambda: retriever.add([]),
        lambda: retriever.delete(["p1"]),
        lambda: retriever.get(["p1"]),
        lambda: len(retriever),
        lambda: list(retriever),
        lambda: retriever.info(),
        lambda: retriever.optimize(),
    ]
    for call in calls:
        with pytest.raises(ClosedError, match=r"was closed: .*ColBERTRetriever\.open"):
            call()
    assert repr(retriever) == f"ColBERTRetriever({tmp_path / 'index'})"


def test_paths_may_be_relative_and_the_folder_may_change(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ColBERTRetriever.create(
        "index", [passage(1)], model=os.path.relpath(tiny, tmp_path)
    ) as retriever:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        retriever.add([passage(2)])
        before = retriever.search(QUERIES)
    with ColBERTRetriever.open(Path("..") / "index") as retriever:
        monkeypatch.chdir(tmp_path)
        assert retriever.search(QUERIES) == before
        retriever.add([passage(3)])
        assert len(retriever.search(["one"])[0]) == 3
    (tmp_path / "index").rename(tmp_path / "moved")
    with ColBERTRetriever.open("moved") as retriever:
        assert len(retriever.search(["one"])[0]) == 3
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()].count("index") == 0


def test_a_passage_may_be_as_long_as_it_likes(real: RAGatouilleTokenEncoder) -> None:
    passages = [
        Passage("long", "aspirin thins blood and " * 2500),
        Passage("cut", "aspirin thins blood and " * 100),
        Passage("short", "Bread needs yeast."),
    ]
    with ColBERTRetriever.create(None, passages, model=real) as retriever:
        [hits] = retriever.search(["does aspirin thin the blood?"])
        assert sorted(ids(hits)[:2]) == ["cut", "long"]
        assert hits[0].score == pytest.approx(hits[1].score, abs=1e-5)
        assert hits[2].passage.id == "short"
        assert retriever.get(["long"]) == [passages[0]]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"model": "/none/such"}, "there is no folder '/none/such'"),
        ({"model": 7}, "must be a name on the hub"),
        ({"bits": 3}, "bits must be one of"),
        ({"bits": 8}, "bits must be one of"),
        ({"bits": True}, "bits must be one of"),
        ({"bits": 4.0}, "bits must be one of"),
        ({"query_length": 8}, "query_length belong to the RAGatouilleTokenEncoder"),
        ({"model": "tiny", "query_length": 3}, "query_length must be from 4 to 48"),
        ({"model": "tiny", "query_length": 49}, "query_length must be from 4 to 48"),
        ({"model": "tiny", "passage_length": 0}, "passage_length must be"),
        ({"model": "tiny", "device": "abacus"}, "device 'abacus' cannot be used"),
        ({"passages": [passage(1), passage(2), passage(1)]}, "'p1'"),
        ({"passages": passage(1)}, "passages must be a list"),
        ({"passages": ["text"]}, "str"),
    ],
)
def test_bad_arguments_make_nothing(
    made: Callable[..., ColBERTRetriever],
    tiny: Path,
    tmp_path: Path,
    named: dict[str, Any],
    message: str,
) -> None:
    if named.get("model") == "tiny":
        named = {**named, "model": tiny}
    with pytest.raises(HybridgeError, match=message):
        made(tmp_path / "index", **{"passages": [passage(1)], **named})
    assert not (tmp_path / "index" / "colbert.jsonl").exists()
    made(tmp_path / "index", [passage(1)])  # nothing is in its way


def test_vectors_that_cannot_be_packed_are_refused(
    tiny_colbert: MultiVectorEncoder, tmp_path: Path
) -> None:
    narrow = export_checkpoint(tiny_colbert, tmp_path / "narrow")
    with pytest.raises(InvalidInputError, match="4 coordinates cannot be packed by 1 bits"):
        ColBERTRetriever.create(tmp_path / "index", model=narrow, bits=1)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_fewer_bits_still_find(made: Callable[..., ColBERTRetriever], bits: int) -> None:
    retriever = made(None, map(passage, range(20)), bits=bits)
    results = retriever.search([text_of(number) for number in range(20)], 3)
    assert sum(f"p{number}" in ids(hits) for number, hits in enumerate(results)) >= 18


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.delete(), "either ids or where"),
        (lambda r: r.delete(["p1"], where={"number": 1}), "either ids or where"),
        (lambda r: r.delete("p1"), "ids must be a list"),
        (lambda r: r.delete([1.5]), "ids must be strings"),
        (lambda r: r.delete(where={"number": {"$near": 1}}), r"\$near"),
        (lambda r: r.get("p1"), "ids must be a list"),
        (lambda r: r.add([passage(2), passage(2)]), "'p2'"),
        (lambda r: r.add([passage(2), "three"]), "str"),
        (lambda r: r.search(["one"], where={"number": {"$near": 1}}), r"\$near"),
        (lambda r: r.search(["one"], 0), "k must be"),
        (lambda r: r.search("one"), "queries must be a list"),
        (lambda r: r.score(["one"], [["p1"], ["p1"]]), "2 lists of ids for 1 queries"),
        (lambda r: r.score(["one"], [["p2"]]), "no passage has the id 'p2'"),
    ],
)
def test_bad_calls_change_nothing(
    made: Callable[..., ColBERTRetriever],
    call: Callable[[ColBERTRetriever], object],
    message: str,
) -> None:
    retriever = made(None, [passage(1)])
    with pytest.raises(InvalidInputError, match=message):
        call(retriever)
    assert list(retriever) == [passage(1)]
    assert ids(retriever.search(["one"])[0]) == ["p1"]


def test_nan_is_never_stored(tiny: Path, tmp_path: Path) -> None:
    encoder = RAGatouilleTokenEncoder(tiny)
    model = encoder._loaded().model
    words = model.get_input_embeddings().weight
    with torch.no_grad():
        words[encoder._loaded().doc_tokenizer.tok.convert_tokens_to_ids("ten")] = float("nan")
    good, bad = Passage("good", "one two"), Passage("bad", "nine ten")
    with pytest.raises(InvalidInputError, match="NaN or infinity for 'nine ten'"):
        ColBERTRetriever.create(tmp_path / "index", [good, bad], model=encoder)
    with ColBERTRetriever.create(tmp_path / "index", [good], model=encoder) as retriever:
        before = retriever.search(["one"])
        with pytest.raises(InvalidInputError, match="NaN or infinity for 'nine ten'"):
            retriever.add([Passage("new", "three"), bad])
        assert list(retriever) == [good]
        assert retriever.search(["one"]) == before
        with pytest.raises(InvalidInputError, match="NaN or infinity for 'ten'"):
            retriever.search(["ten"])


@pytest.mark.slow
def test_searches_go_on_while_others_write(made: Callable[..., ColBERTRetriever]) -> None:
    stable = [passage(number) for number in range(40)]
    retriever = made(None, stable)
    done, wrong, searches = threading.Event(), [], [0, 0, 0]

    def search(seed: int) -> None:
        chance = random.Random(seed)
        try:
            while not done.is_set():
                [hits] = retriever.search([chance.choice(QUERIES)], 100)
                found = {hit.passage.id: hit.passage for hit in hits}
                # Each passage has the text that its number says, and none of the stable ones lacks.
                assert len(found) == len(hits)
                assert all(each == passage(int(name[1:])) for name, each in found.items())
                assert found.keys() >= {each.id for each in stable}
                [hits] = retriever.search(["one"], 100, where={"even": True})
                assert all(hit.passage.metadata["even"] for hit in hits)
                retriever.score(["two"], [[chance.choice(stable).id]])
                searches[seed] += 1
        except Exception as error:  # noqa: BLE001 - any error at all is what we look for
            wrong.append(repr(error))

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    try:
        for start in range(100, 160, 10):
            retriever.add(map(passage, range(start, start + 10)))
            retriever.search(["one"])
            retriever.delete(f"p{number}" for number in range(start, start + 5))
            retriever.delete(where={"number": {"$gte": start + 8}})
            if start % 20:
                retriever.optimize()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert min(searches) > 0
    expected = {f"p{start + step}" for start in range(100, 160, 10) for step in (5, 6, 7)}
    assert {each.id for each in retriever} == expected | {each.id for each in stable}


def test_searches_do_not_wait_for_what_is_encoded(
    made: Callable[..., ColBERTRetriever], tiny: Path
) -> None:
    class Slow(Noting):
        begun, go_on = threading.Event(), threading.Event()

        def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> list[Vectors]:
            if text_of(9) in texts:
                self.begun.set()
                assert self.go_on.wait(60)
            return super().encode_passages(texts, progress=progress)

    encoder = Slow(tiny)
    retriever = made(None, map(passage, range(8)), model=encoder)
    retriever.search(["one"])
    with ThreadPoolExecutor(2) as pool:
        added = pool.submit(retriever.add, [passage(8), passage(9)])
        try:
            assert encoder.begun.wait(60)
            retriever.delete(["p0"])
            # It builds the index anew, and tidies the vectors up.
            pool.submit(retriever.optimize).result(30)
            [hits] = pool.submit(retriever.search, ["one"], 20).result(30)
            assert sorted(ids(hits)) == [f"p{number}" for number in range(1, 8)]
        finally:
            encoder.go_on.set()
        assert added.result(60) == 2
    [hits] = retriever.search(["one"], 20)
    assert sorted(ids(hits)) == [f"p{number}" for number in range(1, 10)]
    assert sorted(encoder.encoded) == sorted(text_of(number) for number in range(10))


def test_models_and_retrievers_live_side_by_side(
    made: Callable[..., ColBERTRetriever], tiny: Path, real: RAGatouilleTokenEncoder, tmp_path: Path
) -> None:
    texts = {"1": "Aspirin thins the blood.", "2": "Bread needs yeast."}
    left = made(tmp_path / "left", model=RAGatouilleTokenEncoder(tiny))
    right = made(tmp_path / "right", model=real)
    left.add(map(passage, range(12)))
    right.add(map(Passage, texts, texts.values()))
    by_left = left.search(QUERIES)
    by_right = right.search(["what does a baker need?"])
    assert ids(by_right[0]) == ["2", "1"]
    assert left.search(QUERIES) == by_left
    for folder in ("left", "right"):
        assert len(list((tmp_path / folder).glob("plaid-*"))) == 1
    left.close()
    assert right.search(["what does a baker need?"]) == by_right
    right.close()
    with (
        ColBERTRetriever.open(tmp_path / "right") as right,
        ColBERTRetriever.open(tmp_path / "left") as left,
    ):
        assert left.search(QUERIES) == by_left
        assert right.search(["what does a baker need?"]) == by_right
    alone = made(None, map(passage, range(12)))
    assert alone.search(QUERIES) == by_left


def test_nothing_is_printed(tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with ColBERTRetriever.create(tmp_path / "index", [passage(1)], model=tiny) as retriever:
        retriever.add([passage(2), passage(3)])
        retriever.search(QUERIES, 5)
        retriever.delete(["p1"])
        retriever.optimize()
        retriever.score(["one"], [["p2"]])
    with ColBERTRetriever.open(tmp_path / "index") as retriever:
        retriever.search(QUERIES, 5, where={"even": True})
        assert capfd.readouterr() == ("", "")
        retriever.add([passage(4)], progress=True)
        assert "Encoding: 100%" in capfd.readouterr().err
