"""The filter on words of the text, against stems and stop words looked up by hand."""

from __future__ import annotations

import copy
import pickle

import pytest
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from hypothesis import given
from hypothesis import strategies as st

from hybridge import Analyzer, Passage
from hybridge.errors import InvalidInputError
from hybridge.filters import Eq, IdIn, Not, Or, TextPhrase, as_filter, resolved
from hybridge.search_text import SearchText

ENGLISH = Analyzer("english")


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("run", "She is running.", True),
        ("RUNNING", "a run", True),
        ("pump seal", "the pump seals", True),
        ("pump seal", "Pump, seal!", True),  # what is no word is not read
        ("pump seal", "the seal of a pump", False),
        ("pump seal", "pump shaft seal", False),
        ("pump seal", "pump pump seal", True),
        ("seal of the pump", "the seals of the pumps", True),
        ("seal of the pump", "a seal for the pump", False),  # stop words count
        ("seal of the pump", "a seal pump", False),
        ("to be or not to be", "To be, or not to be: that is the question", True),
        ("to be or not to be", "not to be or to be", False),
        ("the", "The pump", True),
        ("the", "a pump", False),
        ("pump", "", False),
        ("straße", "STRASSE", True),
        ("XR-500 pump", "the XR500 pump", True),
        ("XR 500", "XR-500", True),
        ("XR500", "XR-500", True),
        ("XR500", "XR 500", True),
        ("XR-500", "XR-600", False),
        ("XR-500", "XR valve 500", False),
        ("XR-500 valve", "XR-500 pump", False),
        ("the XR", "the XR-500", True),
        ("hand over", "a hand-over", True),
        ("handover today", "hand-over, today", True),
        ("hand-over", "the hand was over", False),
        ("e-mail", "email", True),
        ("get user name", "getUserName()", True),
        ("getUserName", "get_user_name", True),
        ("user name of", "getUserName of", True),
        ("get name", "getUserName", False),
        ("7.3.2", "clause 7.3.2", True),
        ("7.3.2", "7.3.20", False),
        ("7.3.2", "2.3.7", False),
        ("7.3.7", "7.3", False),
        ("C++", "in C++.", True),
        ("C++", "in C.", False),
        ("C", "in C++", False),
        (".NET", "uses .NET", True),
        (".NET", "the net", False),
        ("net", ".NET", True),
        ("O'Brien", "OBrien", True),
        ("don't run", "don't running", True),
        ("Bronte", "Brontë", True),
        ("Brontë", "Bronte", True),
        ("ปลา", "กินปลาทู", True),
        ("ปลาทู", "ปลากินทู", False),
        ("東京", "東京都", True),
        ("東京", "東北京都", False),
        ("東京 tower", "the 東京 Tower", True),
        ("東京 tower", "東京都 Tower", False),
    ],
)
def test_words_one_after_another(phrase: str, text: str, found: bool) -> None:
    assert TextPhrase(phrase).matches(Passage("p", text)) is found


def test_words_are_those_of_the_analyzer() -> None:
    german = TextPhrase("Katze schläft", "german")
    assert german.matches(Passage("p", "Katzen schlafen")) is (
        Analyzer("german")(["Katze schläft"]) == Analyzer("german")(["Katzen schlafen"])
    )
    split = TextPhrase("a_b c", str.split)
    assert split.matches(Passage("p", "x a_b c"))
    assert not split.matches(Passage("p", "a_b C"))


WORDS = ["run", "running", "runs", "pump", "pumps", "the", "of", "seal"]
_TEXT = st.lists(st.sampled_from(WORDS), max_size=8)
_STEM = Stemmer.Stemmer("english")


def _same(one: str, other: str) -> bool:
    if {one, other} & set(STOPWORDS_EN):
        return one == other
    return bool(_STEM.stemWord(one) == _STEM.stemWord(other))


@given(_TEXT.filter(bool), _TEXT)
def test_the_oracle_agrees(phrase: list[str], text: list[str]) -> None:
    spans = [text[i : i + len(phrase)] for i in range(len(text) - len(phrase) + 1)]
    expected = any(all(map(_same, span, phrase)) for span in spans)
    spoken = TextPhrase(" ".join(phrase))
    assert spoken.matches(Passage("p", ", ".join(text).title())) is expected


