"""What is searched of a passage: templates by hand and by an independent reading, functions."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import Passage
from hybridge.errors import CopyError, CorruptIndexError, EncoderMismatchError, InvalidInputError
from hybridge.search_text import TEXT_ALONE, SearchText, chosen_search_text
from hybridge.vectors.store import stored_passage

PASSAGE = Passage(
    "p1",
    "It shall be paid.",
    {
        "title": "Harbour Regulations",
        "year": 2019,
        "rate": 0.5,
        "public": True,
        "author": {"name": "Ada", "born": 1815},
        "authors": [{"name": "Ada"}, {"name": "Grace"}, {"born": 1815}],
        "tags": ["sea", None, "", "law"],
        "nothing": None,
        "blank": "  ",
        "text": "a field",
        "dc:title": "Colons",
        "v1.0": {"name": "Dots"},
        "a{b": "Braces",
        "a[0]": "Brackets",
        'say "x"': "Quotes",
    },
)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{text}", "It shall be paid."),
        ("{title}\n{text}", "Harbour Regulations\nIt shall be paid."),
        ("{title} ({year}): {text}", "Harbour Regulations (2019): It shall be paid."),
        ("{rate} {public}", "0.5 true"),
        ("{author.name}", "Ada"),
        ("{author}", "Ada, 1815"),
        ("{authors[].name}", "Ada, Grace"),
        ("{authors.name}|{text}", "|It shall be paid."),  # as in filters: no look into lists
        ("{tags}", "sea, law"),
        ('{"text"}', "a field"),
        ('{"dc:title"}', "Colons"),
        ('{"v1.0".name}', "Dots"),
        ('{"a{b"}', "Braces"),
        ('{"a[0]"}', "Brackets"),
        ('{"say ""x"""}', "Quotes"),
        ("{{{year}}} {{title}}", "{2019} {title}"),
        ("{text}{{", "It shall be paid.{"),
        # An empty field takes the whitespace beside it with it, and nothing else.
        ("{missing}\n{text}", "It shall be paid."),
        ("{nothing}\n{text}", "It shall be paid."),
        ("{blank}\n\n{text}", "It shall be paid."),
        ("{title}\n{missing}\n{year}", "Harbour Regulations\n2019"),
        ("{title}\n{missing}", "Harbour Regulations"),
        ("{title}\n{missing}\n{nothing}", "Harbour Regulations"),
        ("{missing} \n {nothing} \n {year}", "2019"),
        ("{title} ({missing})", "Harbour Regulations ()"),
        ("  {title}  ", "  Harbour Regulations  "),
        ("query: {missing}", ""),
        ("{title.deeper}{year.deeper}", ""),
    ],
)
def test_a_template_by_hand(template: str, expected: str) -> None:
    assert SearchText(template)(PASSAGE) == expected


def test_the_text_alone_is_the_text_as_it_is() -> None:
    for text in ("", "  ", " two \n words ", "{title}"):
        assert TEXT_ALONE(Passage("a", text)) == text
    assert SearchText("{text}") == TEXT_ALONE
    assert TEXT_ALONE.to_config() is None
    assert SearchText.of(None) is TEXT_ALONE


# Literals and values of anything, against a reading that knows nothing of templates' syntax.
_LITERALS = st.text(st.sampled_from('ab{}":![]. \n'), max_size=6)
_VALUES = st.none() | st.text(st.sampled_from("xy{} \n"), max_size=4)
_FIELDS = st.tuples(st.sampled_from(["text", "one", "two", "three"]), _LITERALS)


@given(_LITERALS, st.lists(_FIELDS, min_size=1, max_size=5), st.lists(_VALUES, min_size=4))
def test_a_template_of_anything(
    first: str, fields: list[tuple[str, str]], values: list[str | None]
) -> None:
    def escaped(literal: str) -> str:
        return "".join(2 * character if character in "{}" else character for character in literal)

    template = escaped(first) + "".join(f"{{{name}}}{escaped(lit)}" for name, lit in fields)
    names = ("one", "two", "three")
    passage = Passage("p", values[3] or "", dict(zip(names, values, strict=False)))
    value_of = {"text": passage.text, **dict(zip(names, values, strict=False))}
    found = SearchText(template)(passage)
    shown = [value_of[name] or "" for name, _ in fields]
    filled = [bool(value.strip()) for value in shown]
    literals = [first, *(literal for _, literal in fields)]
    if not any(filled):
        assert found == ""
    elif all(filled):
        pairs = zip(literals, [*shown, ""], strict=True)
        assert found == "".join(literal + value for literal, value in pairs)
    else:
        # All that is no whitespace is there, in order, and nothing is there twice.
        kept = [value if full else "" for value, full in zip(shown, filled, strict=True)]
        whole = "".join(a + b for a, b in zip(literals, [*kept, ""], strict=True))
        assert "".join(found.split()) == "".join(whole.split())
        assert len(found) <= len(whole)
    again = SearchText.from_config(json.loads(json.dumps(SearchText(template).to_config())))
    assert again == SearchText(template)
    assert again(passage) == found


