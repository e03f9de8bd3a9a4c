"""The retriever: what it finds, how it changes, and how it is kept."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hybridge import Analyzer, BM25Retriever, Passage
from hybridge.errors import (
    CorruptIndexError,
    EncoderMismatchError,
    IndexExistsError,
    IndexNotFoundError,
    InvalidInputError,
)
from hybridge.filters import TextPhrase
from hybridge.testing import RetrieverConformance

if TYPE_CHECKING:
    from tests.conftest import Collection

PASSAGES = [
    Passage("p1", "The cat sat on the mat.", {"kind": "cat", "year": 2001}),
    Passage("p2", "Two dogs ran after a cat.", {"kind": "dog", "year": 2002}),
    Passage("p3", "Dogs and more dogs.", {"kind": "dog", "year": 2003}),
    Passage("p4", "東京の猫", {"kind": "cat", "year": 2004}),
]


@pytest.fixture
def retriever() -> BM25Retriever:
    return BM25Retriever(PASSAGES)


def ids(retriever: BM25Retriever, query: str, k: int = 10, **options: Any) -> list[str]:
    [hits] = retriever.search([query], k, **options)
    return [hit.passage.id for hit in hits]


class TestConformance(RetrieverConformance):
    def build(self, passages: Iterable[Passage]) -> BM25Retriever:
        return BM25Retriever(passages)


class TestConformanceOfBM25Plus(RetrieverConformance):
    def build(self, passages: Iterable[Passage]) -> BM25Retriever:
        return BM25Retriever(passages, method="bm25+")


def test_the_best_come_first_with_their_trace(retriever: BM25Retriever) -> None:
    [hits] = retriever.search(["dogs"])
    assert [hit.passage for hit in hits] == [PASSAGES[2], PASSAGES[1]]
    assert [(t.stage, t.rank, t.score) for hit in hits for t in hit.trace] == [
        ("bm25", 1, hits[0].score),
        ("bm25", 2, hits[1].score),
    ]


@pytest.mark.parametrize("method", ["lucene", "robertson", "atire", "bm25l", "bm25+"])
def test_only_what_matches_is_found(method: str) -> None:
    # A word of half the passages is worth nothing in the robertson variant: here are more.
    others = [Passage(f"q{n}", "birds") for n in range(3)]
    retriever = BM25Retriever([*PASSAGES, *others], method=method)
    assert ids(retriever, "dogs", 100) == ["p3", "p2"]
    for nothing in ("", "  \n", "the and of", "zebra", "!?"):
        assert ids(retriever, nothing) == []


def test_one_chinese_character_finds_text(retriever: BM25Retriever) -> None:
    assert ids(retriever, "猫") == ids(retriever, "東京") == ["p4"]


@pytest.mark.parametrize("passages", [[], [Passage("a", ""), Passage("b", "the of and")]])
def test_corpora_without_words(passages: list[Passage]) -> None:
    retriever = BM25Retriever(passages)
    assert retriever.search(["cat", "the", ""], 5) == [[], [], []]
    assert retriever.score(["cat"], [[p.id for p in passages]]) == [[0.0] * len(passages)]
    assert retriever.search([]) == []


def test_filters_filter(retriever: BM25Retriever) -> None:
    assert ids(retriever, "cat dogs", where={"kind": "dog"}) == ["p2", "p3"]
    assert ids(retriever, "cat dogs", k=1, where={"kind": "cat"}) == ["p1"]
    assert ids(retriever, "cat dogs", where={"kind": "bird"}) == []
    retriever.add([Passage("p5", "dogs", {"kind": "bird"})])
    assert ids(retriever, "cat dogs", where={"kind": "bird"}) == ["p5"]


def test_adding_an_id_again_replaces_it(retriever: BM25Retriever) -> None:
    assert retriever.add([Passage("p1", "A zebra."), Passage("p0", "A cat.")]) == 2
    assert len(retriever) == 5
    assert ids(retriever, "zebra") == ["p1"]
    assert ids(retriever, "sat") == []
    assert [passage.id for passage in retriever] == ["p0", "p1", "p2", "p3", "p4"]
    assert retriever.get(["p1", "p9"]) == [Passage("p1", "A zebra."), None]


@pytest.mark.parametrize(
    "bad",
    [
        [Passage("p9", "zebra"), "no passage"],
        [Passage("p9", "zebra"), Passage("p9", "zebra again")],
    ],
)
def test_a_bad_passage_changes_nothing(retriever: BM25Retriever, bad: list[Any]) -> None:
    with pytest.raises(InvalidInputError):
        retriever.add(bad)
    assert list(retriever) == PASSAGES
    assert ids(retriever, "zebra") == []


def test_deleting(retriever: BM25Retriever) -> None:
    assert retriever.delete(["p1", "p1", "p9"]) == 1
    assert retriever.delete(np.array(["p2", "p9"])) == 1
    assert [passage.id for passage in retriever] == ["p3", "p4"]
    assert retriever.delete(where={"year": 2003}) == 1
    assert ids(retriever, "cat dogs 東京") == ["p4"]
    assert retriever.delete(["p4"]) == 1
    assert len(retriever) == 0
    assert retriever.search(["cat"]) == [[]]
    retriever.add(PASSAGES)
    assert ids(retriever, "cat") == ["p1", "p2"]


def test_deleting_takes_either_ids_or_a_filter(retriever: BM25Retriever) -> None:
    for arguments in ({}, {"ids": ["p1"], "where": {"kind": "cat"}}, {"ids": [], "where": {}}):
        with pytest.raises(InvalidInputError, match="either ids or where, to say what to delete"):
            retriever.delete(**arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="must be a list"):
        retriever.delete("p1")
    assert retriever.delete([]) == retriever.delete(np.array([], dtype=str)) == 0
    assert len(retriever) == 4
    assert retriever.delete(where={}) == 4


def test_exact_scores(retriever: BM25Retriever) -> None:
    [hits] = retriever.search(["cat dogs"])
    [scores] = retriever.score(["cat dogs"], [["p4", *(hit.passage.id for hit in hits)]])
    assert scores == [0.0, *(hit.score for hit in hits)]
    assert retriever.score(["cat", ""], [[], ["p1"]]) == [[], [0.0]]
    with pytest.raises(InvalidInputError, match="'p9'"):
        retriever.score(["cat"], [["p1", "p9"]])
    with pytest.raises(InvalidInputError, match="2 lists of ids for 1 queries"):
        retriever.score(["cat"], [["p1"], ["p2"]])
    with pytest.raises(InvalidInputError, match="must be a list"):
        retriever.score(["cat"], ["p1"])


async def test_asynchronous_search_is_the_same(retriever: BM25Retriever) -> None:
    found = await retriever.asearch(["cat", "dogs"], 1, where={"kind": "dog"})
    assert found == retriever.search(["cat", "dogs"], 1, where={"kind": "dog"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cat",), r'search\(\["..."\]\)'),
        ((["cat"], 0), "k must be"),
        ((["cat"], True), "k must be"),
        ((["cat"], 2**31), "from 1 to 2147483647"),
        (([b"cat"],), "queries must be strings"),
        ((None,), r'search\(\["..."\]\)'),
        ((5,), r'search\(\["..."\]\)'),
    ],
)
def test_wrong_arguments(
    retriever: BM25Retriever, arguments: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        retriever.search(*arguments)


def test_a_bare_string_is_refused(retriever: BM25Retriever) -> None:
    for wrong in (PASSAGES[0], None):
        with pytest.raises(InvalidInputError, match=r"write add\(\[passage\]\)"):
            retriever.add(wrong)  # type: ignore[arg-type]
    for call in (retriever.get, retriever.delete, lambda ids: retriever.score(["cat"], [ids])):
        with pytest.raises(InvalidInputError, match=r'ids .* not one int: write \["..."\]$'):
            call(5)  # type: ignore[operator]


def test_what_the_constructor_takes() -> None:
    assert BM25Retriever(analyzer="de").analyzer.identity.startswith("german:")
    split = BM25Retriever(PASSAGES, analyzer=str.split, method="atire", k1=2, b=0, delta=1)
    assert ids(split, "cat") == ["p1"]
    assert split.parameters.k1 == 2
    with pytest.raises(InvalidInputError, match="method"):
        BM25Retriever(method="bm42")
    with pytest.raises(InvalidInputError, match="backend"):
        BM25Retriever(backend="auto")
    assert repr(split) == "<BM25Retriever: 4 passages, Analyzer('str.split')>"


def answers(retriever: BM25Retriever) -> object:
    return retriever.search(["cat", "dogs", "東京"]), list(retriever)


@pytest.mark.parametrize("method", ["lucene", "bm25+"])
def test_saved_and_opened(tmp_path: Path, method: str) -> None:
    retriever = BM25Retriever(PASSAGES, analyzer="de", method=method, k1=0.9)
    retriever.save(tmp_path / "index")
    opened = BM25Retriever.open(tmp_path / "index")
    assert answers(opened) == answers(retriever)
    assert opened.parameters == retriever.parameters
    assert opened.analyzer.identity == retriever.analyzer.identity
    for changed in (opened, retriever):
        changed.add([Passage("p2", "Eine Katze"), Passage("p7", "dogs dogs")])
        changed.delete(["p1"])
    assert answers(opened) == answers(retriever)
    opened.save(tmp_path / "index")
    assert answers(BM25Retriever.open(str(tmp_path / "index"))) == answers(retriever)


def test_a_folder_of_other_things_is_left_alone(retriever: BM25Retriever, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(IndexExistsError, match="holds something else"):
        retriever.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(IndexNotFoundError):
        BM25Retriever.open(tmp_path)


def test_a_function_as_analyzer_is_required_again(tmp_path: Path) -> None:
    retriever = BM25Retriever(PASSAGES, analyzer=str.split)
    retriever.save(tmp_path)
    with pytest.raises(EncoderMismatchError, match=r"str\.split"):
        BM25Retriever.open(tmp_path)
    with pytest.raises(EncoderMismatchError, match=r"str\.lower"):
        BM25Retriever.open(tmp_path, analyzer=str.lower)  # type: ignore[arg-type]
    assert answers(BM25Retriever.open(tmp_path, analyzer=str.split)) == answers(retriever)


def test_what_is_derived_is_made_again_from_the_passages(
    retriever: BM25Retriever, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    retriever.save(tmp_path)
    older = (tmp_path / "postings.npz").read_bytes()
    retriever.add([Passage("p8", "dogs")])
    retriever.save(tmp_path)
    for derived in (older, older[:100], None):
        caplog.clear()
        (tmp_path / "postings.npz").unlink()
        if derived is not None:
            (tmp_path / "postings.npz").write_bytes(derived)
        with caplog.at_level(logging.WARNING):
            assert answers(BM25Retriever.open(tmp_path)) == answers(retriever)
        assert "analyzing the passages again" in caplog.text
        retriever.save(tmp_path)


def test_damaged_passages_are_named(retriever: BM25Retriever, tmp_path: Path) -> None:
    retriever.save(tmp_path)
    path = tmp_path / "passages.jsonl"
    whole = path.read_bytes()
    for damaged in (whole[:-10], b"", whole.replace(b'"k1":1.2', b'"k1":-12'), b"{}"):
        path.write_bytes(damaged)
        with pytest.raises(CorruptIndexError, match=str(tmp_path)):
            BM25Retriever.open(tmp_path)


def test_threads_that_search_while_others_write(retriever: BM25Retriever) -> None:
    done = threading.Event()

    def write() -> None:
        for n in range(60):
            retriever.add([Passage(f"new{n}", f"cat number{n}", {"kind": "new"})])
            retriever.delete([f"new{n - 5}"])

    def search() -> int:
        rounds = 0
        while not done.is_set():
            for hits in retriever.search(["cat", "number7"], 100, where={"kind": "new"}):
                assert all(hit.passage.metadata["kind"] == "new" for hit in hits)
            assert {"p1", "p2"} <= set(ids(retriever, "cat", 100))
            rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as pool:
        searches = [pool.submit(search) for _ in range(3)]
        pool.submit(write).result()
        done.set()
        assert all(future.result() for future in searches)
    assert len(retriever) == 4 + 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_forked_during_writes_has_a_whole_retriever(
    forked: Callable[[Callable[[], Any]], Any],
) -> None:
    retriever = BM25Retriever(Passage(f"p{n}", f"tide {n}") for n in range(50))
    done = threading.Event()

    def write() -> None:
        for n in count():
            if done.is_set():
                return
            retriever.add(Passage(f"w{n % 5}-{m}", f"new tide {n}") for m in range(40))
            retriever.delete([f"w{(n - 2) % 5}-{m}" for m in range(40)])

    def child() -> tuple[int, bool]:
        before = {passage.id for passage in retriever}
        retriever.add([Passage("child", "tide")])
        found = {hit.passage.id for hit in retriever.search(["tide"], 1000)[0]}
        return len(before), found == before | {"child"}

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(10):
            size, is_whole = forked(child)
            assert (size - 50) % 40 == 0
            assert is_whole
    finally:
        done.set()
        thread.join()
    assert retriever.get(["child"]) == [None]


def test_it_needs_no_store_and_no_model() -> None:
    code = """
