"""The fit of a query map: what is found, how it is measured, and when the advice is to keep."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ortho_group

from hybridge import CallableEncoder, HybridIndex, Passage, SentenceTransformerEncoder, evaluate
from hybridge.adaptation import fit_query_map
from hybridge.adaptation.folds import divided_apart, linked
from hybridge.encoders import MappedEncoder
from hybridge.errors import InvalidInputError
from hybridge.protocols import Vectors
from hybridge.stages import BM25, Dense

Make = Callable[..., SimpleNamespace]
NAMES = [f"{first}{second}" for first in "bcdfghklmnprstv" for second in "aeiou"]


def unit(rows: Any) -> Any:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def turned() -> Iterator[Make]:
    """Makes an index of random vectors, and a question about each passage: its vector, turned."""
    made: list[HybridIndex] = []

    def make(
        count: int = 60,
        dimension: int = 8,
        noise: float = 0.2,
        rotation: Any = None,
        length: float = 1.0,
        stages: Callable[[Any], list[Any]] = lambda dense: [dense],
        distance: Any = "cosine",
        **where: Any,
    ) -> SimpleNamespace:
        random = np.random.default_rng(7)
        rows = unit(random.normal(size=(count, dimension)))
        if rotation is None:
            rotation = ortho_group.rvs(dimension, random_state=3)
        asked = unit(rows @ rotation + noise * random.normal(size=rows.shape)) * length
        words = [f"{NAMES[n // 75]}{NAMES[n % 75]}" for n in range(count)]
        # A third of the questions has the word of its passage, which BM25 finds.
        texts = [f"question {n} {words[n] if n % 3 == 0 else ''}".strip() for n in range(count)]
        known = {f"passage {word}": row for word, row in zip(words, rows, strict=True)}
        known |= dict(zip(texts, asked, strict=True))
        encoded: list[str] = []

        def encode(texts: Sequence[str]) -> Vectors:
            encoded.extend(texts)
            return np.array([known[text] for text in texts], np.float32)

        encoder = CallableEncoder(encode, dimension=dimension, identity="turned")
        index = HybridIndex.create(stages=stages(Dense(encoder, distance=distance)), **where)
        made.append(index)
        index.add(Passage(str(n), f"passage {word}") for n, word in enumerate(words))
        return SimpleNamespace(
            index=index,
            encoder=encoder,
            encoded=encoded,
            rows=rows,
            asked=asked,
            rotation=rotation,
            queries={f"q{n}": text for n, text in enumerate(texts)},
            qrels={f"q{n}": {str(n): 1} for n in range(count)},
        )

    yield make
    for index in made:
        index.close()


@pytest.mark.parametrize("where", [{}, {"url": ":memory:"}], ids=["folder", "served"])
def test_a_known_rotation_is_found_and_undone(turned: Make, where: dict[str, str]) -> None:
    world = turned(200, 16, 0.1, **where)
    del world.encoded[:]
    found = fit_query_map(world.index, world.queries, world.qrels)
    # Every question once, and no passage.
    assert sorted(world.encoded) == sorted(world.queries.values())
    assert found.stage_alone.before_score < 0.2
    assert found.stage_alone.after_score > 0.95
    assert found.whole is found.stage_alone
    assert not found.within_noise
    assert "take the map" in found.verdict
    assert found.stage_alone.p < 0.001
    assert found.groups == 200
    assert found.query_map is not None
    near = found.query_map.apply(world.asked) @ world.rows.T
    assert near.diagonal().mean() > 0.9
    assert np.array_equal(near.argmax(axis=1), np.arange(200))
    # New questions about passages that no question was about are found, once the map is taken.
    before = list(world.encoded)
    world.index.replace_stage("dense", Dense(found.encoder))
    assert world.encoded == before
    assert isinstance(world.index.encoder, MappedEncoder)
    lists = world.index.search(list(world.queries.values())[:20], 1)
    assert [hits[0].passage.id for hits in lists] == [str(n) for n in range(20)]


def targets_of(world: SimpleNamespace) -> Any:
    """Compute each query's target from all passages' cosines."""
    targets = []
    for row, judged in zip(unit(world.asked), world.qrels.values(), strict=True):
        grades = {int(id_): grade for id_, grade in judged.items() if grade > 0}
        relevant = np.average(world.rows[list(grades)], axis=0, weights=list(grades.values()))
        order = [i for i in np.argsort(-(world.rows @ row)) if i not in grades][:30]
        targets.append(unit(unit(relevant) - 0.5 * world.rows[order].mean(axis=0)))
    return np.array(targets)


def brute_force(world: SimpleNamespace, strengths: Sequence[float], folds: int, seed: int) -> Any:
    """Choose and measure by nested loops, with numpy's least squares."""
    asked, targets = unit(world.asked), targets_of(world)
    dimension = asked.shape[1]
    groups = linked(list(world.qrels), world.qrels)
    fold_of = divided_apart(groups, folds, seed)
    relevant = [{int(i) for i, grade in j.items() if grade > 0} for j in world.qrels.values()]

    def fitted(seen: Any, strength: float) -> Any:
        prior = np.sqrt(strength) * np.eye(dimension)
        a, b = np.vstack([asked[seen], prior]), np.vstack([targets[seen], prior])
        return np.linalg.lstsq(a, b)[0]

    def reciprocal_rank(i: int, matrix: Any) -> float:
        order = np.argsort(-(world.rows @ (asked[i] @ matrix)))[:5].tolist()
        return next((1 / (n + 1) for n, each in enumerate(order) if each in relevant[i]), 0.0)

    def chosen(among: Any) -> float | None:
        scores: dict[float | None, float] = {
            None: np.mean([reciprocal_rank(i, np.eye(dimension)) for i in np.flatnonzero(among)])
        }
        for strength in sorted(strengths, reverse=True):
            values = []
            for fold in range(folds):
                inside = among & (fold_of == fold)
                matrix = fitted(among & (fold_of != fold), strength)
                values += [reciprocal_rank(i, matrix) for i in np.flatnonzero(inside)]
            scores[strength] = float(np.mean(values))
        return max(scores, key=scores.__getitem__)

    after = np.zeros(len(asked))
    for fold in range(folds):
        strength = chosen(fold_of != fold)
        seen = fold_of != fold
        matrix = np.eye(dimension) if strength is None else fitted(seen, strength)
        for i in np.flatnonzero(~seen):
            after[i] = reciprocal_rank(i, matrix)
    before = [reciprocal_rank(i, np.eye(dimension)) for i in range(len(asked))]
    return before, after.tolist(), chosen(np.ones(len(asked), bool))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("distance", ["cosine", "dot"])
