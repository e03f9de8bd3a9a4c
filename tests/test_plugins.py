"""Fusions and rerankers of another package: used, reopened, traced, tuned and explained by name."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridge import HybridgeError
from hybridge.errors import InvalidInputError
from hybridge.fusion import from_config, get_fusion
from hybridge.plugins import FUSIONS, RERANKERS, load, plugin_names, reranker_named

from .plugin_distribution import install, run_fresh

COMMON = """
import json, sys
from hybridge import CallableEncoder, HybridIndex, Pipeline
from hybridge.testing import PASSAGES, QUERIES

folder = sys.argv[1]
letters = "abcdefghijklmnopqrstuvwxyz"
encoder = CallableEncoder(
    lambda texts: [[text.lower().count(letter) + 0.1 for letter in letters] for text in texts],
    identity="letters",
)
"""

CREATE = (
    COMMON
    + """
with HybridIndex.create(folder, encoder=encoder, fusion=sys.argv[2]) as index:
    index.add(PASSAGES)
    [hits] = index.search(QUERIES[:1], 3)
print(json.dumps([[hit.passage.id, hit.score] for hit in hits]))
"""
)

REOPEN = (
    COMMON
    + """
from hybridge.explanation import explain
from hybridge.plugins import reranker_named
from hybridge.tuning import Space, tune

assert "loud" not in sys.modules
with HybridIndex.open(folder, encoder=encoder) as index:
    [hits] = index.search(QUERIES[:1], 3)
    pipeline = Pipeline(index, reranker_named("shortest", unit=2), blend=1.0)
    [reranked] = pipeline.search(QUERIES[:1], 3)
    queries = {query: query for query in QUERIES}
    best = [found[0].passage.id for found in index.bm25.search(QUERIES)]
    labels = {query: {passage: 1} for query, passage in zip(QUERIES, best)}
    space = Space(fusion=["rrf", sys.argv[2]], weights=[0.25, 0.5], depth=[20], k1=[], b=[])
    tuning = tune(index, queries, labels, space=space, folds=2)
    fused, ranked = explain(index, QUERIES[0], hits[0]), explain(pipeline, QUERIES[0], reranked[0])
print(json.dumps({
    "hits": [[hit.passage.id, hit.score] for hit in hits],
    "trace": [entry.stage for entry in reranked[0].trace],
    "lengths": [[len(hit.passage.text) / -2, hit.score] for hit in reranked],
    "tried": sorted({str(trial.setting.value("fusion")) for trial in tuning.trials}),
    "fused": str(fused),
    "ranked": str(ranked),
}))
"""
)


CREATE_STAGES = (
    COMMON
    + """
from hybridge.stages import BM25, Dense
from loud import Trigrams

stages = [BM25(), Dense(encoder, name="letters")]
with HybridIndex.create(folder, stages=[*stages, Trigrams(size=4)]) as index:
    index.add(PASSAGES)
    [hits] = index.search(["salty wateer"], 3)
print(json.dumps([[hit.passage.id, hit.score] for hit in hits]))
"""
)

REOPEN_STAGES = (
    COMMON
    + """
from hybridge import explain, tune
from hybridge.stages import Dense
from hybridge.tuning import Space

assert "loud" not in sys.modules
with HybridIndex.open(folder, stages=[Dense(encoder, name="letters")]) as index:
    [hits] = index.search(["salty wateer"], 3)
    [alone] = index.stages["trigrams"].search(["salty wateer"], 3, spelling=False)
    queries = {query: query for query in QUERIES}
    best = [found[0].passage.id for found in index.bm25.search(QUERIES)]
    labels = {query: {passage: 1} for query, passage in zip(QUERIES, best)}
    space = Space(fusion=["convex"], weights=[0, 0.5, 1], depth=[20], k1=[], b=[])
    tuning = tune(index, queries, labels, space=space, folds=2)
    explanation = explain(index, "salty wateer", alone[0])
    info = index.info()["stages"]["trigrams"]
    index.remove_stage("trigrams")
    left = list(index.stages)
