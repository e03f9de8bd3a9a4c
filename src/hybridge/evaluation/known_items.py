"""Queries generated from the passages, for collections without judgements."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np

from ..analyzer import Analyzer
from ..arguments import check_count, check_seed
from ..errors import InvalidInputError
from ..passages import Passage, unique_passages
from .collection import Collection

__all__ = ["known_item_queries"]


def known_item_queries(
    passages: Iterable[Passage],
    count: int = 100,
    *,
    words: int = 6,
    language: str | None = "english",
    seed: int = 0,
) -> Collection:
    r"""Generate known-item queries: distinctive words of a passage, which is the one to find.

    They show whether a setting finds passages at all, and which of two settings finds them
    better. They do not measure the quality of retrieval: no user wrote them, only one passage
    counts as relevant though others may be as good, and, made of the passage's own words, they
    favour BM25 over vectors.

    Passages are drawn at random, and of each, without replacement, words with the odds

    .. math:: p(t \mid d) \propto n(t, d) \, \log \frac{N}{df(t)}

    where :math:`n(t, d)` is how often the word comes in the passage, and :math:`df(t)` in how many
    of the :math:`N` passages. L. Azzopardi, M. de Rijke and K. Balog, *Building Simulated Queries
    for Known-Item Topics*, SIGIR 2007 (popularity and discrimination, without noise).

    Args:
        passages: the collection.
        count: how many queries.
        words: how many words each; passages with fewer distinctive words are left out.
        language: the language of the stop words, which are never distinctive; None for no stop
            words.
        seed: of the draws.

    Returns:
        the passages, and queries "known-item-1", "known-item-2" … with one relevant passage each.

    Raises:
        InvalidInputError: fewer than `count` passages have enough distinctive words, or an unknown
            language.

    >>> texts = ["green apples taste sour", "red apples taste sweet", "stones taste of nothing"]
    >>> made = known_item_queries([Passage(t[:3], t) for t in texts], count=2, words=2)
    >>> made.queries["known-item-1"], made.qrels["known-item-1"]
    ('red sweet', {'red': 1})
    """
    check_count(count, "count")
    check_count(words, "words")
    check_seed(seed)
    listed = list(unique_passages(passages))
    analyzer = Analyzer(language, stem=False)
    bags = [Counter(terms) for terms in analyzer([passage.text for passage in listed])]
    passages_with = Counter(word for bag in bags for word in bag)
    idf = {word: math.log(len(bags) / n) for word, n in passages_with.items() if n < len(bags)}
    long_enough = [i for i, bag in enumerate(bags) if sum(w in idf for w in bag) >= words]
    if len(long_enough) < count:
        raise InvalidInputError(
            f"{len(long_enough)} of {len(listed)} passages have {words} words that tell them from "
            f"others: ask for that many queries at most, not {count}, or for fewer words each"
        )
    random = np.random.default_rng(seed)
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for number, i in enumerate(random.choice(long_enough, count, replace=False), start=1):
        odds = {word: n * idf[word] for word, n in bags[i].items() if word in idf}
        shares = np.array(list(odds.values())) / sum(odds.values())
        drawn = random.choice(list(odds), words, replace=False, p=shares)
        queries[f"known-item-{number}"] = " ".join(drawn)
        qrels[f"known-item-{number}"] = {listed[i].id: 1}
    return Collection(listed, queries, qrels)
