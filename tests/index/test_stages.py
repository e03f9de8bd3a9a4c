"""Any number of stages in an index: added, removed, found by, and reopened under their names."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from hybridge import CallableEncoder, FusedRetriever, Hit, HybridIndex, Passage, explain
from hybridge.encoders.sparse import CallableSparseEncoder
from hybridge.errors import (
    EncoderMismatchError,
    HybridgeError,
    IndexExistsError,
    InvalidInputError,
    ReadOnlyError,
    StoreError,
)
from hybridge.fusion import FUSIONS
from hybridge.index import served as served_storage
from hybridge.lexical import BM25Parameters
from hybridge.protocols import Vectors
from hybridge.stages import BM25, Dense, LateInteraction, LearnedSparse, Stage
from hybridge.tuning import Space, tune
from hybridge.vectors.client import ClientStore
from hybridge.vectors.connection import connect
from hybridge.vectors.edge import EdgeStore

from .conftest import DIMENSION, word_vectors
from .test_late import WordTokens

TEXTS = [
    "cats and dogs sleep a lot",
    "cats sleep",
    "birds sing at dawn",
    "  ",
    "people sing songs about cats",
    "dogs dig at dawn",
    "katzen schlafen",
    "die katze singt",
]
PASSAGES = [
    Passage(f"p{n}", f"{text} {n // 8}".rstrip() if text.strip() else text, {"even": n % 2 == 0})
    for n, text in enumerate(TEXTS * 4)
]
QUERIES = ["cats sing at dawn", "dogs sleep", "die katze", "", "nothing of it"]
NAMES = ["english", "german", "words", "letters", "vowels", "tokens"]


def letter_vectors(texts: Sequence[str]) -> Vectors:
    counts = [[text.count(letter) for letter in "abcdefghijklmnopqrst"] for text in texts]
    return np.array(counts, dtype=np.float32).reshape(len(texts), 20) + 0.01


class Counting:
    """An encoder that counts the texts it encodes, and fails after some."""

    def __init__(self, most: int | None = None, then: Callable[[], Any] | None = None) -> None:
        self.texts: list[str] = []
        self.most = most
        self.then = then

    def __call__(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        if self.most is not None and len(self.texts) > self.most:
            if self.then is not None:
                self.then()
            raise RuntimeError("the model is gone")
        return letter_vectors(texts)


def words() -> CallableEncoder:
    return CallableEncoder(word_vectors, dimension=DIMENSION, identity="words")


def letters(function: Callable[[Sequence[str]], Any] = letter_vectors) -> CallableEncoder:
    return CallableEncoder(function, dimension=20, identity="letters", batch_size=16)


def vowels() -> CallableSparseEncoder:
    return CallableSparseEncoder(
        lambda texts: [
            {"aeiou".index(c): float(text.count(c)) for c in "aeiou" if c in text} for text in texts
        ],
        identity="vowels",
        tokens=lambda indices: ["aeiou"[index] for index in indices],
    )


def stages(lexical: Any = None) -> list[Stage]:
    return [
        BM25(name="english", lexical=lexical),
        BM25("german", name="german", lexical=lexical),
        Dense(words(), name="words"),
        Dense(letters(), name="letters", distance="dot"),
        LearnedSparse(vowels(), name="vowels"),
        LateInteraction(WordTokens(), name="tokens"),
    ]


PLACES: dict[str, dict[str, Any]] = {
    "bm25s": {"lexical": "bm25s"},
    "qdrant": {"lexical": "qdrant"},
    "served": {"lexical": "qdrant", "url": ":memory:"},
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(PLACES[request.param])


def created(place: dict[str, Any], chosen: Sequence[Stage], **settings: Any) -> HybridIndex:
    where = {key: value for key, value in place.items() if key != "lexical"}
    return HybridIndex.create(**where, stages=chosen, **settings)


def seen(lists: Sequence[Sequence[Hit]]) -> list[list[Any]]:
    return [
        [
            (hit.passage, [(e.stage, e.rank, pytest.approx(e.score, abs=1e-5)) for e in hit.trace])
            for hit in hits
        ]
        for hits in lists
    ]


def outline(lists: Sequence[Sequence[Hit]]) -> list[list[Any]]:
    return [[(h.passage.id, pytest.approx(h.score, abs=1e-5)) for h in hits] for hits in lists]


# Where scores tie, ranks go by points in an index, and by ids in a FusedRetriever.
@pytest.mark.parametrize("fusion", sorted(set(FUSIONS) - {"rrf", "weighted-rrf"}))
def test_stages_of_an_index_are_fused_as_retrievers_are(place: dict[str, Any], fusion: str) -> None:
    with created(place, stages(place["lexical"])[:5], fusion=fusion, depth=40) as index:
        index.add(PASSAGES)
        assert list(index.stages) == NAMES[:5]
        assert index.defaults["weights"] == dict.fromkeys(NAMES[:5], 0.2)
        fused = FusedRetriever(index.stages, fusion=fusion, depth=40)
        assert outline(index.search(QUERIES, 4)) == outline(fused.search(QUERIES, 4))
        where = {"even": True}
        found = index.search(QUERIES, 4, where=where)
        assert outline(found) == outline(fused.search(QUERIES, 4, where=where))
        assert all(hit.passage.metadata["even"] for hits in found for hit in hits)
        weights = dict(zip(NAMES, (1, 0, 3, 0.5, 2), strict=False))
        again = FusedRetriever(index.stages, fusion=fusion, depth=40, weights=weights)
        found = index.search(QUERIES, 4, weights=weights)
        assert outline(found) == outline(again.search(QUERIES, 4))
        assert not any(hit.stage("german") for hits in found for hit in hits)


def test_a_learned_sparse_score_is_the_dot_product(place: dict[str, Any]) -> None:
    with created(place, stages(place["lexical"])) as index:
        index.add(PASSAGES)
        for query in QUERIES[:3]:
            of_query = {c: query.count(c) for c in "aeiou"}
            [scores] = index.stages["vowels"].score([query], [[p.id for p in PASSAGES]])
            expected = [sum(of_query[c] * p.text.count(c) for c in "aeiou") for p in PASSAGES]
            assert scores == pytest.approx(expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_added_later_is_as_if_it_had_been_there(place: dict[str, Any], name: str) -> None:
    chosen = {stage.name: stage for stage in stages(place["lexical"])}
    late = chosen.pop(name)
    with (
        created(place, [*chosen.values(), late]) as whole,
        created(
            place if "url" not in place else {**place, "collection": "other"}, list(chosen.values())
        ) as grown,
    ):
        for index in (whole, grown):
            index.add(PASSAGES[:20])
        grown.add_stage(late)
        for index in (whole, grown):
            index.add([Passage("p3", "new words of p3"), *PASSAGES[20:]])
            index.delete(["p1"])
        assert list(grown.stages) == list(whole.stages)
        assert grown.defaults["weights"] == pytest.approx(whole.defaults["weights"])
        assert seen(grown.search(QUERIES, 5)) == seen(whole.search(QUERIES, 5))
        for stage in whole.stages:
            found = grown.stages[stage].search(QUERIES, 5)
            assert seen(found) == seen(whole.stages[stage].search(QUERIES, 5))


@pytest.mark.parametrize("name", NAMES)
def test_what_a_removed_stage_leaves_is_an_index_without_it(
    place: dict[str, Any], name: str
) -> None:
    chosen = stages(place["lexical"])
    rest = [stage for stage in chosen if stage.name != name]
    other = place if "url" not in place else {**place, "collection": "other"}
    with created(place, chosen) as index, created(other, rest) as expected:
        index.add(PASSAGES)
        expected.add(PASSAGES)
        index.remove_stage(name)
        assert list(index.stages) == [stage.name for stage in rest]
        assert seen(index.search(QUERIES, 5)) == seen(expected.search(QUERIES, 5))
        index.add([Passage("new", "cats sing a new song")])
        assert index.search(["new song"])[0][0].passage.id == "new"
        with pytest.raises(InvalidInputError, match="no stage"):
            index.remove_stage(name)
        # The name is free again.
        index.add_stage(next(stage for stage in chosen if stage.name == name))
        assert set(index.stages) == set(NAMES)


def test_all_stages_come_back(tmp_path: Path) -> None:
    for lexical in ("bm25s", "qdrant"):
        folder = tmp_path / lexical
        with HybridIndex.create(folder, stages=stages(lexical), depth=7) as index:
            index.add(PASSAGES)
            found, info = index.search(QUERIES, 5), index.info()
        with pytest.raises(EncoderMismatchError, match=r"'words'.*stages=\[Dense\(.*name='words'"):
            HybridIndex.open(folder)
        with HybridIndex.open(folder, stages=stages(lexical)[2:]) as again:
            assert seen(again.search(QUERIES, 5)) == seen(found)
            assert again.info() == info
        with pytest.raises(EncoderMismatchError, match=r"'letters'.*not 'words'"):
            HybridIndex.open(folder, stages=[*stages()[2:], Dense(words(), name="letters")])
        with pytest.raises(InvalidInputError, match="no stage 'other'"):
            HybridIndex.open(folder, stages=[Dense(words(), name="other")])


def test_an_added_stage_comes_back_and_a_removed_one_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with HybridIndex.create(folder, stages=stages()[:3]) as index:
        index.add(PASSAGES)
        index.add_stage(Dense(letters(), name="letters"), weight=0.5)
        index.remove_stage("german")
        found = index.search(QUERIES, 5)
        assert index.defaults["weights"] == pytest.approx(
            {"english": 1 / 6, "words": 1 / 6, "letters": 0.5}
        )
    with HybridIndex.open(folder, stages=[stages()[2], Dense(letters(), name="letters")]) as again:
        assert list(again.stages) == ["english", "words", "letters"]
        assert seen(again.search(QUERIES, 5)) == seen(found)


def test_an_interrupted_stage_changes_nothing_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.index.stage_changes._BATCH", 10)
    folder, opening = tmp_path / "index", {"stages": stages()[2:3]}
    with HybridIndex.create(folder, stages=stages()[:3]) as index:
        index.add(PASSAGES)
        before = index.search(QUERIES, 5)
        failing = Counting(most=15)
        with pytest.raises(RuntimeError, match="model is gone"):
            index.add_stage(Dense(letters(failing), name="letters"))
        assert seen(index.search(QUERIES, 5)) == seen(before)
        assert index.info()["pending"] == "letters"
        with pytest.raises(InvalidInputError, match="adding the stage 'letters' was interrupted"):
            index.add_stage(LearnedSparse(vowels(), name="vowels"))
        index.add([Passage("late", "a late passage about dogs")])  # without the pending stage
    with HybridIndex.open(folder, **opening) as index:
        counting = Counting()
        index.add_stage(Dense(letters(counting), name="letters"))
        written = {passage.text for passage in PASSAGES[:10]}
        assert len(counting.texts) == len(PASSAGES) + 1 - len(written)
        assert index.info()["pending"] is None
        ids = [passage.id for passage in index]
        [scores] = index.stages["letters"].score(["dogs"], [ids])
        assert len(scores) == len(PASSAGES) + 1
        assert min(scores) > 0


def test_a_half_added_stage_can_be_given_up(tmp_path: Path) -> None:
    with HybridIndex.create(tmp_path / "index", stages=stages()[:3]) as index:
        index.add(PASSAGES)
        before = index.search(QUERIES, 5)
        with pytest.raises(RuntimeError):
            index.add_stage(Dense(letters(Counting(most=0)), name="letters"))
        index.remove_stage("letters")
        assert index.info()["pending"] is None
        assert seen(index.search(QUERIES, 5)) == seen(before)
        index.add_stage(Dense(words(), name="letters"))
        assert list(index.stages) == ["english", "german", "words", "letters"]


def _killed(folder: Path, most: int) -> None:
    index = HybridIndex.open(folder, stages=stages()[2:3])
    failing = Counting(most, then=lambda: os._exit(9))
    index.add_stage(Dense(letters(failing), name="letters"))


@pytest.mark.parametrize("most", [0, 12, 25])
def test_a_kill_while_a_stage_is_added_loses_nothing(
    tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.index.stage_changes._BATCH", 10)
    folder = tmp_path / "index"
    with HybridIndex.create(folder, stages=stages()[:3]) as index:
        index.add(PASSAGES)
        before = index.search(QUERIES, 5)
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(folder, most))
    process.start()
    process.join()
    assert process.exitcode == 9
    with HybridIndex.open(folder, stages=stages()[2:3]) as index:
        assert seen(index.search(QUERIES, 5)) == seen(before)
        index.add_stage(Dense(letters(), name="letters"))
        added = index.search(QUERIES, 5)
    with HybridIndex.create(stages=[*stages()[:3], Dense(letters(), name="letters")]) as expected:
        expected.add(PASSAGES)
        assert seen(added) == seen(expected.search(QUERIES, 5))


def test_writes_and_searches_go_on_while_a_stage_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridge.index.stage_changes._BATCH", 4)
    with HybridIndex.create(stages=stages()[:3]) as index:
        index.add(PASSAGES[:20])
        done: list[bool] = []
        started = Event()

        def others() -> None:
            started.set()
            for passage in PASSAGES[20:]:
                index.add([passage])
                index.search(QUERIES, 3)
            index.add([Passage("p2", "another text of p2")])
            index.delete(["p4"])
            done.append(True)

        writer = Thread(target=others)

        def slow(texts: Sequence[str]) -> Vectors:
            if not started.is_set():
                writer.start()
                started.wait()
            return letter_vectors(texts)

        index.add_stage(Dense(letters(slow), name="letters"))
        writer.join()
        assert done
        ids = sorted(passage.id for passage in index)
        assert len(ids) == len(PASSAGES) - 1
        [scores] = index.stages["letters"].score(["another text"], [ids])
        with HybridIndex.create(stages=[Dense(letters(), name="letters")]) as expected:
            expected.add(index)
            assert [scores] == [
                pytest.approx(expected.stages["letters"].score(["another text"], [ids])[0])
            ]


def test_an_index_may_have_one_stage_alone() -> None:
    with HybridIndex.create(stages=[Dense(words(), name="words")]) as index:
        index.add(PASSAGES)
        assert outline(index.search(QUERIES[:1], 3)) != []
        ids = [hit.passage.id for hit in index.search(["cats sleep"], 3)[0]]
        assert ids == [hit.passage.id for hit in index.dense.search(["cats sleep"], 3)[0]]
        with pytest.raises(InvalidInputError, match=r"no BM25 stage; its stages are 'words'"):
            _ = index.bm25
        with pytest.raises(InvalidInputError, match="only stage that finds"):
            index.remove_stage("words")


def test_bm25_may_be_alone_and_get_company(place: dict[str, Any], tmp_path: Path) -> None:
    folder = {} if "url" in place else {"path": tmp_path / "index"}
    with created({**place, **folder}, [BM25(lexical=place["lexical"])]) as index:
        index.add(PASSAGES)
        expected = index.bm25.search(QUERIES)
        assert [[h.passage.id for h in hits] for hits in index.search(QUERIES)] == [
            [h.passage.id for h in hits] for hits in expected
        ]
        index.add_stage(Dense(letters(), name="letters"))
        both = index.search(QUERIES)
        index.remove_stage("bm25")
        index.add_stage(BM25(lexical=place["lexical"]))
        assert outline(index.search(QUERIES)) == outline(both)
        index.remove_stage("letters")
        assert outline(index.bm25.search(QUERIES)) == outline(expected)
    if folder:
        with HybridIndex.open(tmp_path / "index") as again:
            again.add([Passage("new", "a whale")])
            again.delete(["p0"])
            assert [h.passage.id for h in again.search(["whale"])[0]] == ["new"]


def test_several_late_stages_score_one_after_another() -> None:
    chosen = [*stages()[:3], LateInteraction(WordTokens("a"), name="first", blend=0.5)]
    second = LateInteraction(WordTokens("b"), name="second", blend=0.25)
    with HybridIndex.create(stages=[*chosen, second]) as index:
        index.add(PASSAGES)
        [hits] = index.search(["cats sing"], 3)
        assert [entry.stage for entry in hits[0].trace[-5:]] == [
            *["fusion", "first", "first:blend", "second", "second:blend"]
        ]
        assert index.defaults["blend"] == {"first": 0.5, "second": 0.25}
        [alone] = index.search(["cats sing"], 3, blend={"first": 0})
        assert [entry.stage for entry in alone[0].trace[-3:]] == [
            "fusion",
            "second",
            "second:blend",
        ]
        with pytest.raises(InvalidInputError, match="one number for 2 stages"):
            index.search(["cats"], blend=0.3)
        with pytest.raises(InvalidInputError, match="blend names"):
            index.search(["cats"], blend={"third": 0.3})
        explanation = explain(index, "cats sing", hits[0])
        assert [part.stage for part in explanation.blends] == ["first", "second"]
        assert list(explanation.late) == ["first", "second"]
        assert explanation.blends[-1].after == pytest.approx(hits[0].score)
        before, own, share = (
            explanation.blends[-1].before_normalised,
            explanation.blends[-1].score_normalised,
            explanation.blends[-1].blend,
        )
        assert before is not None
        assert own is not None
        assert share * own + (1 - share) * before == pytest.approx(hits[0].score)


def test_vectors_of_several_stages_are_given_by_name() -> None:
    with HybridIndex.create(stages=stages()[2:4]) as index:
        rows = {
            "words": word_vectors([p.text for p in PASSAGES]),
            "letters": letter_vectors([p.text for p in PASSAGES]),
        }
        index.add(PASSAGES, vectors=rows)
        known = {"words": word_vectors(QUERIES), "letters": letter_vectors(QUERIES)}
        assert seen(index.search(QUERIES, vectors=known)) == seen(index.search(QUERIES))
        assert seen(index.search(QUERIES, vectors=known["words"])) == seen(index.search(QUERIES))
        with pytest.raises(InvalidInputError, match="vectors are for the stages"):
            index.search(QUERIES, vectors={"bm25": known["words"]})
        with pytest.raises(InvalidInputError, match="shape"):
            index.add(PASSAGES, vectors={"letters": rows["words"]})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": []}, "needs a stage that finds"),
        ({"stages": [LateInteraction(WordTokens())]}, "needs a stage that finds"),
        ({"stages": [BM25(), BM25("de")]}, "two stages are named 'bm25'"),
        ({"stages": [BM25(), "dense"]}, "must be a list of stages"),
        ({"stages": [BM25()], "lexical": "qdrant"}, "give lexical to one of them"),
        ({"stages": [BM25(), Dense(words())], "weights": {"bm25": 1}}, "name each stage"),
        ({"stages": [BM25(lexical="bm25s")], "url": "http://localhost:1"}, "cannot follow"),
    ],
    ids=str,
)
def test_bad_stages_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = {} if "url" in settings else {"path": tmp_path / "index"}
    with pytest.raises(InvalidInputError, match=message):
        HybridIndex.create(**path, **settings)
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    "name", ["", " ", "fusion", "a/b", "a:b", ".", "..", "a\0b", "x" * 201, "ж" * 34, None, 3]
)
def test_bad_names_are_refused(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="stage's name must be"):
        BM25(name=name)


@pytest.mark.parametrize(
    "name", ["Übersetzung 1", "a b", "%2F", "über.alles", "-", "bm25s", "x" * 199, "ж" * 33]
)
def test_any_other_name_works(name: str, tmp_path: Path) -> None:
    for lexical in ("bm25s", "qdrant"):
        folder = tmp_path / lexical
        chosen = [BM25(name=name, lexical=lexical), Dense(words(), name=f"{name}2")]  # type: ignore[arg-type]
        with HybridIndex.create(folder, stages=chosen) as index:
            index.add(PASSAGES)
            found = index.search(QUERIES)
        with HybridIndex.open(folder, stages=chosen[1:]) as again:
            assert seen(again.search(QUERIES)) == seen(found)
        with pytest.raises(IndexExistsError):
            HybridIndex.create(folder, stages=chosen)
        HybridIndex.create(folder, stages=chosen, overwrite=True).close()


def test_a_reader_is_told_of_changed_stages(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with HybridIndex.create(folder, stages=stages()[:3]) as index:
        index.add(PASSAGES)
        reader = HybridIndex.open(folder, stages=stages()[2:3], read_only=True)
        for change in (lambda: index.add_stage(stages()[3]), lambda: index.remove_stage("german")):
            with pytest.raises(ReadOnlyError):
                reader.add_stage(stages()[3])
            change()
            with pytest.raises(EncoderMismatchError, match="its stages were changed"):
                reader.refresh()
            reader.close()
            reader = HybridIndex.open(folder, stages=stages()[2:4], read_only=True)
            assert seen(reader.search(QUERIES)) == seen(index.search(QUERIES))
        reader.close()


def test_three_stages_are_explained_and_tuned(place: dict[str, Any]) -> None:
    chosen = [stage for stage in stages(place["lexical"]) if stage.name in "english words vowels"]
    with created(place, chosen) as index:
        index.add(PASSAGES)
        [hits] = index.search(["cats sing at dawn"], 5)
        explanation = explain(index, "cats sing at dawn", hits[1])
        assert list(explanation.stages) == ["english", "words", "vowels"]
        assert explanation.fusion is not None
        parts = [part.part for part in explanation.fusion.stages]
        assert sum(part or 0.0 for part in parts) == pytest.approx(hits[1].score, abs=1e-6)
        contributions = explanation.stages["vowels"].contributions  # type: ignore[union-attr]
        text, query = hits[1].passage.text, "cats sing at dawn"
        expected = {c: text.count(c) * query.count(c) for c in "aeiou"}
        assert contributions == {c: n for c, n in expected.items() if n}
        assert sum(contributions.values()) == explanation.stages["vowels"].score
        shown = str(explanation)
        assert "vowels: score" in shown
        queries = {f"q{i}": query for i, query in enumerate(QUERIES[:3])}
        qrels = {"q0": {"p4": 1}, "q1": {"p0": 1}, "q2": {"p7": 1}}
        space = Space(fusion=["convex"], depth=[10], weights=[0, 0.5, 1], k1=[], b=[], blend=[])
        tuning = tune(index, queries, qrels, "nDCG@5", space=space, folds=2)
        tried = {tuple((t.setting.weights or {}).items()) for t in tuning.trials}
        assert {name for weights in tried for name, _ in weights} == {"english", "words", "vowels"}
        assert len(tuning.apply().search(QUERIES, 3)) == len(QUERIES)


def test_info_names_each_stage_and_what_it_is_made_of(place: dict[str, Any]) -> None:
    with created(place, stages(place["lexical"])) as index:
        index.add(PASSAGES)
        info: Any = index.info()["stages"]
        assert {name: stage["kind"] for name, stage in info.items()} == {
            "english": "bm25",
            "german": "bm25",
            "words": "dense",
            "letters": "dense",
            "vowels": "learned-sparse",
            "tokens": "late-interaction",
        }
        assert info["german"]["analyzer"]["language"] == "german"
        assert (info["letters"]["distance"], info["letters"]["dimension"]) == ("dot", 20)
        assert info["vowels"]["encoder"] == "vowels"


@pytest.fixture
def attached() -> Iterator[HybridIndex]:
    from qdrant_client import QdrantClient, models

    from hybridge.vectors.layouts import OWN

    client = QdrantClient(":memory:")
    params = {"dense": models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)}
    client.create_collection("docs", vectors_config=params)
    with HybridIndex.attach(client, "docs", layout=OWN, encoder=words(), writable=True) as index:
        yield index
    client.close()


def test_the_stages_of_others_are_theirs(attached: HybridIndex) -> None:
    with pytest.raises(InvalidInputError, match="cannot be changed"):
        attached.add_stage(stages()[3])
    with pytest.raises(InvalidInputError, match="cannot be changed"):
        attached.remove_stage("bm25")


def test_a_stage_that_was_removed_is_not_searched_any_more(place: dict[str, Any]) -> None:
    with created(place, stages(place["lexical"])) as index:
        index.add(PASSAGES)
        retriever = index.stages["letters"]
        index.remove_stage("letters")
        for use in (
            lambda: retriever.search(QUERIES),
            lambda: retriever.score(["cats"], [["p0"]]),
        ):
            with pytest.raises(InvalidInputError, match="'letters' was removed"):
                use()


def test_a_search_that_a_removal_overtakes_goes_on_without_the_stage() -> None:
    def slow(texts: Sequence[str]) -> Vectors:
        if removing:
            removing.pop().remove_stage("vowels")
        return letter_vectors(texts)

    removing: list[HybridIndex] = []
    chosen = [stages()[0], Dense(letters(slow), name="letters"), stages()[4]]
    with HybridIndex.create(stages=chosen) as index:
        index.add(PASSAGES)
        removing.append(index)
        found = index.search(QUERIES, 5)
        assert seen(found) == seen(index.search(QUERIES, 5))
        assert not any(hit.stage("vowels") for hits in found for hit in hits)


def test_a_client_is_told_that_another_changed_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(":memory:")
    monkeypatch.setattr(client, "close", lambda: None)
    monkeypatch.setattr(served_storage, "connect", lambda *_: client)
    chosen = stages("qdrant")[:3]
    with HybridIndex.create(url=":memory:", stages=chosen) as one:
        one.add(PASSAGES)
        with HybridIndex.open(url=":memory:", stages=chosen[2:]) as other:
            one.add_stage(Dense(letters(), name="letters"))
            with pytest.raises(EncoderMismatchError, match="another client changed the stages"):
                other.add([Passage("new", "by the other one")])
        assert one.get(["new"]) == [None]
        with HybridIndex.open(
            url=":memory:", stages=[*chosen[2:], Dense(letters(), name="letters")]
        ) as again:
            assert seen(again.search(QUERIES)) == seen(one.search(QUERIES))


def test_a_passage_replaced_while_a_stage_is_added_gets_its_vector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hybridge.index.stage_changes._BATCH", 8)
    with HybridIndex.create(stages=stages()[:3]) as index:
        index.add(PASSAGES)
        calls = []

        def encode(texts: Sequence[str]) -> Vectors:
            calls.append(len(texts))
            if len(calls) == 3:  # of what the first two calls were for
                index.add([Passage(f"p{n}", f"another text, number {n}") for n in range(32)])
            return letter_vectors(texts)

        index.add_stage(Dense(letters(encode), name="letters"))
        ids = [passage.id for passage in index]
        vectors = index.stages["letters"].vectors(ids)  # type: ignore[attr-defined]
        texts = [passage.text for passage in index.get(ids) if passage is not None]
        expected = letter_vectors(texts)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        assert vectors == pytest.approx(expected, abs=1e-6)


def test_a_store_that_refuses_leaves_the_index_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("no room")

    with HybridIndex.create(tmp_path / "index", stages=stages()[:3]) as index:
        index.add(PASSAGES)
        with monkeypatch.context() as patch:
            patch.setattr(EdgeStore, "add_vectors", refuse)
            with pytest.raises(StoreError, match="no room"):
                index.add_stage(Dense(letters(), name="letters"))
        assert index.info()["pending"] is None
    with HybridIndex.open(tmp_path / "index", stages=stages()[2:3]) as again:
        again.add_stage(Dense(letters(), name="letters"))
        assert list(again.stages) == ["english", "german", "words", "letters"]


@pytest.mark.parametrize("where", ["folder", "served"])
def test_what_an_interrupted_removal_left_is_not_used(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder: dict[str, Any] = {"path": tmp_path} if where == "folder" else {"url": ":memory:"}
    store = EdgeStore if where == "folder" else ClientStore
    chosen = [stages("qdrant")[0], Dense(letters(), name="letters")]
    with HybridIndex.create(**folder, stages=chosen) as index:
        index.add(PASSAGES)

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(store, "remove_vectors", interrupted)
            with pytest.raises(KeyboardInterrupt):
                index.remove_stage("letters")
        assert list(index.stages) == ["english"]
        other = CallableEncoder(
            lambda texts: letter_vectors([text[::-1] + "aaaa" for text in texts]),
            dimension=20,
            identity="other",
        )
        index.add_stage(Dense(other, name="letters"))
        ids = [passage.id for passage in index]
        vectors = index.stages["letters"].vectors(ids)  # type: ignore[attr-defined]
        texts = [passage.text for passage in index.get(ids) if passage is not None]
        expected = other.encode_passages(texts)
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        assert vectors == pytest.approx(expected, abs=1e-6)


def test_an_interruption_before_the_store_knows_goes_on_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with HybridIndex.create(url=":memory:", stages=stages("qdrant")[:3]) as index:
        index.add(PASSAGES)
        index.add_stage(Dense(letters(), name="letters"))
        expected = index.search(QUERIES)
        index.remove_stage("letters")
        with pytest.raises(RuntimeError, match="model is gone"):
            index.add_stage(Dense(letters(Counting(most=0)), name="letters"))
        index._storage.store.remove_vectors("letters")  # as if it had never been added
        index._storage.store.options = index._storage.manifest.store
        index.add_stage(Dense(letters(), name="letters"))
        assert seen(index.search(QUERIES)) == seen(expected)


def test_rows_for_a_stage_that_was_made_anew_are_encoded_anew() -> None:
    def encode(texts: Sequence[str]) -> Vectors:
        if swapping and "trigger" in texts[0]:
            swapping.pop()
            index.remove_stage("letters")
            index.add_stage(Dense(reversed_letters, name="letters"))
        return letter_vectors(texts)

    def reversed_vectors(texts: Sequence[str]) -> Vectors:
        return letter_vectors(texts)[:, ::-1].copy()

    swapping = [True]
    reversed_letters = CallableEncoder(reversed_vectors, dimension=20, identity="reversed")
    with HybridIndex.create(stages=[stages()[0], Dense(letters(encode), name="letters")]) as index:
        index.add(PASSAGES)
        index.add([Passage("new", "trigger a cat")])
        [vector] = index.stages["letters"].vectors(["new"])  # type: ignore[attr-defined]
        [expected] = reversed_vectors(["trigger a cat"])
        assert vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


@pytest.mark.parametrize("write", ["add", "update_metadata", "delete", "add_stage", "remove_stage"])
def test_no_client_writes_over_what_another_changed(
    write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(":memory:")
    monkeypatch.setattr(client, "close", lambda: None)
    monkeypatch.setattr(served_storage, "connect", lambda *_: client)
    chosen = [Dense(words(), name="words"), LearnedSparse(vowels(), name="vowels")]
    with HybridIndex.create(url=":memory:", stages=chosen) as one:
        one.add(PASSAGES)
        with HybridIndex.open(url=":memory:", stages=chosen) as other:
            one.add_stage(Dense(letters(), name="letters"))
            writes: dict[str, Callable[[], Any]] = {
                "add": lambda: other.add([Passage("new", "by the other one")]),
                "update_metadata": lambda: other.update_metadata(["p0"], {"x": 1}),
                "delete": lambda: other.delete(["p0"]),
                "add_stage": lambda: other.add_stage(Dense(letters(), name="more")),
                "remove_stage": lambda: other.remove_stage("vowels"),
            }
            with pytest.raises(EncoderMismatchError, match="another client changed the stages"):
                writes[write]()
        assert set(one.stages) == {"words", "vowels", "letters"}
        assert len(one) == len(PASSAGES)
        assert len(one.search(QUERIES)) == len(QUERIES)


def test_one_bm25_stage_tuned_with_the_defaults_is_the_index() -> None:
    chosen = [
        BM25(name="a", lexical="bm25s"),
        BM25(name="b", lexical="bm25s", parameters=BM25Parameters(k1=0.1, b=0.0)),
    ]
    with HybridIndex.create(stages=chosen) as index:
        index.add(PASSAGES)
        assert "bm25" not in index.defaults
        assert seen(index.tuned(**index.defaults).search(QUERIES)) == seen(index.search(QUERIES))


@pytest.mark.parametrize("fusion", ["convex", "rrf"])
def test_any_stages_can_be_tuned(fusion: str) -> None:
    queries = {f"q{i}": query for i, query in enumerate(QUERIES[:3])}
    qrels = {"q0": {"p4": 1}, "q1": {"p0": 1}, "q2": {"p7": 1}}
    space = Space(fusion=["convex", "rrf"], depth=[10], weights=[0, 1], k1=[], b=[], blend=[])
    late = LateInteraction(WordTokens(), name="late")
    for chosen in (
        [Dense(words(), name="d")],
        [BM25(name="w"), Dense(words(), name="d")],
        [BM25(name="w"), Dense(words(), name="d"), late],
    ):
        with HybridIndex.create(stages=chosen, fusion=fusion) as index:
            index.add(PASSAGES)
            tuning = tune(index, queries, qrels, "nDCG@5", space=space, folds=2)
            assert len(tuning.apply().search(QUERIES, 3)) == len(QUERIES)
            if late in chosen:
                tuned = index.tuned(blend={"late": 0.7})
                assert tune(tuned, queries, qrels, space=space, folds=2).default.blend == 0.7


def test_a_weight_that_the_fusion_has_no_use_for_is_refused() -> None:
    with HybridIndex.create(stages=stages()[:3], fusion="rrf") as index:
        with pytest.raises(InvalidInputError, match="has no weights"):
            index.add_stage(Dense(letters(), name="letters"), weight=0.2)
        index.add_stage(Dense(letters(), name="letters"))
        assert len(set(index.defaults["weights"].values())) == 1


@pytest.mark.parametrize(
    "vectors",
    [
        {"vowels": 5},
        {"vowels": [{1: 0.5}] * 2},
        {"vowels": [([2**32], [1.0])] * 2},
        {"vowels": [([1], [1e39])] * 2},
        {"vowels": [([1, 1], [1.0, 2.0])] * 2},
        {"vowels": [([0.5], [1.0])] * 2},
        {"tokens": 5},
        {"tokens": [3, 4]},
        {"words": "ab"},
    ],
    ids=str,
)
def test_bad_vectors_are_refused(vectors: Any) -> None:
    with HybridIndex.create(stages=stages()) as index:
        with pytest.raises(InvalidInputError):
            index.add(PASSAGES[:2], vectors=vectors)
        with pytest.raises(InvalidInputError):
            index.search(QUERIES[:2], vectors=vectors)
        assert len(index) == 0


def test_what_is_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="give distance to one of them"):
        HybridIndex.create(stages=[Dense(words())], distance="dot")
    HybridIndex.create(tmp_path / "index", stages=[Dense(words())]).close()
    with pytest.raises(InvalidInputError, match="is in stages= already"):
        HybridIndex.open(tmp_path / "index", stages=[Dense(words())], encoder=words())
    with pytest.raises(InvalidInputError, match="list of stages"):
        HybridIndex.open(tmp_path / "index", stages=["dense"])  # type: ignore[list-item]


def test_add_stage_checks_before_it_writes(tmp_path: Path) -> None:
    with HybridIndex.create(tmp_path / "index", stages=stages()[:3]) as index:
        for stage, weight, message in (
            ("dense", None, "takes a stage"),
            (Dense(words(), name="words"), None, "already"),
            (Dense(words(), name="new"), 1.0, "leaves nothing"),
            (Dense(words(), name="new"), -1.0, "weight"),
            (LateInteraction(WordTokens()), 0.5, "blend instead"),
        ):
            with pytest.raises(HybridgeError, match=message):
                index.add_stage(stage, weight=weight)  # type: ignore[arg-type]
        assert index.info()["pending"] is None
        assert list(index.stages) == ["english", "german", "words"]
