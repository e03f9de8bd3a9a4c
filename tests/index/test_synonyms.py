"""Synonyms of an index: saved with it, replaced without an analysis, the same wherever BM25 is."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import pytest

from hybridge import BM25Retriever, CallableEncoder, HybridIndex, Passage, explain
from hybridge.errors import CopyError, EncoderMismatchError, InvalidInputError, ReadOnlyError
from hybridge.index import served as served_storage
from hybridge.lexical import Synonyms
from hybridge.lexical.postings import Postings
from hybridge.lexical.sparse import SparseBM25
from hybridge.stages import BM25, Dense
from hybridge.vectors.connection import connect

from ..lexical.test_synonyms import GROUPS, PASSAGES, of_module
from .test_stages import PLACES, created, letters, outline, seen, words

QUERIES = ["cars", "heart attack in a car", "MI", "東京都", "nothing of it", '+car "heart attack"']


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(PLACES[request.param])


def definitions(place: dict[str, Any], synonyms: Any = GROUPS) -> list[Any]:
    return [BM25(lexical=place["lexical"], synonyms=synonyms), Dense(letters(), name="letters")]


def test_an_index_scores_as_a_retriever_does(place: dict[str, Any]) -> None:
    retriever = BM25Retriever(PASSAGES, synonyms=GROUPS)
    with created(place, definitions(place)) as index:
        index.add(PASSAGES)
        index.optimize()
        for syntax in (False, True):
            retriever.query_syntax = syntax
            index_options: dict[str, Any] = {"weights": {"bm25": 1, "letters": 0}}
            found = index.search(QUERIES, 6, query_syntax=syntax, **index_options)
            expected = retriever.search(QUERIES, 6)
            assert [[h.passage.id for h in hits] for hits in found] == [
                [h.passage.id for h in hits] for hits in expected
            ]
        retriever = BM25Retriever(PASSAGES, synonyms=GROUPS)
        found = index.bm25.search(QUERIES[:5], 6)
        assert outline(found) == outline(retriever.search(QUERIES[:5], 6))
        ids = [passage.id for passage in PASSAGES]
        assert index.bm25.score(QUERIES[:5], [ids] * 5) == [
            pytest.approx(row, abs=1e-5) for row in retriever.score(QUERIES[:5], [ids] * 5)
        ]
        explanation = explain(index, "heart attack car", found[1][0])
        assert explanation.bm25 is not None
        terms = {term.term: term for term in explanation.bm25.terms}
        assert terms["myocardi"].words == ("heart attack",)
        assert terms["automobil"].is_synonym
        assert "myocardi, for heart attack" in str(explanation)


def test_without_synonyms_nothing_changes(place: dict[str, Any]) -> None:
    other = {**place, "collection": "other"} if "url" in place else place
    with (
        created(place, definitions(place, None)) as plain,
        created(other, definitions(place, {"zebra": "horse"})) as index,
    ):
        for each in (plain, index):
            each.add(PASSAGES)
        assert seen(index.search(QUERIES, 6)) == seen(plain.search(QUERIES, 6))
        assert plain.synonyms is None
        assert "synonyms" not in plain._storage.manifest.stage("bm25").state


def test_they_are_replaced_without_an_analysis(
    place: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a passage was analyzed")

    with created(place, definitions(place, None)) as index:
        index.add(PASSAGES)
        before = index.search(QUERIES, 6)
        with monkeypatch.context() as patch:
            patch.setattr(Postings, "_count", refuse)
            patch.setattr(SparseBM25, "index_passages", refuse)
            index.set_synonyms(GROUPS)
            assert {hit.passage.id for hit in index.bm25.search(["cars"])[0]} == {"p3", "p4"}
            index.set_synonyms(Synonyms(GROUPS, weight=1), stage="bm25")
            assert index.synonyms == Synonyms(GROUPS, weight=1)
            index.set_synonyms(None)
        assert seen(index.search(QUERIES, 6)) == seen(before)
        for stage, table, message in (
            ("letters", GROUPS, "no BM25 stage 'letters'.*'bm25'"),
            (["bm25"], GROUPS, r"no BM25 stage \['bm25'\]"),
            (None, [["one"]], "too few"),
        ):
            with pytest.raises(InvalidInputError, match=message):
                index.set_synonyms(table, stage=stage)  # type: ignore[arg-type]


@pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
def test_they_come_back(tmp_path: Path, lexical: Any) -> None:
    options: dict[str, Any] = {"encoder": words(), "lexical": lexical}
    with HybridIndex.create(tmp_path, synonyms=Synonyms(GROUPS, weight=0.3), **options) as index:
        index.add(PASSAGES)
        found = index.bm25.search(QUERIES)
        info: Any = index.info()
        assert info["stages"]["bm25"]["synonyms"] == {"weight": 0.3, "entries": 5}
    with HybridIndex.open(tmp_path, encoder=words()) as index:
        assert outline(index.bm25.search(QUERIES)) == outline(found)
        with HybridIndex.open(tmp_path, encoder=words(), read_only=True) as reader:
            index.set_synonyms({"cars": "women"})
            assert outline(reader.bm25.search(QUERIES)) == outline(found)
            with pytest.raises(ReadOnlyError):
                reader.set_synonyms(None)
            reader.refresh()
            assert outline(reader.bm25.search(QUERIES)) == outline(index.bm25.search(QUERIES))
    with HybridIndex.open(tmp_path, encoder=words(), synonyms=GROUPS) as index:  # for this time
        assert {hit.passage.id for hit in index.bm25.search(["cars"])[0]} == {"p3", "p4"}
        index.add([Passage("p9", "automobiles")])
        assert index.bm25.search(["cars"])[0][1].passage.id == "p9"
    with HybridIndex.open(tmp_path, encoder=words()) as index:
        assert index.synonyms == Synonyms({"cars": "women"})
        index.replace_stage("bm25", BM25("german", synonyms=GROUPS))
    with HybridIndex.open(tmp_path, encoder=words()) as index:
        assert index.synonyms == Synonyms(GROUPS)
        assert index.lexical == lexical


def test_a_function_is_given_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with HybridIndex.create(tmp_path, encoder=words(), synonyms=of_module) as index:
        index.add(PASSAGES)
        found = index.bm25.search(["cars"])
    with pytest.raises(EncoderMismatchError, match=r"'of_module' are a function"):
        HybridIndex.open(tmp_path, encoder=words())
    stages = [BM25(synonyms=of_module), Dense(words())]
    for options in ({"encoder": words(), "synonyms": of_module}, {"stages": stages}):
        with HybridIndex.open(tmp_path, **options) as index:  # type: ignore[arg-type]
            assert outline(index.bm25.search(["cars"])) == outline(found)
            with caplog.at_level(logging.INFO):
                index.set_synonyms(of_module)


def test_they_are_for_one_of_the_stages(tmp_path: Path) -> None:
    chosen = [BM25(synonyms=GROUPS), BM25(name="plain"), Dense(words())]
    with HybridIndex.create(tmp_path, stages=chosen) as index:
        index.add(PASSAGES)
        assert len(index.stages["bm25"].search(["cars"])[0]) == 2
        assert len(index.stages["plain"].search(["cars"])[0]) == 1
        index.set_synonyms(GROUPS, stage="plain")
        index.set_synonyms(None)
        assert len(index.stages["bm25"].search(["cars"])[0]) == 1
        assert len(index.stages["plain"].search(["cars"])[0]) == 2
    with pytest.raises(InvalidInputError, match="give synonyms to one of them"):
        HybridIndex.create(stages=chosen, synonyms=GROUPS)


def test_clients_of_a_server_keep_going(monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(":memory:")
    monkeypatch.setattr(client, "close", lambda: None)
    monkeypatch.setattr(served_storage, "connect", lambda *_: client)
    with HybridIndex.create(url=":memory:", encoder=words(), lexical="qdrant") as one:
        one.add(PASSAGES)
        with HybridIndex.open(url=":memory:", encoder=words()) as two:
            one.set_synonyms(GROUPS)
            assert len(two.bm25.search(["cars"])[0]) == 1
            two.add([Passage("p9", "a whale")])  # which reads the manifest
            assert len(two.bm25.search(["cars"])[0]) == 2


def test_an_index_with_a_function_travels_with_it(tmp_path: Path) -> None:
    encoder = CallableEncoder(of_texts, dimension=2, identity="of texts")
    with HybridIndex.create(tmp_path, encoder=encoder, synonyms=of_module) as index:
        index.add(PASSAGES)
        with pickle.loads(pickle.dumps(index)) as copy:
            assert outline(copy.bm25.search(["cars"])) == outline(index.bm25.search(["cars"]))


def of_texts(texts: Any) -> Any:
    return [[float(len(text)), 1.0] for text in texts]


def test_synonyms_of_one_process_travel_with_a_pickle(tmp_path: Path) -> None:
    def encoder() -> CallableEncoder:
        return CallableEncoder(of_texts, dimension=2, identity="of texts")

    with HybridIndex.create(tmp_path, encoder=encoder(), synonyms={"cars": "women"}) as index:
        index.add(PASSAGES)
    for given in (GROUPS, of_module):
        with (
            HybridIndex.open(tmp_path, encoder=encoder(), synonyms=given) as index,
            pickle.loads(pickle.dumps(index)) as copy,
            pickle.loads(pickle.dumps(copy)) as another,
        ):
            for each in (copy, another):
                assert each.synonyms == index.synonyms == Synonyms.of(given)
                assert outline(each.bm25.search(["cars"])) == outline(index.bm25.search(["cars"]))
    with HybridIndex.open(tmp_path, encoder=encoder(), synonyms=lambda _: []) as index:
        with pytest.raises(CopyError, match=r"because its synonyms cannot .* stage 'bm25'"):
            pickle.dumps(index)
        index.set_synonyms(GROUPS)
        with pickle.loads(pickle.dumps(index)) as copy:
            index.set_synonyms({"cars": "women"})
            copy.refresh()
            assert copy.synonyms == Synonyms({"cars": "women"})


@pytest.mark.parametrize("lexical", ["bm25s", "qdrant"])
def test_a_reader_shows_the_synonyms_that_it_searches_by(
    tmp_path: Path, lexical: Any, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = CallableEncoder(of_texts, dimension=2, identity="of texts")

    def shown(index: HybridIndex) -> Any:
        info: Any = index.info()
        stage = info["stages"]["bm25"]
        return stage.get("synonyms"), stage.get("missing_synonyms")

    with (
        HybridIndex.create(tmp_path, encoder=encoder, lexical=lexical) as index,
        HybridIndex.open(tmp_path, encoder=encoder, read_only=True) as reader,
    ):
        index.add(PASSAGES)
        for table in (GROUPS, None, {"cars": "women"}):
            index.set_synonyms(table)
            reader.refresh()
            assert reader.synonyms == index.synonyms == Synonyms.of(table)
            assert shown(reader) == shown(index)
            assert outline(reader.bm25.search(["cars"])) == outline(index.bm25.search(["cars"]))
        assert not caplog.records
        before = outline(reader.bm25.search(["cars"]))
        index.set_synonyms(of_module)
        for _ in range(2):
            reader.refresh()
            assert outline(reader.bm25.search(["cars"])) == before
            assert reader.synonyms == Synonyms({"cars": "women"})
            assert shown(reader) == ({"weight": 0.2, "entries": 1}, "of_module")
        [warned] = [record for record in caplog.records if "synonyms" in record.message]
        assert "'bm25'" in warned.message
        assert "the function 'of_module'" in warned.message
        with pytest.raises(CopyError, match=r"its synonyms.*the function 'of_module'"):
            pickle.dumps(reader)
        with HybridIndex.open(
            tmp_path, encoder=encoder, synonyms=of_module, read_only=True
        ) as knowing:
            index.set_synonyms(GROUPS)
            for each in (reader, knowing):
                each.refresh()
                assert each.synonyms == Synonyms(GROUPS)
                assert shown(each) == ({"weight": 0.2, "entries": 5}, None)
                assert outline(each.bm25.search(["cars"])) == outline(index.bm25.search(["cars"]))
