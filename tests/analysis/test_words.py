"""Words, their parts and their wholes, worked out by hand; and what must hold for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.analysis.rules import SecondRules
from hybridge.analysis.segments import normalize
from hybridge.analysis.words import forms_of, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't stop, e.g. at 3.5 or 42!", ["don't", "stop", "e.g", "at", "3.5", "or", "42"]),
        ("the cats' 'house' isn’t (his).", ["the", "cats", "house", "isn’t", "his"]),
        ("C++, C# and F#; .NET or R.", ["C++", "C#", "and", "F#", ".NET", "or", "R"]),
        ("C++17 a++b x#y issue #5", ["C++", "17", "a++", "b", "x", "y", "issue", "5"]),
        ("wait...what -5 -- a--b", ["wait", "what", "5", "a", "b"]),
        ("p<.05, .5 end.Start", ["p", "05", "5", "end.Start"]),
        (
            "https://example.com/a/to-page#top",
            ["https", "example.com/a/to-page", "top"],
        ),
        ("std::vector<int> C:\\x 10:30", ["std::vector", "int", "C", "x", "10:30"]),
        ("T‑cell naïve café", ["T\u2010cell", "naïve", "café"]),
        ("کتاب\u200cهای क्\u200cष", ["کتاب\u2010های", "क्ष"]),
        ("हिन्दी में தமிழ் العَرَبِيَّة", ["हिन्दी", "में", "தமிழ்", "العَرَبِيَّة"]),
        ("東京都", ["東", "京", "都", "東京", "京都"]),
        ("GPU카드와cuda", ["GPU", "카", "드", "와", "카드", "드와", "cuda"]),
        ("ปลา-fish", ["ป", "ล", "า", "ปล", "ลา", "fish"]),
        ("🙂 ____ ", ["____"]),
        (" \n\t...!?—", []),
        ("\ud800 \x00", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert split_words(normalize(text)) == words


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        # numbers
        ("42", "42"),
        ("7.3.2", "7 3 2 7.3.2"),
        ("0.05", "0 05 0.05"),
        ("192.168.0.1:8080", "192 168 0 1 192.168.0.1 8080 192.168.0.1:8080"),
        ("v2.1", "v 2 1 2.1 v2.1"),
        ("2021-03-04", "2021 03 04 20210304"),
        ("04/03/2021", "04 03 2021 04032021"),
        ("978-3-16-148410-0", "978 3 16 148410 0 9783161484100"),
        ("3/4", "3 4 3/4"),
        ("10-20", "10 20 10-20"),
        # codes
        ("T-3", "T 3 T3"),
        ("T3", "T 3 T3"),
        ("XR-500", "XR 500 XR500"),
        ("CVE-2021-44228", "CVE 2021 44228 CVE202144228"),
        ("TCP/IP", "TCP IP TCPIP"),
        ("TGF-β1", "TGF β 1 β1 TGFβ1"),
        ("C++", "C++"),
        ("C#", "C#"),
        ("Notepad++", "Notepad Notepad++"),
        (".NET", "NET .NET"),
        ("ASP.NET", "ASP NET ASPNET"),
        # compounds and abbreviations
        ("hand-over", "hand over handover"),
        ("e-mail", "e mail email"),
        ("U.S.A", "USA"),
        ("e.g", "eg"),
        ("Ph.D", "Ph D PhD"),
        # names
        ("getUserName", "get User Name getUserName"),
        ("get_user_name", "get user name getusername"),
        ("get-user-name", "get user name getusername"),
        ("HTTPServer", "HTTP Server HTTPServer"),
        ("parseHTTP2Body", "parse HTTP 2 Body parseHTTP2Body"),
        ("os.path.join", "os path join ospathjoin"),
        ("std::vector", "std vector stdvector"),
        ("__init__", "init __init__"),
        ("_private", "private _private"),
        ("MAX_LENGTH", "MAX LENGTH MAXLENGTH"),
        ("sha256", "sha 256 sha256"),
        ("RNAs", "RNAs"),
        ("IPv6", "IPv 6 IPv6"),
        ("da39a3ee5e6b4b0d3255bfef95601890", "da39a3ee5e6b4b0d3255bfef95601890"),
        # apostrophes
        ("don't", "don"),
        ("we've", "we"),
        ("1990's", "1990"),
        ("l'eau", "eau"),
        ("rock'n'roll", "rock roll"),
        ("O'Brien", "Brien OBrien"),
        ("DON'T", "DON"),
        ("____", ""),
    ],
)
def test_forms_of_a_word(word: str, forms: str) -> None:
    assert forms_of(word) == forms.split()


ALPHABET = "abzABZ019.-/:_'’+# éßЖ東ก\u0301"
NAMES = st.lists(
    st.from_regex(r"[a-z]{2,6}", fullmatch=True)
    | st.from_regex(r"[1-9][0-9]{0,3}", fullmatch=True),
    min_size=2,
    max_size=5,
)
RULES = SecondRules(None, [], 1, plain=True)


def spelled(text: str) -> list[str]:
    words = RULES.words(text)
    return [s for word in words for form in RULES.forms(word) for s in RULES.spellings(form)]


@given(st.text() | st.text(ALPHABET))
def test_forms_are_unique_without_spaces_and_never_empty(text: str) -> None:
    for word in RULES.words(text):
        forms = forms_of(word)
        assert len(set(forms)) == len(forms)
        assert all(form and form.split() == [form] for form in forms)


@given(st.text(ALPHABET))
def test_ascii_words_do_not_depend_on_what_stands_beside_them(text: str) -> None:
    plain = text.encode("ascii", "ignore").decode()
    assert split_words(f"{plain} жж") == [*split_words(plain), "жж"]


@given(st.lists(st.from_regex(r"[a-z]{2,6}", fullmatch=True), min_size=2, max_size=4))
def test_a_compound_is_found_by_its_parts_and_written_in_one(parts: list[str]) -> None:
    joined = spelled("-".join(parts))
    assert joined == list(dict.fromkeys([*parts, "".join(parts)]))
    assert set(spelled("".join(parts))) <= set(joined)
    assert set(spelled(" ".join(parts))) <= set(joined)


@given(NAMES)
def test_a_name_has_the_same_whole_and_parts_in_each_spelling(parts: list[str]) -> None:
    # Numbers side by side would be one number where nothing stands between them.
    parts = [part for i, part in enumerate(parts) if not (i and part.isdigit())]
    snake, kebab, dotted = ("_".join(parts), "-".join(parts), ".".join(parts))
    camel = parts[0] + "".join(map(str.capitalize, parts[1:]))
    expected = {*parts, "".join(parts)}
    assert expected == {*spelled(snake)} == {*spelled(kebab)} == {*spelled(dotted)}
    assert expected == {*spelled(camel)}


@given(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.integers(0, 9999))
def test_a_code_is_the_same_with_a_hyphen_and_without(letters: str, number: int) -> None:
    assert spelled(f"{letters}-{number}") == spelled(f"{letters}{number}")


@given(st.lists(st.integers(0, 999), min_size=2, max_size=5), st.sampled_from("./-"))
def test_numbers_of_several_parts_are_told_apart(numbers: list[int], mark: str) -> None:
    whole = mark.join(map(str, numbers))
    assert {*map(str, numbers)} < {*spelled(whole)}
    other = mark.join(map(str, [numbers[0] + 1, *numbers[1:]]))
    assert spelled(whole)[-1] != spelled(other)[-1]
