"""The terms of a query: without question words, unless there are no others."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge import Analyzer, BM25Retriever, Passage, explain
from hybridge.lexical import SparseBM25, Synonyms
from hybridge.lexical.query_terms import QueryReader
from hybridge.query_syntax import parse
from hybridge.stages import BM25

READ = QueryReader(Analyzer())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("What does nonlocal do?", ["nonloc"]),
        ("HOW ARE CLOSURES BOUND", ["closur", "bound"]),
        ("what's a generator, and who’s its caller?", ["generat", "it", "caller"]),
        ("when why which whose", ["when", "whi", "which", "whose"]),
        ("whatever a doe does", ["whatev", "doe"]),
        ("getWhat what_how", ["get", "what", "getwhat", "what", "how", "whathow"]),
        ("the and", []),
        ("", []),
    ],
)
def test_question_words_are_left_out(query: str, expected: list[str]) -> None:
    assert list(READ(query).own) == expected
    [vector] = SparseBM25(Analyzer()).encode_queries([query])
    assert len(vector[0]) == len(set(expected))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('"how to" cook', ["how", "cook"]),
        ("+what is it not", ["what"]),
        ("what -why fails", ["fail"]),
        ("how +much", ["much"]),
    ],
)
def test_quoted_and_signed_ones_are_read(query: str, expected: list[str]) -> None:
    assert list(READ(parse(query).text).own) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("WHO guidelines", ["who", "guidelin"]),
        ("what does the (WHO) do", ["who"]),
        ("the WHO's advice", ["who", "advic"]),
        ("Doctor Who", ["doctor", "who"]),
        ("Who is Doctor Who?", ["doctor", "who"]),
        ("DO levels", ["do", "level"]),
        ("Who asks? How so: What? (Why?) The When", ["ask", "so", "when"]),
        ('the episode "doctor who"', ["episod", "doctor", "who"]),
        ("“how to” cook", ["how", "cook"]),
        ('6" pipes and how', ["6", "pipe"]),
        ("- What leaks", ["leak"]),
        ("WHO GUIDELINES", ["guidelin"]),
        ("who guidelines", ["guidelin"]),
        ("Python 3. How fast", ["python", "3", "fast"]),
    ],
)
def test_names_ask_nothing(query: str, expected: list[str]) -> None:
    assert list(READ(query).own) == expected
    assert list(QueryReader(Analyzer(), Synonyms({"zebra": "horse"}))(query).own) == expected


def test_what_has_synonyms_asks_nothing() -> None:
    table = {"who": "world health organization", "how come": "reason", "does": "deer"}
    read = QueryReader(Analyzer(), Synonyms(table))
    found = read("what did who advise")
    assert list(found.own) == ["who", "advis"]
    assert found.added == dict.fromkeys(["world", "health", "organ"], "who")
    assert list(read("how did it come").own) == ["come"]
    assert list(read("how come it did").own) == ["how", "come"]
    assert read("how come").added == {"reason": "how come"}
    assert list(read("the does").own) == ["doe"]


def test_a_function_is_asked_for_no_question_word() -> None:
    asked: list[str] = []

    def thesaurus(word: str) -> list[str]:
        asked.append(word)
        return ["organization"]

    read = QueryReader(Analyzer(), Synonyms.of(thesaurus))
    assert list(read("what does who advise").own) == ["advis"]
    assert asked == ["advise"]
    assert list(read("the WHO and what it did").own) == ["who"]
    assert asked == ["advise", "WHO"]


@pytest.mark.parametrize(
    "analyzer",
    [
        Analyzer(questions=False),
        Analyzer(version=1),
        Analyzer("german"),
        Analyzer(None),
        Analyzer.from_callable(str.split, name="split"),
    ],
    ids=repr,
)
def test_elsewhere_they_are_words(analyzer: Any) -> None:
    assert not analyzer.question_words
    read = QueryReader(analyzer)
    for query in ("what does it do", "was macht das", "how how"):
        assert list(read(query).own) == analyzer([query])[0]


def test_passages_keep_them() -> None:
    passages = [Passage("p1", "how to cook"), Passage("p2", "a cook"), Passage("p3", "who")]
    retriever = BM25Retriever(passages, spelling=False)
    assert [hit.passage.id for hit in retriever.search(["who?"])[0]] == ["p3"]
    plain, asked = retriever.search(["cook", "how does one cook"])
    assert [hit.score for hit in plain] == [hit.score for hit in asked]
    assert Analyzer()(["how"]) == [["how"]]


def test_an_explanation_names_them() -> None:
    retriever = BM25Retriever([Passage("p1", "What a cook does")])
    explanation = explain(retriever, "How does a cook work?", "p1")
    assert explanation.bm25 is not None
    notes = {term.term: term.note for term in explanation.bm25.terms}
    assert notes == {
        "cook": "",
        "work": "not in the corpus",
        "how": "question word",
        "does": "question word",
        "a": "stop word",
    }
    assert "question word: how, does" in str(explanation)


def test_the_option_is_part_of_the_analyzer() -> None:
    analyzer = Analyzer(questions=False)
    assert analyzer.to_config() != Analyzer().to_config()
    assert analyzer.revision == Analyzer().revision
    assert Analyzer.from_config(analyzer.to_config()).question_words == frozenset()
    assert Analyzer.from_config(Analyzer().to_config()).question_words
    assert BM25(analyzer).analyzer.question_words == frozenset()
