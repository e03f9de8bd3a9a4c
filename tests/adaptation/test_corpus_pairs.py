"""Pairs from the corpus: what belongs together, without the title, each pair once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge import BM25, HybridIndex, Passage
from hybridge.adaptation.corpus_pairs import corpus_pairs
from hybridge.errors import InvalidInputError
from hybridge.splitting import split_text

GUIDE = """# Tea

Steep the leaves.

## Milk

Pour it last, never first.

## Notes

Ask your guests.
"""


def texts(passages: Sequence[Passage], kind: Any, **options: Any) -> list[tuple[str, str]]:
    pairs = corpus_pairs(passages, [kind], **options)
    assert all(len(pair.passages) == 1 and not pair.labels for pair in pairs)
    return sorted((pair.query, pair.passages[0]) for pair in pairs)


def part(source: str, position: int, text: str, **metadata: Any) -> Passage:
    placed = {"source": source, "position": position, **metadata}
    return Passage(f"{source}#{position}", text, placed)


def test_a_title_goes_with_the_text_that_has_none() -> None:
    passages = [
        Passage("1", "Aspirin thins the blood.", {"title": "Aspirin"}),
        Passage("2", "Milk\n\nIt comes from cows.", {"title": "Milk"}),
        Passage("3", "Bees make it.", {"title": "Honey"}),
        Passage("4", "Nothing is above this."),
        Passage("5", "Alone", {"title": "Alone"}),  # no text but the title
        Passage("6", "It has a number.", {"title": 6}),
        Passage("7", "Teas of the world.", {"title": "Tea"}),  # another word
        Passage("8", "Rice: boil it.", {"title": "Rice"}),
    ]
    assert texts(passages, "title") == [
        ("Aspirin", "thins the blood."),
        ("Honey", "Bees make it."),
        ("Milk", "It comes from cows."),
        ("Rice", "boil it."),
        ("Tea", "Teas of the world."),
    ]


def test_a_title_of_several_passages_makes_one_pair() -> None:
    passages = [Passage(str(n), f"Text {n}.", {"title": "Same"}) for n in range(5)]
    drawn = {texts(passages, "title", seed=seed)[0][1] for seed in range(40)}
    assert drawn == {f"Text {n}." for n in range(5)}
    assert len(texts(passages, "title")) == 1


def test_a_heading_goes_with_its_section() -> None:
    passages = list(split_text(GUIDE, source="guide.md", markup="markdown", size=30))
    assert texts(passages, "heading") == [
        ("Milk", "Pour it last, never first."),
        ("Notes", "Ask your guests."),
        ("Tea", "Steep the leaves."),
    ]
    with pytest.raises(InvalidInputError, match="0 by title"):
        corpus_pairs(passages, ["title"])


def test_a_heading_of_several_documents_is_left_out() -> None:
    passages = [
        *split_text(GUIDE, source="guide.md", markup="markdown", size=30),
        part("other.md", 0, "Notes\n\nNo tea today.", title="Notes"),
    ]
    assert [heading for heading, _ in texts(passages, "heading")] == ["Milk", "Tea"]


def test_neighbors_are_of_one_document_in_its_order() -> None:
    passages = [part("a", n, f"a {n}") for n in (10, 2, 1)]  # as text, 10 would come before 2
    passages += [part("b", 0, "b 0"), Passage("alone", "alone")]
    passages += [
        Passage(f"c{n}", f"Top\n\nc {n}", {"source": "c", "start_index": n, "title": "Top"})
        for n in (0, 800)
    ]
    assert texts(passages, "neighbor") == [("a 1", "a 2"), ("a 2", "a 10"), ("c 0", "c 800")]


@given(st.integers(8, 60), st.integers(0, 100))
def test_cropped_spans_are_of_a_tenth_to_a_half_of_the_words(count: int, seed: int) -> None:
    words = [f"word{n}" for n in range(count)]
    # The spans of a short text may be equal, which makes no pair of them.
    passages = [Passage("p", " ".join(words)), part("a", 0, "first"), part("a", 1, "second")]
    for pair in corpus_pairs(passages, ["crop", "neighbor"], seed=seed):
        if not pair.query.startswith("word"):
            continue
        for span in (pair.query, *pair.passages):
            cropped = span.split()
            start = words.index(cropped[0])
            assert words[start : start + len(cropped)] == cropped
            assert max(4, count // 10) <= len(cropped) <= max(4, count // 2)


def test_spans_begin_and_end_anywhere() -> None:
    words = [str(n) for n in range(20)]
    copies = [Passage(f"p{n}", " ".join(words)) for n in range(400)]
    spans = [pair.query.split() for pair in corpus_pairs(copies, ["crop"])]
    assert {span[0] for span in spans} == set(words[:17])  # a span has four words at least
    assert {span[-1] for span in spans} == set(words[3:])


def test_scripts_without_spaces_are_cropped_too() -> None:
    text = "红茶的味道比绿茶浓得多"
    [pair] = corpus_pairs([Passage("p", text)], ["crop"])
    assert pair.query in text
    assert pair.passages[0] in text
    assert pair.query != pair.passages[0]


def test_short_texts_are_not_cropped() -> None:
    short = [Passage(str(n), "one two three four five six seven") for n in range(40)]
    with pytest.raises(InvalidInputError, match="0 by crop"):
        corpus_pairs(short, ["crop"])


def test_pairs_of_equal_texts_and_repeated_pairs_are_left_out() -> None:
    passages = [
        part("a", 0, "Same  text."),
        part("a", 1, "same text."),
        part("a", 2, "Other."),
        part("b", 0, "Same text."),
        part("b", 1, "other."),
    ]
    assert [(q.casefold(), p.casefold()) for q, p in texts(passages, "neighbor")] == [
        ("same text.", "other.")
    ]


def mixed() -> list[Passage]:
    def text(name: str) -> str:
        return " ".join(f"{name}-{position}" for position in range(10))

    titled = [Passage(f"t{n}", text(f"t{n}"), {"title": f"Title {n}"}) for n in range(5)]
    return titled + [part("d", n, text(f"d{n}"), title=f"Part {n}") for n in range(40)]


def kind_of(query: str) -> str:
    first = query.split()[0]
    return {"Title": "title", "Part": "heading"}.get(first, "text")


def test_kinds_take_turns_until_they_have_no_more() -> None:
    pairs = corpus_pairs(mixed(), ["title", "heading"], number=20)
    assert [kind_of(pair.query) for pair in pairs[:10]] == ["title", "heading"] * 5
    assert Counter(kind_of(pair.query) for pair in pairs) == {"title": 5, "heading": 15}
    assert len({pair.query for pair in pairs}) == 20


def test_all_kinds_by_default() -> None:
    pairs = corpus_pairs(mixed(), seed=3)
    counts = Counter(kind_of(pair.query) for pair in pairs)
    assert counts["title"] == 5
    assert counts["heading"] == 40
    # 39 neighbors, and all 45 texts cropped, but for a few whose spans are equal.
    assert 39 + 35 <= counts["text"] <= 39 + 45


def test_the_seed_decides_and_the_order_of_the_passages_does_not() -> None:
    assert corpus_pairs(mixed(), seed=1) == corpus_pairs(mixed()[::-1], seed=1)
    assert corpus_pairs(mixed(), seed=1) != corpus_pairs(mixed(), seed=2)
    assert corpus_pairs(mixed(), number=7, seed=1) == corpus_pairs(mixed(), seed=1)[:7]


@pytest.mark.engine
def test_an_index_gives_the_texts_that_it_searches() -> None:
    passage = Passage("p", "It thins the blood.", {"title": "Aspirin", "field": "medicine"})
    with HybridIndex.create(stages=[BM25()], search_text="{title}\n{field}: {text}") as index:
        index.add([passage])
        [pair] = corpus_pairs(index, ["title"])
    assert (pair.query, pair.passages) == ("Aspirin", ("medicine: It thins the blood.",))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"kinds": "title"}, "kinds must be a list"),
        ({"kinds": []}, "kinds must be a list"),
        ({"kinds": ["title", "chapter"]}, "not 'chapter'"),
        ({"number": 0}, "number must be"),
        ({"seed": -1}, "seed must be"),
        ({"passages": []}, "give no pairs"),
        ({"passages": [Passage("p", "One. Two.")]}, "0 by title, 0 by heading, 0 by neighbor"),
        ({"passages": ["text"]}, "expected a Passage"),
    ],
)
def test_errors_name_what_is_wrong(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        corpus_pairs(**{"passages": mixed(), **arguments})
