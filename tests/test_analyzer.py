"""The analyzer: the same terms on both sides, before and after a reload."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.analyzer import Analyzer
from hybridge.errors import CorruptIndexError, EncoderMismatchError, InvalidInputError

ANALYZERS = [
    Analyzer(),
    Analyzer(None, min_length=1),
    Analyzer("german", stopwords=None),
    Analyzer("turkish", stem=False),
    Analyzer("hindi"),
    Analyzer("japanese", stopwords=["これ"]),
    Analyzer("english", lemmatize=True, stem=False),
]


def reloaded(analyzer: Analyzer) -> Analyzer:
    return Analyzer.from_config(json.loads(json.dumps(analyzer.to_config())))


@pytest.mark.parametrize("analyzer", ANALYZERS, ids=lambda a: a.identity)
@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.text(st.characters()), max_size=4))
def test_any_text_gives_the_same_terms_each_time_and_after_a_reload(
    analyzer: Analyzer, texts: list[str]
) -> None:
    terms = analyzer(texts)
    assert len(terms) == len(texts)
    assert all(isinstance(term, str) and term for some in terms for term in some)
    assert terms == analyzer(texts) == reloaded(analyzer)(texts)
    assert terms == [analyzer([text])[0] for text in texts]


def test_english_by_default() -> None:
    assert Analyzer()(["The cats' houses were not built in a day"]) == [
        ["cat", "hous", "were", "built", "day"]
    ]


def test_options() -> None:
    text = ["The mice are running"]
    assert Analyzer(stem=False)(text) == [["mice", "running"]]
    assert Analyzer(stopwords=None)(text) == [["the", "mice", "are", "run"]]
    assert Analyzer(stopwords=["MICE"])(text) == [["the", "are", "run"]]
    assert Analyzer(lemmatize=True, stem=False)(text) == [["mouse", "run"]]
    assert Analyzer(None)(text) == [["the", "mice", "are", "running"]]
    assert Analyzer("de")(["Die Häuser der Straße"]) == Analyzer("german")(["Haus STRASSE"])


def test_a_query_of_one_chinese_character_shares_a_term_with_text_that_has_it() -> None:
    analyzer = Analyzer("chinese")
    [[term]] = analyzer(["猫"])
    assert term in analyzer(["我有两只黑猫和一只狗"])[0]


def test_identity_names_the_settings() -> None:
    assert Analyzer("en").identity == Analyzer("english").identity
    assert Analyzer(stopwords=["b", "a"]).identity == Analyzer(stopwords=["a", "b"]).identity
    identities = {analyzer.identity for analyzer in ANALYZERS}
    identities.add(Analyzer.from_callable(str.split, name="german").identity)
    assert len(identities) == len(ANALYZERS) + 1


def test_revision_follows_the_words_that_are_left_out() -> None:
    assert Analyzer().revision == Analyzer().revision
    assert Analyzer().revision != Analyzer(stopwords=None).revision
    assert Analyzer().revision != Analyzer(stem=False).revision
    assert Analyzer(stem=False).revision != Analyzer(stem=False, lemmatize=True).revision


def test_a_function_of_ones_own() -> None:
    analyzer = Analyzer.from_callable(lambda text: text.split("-"), name="dashes")
    assert analyzer(["A-b--c", ""]) == [["A", "b", "c"], []]
    assert analyzer.identity.startswith("dashes:")
    assert repr(analyzer) == "Analyzer('dashes')"


def test_a_function_is_not_read_from_disk_but_given_again() -> None:
    analyzer = Analyzer.from_callable(str.split, name="whitespace")
    config = json.loads(json.dumps(analyzer.to_config()))
    assert config == {"callable": "whitespace"}
    with pytest.raises(EncoderMismatchError, match=r"from_callable\(your_function, name='white"):
        Analyzer.from_config(config)
    again = Analyzer.from_callable(str.split, name="whitespace")
    assert Analyzer.from_config(config, again) is again
    with pytest.raises(EncoderMismatchError, match="whitespace"):
        Analyzer.from_config(config, Analyzer.from_callable(str.split, name="other"))


def test_another_analyzer_than_the_one_on_disk_is_refused() -> None:
    config = Analyzer("german").to_config()
    assert Analyzer.from_config(config, "de").identity == Analyzer("german").identity
    with pytest.raises(EncoderMismatchError, match=r"german.*english"):
        Analyzer.from_config(config, "english")


@pytest.mark.parametrize(
    "config", [{"language": "klingon"}, {"stem": True, "colour": 1}, {"min_length": 0}, [], "x"]
)
def test_a_damaged_configuration_is_named(config: dict[str, object]) -> None:
    with pytest.raises(CorruptIndexError, match="no analyzer can be made of"):
        Analyzer.from_config(config)  # type: ignore[arg-type]


@pytest.mark.parametrize("returned", ["one string", [1, 2], None, {"a"}])
def test_a_function_that_returns_something_else_is_named(returned: Sequence[str]) -> None:
    analyzer = Analyzer.from_callable(lambda _: returned, name="mine")
    with pytest.raises(InvalidInputError, match="'mine' must return a list of strings"):
        analyzer(["text"])


@pytest.mark.parametrize(
    "arguments",
    [
        {"language": "klingon"},
        {"stopwords": "the"},
        {"stopwords": [1]},
        {"language": None, "lemmatize": True},
        {"language": "tamil", "lemmatize": True},
        {"min_length": 0},
        {"min_length": True},
    ],
)
def test_wrong_arguments(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        Analyzer(**arguments)  # type: ignore[arg-type]


def test_wrong_texts() -> None:
    with pytest.raises(InvalidInputError, match=r"analyzer\(\[text\]\)"):
        Analyzer()("text")
    with pytest.raises(InvalidInputError, match="not int"):
        Analyzer()([1])  # type: ignore[list-item]


def test_what_a_constructor_may_be_given() -> None:
    analyzer = Analyzer("fr")
    assert Analyzer.of(analyzer) is analyzer
    assert Analyzer.of(None).identity == Analyzer().identity
    assert Analyzer.of("fr").identity == analyzer.identity
    assert Analyzer.of(str.split).to_config() == {"callable": "str.split"}
    for wrong in (5, b"en"):
        with pytest.raises(InvalidInputError, match="must be callable"):
            Analyzer.of(wrong)  # type: ignore[arg-type]


def test_threads_agree() -> None:
    texts = [f"running{chr(97 + i % 26)} houses{i} walked" for i in range(300)]
    expected = Analyzer()(texts)
    shared = Analyzer()
    with ThreadPoolExecutor(8) as pool:
        for terms in pool.map(shared, [texts] * 16):
            assert terms == expected


def test_a_very_long_word_is_no_trouble() -> None:
    [[term]] = Analyzer()(["a" * 1_000_000])
    assert len(term) == 1_000_000


def test_importing_brings_in_nothing_heavy() -> None:
    code = (
        "import sys, hybridge.analyzer; "
        "print({'bm25s', 'Stemmer', 'simplemma', 'stopwordsiso', 'numba', 'torch'} "
        "& set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("analyzer", ANALYZERS, ids=lambda a: a.identity)
@settings(max_examples=30, deadline=None)
@given(text=st.text(st.characters()))
def test_the_terms_of_a_text_are_those_of_its_words(analyzer: Analyzer, text: str) -> None:
    terms = [term for word in analyzer.words(text) for term in analyzer.terms_of(word)]
    assert [terms] == analyzer([text])


def test_the_words_of_a_tokenizer_are_its_terms() -> None:
    analyzer = Analyzer.from_callable(str.split, name="whitespace")
    assert analyzer.words("A  b") == ["A", "b"]
    assert analyzer.terms_of("A") == ("A",)
