"""The operators of a query, against a table by hand and a reading of their grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import Analyzer, Passage
from hybridge.errors import InvalidInputError
from hybridge.filters import And, Eq, Not, TextPhrase
from hybridge.query_syntax import ParsedQuery, excluding, filters_of, parse, spelled
from hybridge.search import by_filter

ENGLISH = Analyzer("english")

# Each query, its plain text, what it requires and what it excludes.
QUERIES = [
    ("pump seal", "pump seal", (), ()),
    ('"shaft seal" leaks', "shaft seal leaks", ("shaft seal",), ()),
    ('leaks "shaft  seal"', "leaks shaft seal", ("shaft seal",), ()),
    ("+pump seal", "pump seal", ("pump",), ()),
    ("pump -valve", "pump", (), ("valve",)),
    ("-valve pump", "pump", (), ("valve",)),
    ('pump -"ball valve"', "pump", (), ("ball valve",)),
    ('+"shaft seal" -valve', "shaft seal", ("shaft seal",), ("valve",)),
    ('"pump"', "pump", ("pump",), ()),
    ('"pump" "seal"', "pump seal", ("pump", "seal"), ()),
    ("+pump +seal -valve -ball", "pump seal", ("pump", "seal"), ("valve", "ball")),
    ("+C++ -C#", "C++", ("C++",), ("C#",)),
    ("+.NET server", ".NET server", (".NET",), ()),
    ("+_private names", "_private names", ("_private",), ()),
    ("+XR-500 manual", "XR-500 manual", ("XR-500",), ()),
    ("+Ölpumpe -東京 Kyōto", "Ölpumpe Kyōto", ("Ölpumpe",), ("東京",)),
    ("(+pump seal)", "( pump seal)", ("pump",), ()),
    ('sales -"2020"', "sales", (), ("2020",)),
    ('"XR-500" -"-5 °C"', "XR-500", ("XR-500",), ("-5 °C",)),
    ("pump\t+seal\n", "pump seal", ("seal",), ()),
    ('"pump"s', "pump s", ("pump",), ()),
    # Quotes as word processors and other languages write them.
    ("“shaft seal” leaks", "shaft seal leaks", ("shaft seal",), ()),
    ("„Ölpumpe dicht“ -“Ball”", "Ölpumpe dicht", ("Ölpumpe dicht",), ("Ball",)),
    ('„shaft seal"', "shaft seal", ("shaft seal",), ()),
    ("«joint d'arbre» fuite", "joint d'arbre fuite", ("joint d'arbre",), ()),
    ("»Ölpumpe dicht«", "Ölpumpe dicht", ("Ölpumpe dicht",), ()),
    ('«a "b" c»', 'a "b" c', ('a "b" c',), ()),
]

PLAIN = [
    "",
    "  ",
    "-",
    "+",
    "a - b",
    "a + b",
    "a -- b",
    "C++",
    "C++ or C#",
    "XR-500",
    "e-mail",
    "a+b",
    "-5 °C",
    "below -5 °C",
    "+49 30 901820",
    "-.5 mg",
    "-$5",
    "git log --oneline",
    "+-pump",
    "-(pump seal)",
    '6" pipe',
    'a 6" pipe and a 5" tube',
    '"unbalanced phrase',
    'unbalanced" phrase',
    'pump "',
    '""',
    '" "',
    '"…" pump',
    '-"" pump',
    "don't 'quote' me",
    "«open",
    '»open"',
    "什么是“人工智能”",
    "a_-b",
]


@pytest.mark.parametrize(("query", "text", "required", "excluded"), QUERIES)
def test_operators(
    query: str, text: str, required: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    assert parse(query) == ParsedQuery(text, required, excluded)


@pytest.mark.parametrize("query", PLAIN)
def test_a_query_without_operators_is_plain_text(query: str) -> None:
    assert parse(query) == ParsedQuery(query)


@pytest.mark.parametrize("query", ["-pump", '-"ball valve" -seal', " -pump +", "«!» -pump", "-e"])
def test_a_query_that_only_excludes_is_refused(query: str) -> None:
    with pytest.raises(
        InvalidInputError, match="only excludes: add what to look for, as in 'pump "
    ) as e:
        parse(query)
    assert repr(query) in str(e.value)


@given(st.text(st.sampled_from("ab1 +-\"“”«»„._()\n°C'é東")))
def test_any_text_is_a_query_or_refused(query: str) -> None:
    try:
        parsed = parse(query)
    except InvalidInputError:
        assert "-" in query
        return
    for phrase in (*parsed.required, *parsed.excluded):
        assert phrase == " ".join(phrase.split())
        assert any(map(str.isalnum, phrase))
    if not parsed.required and not parsed.excluded:
        assert parsed.text == query
    for phrase in parsed.required:
        assert phrase in parsed.text


@given(st.text())
def test_no_text_is_an_error_of_another_kind(query: str) -> None:
    try:
        filters_of([query], ENGLISH)
    except InvalidInputError:
        assert "-" in query or not query.isprintable()


@given(st.text(st.characters(exclude_characters='+-"“”„‟＂«»')))
def test_text_without_operators_stays(query: str) -> None:
    assert parse(query) == ParsedQuery(query)


_WORD = st.sampled_from(["pump", "seals", "ölen", "C++", "XR-500", "e-mail", "東京", ".NET"])
_PHRASE = st.lists(_WORD, min_size=1, max_size=3).map(" ".join)


@given(st.lists(st.tuples(st.sampled_from("tmMxXp"), _PHRASE), min_size=1, max_size=5))
def test_what_is_written_by_the_grammar_is_read(parts: list[tuple[str, str]]) -> None:
    """Plain text, musts, quoted musts, exclusions, quoted ones, and phrases, in any order."""
    words = {"t": "{}", "m": "+{}", "M": '+"{}"', "x": "-{}", "X": '-"{}"', "p": "“{}”"}
    parts = [(kind, text.split()[0] if kind in "mx" else text) for kind, text in parts]
    query = " ".join(words[kind].format(text) for kind, text in parts)
    read = " ".join(text for kind, text in parts if kind not in "xX")
    if not read:
        with pytest.raises(InvalidInputError):
            parse(query)
        return
    assert parse(query) == ParsedQuery(
        read,
        tuple(text for kind, text in parts if kind in "mMp"),
        tuple(text for kind, text in parts if kind in "xX"),
    )


def test_a_long_query_takes_no_time_of_its_square() -> None:
    for query in ('"' + "a" * 200_000, '"!' * 50_000, '"«a' * 50_000, '"' + "_" * 200_000):
        parse(query)


def test_the_condition_combines_all() -> None:
    condition = parse('+pump "shaft seal" -valve').condition(ENGLISH)
    assert condition == And(TextPhrase("pump"), TextPhrase("shaft seal"), Not(TextPhrase("valve")))
    assert parse("+pump").condition(ENGLISH) == TextPhrase("pump")
    assert parse("pump").condition(ENGLISH) is None


def test_what_the_analyzer_does_not_read_is_no_condition() -> None:
    two = Analyzer("english", version=1)
    assert parse("vitamin +D -e").condition(two) is None
    assert parse("+pump -e").condition(two) == TextPhrase("pump", two)
    assert parse("pump -d'l").condition(ENGLISH) is None


def test_conditions_join_the_filter() -> None:
    where = Eq("year", 2019)
    wheres = filters_of(["pump", "+pump seal", "pump -seal"], ENGLISH, where)
    assert wheres == [where, where & TextPhrase("pump"), where & ~TextPhrase("seal")]
    assert filters_of(["pump"], ENGLISH) == [None]
    assert by_filter([0, 2, 1], wheres) == {wheres[0]: [0], wheres[2]: [2], wheres[1]: [1]}
    assert by_filter([0, 1], [where, Eq("year", 2019)]) == {where: [0, 1]}


def test_conditions_are_spelled_as_in_a_query() -> None:
    query = '+pump "shaft seal" -valve -"ball valve" "2020" -"3D"'
    [where] = filters_of([query], ENGLISH, Eq("year", 2019))
    conditions = ("+pump", '"shaft seal"', '"2020"', "-valve", '-"ball valve"', '-"3D"')
    assert spelled(where) == conditions
    assert spelled(None) == spelled(Eq("a", 1)) == ()
    assert parse(" ".join(spelled(where))).condition(ENGLISH) == And(*where.filters[1:])
    passage = Passage("p", "A pump with a ball valve, sealed by its shaft seal.")
    assert excluding(where, passage) == ('"2020"', "-valve", '-"ball valve"')
    assert excluding(where, Passage("p", "Shaft seals and pumps of 2020")) == ()
