"""What is searched apart from the text that is returned: by every stage, and after every write."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from tests.index.conftest import word_vectors

from hybridge import CallableEncoder, HybridIndex, Passage, explain
from hybridge.encoders.sparse import CallableSparseEncoder
from hybridge.errors import EncoderMismatchError, InvalidInputError
from hybridge.filters import TextPhrase
from hybridge.protocols import Vectors
from hybridge.search_text import SearchText
from hybridge.stages import BM25, Dense, LateInteraction, LearnedSparse
from hybridge.vectors import PayloadLayout

TITLED = "{title}\n{text}"
PASSAGES = [
    Passage("h", "It shall be paid within thirty days.", {"title": "Harbour"}),
    Passage("a", "It shall be paid at once.", {"title": "Airport"}),
    Passage("n", "Nothing is due in the desert."),
]


class Words:
    """The vectors of words, and a list of the texts that were encoded."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return word_vectors(texts)

    def sparse(self, texts: Sequence[str]) -> list[dict[int, float]]:
        self.texts += texts
        return [{sum(map(ord, word)): 1.0 for word in text.lower().split()} for text in texts]


class Tokens:
    """A vector for each word; no word, no vector."""

    identity, dimension = "tokens", 32

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode_queries(self, queries: Sequence[str]) -> list[Vectors]:
        return [_unit(word_vectors(text.split())) for text in queries]

    def encode_passages(self, texts: Sequence[str]) -> list[Vectors]:
        self.texts += texts
        return self.encode_queries(texts)

    def to_config(self) -> None:
        return None


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths, lengths, 1)).astype(np.float32)


Where = dict[str, Any]


