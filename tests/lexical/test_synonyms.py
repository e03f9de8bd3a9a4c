"""Synonyms: what is added to a query, by hand, and that nothing else changes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import Analyzer, BM25Retriever, Passage, explain
from hybridge.errors import CopyError, CorruptIndexError, EncoderMismatchError, InvalidInputError
from hybridge.lexical import Synonyms
from hybridge.lexical.query_terms import QueryReader, QueryTerms
from hybridge.query_syntax import parse

GROUPS = [["heart attack", "myocardial infarction", "MI"], ["car", "automobile"]]
PASSAGES = [
    Passage("p1", "Myocardial infarction in women"),
    Passage("p2", "Heart attacks in men"),
    Passage("p3", "The car of a woman"),
    Passage("p4", "An attack on automobiles"),
    Passage("p5", "Nothing of it"),
    Passage("p6", "東京タワーの高さ"),
]


def added(query: str, table: Any, analyzer: Any = "english") -> dict[str, str]:
    return dict(QueryReader(Analyzer.of(analyzer), Synonyms.of(table))(query).added)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("cars", {"automobil": "cars"}),
        ("the car, the CAR", {"automobil": "car"}),
        ("heart attacks", dict.fromkeys(["myocardi", "infarct", "mi"], "heart attacks")),
        ("a heart and an attack", dict.fromkeys(["myocardi", "infarct", "mi"], "heart attack")),
        ("attack of the heart", {}),
        ("heart", {}),
        ("car automobile", {}),  # which the query has itself
        ("heart attack in a car", {"automobil": "car", "myocardi": "heart attack"}),
        ("nothing of it", {}),
        ("", {}),
    ],
)
def test_terms_that_are_added(query: str, expected: dict[str, str]) -> None:
    found = added(query, GROUPS)
    assert found == expected or expected.items() < found.items()
    assert all(term in found for term in expected)


def test_a_mapping_holds_in_one_direction() -> None:
    table = {"car": "automobile", "heart attack": ["MI", "myocardial infarction"]}
    assert added("cars", table) == {"automobil": "cars"}
    assert added("automobile", table) == {}


def test_the_longest_entry_counts() -> None:
    table = {"heart attack": "MI", "heart": "cardiac", "attack": "assault"}
    assert added("heart attack", table) == {"mi": "heart attack"}
    assert added("attack heart", table) == {"assault": "attack", "cardiac": "heart"}


def test_an_entry_without_terms_has_no_effect() -> None:
    assert added("the car", {"the": "a thing", "car": "of the"}) == {}


def test_scripts_without_spaces_match_within_a_run() -> None:
    table = [["東京", "Tokyo"]]
    assert added("東京都の人口", table, None) == {"tokyo": "東京"}
    assert set(added("Tokyo", table, None)) == {"東", "京", "東京"}
    assert added("京都", table, None) == {}


@pytest.mark.parametrize(
    ("key", "query", "words"),
    [
        ("heart attack", "a heart-attack", "heart-attack"),
        ("heart attack", "acute Heart-Attacks", "Heart-Attacks"),
        ("acute heart attack", "acute heart-attack", "acute heart-attack"),
        ("wi-fi", "wi fi", "wi fi"),
        ("wi-fi", "the wifi", "wifi"),
        ("wi fi", "Wi-Fi", "Wi-Fi"),
        ("getUserName", "get_user_name", "get_user_name"),
        ("hand over", "hand-and-over", "hand-and-over"),
        ("café", "cafe", "cafe"),
        ("heart attack", "heart-attack-like", None),
        ("Brien", "O'Brien", None),
        ("wifi", "wi fi", None),
    ],
)
def test_joined_words_match_as_they_are_found(key: str, query: str, words: str | None) -> None:
    assert added(query, {key: "zebra"}) == ({} if words is None else {"zebra": words})


def test_joined_words_are_added_in_parts_too() -> None:
    table = {"turnover": "hand-over", "cases": ["naïve"]}
    assert set(added("turnover", table)) == {"hand", "over", "handov"}
    passages = [Passage("p1", "They hand over"), Passage("p2", "A hand-over"), Passage("p3", "No")]
    retriever = BM25Retriever(passages, synonyms=table)
    found = {hit.passage.id for hit in retriever.search(["turnover"])[0]}
    assert found == {"p1", "p2"}


def test_scripts_without_spaces_match_in_the_form_of_the_index() -> None:
    for query in ("電腦", "电脑", "舊電腦店"):
        assert added(query, {"电脑": "computer"}, "chinese") == {"computer": "电脑"}
    assert set(added("電腦", [["電腦", "PC"], ["电脑", "machine"]], "chinese")) == {"pc", "machine"}
    table = {"東京": "Tokyo", "京都": "Kyoto"}
    assert added("東京都", table, None) == {"tokyo": "東京"}
    assert added("京都と東京", table, None) == {"kyoto": "京都", "tokyo": "東京"}
    assert added("東京都", {"京都": "Kyoto"}, None) == {"kyoto": "京都"}  # no words are told apart
    words = Analyzer.from_callable(str.split, name="blank")
    assert added("東京都 京都", {"京都": "Kyoto"}, words) == {"Kyoto": "京都"}
    assert added("東京都", {"京都": "Kyoto"}, words) == {}


def test_quoted_and_signed_words_stay_as_they_are() -> None:
    read = QueryReader(Analyzer(), Synonyms(GROUPS))
    for query in ('"car" parts', "+car parts", '"heart attack" car +car', "women -automobile"):
        assert read(parse(query).text).added == {}
    assert read(parse("+women car").text).added == {"automobil": "car"}


def test_a_function_is_asked_for_each_word() -> None:
    def thesaurus(word: str) -> list[str]:
        asked.append(word.lower())
        return ["automobile"] if word.lower() == "cars" else []

    asked: list[str] = []
    assert added("The cars sleep", thesaurus) == {"automobil": "cars"}
    assert asked == ["cars", "sleep"]
    for wrong in ("automobile", [1], 3):
        with pytest.raises(InvalidInputError, match="must return a list of strings"):
            added("cars", lambda _, wrong=wrong: wrong)


WORDS = ["car", "automobile", "heart", "attack", "women", "men", "tower", "zebra"]
sentences = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)


@given(query=sentences, weight=st.floats(0.05, 1.0))
def test_scores_are_those_of_both_queries(query: str, weight: float) -> None:
    """The own terms' score, and a share of the added terms' alone: by an index without synonyms."""
    plain = BM25Retriever(PASSAGES, spelling=False)
    table = Synonyms({"car": "automobiles", "heart attack": "myocardial infarction"}, weight=weight)
    retriever = BM25Retriever(PASSAGES, spelling=False, synonyms=table)
    ids = [passage.id for passage in PASSAGES]
    words = query.split()
    extra = []
    if "car" in words and "automobile" not in words:
        extra.append("automobile")
    if any(pair == ("heart", "attack") for pair in pairwise(words)):
        extra.append("myocardial infarction")
    [own], [more] = plain.score([query], [ids]), plain.score([" ".join(extra)], [ids])
    expected = [a + weight * b for a, b in zip(own, more, strict=True)]
    assert retriever.score([query], [ids])[0] == pytest.approx(expected, abs=1e-5)
    hits = {hit.passage.id: hit.score for hit in retriever.search([query])[0]}
    assert hits == pytest.approx({i: s for i, s in zip(ids, expected, strict=True) if s})
    for part, score in zip(retriever.parts(query, ids), expected, strict=True):
        assert part.score == pytest.approx(score, abs=1e-5)
        assert sum(term.part for term in part.terms) == pytest.approx(score, abs=1e-5)
    if not extra:
        assert retriever.search([query]) == plain.search([query])


@pytest.mark.parametrize("method", ["bm25l", "bm25+"])
def test_variants_with_a_constant_add_up(method: str) -> None:
    retriever = BM25Retriever(PASSAGES, method=method, synonyms=GROUPS, spelling=False)
    ids = [passage.id for passage in PASSAGES]
    [scores] = retriever.score(["heart attack in a car"], [ids])
    for part, score in zip(retriever.parts("heart attack in a car", ids), scores, strict=True):
        total = sum(term.part for term in part.terms) + part.constant
        assert part.score == pytest.approx(score)
        assert total == pytest.approx(score, abs=1e-5)


def test_an_explanation_says_which_words_a_term_stands_for() -> None:
    retriever = BM25Retriever(PASSAGES, synonyms=GROUPS)
    [hits] = retriever.search(["heart attack car"])
    found = next(hit for hit in hits if hit.passage.id == "p1")
    explanation = explain(retriever, "heart attack car", found)
    assert explanation.bm25 is not None
    terms = {term.term: term for term in explanation.bm25.terms}
    assert terms["myocardi"].words == ("heart attack",)
    assert terms["myocardi"].is_synonym
    assert not terms["heart"].is_synonym
    assert sum(term.part for term in terms.values()) == pytest.approx(found.score, abs=1e-6)
    shown = str(explanation)
    assert "synonym of heart attack" in shown
    assert "automobil, for car" in shown


def test_a_word_with_synonyms_is_no_misspelling() -> None:
    passages = [Passage("p1", "An automobile"), Passage("p2", "A career in women's rights")]
    retriever = BM25Retriever(passages, synonyms={"carer": "automobile"})
    assert BM25Retriever(passages).correct("carer").text != "carer"
    assert retriever.correct("carer").text == "carer"
    assert [hit.passage.id for hit in retriever.search(["carer"])[0]] == ["p1"]


def test_synonyms_are_saved_and_replaced(tmp_path: Path) -> None:
    retriever = BM25Retriever(PASSAGES, synonyms=Synonyms(GROUPS, weight=0.4))
    expected = retriever.search(["cars"])
    retriever.save(tmp_path)
    again = BM25Retriever.open(tmp_path)
    assert again.synonyms == retriever.synonyms
    assert again.search(["cars"]) == expected
    assert pickle.loads(pickle.dumps(again)).search(["cars"]) == expected
    assert len(BM25Retriever.open(tmp_path, synonyms={"a": "b"}).search(["cars"])[0]) == 1
    again.set_synonyms(None)
    assert [hit.passage.id for hit in again.search(["cars"])[0]] == ["p3"]
    again.save(tmp_path)
    assert BM25Retriever.open(tmp_path).synonyms is None


def test_a_function_is_given_again(tmp_path: Path) -> None:
    retriever = BM25Retriever(PASSAGES, synonyms=of_module)
    retriever.save(tmp_path)
    with pytest.raises(EncoderMismatchError, match=r"'of_module' are a function.*synonyms="):
        BM25Retriever.open(tmp_path)
    again = BM25Retriever.open(tmp_path, synonyms=of_module)
    assert again.search(["cars"]) == retriever.search(["cars"])
    assert pickle.loads(pickle.dumps(retriever)).search(["cars"]) == retriever.search(["cars"])
    with pytest.raises(CopyError, match="not a lambda"):
        pickle.dumps(Synonyms.from_callable(lambda word: [word], name="lambda"))


def of_module(word: str) -> Sequence[str]:
    return ["automobile"] if word == "cars" else []


def test_files_have_the_same_form(tmp_path: Path) -> None:
    for table in (GROUPS, {"car": ["automobile"], "heart attack": "MI"}):
        file = tmp_path / "synonyms.json"
        file.write_text(json.dumps(table))
        assert Synonyms(file) == Synonyms(table) == Synonyms(str(file))


def test_a_file_may_escape_what_no_file_can_store(tmp_path: Path) -> None:
    file = tmp_path / "synonyms.json"
    file.write_text(r'{"car": ["\ud800"]}')
    with pytest.raises(InvalidInputError, match="lone surrogate"):
        Synonyms(file)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (3, "no table of synonyms"),
        (b"car", "no table of synonyms"),
        ({"car": []}, "too few"),
        ([["car"]], "too few"),
        (["car", "automobile"], "no list of words"),
        ({"car": 3}, "no list of words"),
        ({"car": [3]}, "must be a word or a phrase"),
        ({" ": "car"}, "must be a word or a phrase"),
        ({3: "car"}, "must be a word or a phrase"),
        ({"a": "\ud800"}, "lone surrogate"),
        ({"\ud800": "a"}, "lone surrogate"),
        ([["a", "b\ud800"]], "lone surrogate"),
        ("missing.json", "cannot be read"),
    ],
    ids=ascii,
)
def test_other_tables_are_refused(table: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Synonyms(table)
    with pytest.raises(InvalidInputError, match=message):
        BM25Retriever(synonyms=table)


@pytest.mark.parametrize("weight", [0, -1, 1.1, True, "1", None, float("nan")])
def test_other_weights_are_refused(weight: Any) -> None:
    with pytest.raises(InvalidInputError, match="above 0, up to 1"):
        Synonyms(GROUPS, weight=weight)
    with pytest.raises(InvalidInputError, match="above 0, up to 1"):
        Synonyms.from_callable(of_module, name="x", weight=weight)


def test_configurations() -> None:
    for made in (Synonyms(GROUPS, weight=1), Synonyms({"car": "automobile"})):
        config = json.loads(json.dumps(made.to_config()))
        assert Synonyms.from_config(config) == made
    assert Synonyms.from_config(None) is None
    assert Synonyms.from_config(None, GROUPS) == Synonyms(GROUPS)
    for config in ({}, {"weight": 2, "table": {}}, {"weight": 1, "table": 3}):
        with pytest.raises(CorruptIndexError):
            Synonyms.from_config(config)


def test_weights_of_terms() -> None:
    assert QueryTerms(["a", "b", "a"], {"c": "a"}, 0.3).weights == {"a": 2, "b": 1, "c": 0.3}