print(json.dumps({
    "hits": [[hit.passage.id, hit.score] for hit in hits],
    "alone": [[hit.passage.id, hit.passage.text, hit.score] for hit in alone],
    "trace": [entry.stage for entry in alone[0].trace],
    "tried": sorted({name for trial in tuning.trials for name in trial.setting.weights}),
    "explained": str(explanation),
    "info": info,
    "left": left,
}))
"""
)


@pytest.fixture
def loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the distribution ``loud``, on the path of this process."""
    monkeypatch.setattr("hybridge.plugins._loaded", {})
    monkeypatch.syspath_prepend(str(install(tmp_path)))
    yield tmp_path
    sys.modules.pop("loud", None)


@pytest.mark.parametrize("fusion", ["loudest", "summed"])
def test_an_index_of_a_plugin_s_fusion_opens_in_a_fresh_process(
    fusion: str, tmp_path: Path
) -> None:
    package = tmp_path / "site"
    package.mkdir()
    install(package)
    made = json.loads(run_fresh(CREATE, tmp_path / "index", fusion, path=package))
    found = json.loads(run_fresh(REOPEN, tmp_path / "index", fusion, path=package))
    assert found["hits"] == made
    assert found["trace"][-2:] == ["fusion", "shortest"]
    assert all(score == expected for expected, score in found["lengths"])
    assert set(found["tried"]) == {f"{fusion} floor=0.0", "rrf k=60"}
    assert fusion in found["fused"]
    assert "shortest" in found["ranked"]


