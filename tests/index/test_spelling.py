"""An index corrects each query once, and all its stages read it so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import CallableEncoder, FusedRetriever, HybridIndex, Passage
from hybridge.errors import InvalidInputError
from hybridge.explanation import explain, explain_search
from hybridge.index.cached_search import CachedSearch
from hybridge.interop import trace_to_dict
from hybridge.passages import Hit
from hybridge.spelling import corrected_query
from hybridge.stages import BM25, Dense
from hybridge.stages import bm25_words as stored
from hybridge.tuning.target import Target
from hybridge.vectors.store import UnionAnswer, UnionSearch

PASSAGES = [
    Passage("p1", "the planet orbits a star"),
    Passage("p2", "a planer smooths rough wood"),
    Passage("p3", "an elephant never forgets a star"),
    Passage("p4", "elephants drink water"),
    Passage("p5", "water and wood"),
]
ARRANGEMENTS: dict[str, dict[str, Any]] = {
    "bm25s": {"lexical": "bm25s"},
    "qdrant": {"lexical": "qdrant"},
    "memory": {"url": ":memory:", "lexical": "qdrant"},
    "arrays beside memory": {"url": ":memory:", "lexical": "bm25s"},
}
LEXICAL = ["bm25s", "qdrant"]


@pytest.fixture(params=ARRANGEMENTS.values(), ids=ARRANGEMENTS)
def index(request: pytest.FixtureRequest, words: CallableEncoder) -> Iterator[HybridIndex]:
    with HybridIndex.create(encoder=words, **request.param) as made:
        made.add(PASSAGES)
        yield made


def seen(hits: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.passage.id, pytest.approx(hit.score)) for hit in hits]


def correction(index: HybridIndex, query: str) -> str | None:
    [hits] = index.search([query])
    return corrected_query(hits)


def test_every_stage_reads_the_corrected_query(index: HybridIndex) -> None:
    wrong, right = "elehpants and watre", "elephants and water"
    [corrected], [expected] = index.search([wrong]), index.search([right], spelling=False)
    assert seen(corrected) == seen(expected)
    for hit in corrected:
        assert {entry.stage: entry.query for entry in hit.trace} == {
            entry.stage: None if entry.stage == "fusion" else right for entry in hit.trace
        }
        assert "query" in trace_to_dict(hit.trace)["dense"]
    assert all(entry.query is None for hit in expected for entry in hit.trace)
    assert seen(index.search([right])[0]) == seen(expected)
    [plain] = index.search([wrong], spelling=False)
    assert corrected_query(plain) is None
    assert seen(plain) != seen(expected)
    assert seen(index.tuned(spelling=False).search([wrong])[0]) == seen(plain)


def test_each_query_of_a_batch_is_read_for_itself(index: HybridIndex) -> None:
    queries = ["elehpants", " ", "water", "a plante", "nothing of it", *["watre"] * 20]
    lists = index.search(queries)
    alone = [index.search([query])[0] for query in queries]
    assert [seen(hits) for hits in lists] == [seen(hits) for hits in alone]
    read = [corrected_query(hits) for hits in lists]
    assert read == ["elephants", None, None, "a planet", None, *["water"] * 20]


def test_stages_alone_read_it_too(index: HybridIndex) -> None:
    for name, stage in index.stages.items():
        [corrected] = stage.search(["elehpants"])
        [expected] = stage.search(["elephants"], spelling=False)
        assert seen(corrected) == seen(expected)
        assert corrected[0].trace[0].stage == name
        assert {entry.query for hit in corrected for entry in hit.trace} == {"elephants"}
        ids = [[passage.id for passage in PASSAGES]]
        assert stage.score(["elehpants"], ids) == stage.score(["elephants"], ids)
        assert seen(stage.search(["elehpants"], spelling=False)[0]) != seen(expected)
    fused = FusedRetriever({"a": index, "b": index.bm25, "c": index.dense})
    expected = fused.search(["elephants"])[0]
    assert seen(fused.search(["elehpants"])[0]) == seen(expected)


def test_codes_quotes_and_filters_stay(index: HybridIndex) -> None:
    for query in ('"elehpants"', "elehpants2", "+elehpants", "elehpants_drink", "ELEHPANTS drink"):
        assert correction(index, query) is None
    [hits] = index.search(["elehpant"], where={"$id": ["p3"]})
    assert [hit.passage.id for hit in hits] == ["p3"]
    assert index.search(["elehpant"], where={"name": "elephant"}) == [[]]


def test_deletions_and_additions_change_what_is_known(index: HybridIndex) -> None:
    assert correction(index, "planet") is None
    index.delete(["p1"])
    assert correction(index, "planet") == "planer"
    index.add([Passage("p2", "nothing but wood")])
    assert correction(index, "planet") is None
    assert correction(index, "planer") is None
    index.add([Passage("p6", "planets")])
    assert correction(index, "planest") == "planets"
    assert correction(index, "planet") is None


def test_vectors_of_the_caller_are_of_no_corrected_query(
    index: HybridIndex, words: CallableEncoder
) -> None:
    [hits] = index.search(["elehpants"], vectors=words.encode_queries(["elehpants"]))
    for hit in hits:
        read = {entry.stage: entry.query for entry in hit.trace}
        assert read["dense"] is None
        assert read.get("bm25", "elephants") == "elephants"
    assert corrected_query(hits) == "elephants"


def test_cached_searches_read_the_same(index: HybridIndex) -> None:
    queries = ["elehpants and watre", "", "plante"]
    for spelling in (True, False):
        cached = CachedSearch(index, queries, spelling=spelling)
        found = index.search(queries, spelling=spelling)
        assert [seen(hits) for hits in cached.search()] == [seen(hits) for hits in found]
        assert list(map(corrected_query, cached.search())) == list(map(corrected_query, found))


def test_an_explanation_is_of_the_corrected_query(index: HybridIndex) -> None:
    [hits] = index.search(["elehpants"])
    for hit in hits:
        explanation = explain(index, "elehpants", hit)
        assert (explanation.query, explanation.read_as) == ("elehpants", "elephants")
        assert explanation.score == pytest.approx(hit.score)
        assert explanation.trace == hit.trace
        assert "read as: elephants" in str(explanation)
    assert explain(index, "elehpants", "p4").bm25.terms[0].words == ("elephants",)
    assert explain(index.bm25, "elehpants", "p4").read_as == "elephants"
    assert explain(index, "elehpants", "p5", k=1).read_as == "elephants"
    assert explain(index.tuned(spelling=False), "elehpants", "p4").read_as is None
    search = explain_search(index, "elehpants")
    assert search.read_as == "elephants"
    assert "read as: elephants" in str(search)
    assert explain_search(index, "elephants").read_as is None
    fused = explain(FusedRetriever({"one": index, "two": index.bm25}), "elehpants", "p4")
    assert {name: part.read_as for name, part in fused.members.items()} == {
        "one": "elephants",
        "two": "elephants",
    }
    assert "read as: elephants" in str(fused)


def test_tuning_keeps_the_choice(index: HybridIndex) -> None:
    for spelling, read in ((True, "elephants"), (False, None)):
        target = Target.of(index.tuned(spelling=spelling))
        cached = target.cached(["elehpants"]).search(**target.options(target.default))
        built = target.build(target.default).search(["elehpants"])
        assert seen(cached[0]) == seen(built[0])
        assert corrected_query(cached[0]) == corrected_query(built[0]) == read


@pytest.mark.parametrize("value", [0, 1, "yes"])
def test_anything_but_true_and_false_is_refused(index: HybridIndex, value: Any) -> None:
    message = "spelling must be True or False"
    with pytest.raises(InvalidInputError, match=message):
        index.search(["a"], spelling=value)
    with pytest.raises(InvalidInputError, match=message):
        index.tuned(spelling=value)
    with pytest.raises(InvalidInputError, match=message):
        index.bm25.search(["a"], spelling=value)


def test_an_index_without_bm25_corrects_nothing(words: CallableEncoder) -> None:
    with HybridIndex.create(stages=[Dense(words)]) as index:
        index.add(PASSAGES)
        assert correction(index, "elehpants") is None


def test_the_first_bm25_stage_corrects_for_all(words: CallableEncoder) -> None:
    stages = [Dense(words), BM25("german", name="one", lexical="qdrant"), BM25(name="two")]
    with HybridIndex.create(stages=stages) as index:
        index.add(PASSAGES)
        [hits] = index.search(["elehpants"])
        assert {entry.query for entry in hits[0].trace} == {"elephants", None}
        assert index.info()["stages"]["one"]["spelling"] is True


@pytest.fixture(params=LEXICAL)
def folder(request: pytest.FixtureRequest, words: CallableEncoder, tmp_path: Path) -> Path:
    with HybridIndex.create(tmp_path / "i", encoder=words, lexical=request.param) as index:
        index.add(PASSAGES)
        index.delete(["p1"])
    return tmp_path / "i"


def no_pages(self: object) -> Iterator[list[Passage]]:
    raise AssertionError("the passages are not to be read")


def test_words_outlive_the_index(
    folder: Path, words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = (folder / "bm25.npz").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr("hybridge.vectors.edge.EdgeStore.pages", no_pages)
        for read_only in (False, True):
            with HybridIndex.open(folder, encoder=words, read_only=read_only) as index:
                assert correction(index, "elehpants") == "elephants"
                assert correction(index, "planet") == "planer"
    assert (folder / "bm25.npz").stat().st_mtime_ns == written
    assert b"orbits" not in (folder / "bm25.npz").read_bytes()


def test_missing_words_are_read_from_the_passages_once(
    folder: Path, words: CallableEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_words(folder / "bm25.npz")
    with HybridIndex.open(folder, encoder=words) as index:
        assert correction(index, "elehpants") == "elephants"
    monkeypatch.setattr("hybridge.vectors.edge.EdgeStore.pages", no_pages)
    with HybridIndex.open(folder, encoder=words) as index:
        assert correction(index, "elehpants") == "elephants"


def without_words(file: Path) -> None:
    """Rewrite a file of a stage as releases without words wrote it."""
    from hybridge.lexical.files import load_arrays, save_arrays

    meta, arrays = load_arrays(file)
    del arrays["words"]
    if not arrays:
        file.unlink()
    else:
        save_arrays(file, meta, **arrays)


def test_words_of_a_killed_writer_are_read_from_the_passages(
    folder: Path, words: CallableEncoder
) -> None:
    stale = (folder / "bm25.npz").read_bytes()
    with HybridIndex.open(folder, encoder=words) as index:
        index.add([Passage("p9", "crocodiles swim")])
    (folder / "bm25.npz").write_bytes(stale)
    with HybridIndex.open(folder, encoder=words) as index:
        assert correction(index, "corcodiles") == "crocodiles"
        assert correction(index, "elehpants") == "elephants"


def test_a_reader_follows_the_words_of_the_writer(folder: Path, words: CallableEncoder) -> None:
    with (
        HybridIndex.open(folder, encoder=words) as writer,
        HybridIndex.open(folder, encoder=words, read_only=True) as reader,
    ):
        assert correction(reader, "elehpants") == "elephants"
        writer.add([Passage("p9", "crocodiles swim"), Passage("p3", "a star")])
        writer.delete(["p4"])
        assert correction(reader, "corcodiles") is None
        reader.refresh()
        assert correction(reader, "corcodiles") == "crocodiles"
        assert correction(reader, "elehpants") is None


def test_searches_go_on_while_passages_are_added(words: CallableEncoder) -> None:
    for lexical in LEXICAL:
        with HybridIndex.create(encoder=words, lexical=lexical) as index:  # type: ignore[arg-type]
            index.add(PASSAGES)

            def write(index: HybridIndex = index) -> None:
                for number in range(20):
                    index.add([Passage(f"n{number}", f"crocodiles {'abcdefghij'[number % 10]}xyz")])
                    index.delete([f"n{number}"])

            def read(index: HybridIndex = index) -> set[str | None]:
                return {correction(index, "elehpants") for _ in range(40)}

            with ThreadPoolExecutor(4) as pool:
                done = pool.submit(write)
                found = [pool.submit(read) for _ in range(3)]
                done.result()
                assert [each.result() for each in found] == [{"elephants"}] * 3


class TestOnAServer:
    """Where other clients write too; `:memory:` is treated like one."""

    @pytest.fixture
    def shared(self, words: CallableEncoder) -> Iterator[HybridIndex]:
        with HybridIndex.create(url=":memory:", encoder=words, lexical="qdrant") as index:
            index.add(PASSAGES)
            yield index

    def test_many_passages_are_not_read(
        self, shared: HybridIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stored, "_READ", 4)
        assert correction(shared, "elehpants") is None
        assert shared.info()["stages"]["bm25"]["spelling"] is False

    def test_what_others_added_is_known(self, shared: HybridIndex) -> None:
        assert correction(shared, "elehpants") == "elephants"
        stage = shared._stages.opened["bm25"]
        # Past this index: it has not seen the word.
        passage = Passage("p9", "elehpants")
        rows = stage._weigher.index_passages([passage.text])  # type: ignore[attr-defined]
        shared._storage.store.upsert([passage], {"bm25": rows, "dense": np.ones((1, 32))})
        assert correction(shared, "elehpants") is None

    def test_a_known_word_is_asked_for_once(
        self, shared: HybridIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[str, int]] = []
        search = type(shared._storage.store).search

        def watched(self: Any, searches: Sequence[UnionSearch]) -> list[UnionAnswer]:
            asked.extend((query.name, query.limit) for each in searches for query in each.finding)
            return search(self, searches)

        monkeypatch.setattr(type(shared._storage.store), "search", watched)
        for _ in range(3):
            shared.search(["elephants drink water"])
        assert asked.count(("bm25", 1)) == 3

    def test_a_known_word_costs_no_request(
        self, shared: HybridIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(type(shared._storage.store), "frequencies")
        assert correction(shared, "elephants drink") is None