def test_the_held_out_values_are_those_of_nested_loops(
    turned: Make, seed: int, distance: str
) -> None:
    world = turned(40, 8, 0.6, length=3.0, distance=distance)
    random = np.random.default_rng(seed)
    for query in world.qrels:  # some with several relevant passages, of several grades
        if random.random() < 0.3:
            other = str(random.integers(40))
            world.qrels[query] = {other: int(random.integers(3)), **world.qrels[query]}
    strengths = [0.3, 3.0, 30.0]
    found = fit_query_map(
        world.index, world.queries, world.qrels, "MRR@5", strengths=strengths, folds=4, seed=seed
    )
    before, after, strength = brute_force(world, strengths, 4, seed)
    assert list(found.stage_alone.before) == list(world.queries)
    assert list(found.stage_alone.before.values()) == pytest.approx(before)
    assert list(found.stage_alone.after.values()) == pytest.approx(after)
    assert found.strength == strength


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [10, 60, 150])
def test_of_shuffled_labels_the_advice_is_to_keep(turned: Make, count: int, seed: int) -> None:
    world = turned(count, 16, rotation=np.eye(16), noise=0.3)
    order = np.random.default_rng(seed).permutation(count)
    qrels = {f"q{n}": {str(other): 1} for n, other in enumerate(order)}
    found = fit_query_map(world.index, world.queries, qrels, seed=seed)
    assert found.within_noise
    assert "eep what you have" in found.verdict


@pytest.mark.parametrize("seed", range(3))
def test_of_ten_labels_the_advice_is_to_keep(turned: Make, seed: int) -> None:
    world = turned(200, 32, 0.3)
    ten = np.random.default_rng(seed).permutation(200)[:10]
    qrels = {f"q{n}": {str(n): 1} for n in ten}
    found = fit_query_map(world.index, world.queries, qrels, seed=seed)
    assert found.within_noise


