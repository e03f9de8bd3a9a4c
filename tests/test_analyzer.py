"""The analyzer: the same terms on both sides, before and after a reload."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import Stemmer
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.analyzer import Analyzer, AnalyzerLike
from hybridge.errors import CorruptIndexError, EncoderMismatchError, InvalidInputError

VERSION_1 = json.loads(
    Path(__file__).with_name("analysis").joinpath("version_1.json").read_text(encoding="utf-8")
)
ANALYZERS = [
    Analyzer(),
    Analyzer(version=1),
    Analyzer(None, min_length=2, fold=False),
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
    assert Analyzer(min_length=3)(["an XR-500 東"]) == [["500", "xr500", "東"]]
    assert Analyzer("de")(["Die Häuser der Straße"]) == Analyzer("german")(["Haus STRASSE"])
    assert Analyzer("de", stem=False)(["Die Häuser"]) == [["häuser", "hauser"]]
    assert Analyzer("de", stem=False, fold=False)(["Die Häuser"]) == [["häuser"]]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("type 2 diabetes", "type 2 diabet"),
        ("vitamin D", "vitamin d"),
        ("valve T-3", "valv t 3 t3"),
        ("clause 7.3.2", "claus 7 3 2 7.3.2"),
        ("I can't, it's Ann's", "can ann"),
        ("plots in R, C++, C# and .NET", "plot r c++ c# net .net"),
        ("e-mails, emails", "e mail email email"),
        ("getUserNames", "get user name getusernam"),
        ("get_user_names", "get user name getusernam"),
        ("to-do, o'clock", "do todo clock"),
        ("Brontë", "brontë bront"),
    ],
)
def test_words_as_they_are_typed(text: str, terms: str) -> None:
    assert Analyzer()([text]) == [terms.split()]


def test_letters_before_apostrophes_are_no_stop_words() -> None:
    french = Analyzer("fr")
    assert french(["la vitamine D, d'abord l'eau"]) == [["vitamin", "d", "abord", "eau"]]
    assert Analyzer("fr", version=1).stopwords - french.stopwords == set("cdjlmnst")
    assert Analyzer("it")(["vitamina C, c'è"]) == [["vitamin", "c"]]


def test_the_pronoun_i_is_a_stop_word_in_english() -> None:
    assert Analyzer()(["I, i"]) == [[]]
    assert Analyzer(stopwords=None, stem=False)(["I"]) == [["i"]]
    assert Analyzer("de")(["I"]) == [["i"]]


@pytest.mark.parametrize("frozen", VERSION_1["analyzers"], ids=lambda each: str(each["settings"]))
def test_the_first_version_gives_the_terms_that_it_gave(frozen: dict[str, Any]) -> None:
    analyzer = Analyzer(**frozen["settings"], version=1)
    assert analyzer.to_config() == frozen["config"]
    assert analyzer.identity == frozen["identity"]
    assert analyzer(VERSION_1["texts"]) == frozen["terms"]
    assert Analyzer.from_config(frozen["config"])(VERSION_1["texts"]) == frozen["terms"]


def test_the_revision_of_the_first_version_is_what_it_was() -> None:
    analyzer = Analyzer(None, version=1)
    snowball = {"snowball": Stemmer.version()}
    parts = json.dumps([1, unicodedata.unidata_version, snowball, []], sort_keys=True)
    assert analyzer.revision == hashlib.blake2b(parts.encode(), digest_size=8).hexdigest()
    assert analyzer.versions["segmentation"] == "1"
    assert Analyzer(None).revision != analyzer.revision


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


@pytest.mark.parametrize("given", ["en", None, Analyzer(), Analyzer(version=1)], ids=repr)
def test_what_is_given_stands_for_the_version_on_disk(given: AnalyzerLike) -> None:
    stored = Analyzer(version=1).to_config()
    assert "version" not in stored
    found = Analyzer.from_config(stored, given)
    assert (found.version, found.to_config()) == (1, stored)
    assert repr(found) == "Analyzer('english', version=1)"
    newer = Analyzer.from_config(Analyzer().to_config(), given)
    assert (newer.version, repr(newer)) == (2, "Analyzer('english')")


def test_only_the_version_may_differ_from_the_one_on_disk() -> None:
    stored = Analyzer("de", min_length=2, version=1).to_config()
    assert Analyzer.from_config(stored, Analyzer("de", min_length=2)).version == 1
    for other in (
        Analyzer("de", min_length=3),
        Analyzer("de", fold=False),
        Analyzer("de", stem=False),
        Analyzer("de", stopwords=None),
        Analyzer.from_callable(str.split, name="german"),
    ):
        with pytest.raises(EncoderMismatchError, match="german"):
            Analyzer.from_config(stored, other)
    with pytest.raises(EncoderMismatchError, match="mine"):
        Analyzer.from_config({"callable": "mine"}, "de")


def test_versions_survive_copies() -> None:
    for version in (1, 2):
        analyzer = Analyzer("fr", version=version)
        assert pickle.loads(pickle.dumps(analyzer)).to_config() == analyzer.to_config()
    assert Analyzer.from_callable(str.split, name="mine").version is None


@pytest.mark.parametrize(
    "config",
    [
        {"version": 3},
        {"language": "klingon"},
        {"stem": True, "colour": 1},
        {"min_length": 0},
        [],
        "x",
    ],
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
        {"version": 3},
        {"version": True},
        {"version": 1, "fold": True},
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