import sys
from hybridge import Analyzer, BM25Retriever, Passage
before = {"bm25s", "scipy", "numba"} & set(sys.modules)
retriever = BM25Retriever([Passage("a", "cats", {"n": 1})])
assert retriever.search(["cat"], where={"n": 1})[0][0].passage.id == "a"
heavy = {"qdrant_client", "qdrant_edge", "torch", "transformers", "sentence_transformers"}
print(before, heavy & set(sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[0] == "set() set()"


def ndcg_at_10(retriever: BM25Retriever, collection: Collection) -> float:
    import ir_measures

    judged = collection.qrels("test")
    queries = {name: collection.queries[name] for name in judged}
    found: Sequence[Any] = retriever.search(list(queries.values()), 10)
    run = {
        name: {hit.passage.id: hit.score for hit in hits}
        for name, hits in zip(queries, found, strict=True)
    }
    measure = ir_measures.nDCG @ 10
    return float(ir_measures.calc_aggregate([measure], judged, run)[measure])


def test_scifact(scifact: Collection) -> None:
    # bm25s's own tokenizer with the same stop words and stemmer reaches 0.6802.
    assert ndcg_at_10(BM25Retriever(scifact.passages), scifact) >= 0.675


def test_a_saved_retriever_keeps_the_words_of_its_version(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passages = [Passage("a", "valve T-3"), Passage("b", "valve XR-500")]
    BM25Retriever(passages, analyzer=Analyzer(version=1)).save(tmp_path)
    with caplog.at_level(logging.INFO, "hybridge"):
        again = BM25Retriever.open(tmp_path, analyzer="english")
    assert again.analyzer.version == 1
    assert again.search(["3", "500"]) == [[], again.search(["500"])[0]]
    [record] = caplog.records
    assert "keeps the words of version 1" in record.message
    assert "retriever.with_analyzer()" in record.message
    caplog.clear()
    BM25Retriever(passages).save(tmp_path)
    with caplog.at_level(logging.INFO, "hybridge"):
        again = BM25Retriever.open(tmp_path)
    assert [hits[0].passage.id for hits in again.search(["3", "xr500"])] == ["a", "b"]
    assert not caplog.records


def test_another_analyzer_keeps_all_else() -> None:
    passages = [
        Passage("a", "Die Katzen schlafen", {"title": "Valve T-3"}),
        Passage("b", "Hunde bellen", {"title": "Katzen"}),
    ]
    settings: dict[str, Any] = {
        "method": "bm25+",
        "k1": 1.7,
        "b": 0.3,
        "delta": 0.9,
        "idf_method": "lucene",
        "spelling": False,
        "search_text": "{title} {text}",
        "synonyms": [["dog", "hund"]],
        "query_syntax": True,
    }
    queries = ["katze", "dog", "katze -hund", "schalfen", "valves", "T3", "die"]
    first = BM25Retriever(passages, analyzer=Analyzer("german", version=1, stem=False), **settings)
    for given, same in (
        (None, Analyzer("german", stem=False)),
        ("german", Analyzer("german")),
        (str.split, str.split),
    ):
        made = first.with_analyzer(given)
        expected = BM25Retriever(passages, analyzer=same, **settings)
        assert made.search(queries) == expected.search(queries)
        assert made.analyzer.to_config() == expected.analyzer.to_config()
        assert made.parameters == first.parameters
        assert made.synonyms == first.synonyms
        assert made.search_text == first.search_text
        assert made.correct("schalfen").text == "schalfen"
        assert list(made) == list(first)
    made.delete(["a"])
    assert len(first) == 2


# What is searched


TITLED = [
    Passage("h", "It shall be paid.", {"title": "Harbour Regulations"}),
    Passage("a", "It shall be paid.", {"title": "Airport Regulations"}),
    Passage("n", "Harbour of harbours.", {}),
]


def of_title(passage: Passage) -> str:
    return str(passage.metadata.get("title", ""))


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({"search_text": "{title} {text}"}, "{title} {text}"),
        ({"fields": {"title": 3, "text": 1}}, "{title} {title} {title} {text}"),
        ({"fields": {"text": 2}}, "{text} {text}"),
        ({"search_text": of_title}, "{title}"),
    ],
)
def test_scores_are_those_of_the_text_written_out(options: dict[str, Any], written: str) -> None:
    texts = [written.format(title=p.metadata.get("title", ""), text=p.text).strip() for p in TITLED]
    plain = BM25Retriever([Passage(p.id, t) for p, t in zip(TITLED, texts, strict=True)])
    retriever = BM25Retriever(TITLED, **options)
    for query in ("harbour", "paid by regulations", "airport harbour"):
        expected = [(hit.passage.id, hit.score) for hit in plain.search([query])[0]]
        found = retriever.search([query])[0]
        assert [(hit.passage.id, hit.score) for hit in found] == expected
        assert all(hit.passage in TITLED for hit in found)
        ids = [p.id for p in TITLED]
        assert retriever.score([query], [ids]) == plain.score([query], [ids])


def test_queries_are_corrected_by_what_is_searched(tmp_path: Path) -> None:
    retriever = BM25Retriever(TITLED, fields={"title": 1, "text": 1})
    assert retriever.search(["aiprort"])[0][0].passage.id == "a"
    retriever.save(tmp_path)
    assert BM25Retriever.open(tmp_path).search(["aiprort"])[0][0].passage.id == "a"


def test_operators_read_what_is_searched() -> None:
    options: dict[str, Any]
    for options, others in (
        ({"search_text": "{title}"}, set()),
        ({"fields": {"title": 2, "text": 1}}, {"n"}),
    ):
        retriever = BM25Retriever(TITLED, query_syntax=True, **options)
        for query, ids in (
            ("regulations +harbour", {"h"} | others),
            ("regulations -harbour", {"a"}),
            ('regulations "harbour regulations"', {"h"}),
        ):
            assert {hit.passage.id for hit in retriever.search([query])[0]} == ids
        paid = TextPhrase("it shall be paid")
        assert len(retriever.search(["regulations"], where=paid)[0]) == 2
        [hits] = retriever.search(["regulations harbour"], where=TextPhrase("harbour"))
        assert {hit.passage.id for hit in hits} == others


def test_a_boost_moves_a_title_up() -> None:
    long = "Ships cranes quays sheds ropes sails masts decks hulls."
    passages = [Passage("t", long, {"title": "Harbour"}), Passage("x", "Harbour towns smell.")]

    def scores(boost: int) -> dict[str, float]:
        [hits] = BM25Retriever(passages, fields={"title": boost, "text": 1}).search(["harbour"])
        return {hit.passage.id: hit.score / math.log(1 + 0.5 / 2.5) for hit in hits}

    # tf / (tf + 1.2 * (0.25 + 0.75 * length / average)), of 9 terms and the title, and of 3.
    assert scores(1) == pytest.approx({"x": 0.58297, "t": 0.37241}, abs=1e-4)
    assert scores(5) == pytest.approx({"t": 0.73724, "x": 0.61821}, abs=1e-4)


def test_what_is_searched_is_saved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    retriever = BM25Retriever(TITLED, fields={"title": 2, "text": 1})
    retriever.save(tmp_path / "titled")
    with caplog.at_level(logging.WARNING):
        again = BM25Retriever.open(tmp_path / "titled")
    assert caplog.text == ""
    again.add([Passage("b", "New.", {"title": "Bridge"})])
    assert again.search(["bridge"])[0][0].passage.id == "b"
    assert again.search_text == retriever.search_text
    (tmp_path / "titled" / "postings.npz").unlink()
    for text in (None, "{title}\n{title}\n{text}"):
        analyzed = BM25Retriever.open(tmp_path / "titled", search_text=text)
        assert analyzed.search(["harbour paid"]) == retriever.search(["harbour paid"])
    with pytest.raises(EncoderMismatchError, match="search_text"):
        BM25Retriever.open(tmp_path / "titled", search_text="{title}")
    BM25Retriever(TITLED, search_text=of_title).save(tmp_path / "function")
    with pytest.raises(EncoderMismatchError, match="named 'of_title'"):
        BM25Retriever.open(tmp_path / "function")
    opened = BM25Retriever.open(tmp_path / "function", search_text=of_title)
    assert [hit.passage.id for hit in opened.search(["harbour"])[0]] == ["h"]


def test_fields_exclude_a_search_text() -> None:
    with pytest.raises(InvalidInputError, match="give one of them"):
        BM25Retriever(fields={"text": 1}, search_text="{text}")