def test_without_its_distribution_the_index_says_what_is_missing(tmp_path: Path) -> None:
    package = tmp_path / "site"
    package.mkdir()
    install(package)
    run_fresh(CREATE, tmp_path / "index", "loudest", path=package)
    reopen = COMMON + (
        "try:\n    HybridIndex.open(folder, encoder=encoder)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    said = run_fresh(reopen, tmp_path / "index")
    assert "there is no fusion 'loudest'" in said
    assert "hybridge.fusions" in said


def test_an_index_of_a_plugin_s_stage_opens_in_a_fresh_process(tmp_path: Path) -> None:
    package = tmp_path / "site"
    package.mkdir()
    install(package)
    made = json.loads(run_fresh(CREATE_STAGES, tmp_path / "index", path=package))
    found = json.loads(run_fresh(REOPEN_STAGES, tmp_path / "index", path=package))
    assert found["hits"] == made
    query = "salty wateer"
    for _, text, score in found["alone"]:
        of_query, of_text = (
            {part[i : i + 4] for i in range(len(part) - 3)} for part in (query, text.lower())
        )
        assert score == len(of_query & of_text)
    assert found["trace"] == ["trigrams"]
    assert found["tried"] == ["bm25", "letters", "trigrams"]
    assert "trigrams: score" in found["explained"]
    assert "groups in common" in found["explained"]
    assert found["info"]["size"] == 4
    assert found["left"] == ["bm25", "letters"]


def test_without_its_distribution_an_index_names_the_stage(tmp_path: Path) -> None:
    package = tmp_path / "site"
    package.mkdir()
    install(package)
    run_fresh(CREATE_STAGES, tmp_path / "index", path=package)
    reopen = COMMON + (
        "try:\n    HybridIndex.open(folder, encoder=encoder)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    message = run_fresh(reopen, tmp_path / "index")
    assert "there is no stage 'trigrams'" in message
    assert "hybridge.stages" in message


def test_a_fusion_by_name_and_from_its_configuration(loud: Path) -> None:
    assert get_fusion("loudest").fuse([{"a": 4.0, "b": 1.0}, {"b": 6.0}]) == {"a": 2.0, "b": 3.0}
    again = from_config({"name": "loudest", "floor": -1.0})
    assert again.to_config() == {"name": "loudest", "floor": -1.0}
    with pytest.raises(InvalidInputError, match=r"'loudest' does not take .*'ceiling'"):
        from_config({"name": "loudest", "ceiling": 1.0})


def test_a_reranker_by_name(loud: Path) -> None:
    assert reranker_named("shortest", unit=3).unit == 3
    with pytest.raises(InvalidInputError, match=r"'shortest' does not take .*'size'"):
        reranker_named("shortest", size=3)


def test_names_are_listed_with_their_distribution_and_nothing_is_imported(loud: Path) -> None:
    assert plugin_names(FUSIONS) == {"loudest": "loud 1.0", "summed": "loud 1.0"}
    assert plugin_names(RERANKERS) == {"shortest": "loud 1.0"}
    assert "loud" not in sys.modules


def test_an_unknown_name_is_refused_with_all_that_there_are(loud: Path) -> None:
    with pytest.raises(InvalidInputError, match="there is no fusion 'quiet'") as caught:
        get_fusion("quiet")
    for choice in ("'convex'", "'weighted-rrf'", "'loudest' (of loud 1.0)"):
        assert choice in str(caught.value)
    with pytest.raises(InvalidInputError, match="there is no reranker 'quiet'") as caught:
        reranker_named("quiet")
    for choice in ("'colbert'", "'cross-encoder'", "'shortest' (of loud 1.0)"):
        assert choice in str(caught.value)


def test_a_name_that_two_distributions_bring_is_refused_with_both(
    loud: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = install(
        tmp_path_factory.mktemp("other"),
        name="louder",
        version="2.0",
        entry_points="[hybridge.fusions]\nloudest = louder:Loudest\n",
    )
    monkeypatch.syspath_prepend(str(other))
    with pytest.raises(HybridgeError, match=r"loud 1\.0 and louder 2\.0 both bring a fusion"):
        get_fusion("loudest")


def test_a_built_in_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = (
        "[hybridge.fusions]\nrrf = rival:Rival\n[hybridge.rerankers]\ncolbert = rival:R\n"
    )
    install(tmp_path, name="rival", entry_points=entry_points, module="1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert type(get_fusion("rrf")).__module__ == "hybridge.fusion"
    assert type(reranker_named("colbert")).__module__ == "hybridge.colbert.reranker"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("import no_such_module\n", "No module named 'no_such_module'"),
        ("1 / 0\n", "division by zero"),
        ("Mine = None\n", "Loudest"),
    ],
)
def test_a_plugin_that_does_not_load_is_named(
    module: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_points = "[hybridge.fusions]\nbroken = broken_plugin:Loudest\n"
    install(tmp_path, name="broken_plugin", entry_points=entry_points, module=module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("hybridge.plugins._loaded", {})
    sys.modules.pop("broken_plugin", None)
    with pytest.raises(HybridgeError, match=reason) as caught:
        get_fusion("broken")
    for part in ("'broken'", "broken_plugin 1.0", "'hybridge.fusions'"):
        assert part in str(caught.value)
    sys.modules.pop("broken_plugin", None)


def test_what_makes_no_fusion_or_reranker_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_points = (
        "[hybridge.fusions]\nodd = odd_plugin:Odd\n[hybridge.rerankers]\nodd = odd_plugin:Odd\n"
    )
    install(tmp_path, name="odd_plugin", entry_points=entry_points, module="class Odd: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("hybridge.plugins._loaded", {})
    with pytest.raises(InvalidInputError, match=r"not <odd_plugin\.Odd"):
        get_fusion("odd")
    with pytest.raises(HybridgeError, match="makes a Odd, which has no rerank"):
        reranker_named("odd")
    sys.modules.pop("odd_plugin", None)


def test_a_search_does_not_scan_again(loud: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(FUSIONS, "loudest")
    monkeypatch.setattr("hybridge.plugins.entry_points", lambda **_: pytest.fail("scanned again"))
    assert load(FUSIONS, "loudest") is first


# --- Stage plugins: tests of the group "hybridge.stages" stand below this line. ---
