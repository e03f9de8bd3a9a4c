"""Training pairs from the corpus alone: titles, headings, neighbors and cropped spans."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Literal, TypeAlias, get_args

import numpy as np

from ..arguments import check_count, check_seed
from ..errors import InvalidInputError
from ..passages import Passage, unique_passages
from ..search_text import TEXT_ALONE, SearchText
from .examples import Example
from .word_spans import word_spans

__all__ = ["PairKind", "corpus_pairs"]

logger = logging.getLogger(__name__)

PairKind: TypeAlias = Literal["title", "heading", "neighbor", "crop"]

# Contriever's shares of a text; and what is too short to learn from.
_SHORTEST_SHARE, _LONGEST_SHARE = 0.1, 0.5
_SHORTEST_SPAN = 4

_Pairs: TypeAlias = Iterator[tuple[str, str]]


def corpus_pairs(
    passages: Iterable[Passage],
    kinds: Sequence[PairKind] = get_args(PairKind),
    *,
    number: int | None = None,
    seed: int = 0,
) -> list[Example]:
    """Return pairs of texts that belong together, to train a bi-encoder on without labels.

    Each example is a first text, which stands for the query, and one passage. Of these kinds there
    are as many as the corpus has:

    - ``"title"``: a title, from the metadata, and the text of a passage under it.
    - ``"heading"``: the same of a document that was split, whose passages have ``source`` and
      ``position`` (or LangChain's ``start_index``) in their metadata: a heading, and a passage of
      its section.
    - ``"neighbor"``: a passage of a split document, and the next one. A. Neelakantan et al., *Text
      and Code Embeddings by Contrastive Pre-Training*, arXiv 2201.10005, 2022.
    - ``"crop"``: two spans of one passage, drawn independently of each other, each of a tenth to a
      half of its words; they may overlap. G. Izacard et al., *Unsupervised Dense Information
      Retrieval with Contrastive Learning* (Contriever), TMLR 2022, arXiv 2112.09118.

    A text is the one that is searched, without its title, which would give the answer away. A title
    of several passages makes one pair, with one of them drawn at random. A heading that several
    documents have (Introduction, Notes) names none of their sections, and makes no pair. Pairs of
    equal texts, and pairs that came before, are left out.

    Args:
        passages: an index, or the passages themselves.
        kinds: of the four, in the order in which the kinds take turns in the result.
        number: the most pairs, drawn at random; as many of each kind as of the others, where it has
            enough. None is all of them.
        seed: of the draws. The order of the passages does not matter.

    Raises:
        InvalidInputError: an argument is not valid, or no passage gives a pair.

    >>> tea = Passage("a", "Tea Steep the leaves for three minutes.", {"title": "Tea"})
    >>> corpus_pairs([tea], ["title"])
    [Example(query='Tea', passages=('Steep the leaves for three minutes.',), labels=())]
    """
    chosen = _checked_kinds(kinds)
    if number is not None:
        check_count(number, "number")
    random = np.random.default_rng(check_seed(seed))
    search_text = getattr(passages, "search_text", TEXT_ALONE)
    corpus = _Corpus.of(passages, search_text)
    seen: set[tuple[str, str]] = set()
    by_kind: dict[str, list[Example]] = {}
    for kind in chosen:
        found = list(_new(_MAKERS[kind](corpus, random), seen))
        by_kind[kind] = [found[i] for i in random.permutation(len(found))]
    counts = ", ".join(f"{len(found)} by {kind}" for kind, found in by_kind.items())
    if not any(by_kind.values()):
        raise InvalidInputError(
            f"the passages give no pairs ({counts}): titles and headings are read from 'title' in "
            "the metadata, documents from 'source' and 'position', and spans are cropped from "
            f"texts of {2 * _SHORTEST_SPAN} words at least"
        )
    logger.info("pairs from %d passages: %s", len(corpus.texts), counts)
    turns = zip_longest(*by_kind.values())
    return [pair for turn in turns for pair in turn if pair is not None][:number]


def _checked_kinds(kinds: Sequence[PairKind]) -> list[PairKind]:
    known = get_args(PairKind)
    if isinstance(kinds, str) or not isinstance(kinds, Sequence) or not kinds:
        raise InvalidInputError(
            f"kinds must be a list of one kind at least, of {', '.join(known)}, not {kinds!r}"
        )
    for kind in kinds:
        if kind not in known:
            raise InvalidInputError(f"kinds must be of {', '.join(known)}, not {kind!r}")
    return list(dict.fromkeys(kinds))


@dataclass(frozen=True)
class _Corpus:
    """The texts of passages, and how they belong together.

    Args:
        texts: id → the text that is searched, without the title; in the order of the ids.
        titles: title → the ids of its passages, of documents that are one passage.
        headings: (source, heading) → the ids of its passages, of documents that were split.
        documents: source → the ids of its passages, in their order.
    """

    texts: Mapping[str, str]
    titles: Mapping[str, Sequence[str]]
    headings: Mapping[tuple[str, str], Sequence[str]]
    documents: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, passages: Iterable[Passage], search_text: SearchText) -> _Corpus:
        texts: dict[str, str] = {}
        titles: dict[str, list[str]] = defaultdict(list)
        headings: dict[tuple[str, str], list[str]] = defaultdict(list)
        positions: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for passage in sorted(unique_passages(passages), key=lambda passage: passage.id):
            title, source = map(passage.metadata.get, ("title", "source"))
            position = passage.metadata.get("position", passage.metadata.get("start_index"))
            title = title.strip() if isinstance(title, str) else ""
            text = _without_title(search_text(passage).strip(), title)
            if not text:
                continue
            texts[passage.id] = text
            if isinstance(source, str) and isinstance(position, int):
                positions[source].append((position, passage.id))
                if title:
                    headings[source, title].append(passage.id)
            elif title:
                titles[title].append(passage.id)
        documents = {
            source: [id_ for _, id_ in sorted(placed)] for source, placed in positions.items()
        }
        return cls(texts, titles, headings, documents)


def _without_title(text: str, title: str) -> str:
    """Return a text without the title in front; a longer word is none ("Teas", of "Tea")."""
    rest = text.removeprefix(title)
    return text if rest[:1].isalnum() else rest.lstrip().removeprefix(":").lstrip()


def _drawn(ids: Sequence[str], random: np.random.Generator) -> str:
    return ids[int(random.integers(len(ids)))]


def _by_title(corpus: _Corpus, random: np.random.Generator) -> _Pairs:
    for title, ids in corpus.titles.items():
        yield title, corpus.texts[_drawn(ids, random)]


def _by_heading(corpus: _Corpus, random: np.random.Generator) -> _Pairs:
    sources = defaultdict(set)
    for source, heading in corpus.headings:
        sources[heading].add(source)
    for (_, heading), ids in corpus.headings.items():
        if len(sources[heading]) == 1:
            yield heading, corpus.texts[_drawn(ids, random)]


def _by_neighbor(corpus: _Corpus, random: np.random.Generator) -> _Pairs:
    for ids in corpus.documents.values():
        for first, second in pairwise(ids):
            yield corpus.texts[first], corpus.texts[second]


def _by_crop(corpus: _Corpus, random: np.random.Generator) -> _Pairs:
    for text in corpus.texts.values():
        words = word_spans(text)
        if len(words) >= 2 * _SHORTEST_SPAN:
            yield _cropped(text, words, random), _cropped(text, words, random)


def _cropped(text: str, words: Sequence[tuple[int, int]], random: np.random.Generator) -> str:
    share = random.uniform(_SHORTEST_SHARE, _LONGEST_SHARE)
    length = max(_SHORTEST_SPAN, int(share * len(words)))
    start = int(random.integers(len(words) - length + 1))
    return text[words[start][0] : words[start + length - 1][1]]


_MAKERS: Mapping[str, Callable[[_Corpus, np.random.Generator], _Pairs]] = {
    "title": _by_title,
    "heading": _by_heading,
    "neighbor": _by_neighbor,
    "crop": _by_crop,
}


def _new(pairs: _Pairs, seen: set[tuple[str, str]]) -> Iterator[Example]:
    """Yield the pairs whose texts differ, by more than case and space, and that are not seen."""
    for query, passage in pairs:
        key = (_compared(query), _compared(passage))
        if key[0] != key[1] and key not in seen:
            seen.add(key)
            yield Example(query, (passage,))


def _compared(text: str) -> str:
    return " ".join(text.casefold().split())