@pytest.fixture(params=["bm25s", "qdrant", "served"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def where(place: str, tmp_path: Path) -> Where:
    return {"url": ":memory:"} if place == "served" else {"path": tmp_path / "index"}


@pytest.fixture
def lexical(place: str) -> str:
    return "bm25s" if place == "bm25s" else "qdrant"


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def stages(words: Words, tokens: Tokens, lexical: Any) -> Callable[..., list[Any]]:
    def make(**options: Any) -> list[Any]:
        return [
            BM25(lexical=lexical, **options),
            Dense(CallableEncoder(words, dimension=32, identity="words"), **options),
            LearnedSparse(CallableSparseEncoder(words.sparse, identity="sparse"), **options),
            LateInteraction(tokens, **options),
        ]

    return make


@pytest.fixture
def index(where: Where, stages: Callable[..., list[Any]]) -> Iterator[HybridIndex]:
    with HybridIndex.create(**where, stages=stages(), search_text=TITLED) as made:
        made.add(PASSAGES)
        yield made


def first(index: HybridIndex, name: str, query: str) -> str | None:
    hits = index.stages[name].search([query], 1)[0]
    return hits[0].passage.id if hits else None


def test_every_stage_searches_the_title(index: HybridIndex, words: Words, tokens: Tokens) -> None:
    for query, id_ in (("harbour", "h"), ("airport", "a"), ("Harbour", "h")):
        for name in ("bm25", "dense", "learned-sparse", "late-interaction"):
            if name in ("dense", "late-interaction"):
                query = query.lower() if name == "dense" else query.capitalize()
            assert first(index, name, query) == id_, (name, query)
        assert index.search([query], 1)[0][0].passage.id == id_
    written = [f"{p.metadata['title']}\n{p.text}" if p.metadata else p.text for p in PASSAGES]
    assert tokens.texts == written
    assert words.texts[:3] == words.texts[3:6] == written
    # What is returned is what was added.
    [hits] = index.search(["harbour"], 3)
    assert {hit.passage.id: hit.passage for hit in hits} == {p.id: p for p in PASSAGES}


def test_scores_are_those_of_the_text_written_out(
    where: Where, stages: Callable[..., list[Any]], tmp_path: Path
) -> None:
    plain = [Passage(p.id, SearchText(TITLED)(p), p.metadata) for p in PASSAGES]
    other = {"path": tmp_path / "other"} if "path" in where else where
    query = ["is Harbour money paid in the Desert"]
    with (
        HybridIndex.create(**where, stages=stages(), search_text=TITLED) as index,
        HybridIndex.create(**other, stages=stages()) as expected,
    ):
        index.add(PASSAGES)
        expected.add(plain)
        assert [(hit.passage.id, hit.score, hit.trace) for hit in index.search(query)[0]] == [
            (hit.passage.id, hit.score, hit.trace) for hit in expected.search(query)[0]
        ]


def test_a_stages_own_comes_before_the_indexs(
    where: Where, words: Words, tokens: Tokens, lexical: Any
) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    stages = [
        BM25(lexical=lexical, fields={"title": 3, "text": 1}),
        Dense(encoder, search_text="{text}"),
        LateInteraction(tokens),
    ]
    with HybridIndex.create(**where, stages=stages, search_text="{title}") as index:
        index.add(PASSAGES)
        assert words.texts == [p.text for p in PASSAGES]
        assert tokens.texts == ["Harbour", "Airport", ""]
        assert first(index, "bm25", "harbour") == "h"
        explanation = explain(index, "harbour money paid", "h")
        assert explanation.bm25 is not None
        counts = {term.term: term.in_passage for term in explanation.bm25.terms}
        assert counts == {"harbour": 3, "money": 0, "paid": 1}
        info: Any = index.info()["stages"]
        assert info["bm25"]["search_text"] == "{title}\n{title}\n{title}\n{text}"
        assert "search_text" not in info["dense"]
        assert info["late-interaction"]["search_text"] == "{title}"


def test_templates_are_kept(tmp_path: Path, words: Words, tokens: Tokens) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    stages = [BM25(fields={"title": 2, "text": 1}), Dense(encoder), LateInteraction(tokens)]
    with HybridIndex.create(tmp_path / "i", stages=stages, search_text=TITLED) as index:
        index.add(PASSAGES)
        before = index.search(["harbour money"])
    words.texts.clear()
    for option in ({}, {"search_text": TITLED}):
        with HybridIndex.open(
            tmp_path / "i", encoder=encoder, late_interaction=tokens, **option
        ) as index:
            assert index.search(["harbour money"]) == before
            index.add(PASSAGES)
            index.add([Passage("x", "Old text.", {"title": "Bridge"})])
            assert words.texts[-1] == "Bridge\nOld text."
            assert first(index, "bm25", "bridge") == "x"
            index.delete(["x"])
    with pytest.raises(EncoderMismatchError, match=r"search_text='\{title\}\\n\{text\}'"):
        HybridIndex.open(tmp_path / "i", encoder=encoder, search_text="{text}")
    with pytest.raises(EncoderMismatchError, match=r"not search_text='\{title\}'"):
        HybridIndex.open(
            tmp_path / "i",
            stages=[BM25(search_text="{title}")],
            encoder=encoder,
            late_interaction=tokens,
        )


def shouted(passage: Passage) -> str:
    return f"{passage.metadata.get('title', '')} {passage.text}".upper()


def spaced(passage: Passage) -> str:
    return " ".join(passage.metadata.get("title", ""))


def test_a_function_is_given_again(tmp_path: Path, words: Words) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    stages = [BM25(search_text=spaced), Dense(encoder)]
    with HybridIndex.create(tmp_path / "i", stages=stages, search_text=shouted) as index:
        index.add(PASSAGES)
        assert words.texts[0] == "HARBOUR IT SHALL BE PAID WITHIN THIRTY DAYS."
    with pytest.raises(EncoderMismatchError, match=r"named 'shouted'.*search_text="):
        HybridIndex.open(tmp_path / "i", encoder=encoder)
    with pytest.raises(EncoderMismatchError, match=r"named 'spaced'.*search_text="):
        HybridIndex.open(tmp_path / "i", encoder=encoder, search_text=shouted)
    with pytest.raises(EncoderMismatchError, match="'spaced'"):
        HybridIndex.open(tmp_path / "i", encoder=encoder, search_text=spaced)
    again = [BM25(search_text=spaced), Dense(encoder)]
    with HybridIndex.open(tmp_path / "i", stages=again, search_text=shouted) as index:
        index.add([Passage("x", "new", {"title": "Bridge"})])
        assert words.texts[-1] == "BRIDGE NEW"


def test_a_function_in_pickles(tmp_path: Path) -> None:
    encoder = CallableEncoder(word_vectors, dimension=32, identity="words")
    stages = [BM25(search_text=spaced), Dense(encoder)]
    with HybridIndex.create(tmp_path / "i", stages=stages, search_text=shouted) as index:
        index.add(PASSAGES)
        with pickle.loads(pickle.dumps(index)) as again:
            assert again.search(["HARBOUR"]) == index.search(["HARBOUR"])


def test_what_is_searched_decides_what_is_encoded(
    index: HybridIndex, words: Words, tokens: Tokens
) -> None:
    query = ["harbour money paid in the bridge"]
    before = index.search(query)
    words.texts.clear()
    tokens.texts.clear()
    index.add(PASSAGES)
    index.add([Passage("h", PASSAGES[0].text, {"title": "Harbour", "year": 7})])
    assert index.update_metadata(["a"], {"year": 8}) == 1
    assert words.texts == tokens.texts == []
    # A served index reweighs stored weights, which are in single precision.
    scores = [hit.score for hit in before[0]]
    assert [hit.score for hit in index.search(query)[0]] == pytest.approx(scores, rel=1e-6)
    words.texts.clear()
    index.add([Passage("h", PASSAGES[0].text, {"title": "Bridge"})])
    text = f"Bridge\n{PASSAGES[0].text}"
    assert (words.texts, tokens.texts) == ([text, text], [text])
    assert first(index, "bm25", "bridge") == "h"
    assert first(index, "bm25", "harbour") is None


def test_update_metadata_reads_exactly_the_changed_ones_again(
    index: HybridIndex,
    where: Where,
    words: Words,
    tokens: Tokens,
    stages: Callable[..., list[Any]],
    tmp_path: Path,
) -> None:
    assert index.search(["harbour"], 1, where={"title": "Harbour"})[0][0].passage.id == "h"
    words.texts.clear()
    tokens.texts.clear()
    assert index.update_metadata(["h", "n"], [{"title": "Bridge"}, {"year": 7}]) == 2
    text = f"Bridge\n{PASSAGES[0].text}"
    assert (words.texts, tokens.texts) == ([text, text], [text])
    changed = [
        Passage("h", PASSAGES[0].text, {"title": "Bridge"}),
        PASSAGES[1],
        Passage("n", PASSAGES[2].text, {"year": 7}),
    ]
    assert index.get(["h", "a", "n"]) == changed
    assert first(index, "bm25", "harbour") is None
    assert index.search(["harbour"], 1, where={"title": "Harbour"})[0] == []
    other = {"path": tmp_path / "other"} if "path" in where else where
    with HybridIndex.create(**other, stages=stages(), search_text=TITLED) as fresh:
        fresh.add(changed)
        for query in ("bridge", "Harbour money paid", "days in the desert"):
            expected, found = fresh.search([query])[0], index.search([query])[0]
            assert [hit.passage for hit in found] == [hit.passage for hit in expected]
            assert [hit.score for hit in found] == pytest.approx([h.score for h in expected])


def test_queries_are_corrected_by_what_is_searched(where: Where, lexical: Any) -> None:
    encoder = CallableEncoder(word_vectors, dimension=32, identity="words")
    stages = [BM25(lexical=lexical, fields={"title": 1, "text": 1}), Dense(encoder)]
    with HybridIndex.create(**where, stages=stages) as index:
        index.add(PASSAGES)
        assert first(index, "bm25", "hrabour") == "h"
        index.update_metadata(["h"], {"title": "Drawbridge"})
        assert first(index, "bm25", "drawbrigde") == "h"
        assert first(index, "bm25", "hrabour") is None
    if "path" in where:
        (where["path"] / "bm25.npz").unlink()
        with HybridIndex.open(**where, encoder=encoder) as index:
            assert first(index, "bm25", "drawbrigde") == "h"


@pytest.mark.parametrize("template", ["{title}", TITLED])
def test_operators_read_what_bm25_searches(where: Where, lexical: Any, template: str) -> None:
    encoder = CallableEncoder(word_vectors, dimension=32, identity="words")
    with HybridIndex.create(
        **where, stages=[BM25(lexical=lexical), Dense(encoder)], search_text=template
    ) as index:
        index.add(PASSAGES)

        def found(query: str, **options: Any) -> set[str]:
            [hits] = index.search([query], query_syntax=True, **options)
            return {hit.passage.id for hit in hits}

        assert found("money +harbour") == {"h"}
        assert found("money -harbour") == {"a", "n"}
        both = template == TITLED
        assert found('money +"harbour it shall"') == ({"h"} if both else set())
        assert found("money +paid") == ({"h", "a"} if both else set())
        # A filter on the text reads the text alone.
        for analyzer in (index.analyzer, "german"):
            paid = TextPhrase("paid at once", analyzer)
            assert found("money", where=paid) == {"a"}
            assert found("money", where=TextPhrase("harbour", analyzer)) == set()


def test_a_title_that_one_stage_alone_searches(where: Where, words: Words, lexical: Any) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    stages = [BM25(lexical=lexical, fields={"title": 1, "text": 1}), Dense(encoder)]
    given = word_vectors(["one", "two", "three"])
    with HybridIndex.create(**where, stages=stages) as index:
        index.add(PASSAGES, vectors=given)
        vectors = index.dense.vectors(["h", "a", "n"])
        index.update_metadata(["h"], {"title": "Bridge"})
        index.add([Passage("a", PASSAGES[1].text, {"title": "Canal"})])
        assert words.texts == []
        np.testing.assert_array_equal(index.dense.vectors(["h", "a", "n"]), vectors)
        assert (first(index, "bm25", "bridge"), first(index, "bm25", "canal")) == ("h", "a")
        assert first(index, "bm25", "harbour") is None
        assert index.get(["a"])[0] == Passage("a", PASSAGES[1].text, {"title": "Canal"})


def test_a_text_that_no_stage_searches(where: Where, words: Words, lexical: Any) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    stages = [BM25(lexical=lexical), Dense(encoder)]
    with HybridIndex.create(**where, stages=stages, search_text="{title}") as index:
        index.add(PASSAGES)
        words.texts.clear()
        index.add([Passage("h", "Another text.", {"title": "Harbour"})])
        assert words.texts == []
        assert index.search(["harbour"], 1)[0][0].passage.text == "Another text."
        assert first(index, "bm25", "desert") is None


def test_what_becomes_blank_has_no_tokens(where: Where, tokens: Tokens, lexical: Any) -> None:
    stages = [BM25(lexical=lexical), LateInteraction(tokens)]
    with HybridIndex.create(**where, stages=stages, search_text="{title}") as index:
        index.add(PASSAGES)
        late = index.late_interaction
        assert late is not None
        assert late.search(["Harbour"], 1)[0][0].passage.id == "h"
        index.update_metadata(["h"], {"title": None})
        assert [hit.passage.id for hit in late.search(["Harbour"], 9)[0]] == ["a"]
        assert late.score(["Harbour"], [["h", "n"]]) == [[0.0, 0.0]]
        assert first(index, "bm25", "harbour") is None
        index.update_metadata(["h"], {"title": "Harbour"})
        assert late.search(["Harbour"], 1)[0][0].passage.id == "h"
        assert first(index, "bm25", "harbour") == "h"


def test_an_update_that_cannot_be_encoded_changes_nothing(where: Where, lexical: Any) -> None:
    def picky(texts: Sequence[str]) -> Vectors:
        if any("Bridge" in text for text in texts):
            raise RuntimeError("no bridges")
        return word_vectors(texts)

    stages = [BM25(lexical=lexical), Dense(CallableEncoder(picky, dimension=32, identity="p"))]
    with HybridIndex.create(**where, stages=stages, search_text=TITLED) as index:
        index.add(PASSAGES)
        before = index.search(["harbour airport bridge"])
        with pytest.raises(RuntimeError, match="no bridges"):
            index.update_metadata(["a", "h"], [{"title": "Canal"}, {"title": "Bridge"}])
        assert index.search(["harbour airport bridge"]) == before
        assert [index.get([p.id])[0] for p in PASSAGES] == PASSAGES


def test_many_updates_at_once(where: Where, words: Words, lexical: Any) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    stages = [BM25(lexical=lexical), Dense(encoder)]
    notes = [Passage(f"n{i}", f"note {i}", {"title": "antique"}) for i in range(600)]
    with HybridIndex.create(**where, stages=stages, search_text=TITLED) as index:
        index.add(notes)
        words.texts.clear()
        names = [note.id for note in notes]
        index.update_metadata(names, [{"title": f"new{i} word"} for i in range(600)])
        assert words.texts == [f"new{i} word\nnote {i}" for i in range(600)]
        for i in (0, 299, 599):
            assert first(index, "bm25", f"new{i}") == f"n{i}"
        assert first(index, "bm25", "antique") is None


def test_an_added_stage_searches_what_the_index_does(index: HybridIndex, words: Words) -> None:
    words.texts.clear()
    added = CallableEncoder(words, dimension=32, identity="words")
    index.add_stage(Dense(added, name="second"))
    assert sorted(words.texts) == sorted(SearchText(TITLED).texts(PASSAGES))
    index.add_stage(BM25(name="titles", search_text="{title}", lexical=index.lexical))
    assert first(index, "titles", "harbour") == "h"
    assert first(index, "titles", "desert") is None
    words.texts.clear()
    index.update_metadata(["h"], {"title": "Bridge"})
    assert words.texts == [f"Bridge\n{PASSAGES[0].text}"] * 3
    assert first(index, "titles", "bridge") == "h"
    assert first(index, "second", "bridge") == "h"


def test_a_title_that_changes_while_a_stage_is_added(
    where: Where, lexical: Any, words: Words
) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    updated: list[str] = []

    def slow(texts: Sequence[str]) -> Vectors:
        if not updated and any("Harbour" in text for text in texts):
            updated.append("h")
            rows = word_vectors(texts)
            # Between the encoding of a page and its writing, and after it was written.
            index.update_metadata(["h"], {"title": "Bridge"})
            return rows
        return word_vectors(texts)

    stages = [BM25(lexical=lexical), Dense(encoder)]
    with HybridIndex.create(**where, stages=stages) as index:
        index.add(PASSAGES)
        late = CallableEncoder(slow, dimension=32, identity="slow")
        index.add_stage(Dense(late, name="slow", search_text=TITLED))
        assert updated == ["h"]
        expected = word_vectors([f"Bridge\n{PASSAGES[0].text}"])[0]
        [found] = index.stages["slow"].vectors(["h"])  # type: ignore[attr-defined]
        np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-5)


def test_a_title_that_changes_while_the_addition_rests(tmp_path: Path, words: Words) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    calls: list[int] = []

    def failing(texts: Sequence[str]) -> Vectors:
        calls.append(len(texts))
        if len(calls) == 2:
            raise RuntimeError("cut")
        return word_vectors(texts)

    second = CallableEncoder(failing, dimension=32, identity="second")
    notes = [Passage(f"n{i}", f"note {i}", {"title": f"old{i}"}) for i in range(400)]
    with HybridIndex.create(tmp_path / "i", stages=[BM25(), Dense(encoder)]) as index:
        index.add(notes)
        stage = Dense(second, name="second", search_text=TITLED)
        with pytest.raises(RuntimeError, match="cut"):
            index.add_stage(stage)
        index.update_metadata(
            [note.id for note in notes], [{"title": f"new{i}"} for i in range(400)]
        )
        index.add_stage(stage)
        found = index.stages["second"].vectors([n.id for n in notes])  # type: ignore[attr-defined]
        expected = word_vectors([f"new{i}\nnote {i}" for i in range(400)])
        lengths = np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(found, expected / lengths, rtol=1e-4, atol=1e-6)


def test_updates_while_a_stage_without_vectors_rests(tmp_path: Path, words: Words) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")

    def cut(text: str) -> list[str]:
        raise RuntimeError("cut")

    with HybridIndex.create(tmp_path / "i", encoder=encoder) as index:
        index.add(PASSAGES)
        with pytest.raises(RuntimeError, match="cut"):
            index.add_stage(BM25(cut, name="titles", search_text="{title}"))
        assert index.info()["pending"] == "titles"
        index.update_metadata(["h"], {"title": "Bridge"})
        index.add([Passage("a", PASSAGES[1].text, {"title": "Canal"})])
        index.remove_stage("titles")
        index.add_stage(BM25(name="titles", search_text="{title}"))
        assert (first(index, "titles", "bridge"), first(index, "titles", "canal")) == ("h", "a")


def test_a_reader_follows_titles(tmp_path: Path, words: Words) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    with HybridIndex.create(tmp_path / "i", encoder=encoder, search_text=TITLED) as writer:
        writer.add(PASSAGES)
        with HybridIndex.open(tmp_path / "i", encoder=encoder, read_only=True) as reader:
            assert reader.search(["harbour"]) == writer.search(["harbour"])
            writer.update_metadata(["h"], {"title": "Bridge"})
            assert first(reader, "bm25", "harbour") == "h"
            reader.refresh()
            assert first(reader, "bm25", "bridge") == "h"
            assert first(reader, "bm25", "harbour") is None
            assert reader.search(["bridge paid"]) == writer.search(["bridge paid"])


def test_an_attached_collection(words: Words) -> None:
    client = QdrantClient(":memory:")
    params = models.VectorParams(size=32, distance=models.Distance.COSINE)
    client.create_collection("docs", vectors_config=params)
    rows = word_vectors([p.text for p in PASSAGES]).tolist()
    client.upsert(
        "docs",
        [
            models.PointStruct(
                id=i, vector=row, payload={"text": p.text, "metadata": dict(p.metadata)}
            )
            for i, (p, row) in enumerate(zip(PASSAGES, rows, strict=True))
        ],
    )
    encoder = CallableEncoder(words, dimension=32, identity="words")
    layout = PayloadLayout("text", "metadata")
    with HybridIndex.attach(
        client, "docs", layout=layout, encoder=encoder, search_text=TITLED, writable=True
    ) as index:
        assert first(index, "bm25", "harbour") == "0"
        index.add([Passage("7", "New.", {"title": "Bridge"})])
        assert words.texts[-1] == "Bridge\nNew."
        index.update_metadata(["0"], {"title": "Canal"})
        assert words.texts[-1] == f"Canal\n{PASSAGES[0].text}"
        assert (first(index, "bm25", "canal"), first(index, "bm25", "harbour")) == ("0", None)
        assert first(index, "dense", "canal") == "0"
        client.set_payload("docs", {"title": "Lake"}, points=[1], key="metadata")
        index.refresh()
        assert first(index, "bm25", "lake") == "1"
    client.close()


def test_weights_that_are_read_anew(tmp_path: Path, words: Words) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    path = tmp_path / "i"
    with HybridIndex.create(path, encoder=encoder, lexical="qdrant", search_text=TITLED) as index:
        index.add(PASSAGES)
        before = index.search(["harbour money"])
        state = index._storage.manifest.stage("bm25")
        stale = {**state.state, "terms": {"revision": "of another release"}}
        index._storage.save_manifest(
            index._storage.manifest.with_stage(type(state)(**{**state.to_config(), "state": stale}))
        )
    with HybridIndex.open(path, encoder=encoder) as index:
        assert index.search(["harbour money"]) == before


def test_truncation_counts_what_is_read(where: Where, caplog: pytest.LogCaptureFixture) -> None:
    class Short(CallableEncoder):
        max_tokens = 8

        def count_truncated(self, texts: Sequence[str]) -> int:
            return sum(len(text.split()) > 8 for text in texts)

    short = Short(word_vectors, dimension=32, identity="short")
    with HybridIndex.create(
        **where, stages=[BM25(), Dense(short)], search_text="{title} {title} {text}"
    ) as index:
        index.add(PASSAGES)
        truncated: Any = index.info()["stages"]
        # Seven words and two titles, six and two, six and none.
        assert truncated["dense"]["truncated"] == {"max_tokens": 8, "passages": 1, "of": 3}
    assert "1 of 3 passages" in caplog.text


def test_an_explanation_shows_what_was_read(index: HybridIndex) -> None:
    explanation = explain(index, "who is paid by the harbour", "h")
    bm25 = explanation.bm25
    assert bm25 is not None
    assert bm25.text == f"Harbour\n{PASSAGES[0].text}"
    assert [bm25.text[start:end] for start, end in bm25.spans] == ["Harbour", "paid"]
    assert "<mark>Harbour</mark>" in explanation._repr_html_()
    late = explanation.late_interaction
    assert late is not None
    assert late.matrix.shape[1] == len(bm25.text.split())
    assert explain(index.bm25, "harbour", "n").missed == "it shares no term with the query"


def test_what_is_no_search_text(tmp_path: Path, words: Words) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    for wrong in ("{", "text", 7, "{title!r}"):
        with pytest.raises(InvalidInputError, match="search_text"):
            HybridIndex.create(tmp_path / "i", encoder=encoder, search_text=wrong)  # type: ignore[arg-type]
        for stage in (Dense, LateInteraction):
            with pytest.raises(InvalidInputError, match="search_text"):
                stage(encoder, search_text=wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="give one of them"):
        BM25(search_text="{text}", fields={"text": 1})
    assert not (tmp_path / "i").exists()


def test_an_update_that_was_cut_off_is_made_good_by_the_next(
    where: Where, lexical: Any, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = CallableEncoder(words, dimension=32, identity="words")
    stages = [BM25(lexical=lexical), Dense(encoder)]
    new = [Passage("h", PASSAGES[0].text, {"title": "Bridge"}), *PASSAGES[1:]]
    with (
        HybridIndex.create(**where, stages=stages, search_text=TITLED) as index,
        HybridIndex.create(stages=stages, search_text=TITLED) as whole,
    ):
        index.add(PASSAGES)
        whole.add(new)
        store = index._storage.store

        def fail(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        for method in ("set_vectors", "replace_payloads"):
            with monkeypatch.context() as patched:
                patched.setattr(store, method, fail)
                with pytest.raises(KeyboardInterrupt):
                    index.update_metadata(["h"], {"title": "Bridge"})
            assert index.get(["h"]) == [PASSAGES[0]]
        index.add(new)
        assert index.get(["h"]) == [new[0]]
        for query in ("bridge", "harbour", "paid in the desert"):
            found, expected = index.search([query])[0], whole.search([query])[0]
            assert [hit.passage.id for hit in found] == [hit.passage.id for hit in expected]
            scores = [hit.score for hit in expected]
            assert [hit.score for hit in found] == pytest.approx(scores, abs=1e-6)
