"""Indexes and retrievers of before keep their words, say so, and move on without an encoding.

`format_2` holds an index of each kind and a `BM25Retriever`, made by the release before analyzers
had versions; `answers.json` is what that release answered.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hybridge import BM25Retriever, CallableEncoder, Hit, HybridIndex, Passage
from hybridge.cli.commands import hybridge
from hybridge.doctor import examine_index
from hybridge.errors import EncoderMismatchError
from hybridge.lexical import BM25Parameters
from hybridge.stages import BM25

from .archives import unpacked
from .test_formats import DIMENSION, ENCODER, FORMAT_1, QUERIES, SUBJECTS
from .test_stages import outline

FORMAT_2 = Path(__file__).with_name("format_2")
ASKED = [*QUERIES, "valve T-3", "user name", "handover", "cafe"]
TEXTS = [
    *["valve T-3", "valve XR-500", "getUserName"],
    *["a hand-over by e-mail", "Café Brontë", "type 2 diabetes"],
]
ANSWERS = json.loads((FORMAT_2 / "answers.json").read_text())


def passages() -> list[Passage]:
    made = [
        Passage(
            f"p{n}",
            f"The {SUBJECTS[n % 10]} and the {SUBJECTS[(n * 3 + 1) % 10]} of day {n}",
            {"year": 1990 + n},
        )
        for n in range(30)
    ]
    return made + [Passage(f"x{n}", text) for n, text in enumerate(TEXTS)]


@pytest.fixture(params=["bm25s", "qdrant"])
def lexical(request: pytest.FixtureRequest) -> Any:
    return request.param


def check(found: Sequence[Sequence[Hit]], expected: list[list[tuple[str, float]]]) -> None:
    for hits, before in zip(found, expected, strict=True):
        assert {h.passage.id: h.score for h in hits} == pytest.approx(dict(before), abs=1e-5)


def version(index: HybridIndex) -> Any:
    info: Any = index.info()
    return info["stages"]["bm25"]["analyzer"]["version"]


@pytest.mark.parametrize("read_only", [True, False])
def test_an_index_answers_as_before_and_says_so(
    lexical: Any, read_only: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = unpacked(FORMAT_2 / f"{lexical}.tar.xz", tmp_path)
    for _ in range(2):
        with (
            caplog.at_level(logging.INFO, "hybridge.stages"),
            HybridIndex.open(path, encoder=ENCODER, read_only=read_only) as index,
        ):
            check(index.search(ASKED, spelling=False), ANSWERS[lexical]["search"])
            plain = index.tuned(weights={"bm25": 1, "dense": 0}, spelling=False)
            lists = plain.search(ASKED)
            assert [[h.passage.id for h in hits] for hits in lists] == [
                [id_ for id_, _ in before] for before in ANSWERS[lexical]["bm25"]
            ]
            check(index.dense.search(ASKED), ANSWERS[lexical]["dense"])
            assert version(index) == 1
            assert repr(index.analyzer) == "Analyzer('english', version=1)"
        [said] = [record for record in caplog.records if "keeps" in record.message]
        assert "keeps the words of version 1" in said.message
        assert "`hybridge reanalyze` takes those of the latest" in said.message
        caplog.clear()
    with HybridIndex.open(path, encoder=ENCODER, analyzer="english") as index:
        assert version(index) == 1
    with pytest.raises(EncoderMismatchError, match="built with the analyzer"):
        HybridIndex.open(path, encoder=ENCODER, analyzer="german")


def test_what_it_takes_later_has_the_words_of_before(lexical: Any, tmp_path: Path) -> None:
    path = unpacked(FORMAT_2 / f"{lexical}.tar.xz", tmp_path)
    with HybridIndex.open(path, encoder=ENCODER) as index:
        index.add([Passage("new", "setUserName and T-4")])
        assert not index.tuned(spelling=False, weights={"bm25": 1, "dense": 0}).search(["name"])[0]
    with HybridIndex.open(path, encoder=ENCODER) as index:
        assert index.bm25.search(["setusername"])[0][0].passage.id == "new"


@pytest.mark.parametrize("folder", [FORMAT_1, FORMAT_2], ids=["format 1", "format 2"])
def test_an_index_moves_on(
    folder: Path, lexical: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = unpacked(folder / f"{lexical}.tar.xz", tmp_path)

    def refuse(_: object) -> Any:
        raise AssertionError("a text was encoded")

    encodes_nothing = CallableEncoder(refuse, dimension=DIMENSION, identity=ENCODER.identity)
    with HybridIndex.open(path, encoder=encodes_nothing) as index:
        held = list(index)
        vectors = index.dense.vectors([passage.id for passage in held])
        index.replace_stage("bm25", BM25())
        assert index.lexical == lexical
        assert (index.dense.vectors([passage.id for passage in held]) == vectors).all()
        assert version(index) == 2
    caplog.clear()
    with (
        caplog.at_level(logging.INFO, "hybridge.stages"),
        HybridIndex.open(path, encoder=ENCODER) as index,
        HybridIndex.create(encoder=ENCODER, lexical=lexical) as fresh,
    ):
        assert not [record for record in caplog.records if "keeps" in record.message]
        fresh.add(held)
        for each in (index, fresh):
            each.optimize()
        ids = [passage.id for passage in held]
        for query in ASKED:
            scores = [each.bm25.score([query], [ids])[0] for each in (index, fresh)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-5)
        if folder == FORMAT_2:
            found = [index.bm25.search([query], 1)[0][0].passage.id for query in ASKED[4:]]
            assert found == ["x0", "x2", "x3", "x4"]
        assert index.analyzer.to_config() == fresh.analyzer.to_config()


def test_a_retriever_answers_as_before_and_moves_on(tmp_path: Path) -> None:
    path = unpacked(FORMAT_2 / "retriever.tar.xz", tmp_path)
    before = BM25Retriever.open(path, spelling=False)
    check(before.search(ASKED), ANSWERS["retriever"]["bm25"])
    assert before.analyzer.version == 1
    after = before.with_analyzer()
    assert after.analyzer.version == 2
    assert outline(after.search(ASKED)) == outline(BM25Retriever(passages()).search(ASKED))
    after.save(path)
    assert BM25Retriever.open(path).search(ASKED) == after.search(ASKED)
    german = BM25Retriever.open(path).with_analyzer("german")
    assert german.analyzer.to_config()["language"] == "german"


def test_the_command_line_and_the_doctor(
    lexical: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = unpacked(FORMAT_2 / f"{lexical}.tar.xz", tmp_path)
    opened = HybridIndex.open
    monkeypatch.setattr(
        HybridIndex, "open", lambda *args, **settings: opened(*args, encoder=ENCODER, **settings)
    )

    def run(*arguments: str) -> str:
        result = CliRunner(env={"COLUMNS": "200"}).invoke(hybridge, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def shown() -> list[list[str]]:
        return [line.split() for line in run("info", str(path)).splitlines()]

    def noted() -> list[str]:
        return [
            each.detail
            for each in examine_index(path)
            if each.state == "note" and each.name == "bm25"
        ]

    assert ["stages.bm25.analyzer.version", "1"] in shown()
    assert "its analyzer is of version 1" in noted()[0]
    assert "reads 36 passages with Analyzer('english')" in run("reanalyze", str(path))
    assert ["stages.bm25.analyzer.version", "2"] in shown()
    assert not noted()
    assert "Analyzer('german')" in run("reanalyze", str(path), "--language", "de")
    table = tmp_path / "synonyms.json"
    table.write_text('[["ship", "vessel"]]')
    output = run("reanalyze", str(path), "--synonyms", str(table))
    assert "Analyzer('german') and <Synonyms: 2 words" in output
    assert ["stages.bm25.synonyms.entries", "2"] in shown()
    with HybridIndex.open(path) as index:
        assert index.analyzer.to_config()["language"] == "german"
        assert index.bm25.search(["vessel"])[0]
    result = CliRunner().invoke(hybridge, ["reanalyze", str(path), "--stage", "dense"])
    assert result.exit_code == 1
    assert "no BM25 stage 'dense'" in result.output


def test_settings_stay_where_an_analyzer_moves_on() -> None:
    from hybridge import Analyzer

    for old, expected in (
        (Analyzer(version=1), Analyzer()),
        (Analyzer("german", version=1, stem=False), Analyzer("german", stem=False)),
        (Analyzer(version=1, min_length=3), Analyzer(min_length=3)),
        (Analyzer(version=1, stopwords=["a"]), Analyzer(stopwords=["a"])),
    ):
        assert old.latest().to_config() == expected.to_config()
        stage = BM25(old, parameters=BM25Parameters(k1=2.0)).with_analyzer(old.latest())
        assert stage.parameters.k1 == 2.0