def test_where_no_map_is_better_there_is_none(
    turned: Make, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    world = turned(30, 8, 0.0, np.eye(8))  # all is found as it is
    with caplog.at_level(logging.WARNING):
        found = fit_query_map(world.index, world.queries, world.qrels)
    assert found.stage_alone.before_score == 1
    assert (found.query_map, found.strength) == (None, None)
    assert found.encoder is world.encoder
    assert "No map that was tried is better" in found.verdict
    assert found.verdict in caplog.messages
    with pytest.raises(InvalidInputError, match="no query map to save"):
        found.save(tmp_path / "map")
    assert not (tmp_path / "map").exists()
    world.index.replace_stage("dense", Dense(found.encoder))
    assert world.index.encoder is world.encoder


def test_it_is_the_same_again_and_of_a_mapped_stage(turned: Make) -> None:
    world = turned(60, 8, 0.4, stages=lambda dense: [BM25(), dense])
    arguments = (world.index, world.queries, world.qrels)
    first, again = fit_query_map(*arguments, seed=5), fit_query_map(*arguments, seed=5)
    assert first.query_map is not None
    assert again.query_map is not None
    assert first.query_map.digest == again.query_map.digest
    assert str(first) == str(again)
    assert str(fit_query_map(*arguments, seed=6)) != str(first)
    # The map that a stage has is left out of account.
    world.index.replace_stage("dense", Dense(first.encoder))
    mapped = fit_query_map(*arguments, seed=5)
    assert str(mapped) == str(first)
    assert mapped.query_map is not None
    assert mapped.query_map.digest == first.query_map.digest
    assert isinstance(mapped.encoder, MappedEncoder)
    assert mapped.encoder.encoder is world.encoder


def test_the_whole_index_is_measured_as_it_is_searched(turned: Make) -> None:
    world = turned(60, 8, 0.4, stages=lambda dense: [BM25(), dense])
    found = fit_query_map(world.index, world.queries, world.qrels)
    measured = evaluate(
        {"whole": world.index, "stage": world.index.dense},
        world.queries,
        world.qrels,
        ["nDCG@10"],
    )
    for name, part in (("whole", found.whole), ("stage", found.stage_alone)):
        assert part.before_score == pytest.approx(measured.mean(name, "nDCG@10"))
    world.index.replace_stage("dense", Dense(found.encoder))
    known = evaluate({"whole": world.index}, world.queries, world.qrels, ["nDCG@10"])
    assert known.mean("whole", "nDCG@10") > found.whole.before_score
    assert found.whole.difference == pytest.approx(
        found.whole.after_score - found.whole.before_score
    )
    low, high = found.whole.interval
    assert low <= found.whole.difference <= high


def test_the_report(turned: Make, tmp_path: Path) -> None:
    world = turned(60, 8, 0.1, stages=lambda dense: [BM25(), dense])
    found = fit_query_map(world.index, world.queries, world.qrels)
    text = str(found)
    assert "dense alone" in text
    assert "the whole index" in text
    assert "60 queries in 60 groups" in text
    assert found.verdict in text
    assert f"{found.stage_alone.after_score:.4f}" in text
    assert repr(found).startswith("FittedQueryMap(nDCG@10: before 0.")
    assert "<table" in found._repr_html_()
    found.save(tmp_path / "map")
    figures = json.loads((tmp_path / "map" / "query_map.json").read_text("utf-8"))
    assert figures["encoder"] == "turned"
    assert figures["whole"]["after"] == found.whole.after_score
    assert figures["verdict"] == found.verdict
    again = MappedEncoder(world.encoder, tmp_path / "map")
    assert again.identity == found.encoder.identity


def test_what_cannot_be_used_is_left_out(turned: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = turned(40, 8, 0.3)
    plain = fit_query_map(world.index, world.queries, world.qrels)
    queries = {"blank": " ", "elsewhere": "question 1", **world.queries, "unjudged": "why?"}
    qrels: dict[str, Mapping[str, int]] = {
        "blank": {"1": 1},
        "elsewhere": {"not here": 1, "2": 0},
        **{query: {**judged, "not here": 0} for query, judged in world.qrels.items()},
    }
    with caplog.at_level(logging.WARNING):
        found = fit_query_map(world.index, queries, qrels)
    assert "2 of 42 queries are left out" in caplog.text
    assert list(found.whole.before) == list(world.queries)
    assert str(found) == str(plain)


def test_what_is_learned_by_heart_shows_only_where_questions_come_again(turned: Make) -> None:
    # Two questions a passage, near each other, and their vectors say nothing of the passage.
    world = turned(120, 64, 0.0)
    queries = dict(list(world.queries.items())[:60])
    random = np.random.default_rng(1)
    rows = unit(random.normal(size=(30, 64))).repeat(2, axis=0)
    rows = unit(rows + 0.05 * random.normal(size=rows.shape)).astype(np.float32)
    known = dict(zip(queries.values(), rows, strict=True))
    encoder = CallableEncoder(
        lambda texts: [known[text] for text in texts],
        world.encoder.encode_passages,
        dimension=64,
        identity="by heart",
    )
    world.index.replace_stage("dense", Dense(encoder))
    qrels = {query: {str(n // 2): 1} for n, query in enumerate(queries)}
    apart = fit_query_map(world.index, queries, qrels)
    assert apart.groups == 30
    assert apart.within_noise
    assert "held out whole" in str(apart)
    again = fit_query_map(world.index, queries, qrels, unseen_passages=False)
    assert again.groups == 30
    assert not again.within_noise
    assert again.stage_alone.after_score > 0.6 > 0.2 > again.stage_alone.before_score
    assert "divided at random" in str(again)


def test_mistakes_are_named_before_anything_is_encoded(turned: Make) -> None:
    world = turned(12, 4, stages=lambda dense: [BM25(), dense])
    del world.encoded[:]
    queries, qrels = world.queries, world.qrels
    one_passage = {query: {"1": 1} for query in queries}
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("HybridIndex, not StageRetriever", (world.index.bm25, queries, qrels), {}),
        (r"no dense stage 'bm25'.*\['dense'\]", (world.index, queries, qrels), {"stage": "bm25"}),
        ("no dense stage 3", (world.index, queries, qrels), {"stage": 3}),
        ("holds no judgement", (world.index, queries, {}), {}),
        ("queries lacks", (world.index, {}, qrels), {}),
        ("'far'.*holds 0", (world.index, queries, {"q1": {"far": 1}}), {}),
        ("of the 0 in qrels", (world.index, queries, {"q1": {"1": 0}}), {}),
        ("1 queries in 1 groups", (world.index, queries, {"q1": {"1": 1}}), {}),
        ("12 queries in 1 groups", (world.index, queries, one_passage), {}),
        ("into 13 folds", (world.index, queries, qrels), {"folds": 13}),
        ("at least 3", (world.index, queries, qrels), {"folds": 2}),
        ("folds", (world.index, queries, qrels), {"folds": 2.5}),
        ("no measure 'best'", (world.index, queries, qrels, "best"), {}),
        ("one measure", (world.index, queries, qrels, ["nDCG@10"]), {}),
        ("strengths must be", (world.index, queries, qrels), {"strengths": [0, 1]}),
        ("strengths must be", (world.index, queries, qrels), {"strengths": []}),
        ("strengths must be", (world.index, queries, qrels), {"strengths": 3}),
        ("seed", (world.index, queries, qrels), {"seed": -1}),
        ("unseen_passages", (world.index, queries, qrels), {"unseen_passages": 1}),
    ]
    for message, arguments, settings in cases:
        with pytest.raises(InvalidInputError, match=message):
            fit_query_map(*arguments, **settings)
    assert not world.encoded


@pytest.fixture(scope="module")
def real(scifact: Any, encoder: SentenceTransformerEncoder) -> Iterator[SimpleNamespace]:
    """200 of SciFact's train queries, and the abstracts that answer them."""
    judged = dict(list(scifact.qrels("train").items())[:200])
    ids = set(chain(*judged.values()))
    with HybridIndex.create(encoder=encoder) as index:
        index.add(passage for passage in scifact.passages if passage.id in ids)
        yield SimpleNamespace(
            index=index, qrels=judged, queries={query: scifact.queries[query] for query in judged}
        )


def test_real_questions(real: SimpleNamespace) -> None:
    found = fit_query_map(real.index, real.queries, real.qrels)
    assert found.groups < 200  # some abstracts answer several claims
    measured = evaluate(
        {"whole": real.index, "stage": real.index.dense}, real.queries, real.qrels, ["nDCG@10"]
    )
    assert found.whole.before_score == pytest.approx(measured.mean("whole", "nDCG@10"))
    assert found.stage_alone.before_score == pytest.approx(measured.mean("stage", "nDCG@10"))
    shuffled = dict(zip(real.qrels, reversed(real.qrels.values()), strict=True))
    assert fit_query_map(real.index, real.queries, shuffled).within_noise