@given(_TEXT.filter(bool), st.lists(_TEXT, max_size=6))
def test_candidates_have_every_match(phrase: list[str], texts: list[list[str]]) -> None:
    spoken = TextPhrase(" ".join(phrase))
    terms = [set(ENGLISH([" ".join(text)])[0]) for text in texts]
    candidates = spoken.candidates(lambda term: {i for i, has in enumerate(terms) if term in has})
    matching = {i for i, text in enumerate(texts) if spoken.matches(Passage("p", " ".join(text)))}
    if candidates is None:
        assert set(phrase) <= {"the", "of"}
    elif spoken.is_one_term:
        assert candidates == matching
    else:
        assert candidates >= matching


def test_one_term_is_a_word_that_is_no_stop_word() -> None:
    assert TextPhrase("running").is_one_term
    assert not TextPhrase("the").is_one_term
    assert not TextPhrase("pump seal").is_one_term


@pytest.mark.parametrize("text", ["", " ", "?!"])
def test_a_phrase_needs_a_word(text: str) -> None:
    with pytest.raises(InvalidInputError, match="reads no word in"):
        TextPhrase(text)


def test_a_phrase_is_text() -> None:
    with pytest.raises(InvalidInputError, match="needs text to look for, not 3"):
        TextPhrase(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        TextPhrase("\ud800 lone")


def test_equal_by_text_and_analyzer() -> None:
    assert TextPhrase("pump") == TextPhrase("pump", "english")
    assert hash(TextPhrase("pump")) == hash(TextPhrase("pump", Analyzer()))
    assert TextPhrase("pump") != TextPhrase("pump", "german")
    assert TextPhrase("pump") != TextPhrase("pumps")


def test_copies_match_the_same() -> None:
    phrase = TextPhrase("pump seal", "german")
    for copied in (copy.copy(phrase), copy.deepcopy(phrase), pickle.loads(pickle.dumps(phrase))):
        assert copied == phrase
        assert copied.matches(Passage("p", "Pump seal"))


def test_as_a_dict() -> None:
    phrase = TextPhrase("pump seal", Analyzer("german", stem=False))
    assert as_filter(phrase.to_dict()) == phrase
    assert as_filter({"$text": {"$phrase": "pump seal"}}) == TextPhrase("pump seal")
    assert as_filter(
        {"$text": {"$phrase": {"text": "Dichtung", "analyzer": "german"}}}
    ) == TextPhrase("Dichtung", "german")
    assert as_filter({"$text": {"$not": {"$phrase": "pump"}}}) == ~TextPhrase("pump")


def test_bad_dicts() -> None:
    with pytest.raises(InvalidInputError, match=r"\$phrase takes a text"):
        as_filter({"$text": {"$phrase": {"words": "pump"}}})
    own = TextPhrase("pump", Analyzer.from_callable(str.split, name="whitespace"))
    with pytest.raises(InvalidInputError, match="'whitespace': write TextPhrase"):
        as_filter(own.to_dict())


def test_of_another_text_of_the_passage() -> None:
    titled = SearchText("{title}: {text}")
    phrase = TextPhrase("pumps: seals", search_text=titled)
    passage = Passage("p", "Seal", {"title": "Pump"})
    assert phrase.matches(passage)
    assert not TextPhrase("pump").matches(passage)
    assert phrase == TextPhrase("pumps: seals", "english", SearchText("{title}: {text}"))
    assert phrase != TextPhrase("pumps: seals")
    assert pickle.loads(pickle.dumps(phrase)) == phrase
    with pytest.raises(InvalidInputError, match="keep the object"):
        phrase.to_dict()


def test_phrases_in_a_filter_are_replaced() -> None:
    pump, other = TextPhrase("pump"), Eq("a", 1)
    where = other & Or(pump, Not(pump)) & Not(other)
    assert resolved(where, lambda phrase: IdIn([phrase.text])) == (
        other & Or(IdIn(["pump"]), Not(IdIn(["pump"]))) & Not(other)
    )


@pytest.mark.parametrize("word", ["seal", "7.3", "getUser", "ab-cd"])
def test_a_phrase_of_any_length_is_read_in_one_pass(word: str) -> None:
    words = " ".join([word] * 2_000)
    phrase = TextPhrase(f"{words} pump")
    assert phrase.matches(Passage("p", f"{words} {words} pump"))
    assert not phrase.matches(Passage("p", f"{words} valve {words}"))
    assert not phrase.matches(Passage("p", f"{words[1:]} pump"))
