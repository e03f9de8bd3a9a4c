"""BM25 with other constants than an index was made with: as if it had been made with these."""

from __future__ import annotations

import pytest

from hybridge import CallableEncoder, HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.errors import InvalidInputError
from hybridge.lexical import BM25Parameters

TEXTS = ["cats cats cats sleep", "a cat and two dogs", "dogs run far, very far", "far cats", "far"]
PASSAGES = [Passage(f"p{number}", text) for number, text in enumerate(TEXTS)]
QUERIES = ["cats far", "dogs", "far"]
OTHERS = [BM25Parameters(k1=0.3, b=0.1), BM25Parameters(k1=3.0, b=1.0), BM25Parameters("bm25l")]


def made(words: CallableEncoder, bm25: BM25Parameters | None = None) -> HybridIndex:
    index = HybridIndex.create(encoder=words, bm25=bm25)
    index.add(PASSAGES)
    return index


@pytest.mark.parametrize("parameters", OTHERS)
def test_a_search_with_other_constants_is_that_of_an_index_made_with_them(
    words: CallableEncoder, parameters: BM25Parameters
) -> None:
    with made(words) as index, made(words, parameters) as other:
        own = index.search(QUERIES)
        assert index.search(QUERIES, bm25=parameters) == other.search(QUERIES) != own
        assert index.tuned(bm25=parameters).search(QUERIES) == other.search(QUERIES)
        assert index.search(QUERIES) == own
        assert index.search(QUERIES, bm25=BM25Parameters()) == own


def test_other_constants_follow_every_write(words: CallableEncoder) -> None:
    with made(words) as index:
        tuned = [index.tuned(bm25=parameters) for parameters in OTHERS]
        for retriever in tuned:
            retriever.search(QUERIES)
        index.delete(["p1"])
        index.add([Passage("p9", "cats far away")])
        for retriever, parameters in zip(tuned, OTHERS, strict=True):
            with HybridIndex.create(encoder=words, bm25=parameters) as other:
                other.add([*(p for p in PASSAGES if p.id != "p1"), Passage("p9", "cats far away")])
                assert retriever.search(QUERIES) == other.search(QUERIES)


def test_weights_in_the_store_cannot_change(words: CallableEncoder) -> None:
    with HybridIndex.create(encoder=words, lexical="qdrant") as index:
        index.add(PASSAGES)
        assert index.search(["cats"], bm25=BM25Parameters()) == index.search(["cats"])
        with pytest.raises(InvalidInputError, match=r"k1=0.3.*create it anew"):
            index.search(["cats"], bm25=OTHERS[0])
        with pytest.raises(InvalidInputError, match="create it anew"):
            index.tuned(bm25=OTHERS[0])


def test_only_parameters_are_parameters(words: CallableEncoder) -> None:
    with made(words) as index, pytest.raises(InvalidInputError, match=r"BM25Parameters\(k1="):
        index.search(["cats"], bm25={"k1": 1.0})  # type: ignore[arg-type]


@pytest.mark.slow
def test_real_passages(encoder: SentenceTransformerEncoder, small_corpus: list[Passage]) -> None:
    parameters = BM25Parameters(k1=0.6, b=0.9)
    passages = small_corpus[:40]
    vectors = encoder.encode_passages([passage.text for passage in passages])
    queries = [passage.text.partition(".")[0] for passage in passages[:5]]
    with (
        HybridIndex.create(encoder=encoder) as index,
        HybridIndex.create(encoder=encoder, bm25=parameters) as other,
    ):
        for each in (index, other):
            each.add(passages, vectors=vectors)
        assert index.search(queries, bm25=parameters) == other.search(queries)
