"""Corrections computed by hand, and by brute force with a plain implementation of the distance."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge import BM25, Analyzer, FusedRetriever, HybridIndex, Passage, explain
from hybridge.errors import InvalidInputError
from hybridge.lexical import BM25Retriever
from hybridge.spelling import Corrected, Correction, Speller, Words, corrected_query

CORPUS = {
    "protein": 9,
    "proteins": 4,
    "folding": 2,
    "from": 50,
    "test": 3,
    "text": 8,
    "heart": 5,
    "hearth": 1,
    "phosphorylation": 7,
    "spelling": 6,
    "straße": 2,
    "белок": 4,
    "return": 5,
    "what": 90,
}


def speller(corpus: Mapping[str, int] = CORPUS) -> Speller:
    return Speller(
        lambda: Words(corpus), lambda words: [corpus.get(word.lower(), 0) for word in words]
    )


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ("protien", "protein"),  # two letters change places
        ("Protien FOLDING", "Protein FOLDING"),
        ("the protien, the foldnig?", "the protein, the folding?"),
        ("speling", "spelling"),  # typed once
        ("spelllling", "spelling"),
        ("retrun", "return"),
        ("retun", "return"),  # a letter lost from a short word
        ("retuzn", "return"),
        ("tezt", "tezt"),  # in 4 letters a replaced one makes another word too easily
        ("tset", "test"),  # and not text, which is as frequent and has other letters
        ("form", "from"),
        ("hWat", "what"),
        ("phosforilation", "phosforilation"),  # three edits
        ("phosphorilaton", "phosphorylation"),  # two
        ("bhosphorylation", "bhosphorylation"),  # another first letter
        ("hpososphorylation", "hpososphorylation"),
        ("hearht", "hearth"),
        ("protien's", "protein's"),
        ("protien-folding", "protein-folding"),
        ("(protien)", "(protein)"),
        ("PROTIENS FOLDING", "PROTEINS FOLDING"),
        ("бекол", "бекол"),
        ("беолк", "белок"),
        ("strßae", "straße"),
    ],
)
def test_corrections_by_hand(asked: str, read: str) -> None:
    assert speller().correct(asked).text == read


@pytest.mark.parametrize(
    "query",
    [
        'find "protien"',
        "“protien” and «protien»",
        '+protien -protien +"protien folding"',
        "protien2 2protien XR-protien5",
        "get_protien protien_id __protien__",
        "protienFolding ProtienFolding",
        "format.protien protien() protien.text",
        "https://protien protien@test #protien @protien $protien --protien",
        "the PROTIEN here",  # an acronym, as far as anybody knows
        "PROTIEN",
        "fmro't protien't",
        "pro",
        "tes",
        "",
        " \t ",
        "x" * 41,
        "東京都 กรุงเทพ",
    ],
)
def test_left_as_it_was_asked(query: str) -> None:
    assert speller().correct(query) == Corrected(query)


@pytest.mark.parametrize("run", ["x{}'t", "é{}'t", "x{} 't", '"{}', "„a {}", "a-{}1", "({}1"])
def test_long_runs_take_no_time(run: str) -> None:
    """In 0.1 s; quadratic, the first takes 25 s."""
    unit = run.partition("{}")[0]
    query = run.format(unit * (40_000 // len(unit)))
    start = time.process_time()
    assert speller().correct(query) == Corrected(query)
    assert time.process_time() - start < 2


def test_a_query_of_unknown_words_is_no_slip() -> None:
    others = [f"zzz{a}{b}" for a in "abcdef" for b in "ghijkl"]
    for count, read in ((31, "protein"), (32, "protien")):
        words = [*others[:count], "protien", "Protien", *others[:count]]
        found = speller().correct(" ".join(words))
        assert found.text.split()[count] == read
        assert len(found.changes) == (2 if read == "protein" else 0)


def test_the_nearest_word_is_looked_for_once() -> None:
    looked = []

    def words() -> Words:
        looked.append(1)
        return Words(CORPUS)

    one = Speller(words, lambda words: [CORPUS.get(word.lower(), 0) for word in words])
    assert len(one.correct("protien xyzzy protien").changes) == 2
    assert len(one.correct("xyzzy protien").changes) == 1
    assert len(looked) == 2


def test_a_word_is_counted_once() -> None:
    counts = {"protein": 9, "folding": 2}
    asked: list[str] = []

    def frequencies(words: Sequence[str]) -> list[int]:
        asked.extend(words)
        return [counts.get(word, 0) for word in words]

    speller = Speller(lambda: Words(counts), frequencies)
    assert speller.correct("protein folding elsewhere").changes == ()
    assert (
        speller.correct("protein elsewhere, and protien").text == "protein elsewhere, and protein"
    )
    assert sorted(asked) == ["elsewhere", "folding", "protein", "protein", "protien"]
    assert speller.correct("protien folding").text == "protein folding"
    assert len(asked) == 5  # the second protein as a correction


def test_changes_say_where() -> None:
    read = speller().correct("a  Protien\tand foldnig ")
    assert read.text == "a  Protein\tand folding "
    assert read.changes == (
        Correction(3, "Protien", "Protein"),
        Correction(15, "foldnig", "folding"),
    )
    assert read.corrected == read.text
    assert speller().correct("protein").corrected is None


def test_frequency_and_then_the_alphabet_decide() -> None:
    assert speller({"barn": 2, "bran": 3}).correct("brna").text == "bran"
    assert speller({"barn": 2, "bran": 2, "brans": 9}).correct("bnra").text == "bnra"
    assert speller({"gardens": 2, "gardeny": 2}).correct("gardenz").text == "gardens"
    assert speller({"gardens": 2, "gardeny": 3}).correct("gardenz").text == "gardeny"


def test_a_word_of_no_passage_is_no_correction() -> None:
    assert speller({"protein": 0}).correct("protien").text == "protien"


def distance(one: str, other: str) -> int:
    """Optimal string alignment, by its recurrence over whole tables."""
    table = [[i + j for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i][j] = min(
                table[i - 1][j] + 1,
                table[i][j - 1] + 1,
                table[i - 1][j - 1] + (one[i - 1] != other[j - 1]),
            )
            if i > 1 and j > 1 and (one[i - 1], one[i - 2]) == (other[j - 2], other[j - 1]):
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


def by_brute_force(word: str, corpus: Mapping[str, int]) -> str:
    """Return the correction of a lower-case word, as the documentation of `Speller` states it."""
    if corpus.get(word) or len(word) < 4:
        return word
    best = []
    for other, count in corpus.items():
        edits, same = distance(word, other), set(word) == set(other)
        moved = sorted(word) != sorted(other)
        kept = other[0] == word[0] and (len(word) >= 6 or len(other) > len(word))
        if count and edits <= (1 if len(word) < 9 else 2) and (same or kept):
            best.append((edits, moved, -count, other))
    return min(best)[-1] if best else word


words_of_few_letters = st.text("abcd", min_size=3, max_size=11)


@given(
    st.dictionaries(words_of_few_letters, st.integers(0, 3), max_size=30),
    st.lists(words_of_few_letters, min_size=1, max_size=3),
)
def test_corrections_are_those_of_brute_force(
    corpus: Mapping[str, int], asked: Sequence[str]
) -> None:
    expected = " ".join(by_brute_force(word, corpus) for word in asked)
    assert speller(corpus).correct(" ".join(asked)).text == expected


@given(
    st.sets(st.text("abcdeäж", min_size=3, max_size=9), max_size=40),
    st.text("abcdeäж", min_size=1, max_size=10),
    st.integers(0, 3),
)
def test_near_words_are_those_of_brute_force(corpus: set[str], word: str, limit: int) -> None:
    words = Words(corpus)
    expected = {other: distance(word, other) for other in corpus}
    near = list(words.near(word, limit))
    assert dict(near) == {other: edits for other, edits in expected.items() if edits <= limit}
    assert len(dict(near)) == len(near)


@given(st.text(max_size=60))
def test_what_is_not_changed_stays_to_the_letter(query: str) -> None:
    read = speller().correct(query)
    text, moved = list(read.text), 0
    for change in read.changes:
        start = change.start + moved
        assert query[change.start :].startswith(change.word)
        assert "".join(text[start:]).startswith(change.replacement)
        text[start : start + len(change.replacement)] = change.word
        moved += len(change.word) - len(change.replacement)
        moved += len(change.replacement) - len(change.word)
    assert "".join(text) == query or read.changes


def test_words_are_lower_case_runs_of_letters() -> None:
    pieces = ["Cats", "NASA", "HTTPServer", "getName", "e-mail", "x1", "sha256", "snake_case", "of"]
    assert list(Words([*pieces, "l'été", "a" * 41, "東京都の"])) == ["cats", "mail", "nasa", "été"]


def test_words_outlive_bytes_and_pickles() -> None:
    words = Words(["cats", "straße", "белок"])
    for copy in (Words.from_array(words.to_array()), pickle.loads(pickle.dumps(words))):
        assert list(copy) == list(words)
        assert not copy.unsaved
        copy.add(["cats"])
        assert not copy.unsaved
        copy.add(["dogs"])
        assert copy.unsaved
    assert list(Words.from_array(Words().to_array())) == []


def test_missing_words_are_read_from_the_texts_once() -> None:
    words = Words.from_array(None)
    words.add(["dogs"])
    assert words.to_array() is None
    reads = []

    def texts() -> list[str]:
        reads.append(1)
        return ["Two cats"]

    analyzer = Analyzer("english")
    for _ in range(2):
        assert list(words.completed(analyzer, texts)) == ["cats", "dogs", "two"]
    assert len(reads) == 1
    assert words.unsaved


def test_many_threads_add_and_look_up() -> None:
    words = Words()
    names = [f"{a}{b}{c}word" for a in "abcdefgh" for b in "abcdefgh" for c in "abcdefgh"]

    def work(start: int) -> None:
        for name in names[start::4]:
            words.add([name])
            assert (name, 0) in list(words.near(name, 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [0, 1, 2, 3, 0, 1, 2, 3]))
    assert list(words) == sorted(names)
    assert all(len(set(bucket.words)) == len(bucket.words) for bucket in words._by_length.values())


PASSAGES = [
    Passage("p1", "The planet orbits a star."),
    Passage("p2", "A planer smooths wood."),
    Passage("p3", "Elephants remember; an elephant never forgets."),
]


def test_a_retriever_reads_the_corrected_query() -> None:
    corrected, plain = BM25Retriever(PASSAGES), BM25Retriever(PASSAGES, spelling=False)
    [[hit]] = corrected.search(["the elehpant"])
    [[same]] = plain.search(["the elephant"])
    assert (hit.passage.id, hit.score) == (same.passage.id, same.score)
    assert [entry.query for entry in hit.trace] == ["the elephant"]
    assert [entry.query for entry in same.trace] == [None]
    assert corrected_query([hit]) == "the elephant"
    assert plain.search(["the elehpant"]) == [[]]
    assert corrected.score(["elehpant"], [["p3"]]) == plain.score(["elephant"], [["p3"]])
    assert corrected.parts("elehpant", ["p3"]) == plain.parts("elephant", ["p3"])


def test_a_corrected_query_keeps_its_operators() -> None:
    retriever = BM25Retriever(PASSAGES, query_syntax=True)
    asked, read = 'elehpant "never forgets" +remember -planer', 'elephant "never forgets" +remember'
    corrected = retriever.correct(asked)
    assert (corrected.text, corrected.corrected) == (f"{read} -planer", f"{read} -planer")
    assert corrected.read == "elephant never forgets remember"
    [[hit]] = retriever.search([asked])
    assert (hit.passage.id, corrected_query([hit])) == ("p3", f"{read} -planer")
    [[same]] = BM25Retriever(PASSAGES).search([corrected.read])
    assert hit.score == same.score
    assert retriever.search(["elehpant -remember"]) == [[]]
    assert explain(retriever, asked, hit).read_as == f"{read} -planer"


def test_members_of_a_fused_retriever_correct_for_themselves() -> None:
    other = BM25Retriever([Passage("p3", "The elehpants house.")])
    fused = FusedRetriever({"one": BM25Retriever(PASSAGES), "two": other})
    [[hit]] = fused.search(["the elehpant"])
    assert {entry.stage: entry.query for entry in hit.trace} == {
        "one": "the elephant",
        "two": None,  # it has the word
        "fusion": None,
    }


def test_common_words_of_the_language_stay() -> None:
    passages = [Passage("p", "A dose of wheat. A form for moths, that bred the cloud.")]
    for query in ("how does blood clot", "what rises", "From moths", "it could bleed"):
        assert BM25Retriever(passages).correct(query).changes == ()
        with HybridIndex.create(stages=[BM25()]) as index:
            index.add(passages)
            assert corrected_query(index.search([f"{query} moths"])[0]) is None
    assert BM25Retriever(passages).correct("What dosse?").text == "What dose?"
    unnamed = BM25Retriever(passages, analyzer=Analyzer(None))  # where "does" may be anything
    assert unnamed.correct("does").text == "dose"


def test_a_retriever_forgets_the_words_of_deleted_passages() -> None:
    retriever = BM25Retriever(PASSAGES)
    assert retriever.correct("planet planer").changes == ()
    retriever.delete(["p1"])
    assert retriever.correct("planet").text == "planer"
    retriever.add([Passage("p2", "Nothing of wood.")])
    assert retriever.correct("planet planer").changes == ()
    retriever.add([Passage("p4", "planet")])
    assert retriever.correct("planer").text == "planet"


def test_a_saved_retriever_corrects(tmp_path: object) -> None:
    retriever = BM25Retriever(PASSAGES)
    retriever.delete(["p1"])
    retriever.save(f"{tmp_path}/r")
    opened = BM25Retriever.open(f"{tmp_path}/r")
    kept = {"planer", "smooths", "wood", "elephants", "remember", "elephant", "never", "forgets"}
    assert set(opened._postings.words) - {"the"} == kept  # a stop word tells nothing
    assert opened.correct("elehpant").text == "elephant"
    assert BM25Retriever.open(f"{tmp_path}/r", spelling=False).correct("elehpant").changes == ()
    assert pickle.loads(pickle.dumps(opened)).correct("elehpant").text == "elephant"


def test_your_own_tokenizer_knows_its_words() -> None:
    retriever = BM25Retriever(PASSAGES, analyzer=Analyzer.from_callable(str.split, name="blank"))
    assert retriever.correct("plante").text == "planet"
    assert retriever.correct("Elehpants").text == "Elephants"  # its terms keep capitals
    assert retriever.correct("Pnalet").text == "Pnalet"


@pytest.mark.parametrize("value", [0, None, "yes"])
def test_anything_but_true_and_false_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match=r"spelling must be True or False"):
        BM25Retriever(spelling=value)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
def test_a_forked_child_corrects() -> None:
    retriever = BM25Retriever(PASSAGES)
    assert retriever.correct("elehpant").text == "elephant"
    child = os.fork()
    if child == 0:  # pragma: no cover
        found = retriever.correct("planet elehpant").text == "planet elephant"
        os._exit(0 if found else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("version", [1, 2])
@given(texts=st.lists(st.text(st.sampled_from("aZ9é東ก\u0e31-.'/+_ \u00ad\n(C#"), max_size=30)))
@settings(deadline=None)
def test_the_words_of_texts_are_those_of_their_pieces(version: int, texts: list[str]) -> None:
    analyzer = Analyzer("english", version=version)
    words, pieces = Words(), Words()
    for text in texts:
        assert words.terms(analyzer, text) == analyzer([text])[0]
        pieces.add(analyzer.words(text))
    assert list(words) == list(pieces)
    assert words.unsaved == pieces.unsaved
