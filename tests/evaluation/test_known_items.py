"""Simulated queries: of the passage's own telling words, the same for a seed, found by BM25."""

from __future__ import annotations

from collections import Counter

import pytest

from hybridge import Analyzer, BM25Retriever, Passage
from hybridge.errors import InvalidInputError
from hybridge.evaluation import evaluate, known_item_queries


def test_queries_are_words_of_their_passage(small_corpus: tuple[Passage, ...]) -> None:
    made = known_item_queries(small_corpus, 40, words=5, seed=7)
    assert list(made.queries) == [f"known-item-{n}" for n in range(1, 41)]
    assert made.passages == list(small_corpus)
    analyzer, texts = Analyzer(None), {p.id: p.text for p in small_corpus}
    answers = []
    for query, text in made.queries.items():
        [(answer, relevance)] = made.qrels[query].items()
        assert relevance == 1
        answers.append(answer)
        words = text.split()
        assert len(set(words)) == len(words) == 5
        assert set(words) <= set(analyzer([texts[answer]])[0])
    assert len(set(answers)) == 40


def test_the_same_seed_draws_the_same(small_corpus: tuple[Passage, ...]) -> None:
    first, again, other = (known_item_queries(small_corpus, 20, seed=s) for s in (0, 0, 1))
    assert (first.queries, first.qrels) == (again.queries, again.qrels)
    assert first.queries != other.queries


def test_bm25_finds_what_was_remembered(small_corpus: tuple[Passage, ...]) -> None:
    made = known_item_queries(small_corpus, 60)
    bm25 = BM25Retriever(small_corpus)
    assert (
        evaluate(bm25, made.queries, made.qrels, batch_size=60).mean("BM25Retriever", "RR@10") > 0.9
    )


def test_words_are_drawn_by_how_often_they_come_and_how_few_passages_have_them() -> None:
    # tf·log(N/df): twice log 4 for "rare", log 4 for "once", log 4/2 for "shared", 0 for "all".
    passages = [
        Passage("target", "rare rare once shared all"),
        Passage("x", "shared all"),
        Passage("y", "all"),
        Passage("z", "all"),
    ]
    made = [known_item_queries(passages, 1, words=1, seed=seed) for seed in range(1200)]
    targets = [one for one in made if one.qrels["known-item-1"] == {"target": 1}]
    total = len(targets)
    assert total == pytest.approx(600, rel=0.15)  # "x" is the other that has a telling word
    drawn = Counter(one.queries["known-item-1"] for one in targets)
    expected = {"rare": 4 / 7, "once": 2 / 7, "shared": 1 / 7}
    assert {word: n / total for word, n in drawn.items()} == pytest.approx(expected, abs=0.05)


def test_stop_words_are_not_what_is_remembered() -> None:
    passages = [Passage("p", "the sour pears of us"), Passage("q", "sweet plums"), Passage("r", "")]
    [english] = known_item_queries(passages[::2], 1, words=3).queries.values()
    assert sorted(english.split()) == ["pears", "sour", "us"]
    [all_words] = known_item_queries(passages[::2], 1, words=5, language=None).queries.values()
    assert sorted(all_words.split()) == ["of", "pears", "sour", "the", "us"]
    with pytest.raises(InvalidInputError, match="1 of 2 passages have 3 words"):
        known_item_queries(passages[:2], 2, words=3)
    with pytest.raises(InvalidInputError, match="no language 'elvish'"):
        known_item_queries(passages, 1, language="elvish")


def test_short_passages_are_left_out() -> None:
    passages = [Passage("short", "apples"), Passage("blank", ""), Passage("p", "red sweet pears")]
    for seed in range(10):
        made = known_item_queries(passages, 1, words=3, seed=seed)
        assert made.qrels == {"known-item-1": {"p": 1}}
        assert sorted(made.queries["known-item-1"].split()) == ["pears", "red", "sweet"]


@pytest.mark.parametrize(
    ("count", "words", "seed", "says"),
    [
        (2, 3, 0, "1 of 2 passages have 3 words .* not 2"),
        (0, 3, 0, "count must be"),
        (1, 0, 0, "words must be"),
        (1, 3, -1, "seed must be"),
    ],
)
def test_mistakes_are_named(count: int, words: int, seed: int, says: str) -> None:
    passages = [Passage("short", "apples"), Passage("p", "red sweet pears")]
    with pytest.raises(InvalidInputError, match=says):
        known_item_queries(passages, count, words=words, seed=seed)


def test_one_passage_has_no_word_that_tells_it_from_others() -> None:
    with pytest.raises(InvalidInputError, match="0 of 1 passages"):
        known_item_queries([Passage("p", "red sweet pears")], 1, words=1)