@given(st.dictionaries(st.text(min_size=1).filter(lambda n: n != "text"), st.integers(1, 3)))
def test_fields_by_any_name(boosts: dict[str, int]) -> None:
    quoted = {f'"{name.replace(chr(34), chr(34) * 2)}"': n for name, n in boosts.items()}
    passage = Passage("p", "the text", {name: f"<{i}>" for i, name in enumerate(boosts)})
    found = SearchText.from_fields({**quoted, "text": 2})(passage)
    lines = [f"<{i}>" for i, boost in enumerate(boosts.values()) for _ in range(boost)]
    assert found.split("\n") == [*lines, "the text", "the text"]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("no field", "names no field"),
        ("", "names no field"),
        ("{{text}}", "names no field"),
        ("{title\n{text}", "lone '{'"),
        ("title}", "lone '}'"),
        ("{}", "no field name"),
        ("{title:>10}", "no field"),
        ("{title!r}", "no field"),
        ("{a[0]}", "no field"),
        ("{ title }", "no field"),
        ("{a..b}", "no field name"),
        ("{'a' 'b}{", "lone '{'"),
        (7, "must be a template"),
        (b"{text}", "must be a template"),
    ],
)
def test_what_is_no_template_is_refused(template: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        SearchText.of(template)


@pytest.mark.parametrize(
    "fields",
    [{}, {"title": 0}, {"title": -1}, {"title": 1.5}, {"title": True}, {"title": 101}, "title",
     ["title"], {"a..b": 1}, {"": 1}],
)  # fmt: skip
def test_what_is_no_fields_is_refused(fields: Any) -> None:
    with pytest.raises(InvalidInputError):
        SearchText.from_fields(fields)


def test_a_boost_is_from_1_to_100() -> None:
    assert SearchText.from_fields({"title": 100})
    for boost in (0, 101, 2**31, 1.5, True):
        with pytest.raises(InvalidInputError, match=r"'title' must be .* from 1 to 100, not"):
            SearchText.from_fields({"title": boost})  # type: ignore[dict-item]


def test_fields_are_a_template_with_repetition() -> None:
    text = SearchText.from_fields({"title": 2, "author.name": 1, "text": 1})
    assert text == SearchText("{title}\n{title}\n{author.name}\n{text}")
    assert text(Passage("a", "body", {"title": "T"})) == "T\nT\nbody"
    assert chosen_search_text(None, {"text": 1}) == TEXT_ALONE
    with pytest.raises(InvalidInputError, match="give one of them"):
        chosen_search_text("{text}", {"text": 1})


def test_another_name_for_the_text() -> None:
    named = SearchText("{title}: {page_content}", text_name="page_content")
    assert named == SearchText("{title}: {text}")
    assert named(PASSAGE) == "Harbour Regulations: It shall be paid."
    fields = SearchText.from_fields({"title": 2, "page_content": 1}, text_name="page_content")
    assert fields == SearchText("{title}\n{title}\n{text}")
    with pytest.raises(InvalidInputError, match="twice"):
        SearchText.from_fields({"text": 1, "page_content": 1}, text_name="page_content")


def shouted(passage: Passage) -> str:
    return passage.text.upper()


def test_a_function() -> None:
    text = SearchText.of(shouted)
    assert text(PASSAGE) == "IT SHALL BE PAID."
    assert text == SearchText.from_callable(str, name="shouted")
    assert text != TEXT_ALONE
    assert text.to_config() == {"callable": "shouted"}
    for wrong in (None, 7, b"bytes"):
        with pytest.raises(InvalidInputError, match=r"'mine' must return a string.*'p1'"):
            SearchText.from_callable(lambda _, w=wrong: w, name="mine")(PASSAGE)
    with pytest.raises(InvalidInputError, match="surrogate"):
        SearchText.from_callable(lambda _: "\ud800", name="mine")(PASSAGE)
    with pytest.raises(InvalidInputError, match="callable"):
        SearchText.from_callable("text", name="mine")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="non-empty"):
        SearchText.from_callable(shouted, name="")


def test_restored_with_the_callers_own() -> None:
    titled = SearchText("{title}\n{text}")
    config = titled.to_config()
    assert SearchText.from_config(config) == titled
    assert SearchText.from_config(config, "{title}\n{text}") == titled
    assert SearchText.from_config(None) is TEXT_ALONE
    with pytest.raises(EncoderMismatchError, match=r"not search_text='\{text\} '"):
        SearchText.from_config(config, "{text} ")
    with pytest.raises(EncoderMismatchError, match="text alone"):
        SearchText.from_config(None, titled)
    function = SearchText.of(shouted).to_config()
    assert SearchText.from_config(function, shouted)(PASSAGE) == "IT SHALL BE PAID."
    with pytest.raises(EncoderMismatchError, match=r"name='shouted'"):
        SearchText.from_config(function)
    with pytest.raises(EncoderMismatchError, match="'shouted' as search_text, not"):
        SearchText.from_config(function, lambda _: "")
    for damaged in ({}, {"template": 7}, {"template": "{"}, ["template"]):
        with pytest.raises(CorruptIndexError):
            SearchText.from_config(damaged)  # type: ignore[arg-type]


def test_copies() -> None:
    for text in (TEXT_ALONE, SearchText("{title}\n{text}"), SearchText.of(shouted)):
        assert copy.deepcopy(text) is text
        again = pickle.loads(pickle.dumps(text))
        assert again == text
        assert again(PASSAGE) == text(PASSAGE)
        assert hash(again) == hash(text)
    with pytest.raises(CopyError, match="mine"):
        pickle.dumps(SearchText.from_callable(lambda _: "", name="mine"))


def test_metadata_that_is_no_json() -> None:
    raw: Any = {"day": date(2024, 5, 1), "set": {"b", "a"}, "other": object()}
    passage = stored_passage("p", "text", raw)  # as of a framework's document
    assert SearchText("{day}: {set}")(passage) == "2024-05-01: a, b"
    with pytest.raises(InvalidInputError, match="'p'"):
        SearchText("{other}")(passage)
