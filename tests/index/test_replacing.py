"""A stage replaced in a filled index: as if it had been there from the start, or as before."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from hybridge import BM25Retriever, CallableEncoder, HybridIndex, Passage
from hybridge.encoders import MappedEncoder, QueryMap, query_cache
from hybridge.encoders.sparse import CallableSparseEncoder
from hybridge.errors import EncoderMismatchError, InvalidInputError, ReadOnlyError
from hybridge.fused import FusedRetriever
from hybridge.index import served as served_storage
from hybridge.index.folder import Folder
from hybridge.index.served import Served
from hybridge.index.single_stage import DenseRetriever
from hybridge.lexical import BM25Parameters
from hybridge.protocols import Vectors
from hybridge.stages import BM25, Dense, LateInteraction, LearnedSparse, Stage
from hybridge.vectors.client import ClientStore
from hybridge.vectors.connection import connect
from hybridge.vectors.edge import EdgeStore

from .conftest import DIMENSION
from .test_late import WordTokens
from .test_stages import (
    NAMES,
    PASSAGES,
    PLACES,
    QUERIES,
    Counting,
    created,
    letter_vectors,
    letters,
    outline,
    seen,
    stages,
    words,
)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(PLACES[request.param])


def other(place: dict[str, Any]) -> dict[str, Any]:
    return {**place, "collection": "other"} if "url" in place else place


def lengths() -> CallableEncoder:
    return CallableEncoder(
        lambda texts: [[float(len(text)), 3.0, text.count("e")] for text in texts],
        dimension=3,
        identity="lengths",
    )


def consonants() -> CallableSparseEncoder:
    return CallableSparseEncoder(
        lambda texts: [
            {n: float(text.count(c)) for n, c in enumerate("bcdfg") if c in text} for text in texts
        ],
        identity="consonants",
    )


def replacements(lexical: Any = None) -> dict[str, Stage]:
    return {
        "english": BM25("german", name="english", lexical=lexical),
        "german": BM25("english", name="german", parameters=BM25Parameters(k1=0.5, b=0.1)),
        "words": Dense(lengths(), name="words"),
        "letters": Dense(words(), name="letters"),
        "vowels": LearnedSparse(consonants(), name="vowels"),
        "tokens": LateInteraction(WordTokens("a"), name="tokens", blend=0.7),
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_replaced_stage_is_as_if_it_had_been_there(place: dict[str, Any], name: str) -> None:
    new = replacements(place["lexical"])[name]
    whole = [new if each.name == name else each for each in stages(place["lexical"])]
    if name == "german":  # which does not say where it lives
        whole[1] = BM25("english", name=name, lexical=place["lexical"], parameters=new.parameters)  # type: ignore[attr-defined]
    with created(place, stages(place["lexical"])) as index, created(other(place), whole) as made:
        for each in (index, made):
            each.add(PASSAGES[:20])
        index.replace_stage(name, new)
        for each in (index, made):
            each.add([Passage("p3", "new words of p3"), *PASSAGES[20:]])
            each.delete(["p1"])
            each.update_metadata(["p2"], {"x": 1})
            each.optimize()  # for one average length
        assert list(index.stages) == NAMES
        assert index.defaults == made.defaults
        assert index.info()["stages"] == made.info()["stages"]
        assert seen(index.search(QUERIES, 5)) == seen(made.search(QUERIES, 5))
        for stage in NAMES:
            found = index.stages[stage].search(QUERIES, 5)
            assert seen(found) == seen(made.stages[stage].search(QUERIES, 5))


@pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
@pytest.mark.parametrize("name", ["english", "words", "tokens"])
def test_it_comes_back(tmp_path: Path, lexical: Any, name: str) -> None:
    new = replacements(lexical)[name]
    chosen = [new if each.name == name else each for each in stages(lexical)]
    with HybridIndex.create(tmp_path, stages=stages(lexical)) as index:
        index.add(PASSAGES)
        index.replace_stage(name, new)
        found, info = index.search(QUERIES, 5), index.info()
    for _ in range(2):
        with HybridIndex.open(tmp_path, stages=chosen[2:]) as again:
            assert seen(again.search(QUERIES, 5)) == seen(found)
            assert again.info() == info
            again.add(PASSAGES)
    with HybridIndex.open(tmp_path, stages=chosen[2:]) as again:  # and back
        again.replace_stage(name, next(s for s in stages(lexical) if s.name == name))
    with (
        HybridIndex.open(tmp_path, stages=stages(lexical)[2:]) as again,
        HybridIndex.create(stages=stages(lexical)) as made,
    ):
        made.add(PASSAGES)
        assert seen(again.search(QUERIES, 5)) == seen(made.search(QUERIES, 5))


def test_another_analyzer_encodes_nothing_and_leaves_the_vectors(place: dict[str, Any]) -> None:
    counting = Counting()
    chosen = [BM25(lexical=place["lexical"]), Dense(letters(counting))]
    with created(place, chosen) as index:
        index.add(PASSAGES)
        ids = [passage.id for passage in PASSAGES]
        before, vectors = list(counting.texts), index.dense.vectors(ids)
        index.replace_stage("bm25", BM25("german"))
        assert counting.texts == before
        assert np.array_equal(index.dense.vectors(ids), vectors)
        assert index.lexical == place["lexical"]
        assert index.analyzer.to_config()["language"] == "german"
        expected = BM25Retriever(PASSAGES, analyzer="german").search(["katze", "dogs"], 40)
        index.optimize()
        assert outline(index.bm25.search(["katze", "dogs"], 40)) == outline(expected)


def test_another_place_and_another_kind(place: dict[str, Any]) -> None:
    with created(place, stages(place["lexical"])[:4]) as index:
        index.add(PASSAGES)
        index.replace_stage("english", BM25(lexical="qdrant"))
        assert index.lexical == "qdrant"
        index.replace_stage("words", LearnedSparse(consonants()))
        index.replace_stage("german", Dense(lengths()))
        info: Any = index.info()
        assert [stage["kind"] for stage in info["stages"].values()] == [
            *["bm25", "dense", "learned-sparse", "dense"]
        ]
        if "url" not in place:
            index.replace_stage("english", BM25(lexical="bm25s"))
            assert index.lexical == "bm25s"
        expected = BM25Retriever(PASSAGES).search(QUERIES, 5)
        index.optimize()
        assert outline(index.stages["english"].search(QUERIES, 5)) == outline(expected)


def test_weights_stay(tmp_path: Path) -> None:
    weights = {"english": 0.2, "german": 0.5, "words": 0.3}
    with HybridIndex.create(tmp_path, stages=stages()[:3], weights=weights) as index:
        index.replace_stage("words", Dense(lengths()))
        assert index.defaults["weights"] == weights


def test_new_weights_come_with_the_stage(tmp_path: Path) -> None:
    with HybridIndex.create(str(tmp_path / "index"), stages=[BM25(), Dense(letters())]) as index:
        index.add(PASSAGES)
        weights = {"bm25": 0.2, "dense": 0.8}
        index.replace_stage("dense", Dense(lengths()), weights=weights)
        assert index.defaults["weights"] == weights
        # The stage is there already, and only the weights are new.
        index.replace_stage("dense", Dense(lengths()), weights={"bm25": 3, "dense": 1})
        assert index.defaults["weights"] == {"bm25": 3, "dense": 1}
        three = {"bm25": 0.5, "dense": 0.1, "more": 0.4}
        index.add_stage(Dense(letters(), name="more"), weight=three)
        with pytest.raises(InvalidInputError, match="weights"):
            index.replace_stage("dense", Dense(letters()), weights={"bm25": 1})
        with pytest.raises(InvalidInputError, match="weights"):
            index.add_stage(Dense(letters(), name="most"), weight={"most": 1})
    with HybridIndex.open(
        str(tmp_path / "index"), stages=[Dense(lengths()), Dense(letters(), name="more")]
    ) as index:
        assert index.defaults["weights"] == three


def test_a_fusion_without_weights_takes_none() -> None:
    with HybridIndex.create(stages=[BM25(), Dense(letters())], fusion="rrf") as index:
        index.add(PASSAGES)
        before = index.defaults
        weights = {"bm25": 0.2, "dense": 0.8}
        with pytest.raises(InvalidInputError, match="fusion 'rrf' has no weights"):
            index.replace_stage("dense", Dense(lengths()), weights=weights)
        with pytest.raises(InvalidInputError, match="fusion 'rrf' has no weights"):
            index.replace_stage("dense", Dense(letters()), weights=weights)
        assert index.defaults == before


def test_mistakes_change_nothing(place: dict[str, Any]) -> None:
    with created(place, stages(place["lexical"])) as index:
        index.add(PASSAGES)
        before = index.search(QUERIES, 5)
        for name, stage, message in (
            ("bm25", BM25(), "no stage 'bm25'.*'english'"),
            (["english"], BM25(), r"no stage \['english'\].*'english'"),
            ("english", "german", "takes a stage"),
            ("words", LateInteraction(WordTokens()), "cannot replace each other"),
            ("tokens", Dense(words()), "cannot replace each other"),
        ):
            with pytest.raises(InvalidInputError, match=message):
                index.replace_stage(name, stage)  # type: ignore[arg-type]
        assert index.info()["pending"] is None
        assert seen(index.search(QUERIES, 5)) == seen(before)
    if place["lexical"] == "qdrant":
        with created(place, stages("qdrant")) as index:
            bad = BM25(parameters=BM25Parameters(method="bm25+"))
            with pytest.raises(InvalidInputError, match="weighs terms as lucene does"):
                index.replace_stage("english", bad)


def _interrupted(index: HybridIndex, identity: str = "lengths", most: int = 15) -> None:
    failing = Counting(most)
    new = CallableEncoder(failing, dimension=20, identity=identity, batch_size=16)
    with pytest.raises(RuntimeError, match="model is gone"):
        index.replace_stage("words", Dense(new))


def test_an_interrupted_replacement_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.index.stage_changes._BATCH", 10)
    with HybridIndex.create(tmp_path, stages=stages()[:3]) as index:
        index.add(PASSAGES)
        before = index.search(QUERIES, 5)
        _interrupted(index)
        assert index.info()["pending"] == "words"
        assert seen(index.search(QUERIES, 5)) == seen(before)
        with pytest.raises(InvalidInputError, match="replacing the stage 'words' was interrupted"):
            index.add_stage(Dense(letters(), name="letters"))
        with pytest.raises(InvalidInputError, match="replacing the stage 'words' was interrupted"):
            index.replace_stage("english", BM25("german"))
        index.add([Passage("late", "a late passage about dogs")])
    with HybridIndex.open(tmp_path, stages=stages()[2:3]) as index:
        counting = Counting()
        new = CallableEncoder(counting, dimension=20, identity="lengths", batch_size=16)
        index.replace_stage("words", Dense(new))
        assert len(counting.texts) == len(PASSAGES) + 1 - 10
        with HybridIndex.create(stages=[Dense(new, name="words")]) as made:
            made.add(index)
            assert outline(index.dense.search(QUERIES, 40)) == outline(
                made.dense.search(QUERIES, 40)
            )


def test_a_replacement_can_be_given_up(
    place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.index.stage_changes._BATCH", 10)
    with created(place, stages(place["lexical"])[:3]) as index:
        index.add(PASSAGES)
        before = index.search(QUERIES, 5)
        counting = Counting()
        # By what is there already, of which nothing is encoded.
        _interrupted(index)
        present = CallableEncoder(counting, dimension=words().dimension, identity="words")
        index.replace_stage("words", Dense(present))
        assert not counting.texts
        assert index.info()["pending"] is None
        assert seen(index.search(QUERIES, 5)) == seen(before)
        assert list(index._storage.store.options.vectors) == list(
            index._storage.manifest.store.vectors
        )
        # By another one, which begins anew.
        _interrupted(index)
        index.replace_stage("words", Dense(letters(counting)))
        assert len(counting.texts) == len(PASSAGES)
        # With the stage itself.
        _interrupted(index)
        index.remove_stage("words")
        assert list(index.stages) == ["english", "german"]
        assert index.info()["pending"] is None
        assert set(index._storage.store.options.vectors) <= {"english", "german"}
        with pytest.raises(InvalidInputError, match="no stage 'words'"):
            index.remove_stage("words")


# Every step that outlives a kill, by the class and the method that takes it.
STEPS: dict[str, list[tuple[type, str]]] = {
    "folder": [
        (Folder, "save_manifest"),
        (EdgeStore, "add_vectors"),
        (EdgeStore, "set_vectors"),
        (EdgeStore, "remove_vectors"),
        (EdgeStore, "flush"),
        (Path, "unlink"),
    ],
    "served": [
        (Served, "save_manifest"),
        (ClientStore, "add_vectors"),
        (ClientStore, "set_vectors"),
        (ClientStore, "remove_vectors"),
    ],
}


def _at_step(number: int, where: str, stop: Callable[[], Any], patch: pytest.MonkeyPatch) -> None:
    """Call `stop` before a step if its number is even, else after it."""
    taken = [0]

    def watched(step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*args: Any, **settings: Any) -> Any:
            taken[0] += 1
            mine = taken[0]
            if 2 * mine == number:
                stop()
            result = step(*args, **settings)
            if 2 * mine + 1 == number:
                stop()
            return result

        return take

    for owner, name in STEPS[where]:
        patch.setattr(owner, name, watched(getattr(owner, name)))


def mapped() -> MappedEncoder:
    numbers = np.random.default_rng(0).normal(size=(2, DIMENSION, 3))
    return MappedEncoder(words(), QueryMap(numbers[0], numbers[1].T))


CHANGES: dict[str, tuple[str, Callable[[Any], Stage]]] = {
    "analyzer": ("english", lambda lexical: BM25("german", lexical=lexical)),
    "encoder": ("words", lambda lexical: Dense(letters(), name="words")),
    "query map": ("words", lambda lexical: Dense(mapped(), name="words")),
}


def _replaced(folder: Path, lexical: Any, change: str, number: int) -> None:
    name, make = CHANGES[change]
    index = HybridIndex.open(folder, stages=stages(lexical)[2:3])
    _at_step(number, "folder", lambda: os._exit(9), pytest.MonkeyPatch())
    index.replace_stage(name, make(lexical))
    os._exit(0)


def _as_opened(folder: Path, lexical: Any, change: str) -> HybridIndex:
    """Open an index of which it is not known whether the stage was replaced."""
    _, make = CHANGES[change]
    try:
        return HybridIndex.open(folder, stages=stages(lexical)[2:3])
    except EncoderMismatchError:
        return HybridIndex.open(folder, stages=[make(lexical)])


@pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_kill_at_any_step_leaves_the_one_or_the_other(
    tmp_path: Path, lexical: Any, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.index.stage_changes._BATCH", 20)
    name, make = CHANGES[change]
    wanted = [make(lexical).replacing(s) if s.name == name else s for s in stages(lexical)[:3]]
    with (
        HybridIndex.create(stages=stages(lexical)[:3]) as old,
        HybridIndex.create(stages=wanted) as new,
    ):
        for index in (old, new):
            index.add(PASSAGES)
        both = [outline(index.search(QUERIES, 5)) for index in (old, new)]
    fates = set()
    number = 2
    while True:
        folder = tmp_path / str(number)
        with HybridIndex.create(folder, stages=stages(lexical)[:3]) as index:
            index.add(PASSAGES)
        process = multiprocessing.get_context("fork").Process(
            target=_replaced, args=(folder, lexical, change, number)
        )
        process.start()
        process.join()
        with _as_opened(folder, lexical, change) as index:
            found = index.search(QUERIES, 5)
            fate = next(n for n, each in enumerate(both) if outline(found) == each)
            if process.exitcode == 0:
                assert fate == 1
                break
            assert process.exitcode == 9
            fates.add(fate)
            index.add([Passage("late", "a late katze")])
            index.delete(["late"])
            index.replace_stage(name, make(lexical))
            index.optimize()
            assert outline(index.search(QUERIES, 5)) == both[1]
            assert index.info()["pending"] is None
        with HybridIndex.open(folder, stages=wanted[2:]) as index:
            assert outline(index.search(QUERIES, 5)) == both[1]
            kept = {record.vector for record in index._storage.manifest.stages}
            assert {path.stem for path in folder.glob("*.npz")} <= {f"stage-{n}" for n in kept}
        number += 1
    assert fates == {0, 1}
    # Of a query map, the manifest alone is saved.
    assert number > (6 if change == "query map" else 12)


@pytest.mark.parametrize("change", CHANGES)
def test_an_error_at_any_step_leaves_the_one_or_the_other(change: str) -> None:
    name, make = CHANGES[change]
    place = dict(PLACES["served"])
    wanted = [make("qdrant").replacing(s) if s.name == name else s for s in stages("qdrant")[:3]]
    with created(place, stages("qdrant")[:3]) as old, created(other(place), wanted) as new:
        for index in (old, new):
            index.add(PASSAGES)
        both = [outline(index.search(QUERIES, 5)) for index in (old, new)]

    def fail() -> None:
        raise KeyboardInterrupt

    fates = set()
    number, done = 2, False
    while not done:
        with created(place, stages("qdrant")[:3]) as index:
            index.add(PASSAGES)
            with pytest.MonkeyPatch.context() as patch:
                _at_step(number, "served", fail, patch)
                try:
                    index.replace_stage(name, make("qdrant"))
                    done = True
                except KeyboardInterrupt:
                    done = False
            found = outline(index.search(QUERIES, 5))
            fates.add(next(n for n, each in enumerate(both) if found == each))
            index.replace_stage(name, make("qdrant"))
            index.optimize()
            assert outline(index.search(QUERIES, 5)) == both[1]
            index.add([Passage("late", "a late katze")])
            assert index.search(["late"], 1)[0][0].passage.id == "late"
        number += 1
    assert fates == {0, 1}


@pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
@pytest.mark.parametrize("which", ["index", "stage", "other stage"])
def test_queries_are_corrected_by_the_stage_that_is_there(
    lexical: Any, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HybridIndex.create(stages=stages(lexical)[:3]) as index:
        index.add(PASSAGES)
        name, make = CHANGES["analyzer"]
        reading = index._lock.reading
        makes = [make(lexical)]

        def replaced_first(*arguments: Any) -> Any:
            if makes:
                index.replace_stage(name, makes.pop())
            return reading(*arguments)

        monkeypatch.setattr(index._lock, "reading", replaced_first)
        searched: Any = {"index": index, "stage": index.bm25, "other stage": index.dense}[which]
        assert searched.search(["kazten"], 3)[0]
        assert not makes


@pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
@pytest.mark.parametrize("change", CHANGES)
def test_searches_and_writes_go_on(
    lexical: Any, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.index.stage_changes._BATCH", 4)
    name, make = CHANGES[change]
    with HybridIndex.create(stages=stages(lexical)[:3]) as index:
        index.add(PASSAGES[:20])
        failures: list[BaseException] = []
        held = index.stages[name]

        def others() -> None:
            try:
                for passage in PASSAGES[20:]:
                    index.add([passage])
                    assert index.search(QUERIES, 3)[0]
                    assert index.stages[name].search(QUERIES[:1], 3)[0]
                    assert len(held.score(QUERIES[:1], [["p2"]])[0]) == 1
                index.add([Passage("p2", "another text of p2")])
                index.delete(["p4"])
            except BaseException as error:  # noqa: BLE001 - of a thread, shown below
                failures.append(error)

        writer = Thread(target=others)
        writer.start()
        for _ in range(3):
            index.replace_stage(name, make(lexical))
            index.replace_stage(name, next(s for s in stages(lexical) if s.name == name))
        index.replace_stage(name, make(lexical))
        writer.join()
        assert not failures
        wanted = [make(lexical).replacing(s) if s.name == name else s for s in stages(lexical)[:3]]
        with HybridIndex.create(stages=wanted) as made:
            made.add(index)
            for each in (index, made):
                each.optimize()
            ids = [passage.id for passage in index]
            for stage in index.stages:  # scores, for their last bits decide ties
                scores, expected = (
                    each.stages[stage].score(QUERIES[:3], [ids] * 3) for each in (index, made)
                )
                assert scores == [pytest.approx(row, abs=1e-5) for row in expected]


def test_a_retriever_of_a_stage_follows_it(place: dict[str, Any]) -> None:
    with created(place, stages(place["lexical"])) as index:
        index.add(PASSAGES)
        ids = [passage.id for passage in PASSAGES[:5]]
        held = index.stages
        fused = FusedRetriever({name: held[name] for name in ("english", "letters")})
        index.replace_stage("english", BM25("german", search_text="{text} katze"))
        index.replace_stage("letters", Dense(words()))
        for name in ("english", "letters"):
            new = index.stages[name]
            assert seen(held[name].search(QUERIES, 5)) == seen(new.search(QUERIES, 5))
            assert held[name].score(QUERIES, [ids] * len(QUERIES)) == new.score(
                QUERIES, [ids] * len(QUERIES)
            )
            assert held[name].search_text == new.search_text
            assert held[name].get(ids) == new.get(ids)
        assert seen(fused.search(QUERIES, 5)) == seen(
            FusedRetriever({n: index.stages[n] for n in ("english", "letters")}).search(QUERIES, 5)
        )
        dense, new = held["letters"], index.stages["letters"]
        assert isinstance(dense, DenseRetriever)
        assert isinstance(new, DenseRetriever)
        rows = dense.vectors(ids)
        assert (rows == new.vectors(ids)).all()
        assert seen(dense.search_vectors(rows, 3)) == seen(new.search_vectors(rows, 3))
        index.remove_stage("letters")
        for ask in (
            lambda: dense.search(QUERIES),
            lambda: dense.score(QUERIES[:1], [ids]),
            lambda: dense.get(ids),
            lambda: dense.vectors(ids),
            lambda: dense.search_text,
        ):
            with pytest.raises(InvalidInputError, match=r"'letters' was removed.*'english'"):
                ask()


def test_a_search_under_way_asks_the_new_stage() -> None:
    def encode(texts: Sequence[str]) -> Vectors:
        if swapping and texts[0] == "trigger":
            swapping.pop()
            index.replace_stage("letters", Dense(words()))
        return letter_vectors(texts)

    swapping = [True, True]
    with (
        HybridIndex.create(stages=[stages()[0], Dense(letters(encode), name="letters")]) as index,
        query_cache.ignored(),  # the function swaps the stages each time it is called
    ):
        index.add(PASSAGES)
        held = index.dense
        found = held.search(["trigger"], 5)
        assert len(swapping) == 1
        assert seen(found) == seen(index.dense.search(["trigger"], 5))
        index.replace_stage("letters", Dense(letters(encode)))
        scores = held.score(["trigger"], [["p1", "p2"]])
        assert not swapping
        assert scores == index.dense.score(["trigger"], [["p1", "p2"]])


def test_a_dense_retriever_over_a_stage_of_another_kind_still_searches() -> None:
    sparse = CallableSparseEncoder(
        lambda texts: [{len(text) % 7: 1.0} for text in texts], identity="lengths"
    )
    with HybridIndex.create(stages=[stages()[0], Dense(words(), name="letters")]) as index:
        index.add(PASSAGES)
        held = index.dense
        index.replace_stage("letters", LearnedSparse(sparse))
        assert seen(held.search(QUERIES, 5)) == seen(index.stages["letters"].search(QUERIES, 5))
        for ask in (
            lambda: held.vectors(["p1"]),
            lambda: held.search_vectors([[1.0] * 20]),
            lambda: held.distance,
        ):
            with pytest.raises(InvalidInputError, match="replaced by one without dense vectors"):
                ask()


def test_rows_encoded_for_the_old_stage_are_encoded_anew() -> None:
    def encode(texts: Sequence[str]) -> Vectors:
        if swapping and "trigger" in texts[0]:
            swapping.pop()
            index.replace_stage("letters", Dense(reversed_letters))
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


def test_readers_and_other_clients_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HybridIndex.create(tmp_path, stages=stages()[:3]) as index:
        index.add(PASSAGES)
        with HybridIndex.open(tmp_path, stages=stages()[2:3], read_only=True) as reader:
            with pytest.raises(ReadOnlyError):
                reader.replace_stage("english", BM25("german"))
            before = reader.search(QUERIES)
            index.replace_stage("english", BM25("german"))
            assert seen(reader.search(QUERIES)) == seen(before)
            with pytest.raises(EncoderMismatchError, match="its stages were changed"):
                reader.refresh()
        with HybridIndex.open(tmp_path, stages=stages()[2:3], read_only=True) as reader:
            assert seen(reader.search(QUERIES)) == seen(index.search(QUERIES))
    client = connect(":memory:")
    monkeypatch.setattr(client, "close", lambda: None)
    monkeypatch.setattr(served_storage, "connect", lambda *_: client)
    with HybridIndex.create(url=":memory:", stages=stages("qdrant")[:3]) as one:
        one.add(PASSAGES)
        with HybridIndex.open(url=":memory:", stages=stages("qdrant")[2:3]) as two:
            one.replace_stage("english", BM25("german"))
            with pytest.raises(EncoderMismatchError, match="another client changed the stages"):
                two.add([Passage("new", "by the other one")])
        assert one.get(["new"]) == [None]


def test_a_stage_with_the_file_of_a_removed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the manifest and the file."""
    with HybridIndex.create(tmp_path, stages=stages()[:3]) as index:
        index.add(PASSAGES)
    left = (tmp_path / "stage-german.npz").read_bytes()
    with HybridIndex.open(tmp_path, stages=stages()[2:3]) as index:
        index.remove_stage("german")
        (tmp_path / "stage-german.npz").write_bytes(left)
        index.add_stage(BM25("french", name="german"))
        index.replace_stage("german", BM25("english"))
        expected = BM25Retriever(PASSAGES).search(QUERIES, 5)
        assert outline(index.stages["german"].search(QUERIES, 5)) == outline(expected)
    with HybridIndex.open(tmp_path, stages=stages()[2:3]) as index:
        assert outline(index.stages["german"].search(QUERIES, 5)) == outline(expected)
