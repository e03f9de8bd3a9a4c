"""`adapt`: what it finds on unseen questions, what it says of that, and what it leaves alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridge import (
    BM25,
    CallableEncoder,
    ColBERTReranker,
    CrossEncoderReranker,
    Dense,
    HybridIndex,
    LateInteraction,
    Passage,
    Pipeline,
    SentenceTransformerEncoder,
)
from hybridge.adaptation import Adaptation, Example, TrainingSettings, adapt, procedure
from hybridge.adaptation.questions import divide
from hybridge.adaptation.target import HeldOutQuestions, target_of
from hybridge.errors import HybridgeError, InvalidInputError
from hybridge.evaluation import evaluate

# Each passage has three words, and its questions have their counterparts, with the same numbers,
# which BM25 finds unless it splits at spaces alone.
RANDOM = np.random.default_rng(0)
TOPICS = [RANDOM.choice(30, 3, replace=False).tolist() for _ in range(60)]
PASSAGES = [
    Passage(f"d{i}", " ".join(f"p{word}" for word in words)) for i, words in enumerate(TOPICS)
]
QUERIES = {
    f"{i}-{j}": " ".join(f"q{word}" for word in RANDOM.permutation(words)[:2])
    for i, words in enumerate(TOPICS)
    for j in range(4)
}
QRELS = {query: {f"d{query.split('-')[0]}": 1} for query in QUERIES}
SETTINGS = TrainingSettings(
    steps=80, batch_size=16, learning_rate=5e-3, max_tokens=None, patience=4
)


@pytest.fixture
def index(tiny: Path) -> Iterator[HybridIndex]:
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    with HybridIndex.create(stages=[BM25(str.split), Dense(encoder)]) as made:
        made.add(PASSAGES)
        yield made


@pytest.fixture
def knowing(tiny: Path) -> Iterator[HybridIndex]:
    """An index whose BM25 is good, and whose dense stage knows nothing."""
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    with HybridIndex.create(stages=[BM25(), Dense(encoder)]) as made:
        made.add(PASSAGES)
        yield made


@pytest.fixture(scope="module")
def adaptation(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    with HybridIndex.create(stages=[BM25(str.split), Dense(encoder)]) as made:
        made.add(PASSAGES)
        folder = tmp_path_factory.mktemp("adapted")
        return adapt(made, QUERIES, QRELS, folder, settings=SETTINGS)


def test_a_model_that_learned_is_better_on_unseen_questions(adaptation: Adaptation) -> None:
    alone, both, hybrid = adaptation.compared

    assert [alone.name, both.name, hybrid.name] == ["dense", "hybrid of both", "hybrid"]
    assert both.before == hybrid.before
    assert alone.after - alone.before > 0.2
    assert hybrid.comparison.difference == pytest.approx(hybrid.after - hybrid.before)
    assert not adaptation.within_noise
    assert "more than chance on these 50 held-out questions" in adaptation.verdict
    assert adaptation.questions == {"training": 168, "validation": 22, "held out": 50}
    assert "hybrid" in str(adaptation)


def test_questions_about_passages_that_training_did_not_have_are_shown_apart(
    index: HybridIndex, tmp_path: Path
) -> None:
    queries = {query: text for query, text in QUERIES.items() if query.endswith(("-0", "-1"))}
    qrels = {query: QRELS[query] for query in queries}
    parts = divide(queries, 0.1, 0.2, 0)
    trained = {query.split("-")[0] for query in parts.training}
    unseen = [query for query in parts.held_out if query.split("-")[0] not in trained]
    settings = replace(SETTINGS, steps=4)

    found = adapt(index, queries, qrels, tmp_path / "run", settings=settings)

    assert 2 <= len(unseen) < len(parts.held_out)
    row = found.compared[0].unseen
    assert row is not None
    assert row.questions == len(unseen)
    values = index.dense.search([queries[query] for query in unseen])
    assert row.before == pytest.approx(
        np.mean(
            [
                sum(
                    1 / np.log2(i + 2)
                    for i, hit in enumerate(hits)
                    if hit.passage.id in qrels[query]
                )
                for query, hits in zip(unseen, values, strict=True)
            ]
        )
    )
    assert "unseen passages" in str(found)


def test_what_weights_alone_gain_is_no_gain_of_training(
    knowing: HybridIndex, tiny: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny, tmp_path / "model")  # a training that changed nothing
    questions = {query: text for query, text in QUERIES.items() if query.endswith("-0")}
    qrels = {query: QRELS[query] for query in questions}
    as_it_is = evaluate({"index": knowing}, questions, qrels, ["nDCG@10"], progress=False)

    found = target_of(knowing, None).compare(
        tmp_path,
        HeldOutQuestions(questions, qrels, (), "nDCG@10", (questions, qrels)),
        changed=True,
        progress=False,
    )

    for row in (found.rows[-1], found.test[-1]):
        assert row.before > as_it_is.mean("index", "nDCG@10") + 0.03
        assert row.after == row.before


def test_an_index_is_compared_as_it_is_if_no_weights_are_better(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "model")
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    questions = dict(list(QUERIES.items())[3:80:4])  # those of other folds mislead the tuning
    qrels = {query: QRELS[query] for query in questions}
    with HybridIndex.create(
        stages=[BM25(), Dense(encoder)], weights={"bm25": 1, "dense": 0}
    ) as index:
        index.add(PASSAGES)
        as_it_is = evaluate({"index": index}, questions, qrels, ["nDCG@10"], progress=False)
        found = target_of(index, None).compare(
            tmp_path,
            HeldOutQuestions(questions, qrels, (), "nDCG@10"),
            changed=True,
            progress=False,
        )

    assert found.rows[-1].before == pytest.approx(as_it_is.mean("index", "nDCG@10"))
    assert found.rows[-1].after == found.rows[-1].before


def test_the_index_changes_only_when_it_is_told_to(
    index: HybridIndex, adaptation: Adaptation
) -> None:
    queries = list(QUERIES.values())[:20]
    before = index.search(queries)
    adapt_ids = [[hit.passage.id for hit in hits] for hits in index.dense.search(queries, k=3)]

    adaptation.apply(index)

    after = [[hit.passage.id for hit in hits] for hits in index.dense.search(queries, k=3)]
    assert after != adapt_ids
    assert index.defaults["weights"] == pytest.approx(adaptation.setting.weights)
    assert index.encoder.identity == adaptation.model.identity
    assert index.search(queries) != before


def test_an_adapted_stage_can_stand_beside_the_old_one(
    index: HybridIndex, adaptation: Adaptation
) -> None:
    adaptation.apply(index, name="new")

    assert list(index.stages) == ["bm25", "dense", "new"]
    assert adaptation.beside is not None
    assert adaptation.beside.weights is not None
    shares = list(index.defaults["weights"].values())
    assert shares == pytest.approx(list(adaptation.beside.weights.values()))
    with pytest.raises(InvalidInputError, match="name the one to adapt"):
        adapt(index, QUERIES, QRELS, adaptation.folder)


def test_applied_vectors_come_from_the_comparison(
    index: HybridIndex, adaptation: Adaptation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, texts: object, **options: object) -> None:
        raise AssertionError("a passage is encoded")

    monkeypatch.setattr(type(adaptation.model.encoder), "encode_passages", refuse)

    adaptation.apply(index)

    assert index.encoder.identity == adaptation.model.identity


def test_the_same_call_again_trains_nothing_and_finds_the_same(
    index: HybridIndex, adaptation: Adaptation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procedure, "train", None)

    again = adapt(index, QUERIES, QRELS, adaptation.folder, settings=SETTINGS)

    assert again == adaptation
    with pytest.raises(InvalidInputError, match="training with other examples and settings"):
        adapt(index, QUERIES, QRELS, adaptation.folder, settings=replace(SETTINGS, seed=1))


def test_the_model_is_saved_with_its_card_and_without_pickles(adaptation: Adaptation) -> None:
    saved = SentenceTransformerEncoder(adaptation.folder / "model", device="cpu")

    assert saved.identity == adaptation.model.identity
    files = {path.suffix for path in adaptation.folder.rglob("*") if path.is_file()}
    assert not files & {".bin", ".pt", ".pth", ".pkl"}
    card = (adaptation.folder / "model" / "README.md").read_text()
    assert f"base_model: {adaptation.parent}" in card
    assert f"{adaptation.compared[-1].after:.4f}" in card
    figures = json.loads((adaptation.folder / "adaptation.json").read_text())
    assert figures["held_out"][2]["after"] == adaptation.compared[2].after


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shuffled_labels_are_noise(knowing: HybridIndex, tmp_path: Path, seed: int) -> None:
    answers = list(QRELS.values())
    order = np.random.default_rng(seed).permutation(len(answers))
    shuffled = {query: answers[i] for query, i in zip(QRELS, order, strict=True)}

    found = adapt(
        knowing, QUERIES, shuffled, tmp_path / "run", settings=replace(SETTINGS, seed=seed)
    )

    assert found.within_noise
    assert "eep the model that you have" in found.verdict


def test_examples_of_ones_own_leave_all_questions_to_measure_on(
    index: HybridIndex, tmp_path: Path
) -> None:
    examples = [Example(f"q{n}", (f"p{n}",)) for n in range(30)]

    found = adapt(index, QUERIES, QRELS, tmp_path, settings=SETTINGS, examples=examples)

    assert found.questions["training"] == 0
    assert found.questions["validation"] + found.questions["held out"] == len(QUERIES)
    assert found.compared[0].comparison.difference > 0.2


def test_examples_that_ask_what_is_measured_are_left_out(
    index: HybridIndex, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = [Example(f" {text.upper()}", ("p1",)) for text in list(QUERIES.values())[:5]]
    others = [Example(f"q{n}", (f"p{n}",)) for n in range(30)]

    settings = replace(SETTINGS, steps=2)
    found = adapt(index, QUERIES, QRELS, tmp_path, settings=settings, examples=asked + others)

    assert "5 of 35 examples are left out" in caplog.text
    without = adapt(index, QUERIES, QRELS, tmp_path, settings=settings, examples=others)
    assert without == found


def test_questions_of_one_text_have_the_answers_of_all(
    index: HybridIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def stop(*args: Any, relevant: Any, **options: Any) -> None:
        known.update(relevant)
        raise StoppedError

    known: dict[str, frozenset[str]] = {}
    monkeypatch.setattr(procedure, "train", stop)
    one = dict.fromkeys(QUERIES, "q1 q2")
    queries = {query: "q1 q2" if i < 4 else QUERIES[query] for i, query in enumerate(one)}
    qrels = {query: {f"d{i % 60}": 1} for i, query in enumerate(queries)}

    with pytest.raises(StoppedError):
        adapt(index, queries, qrels, tmp_path / "run", settings=SETTINGS)

    assert known["q1 q2"] >= {passage.text for passage in PASSAGES[:4]}


def test_a_test_is_searched_with_the_chosen_weights(
    index: HybridIndex, adaptation: Adaptation
) -> None:
    test = ({"t": "q1 q2", "u": "q3 q4"}, {"t": {"d0": 1}, "u": {"d1": 1}})

    found = adapt(index, QUERIES, QRELS, adaptation.folder, settings=SETTINGS, test=test)

    assert [row.name for row in found.test] == ["dense", "hybrid of both", "hybrid"]


def test_misspelt_questions_are_corrected_for_the_adapted_model_too(
    knowing: HybridIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knowing.add([Passage("e", "elephant p1")])
    read: list[str] = []
    encode = SentenceTransformerEncoder.encode_queries

    def recorded(self: SentenceTransformerEncoder, queries: Sequence[str]) -> Any:
        read.extend(queries)
        return encode(self, queries)

    monkeypatch.setattr(SentenceTransformerEncoder, "encode_queries", recorded)
    test = ({"t": "elehpant q1", "u": "q3 q4"}, {"t": {"e": 1}, "u": {"d1": 1}})

    found = adapt(
        knowing, QUERIES, QRELS, tmp_path / "run", settings=replace(SETTINGS, steps=20), test=test
    )

    assert found.training.share > 0
    assert read.count("elephant q1") == 2  # by the parent, and by the adapted model
    assert "elehpant q1" not in read


def test_a_cross_encoder_is_compared_behind_the_index(
    index: HybridIndex, tiny_cross_encoder: Path, tmp_path: Path
) -> None:
    reranker = CrossEncoderReranker(tiny_cross_encoder, backend="torch", device="cpu")
    settings = replace(SETTINGS, objective="ranking", negatives=5, learning_rate=1e-2, steps=60)

    found = adapt(index, QUERIES, QRELS, tmp_path / "run", model=reranker, settings=settings)

    assert [row.name for row in found.compared] == ["first stages alone", "reranked"]
    assert found.kind == "cross-encoder"
    assert len(found.setting.rerank_blends) == 1
    with pytest.raises(InvalidInputError, match="put it behind one"):
        found.apply(index)
    [depth], [blend] = found.setting.rerank_depths, found.setting.rerank_blends
    pipeline = Pipeline(index, found.model, depth=depth, blend=blend)
    assert pipeline.search(["q1 q2"], k=3)


def test_a_test_is_read_once_by_each_reranker(
    index: HybridIndex,
    tiny_cross_encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reranker = CrossEncoderReranker(tiny_cross_encoder, backend="torch", device="cpu")
    settings = replace(SETTINGS, objective="ranking", learning_rate=1e-2, steps=20)
    test = ({"t": "q1 q2 q3", "u": "q3 q4 q5"}, {"t": {"d0": 1}, "u": {"d1": 1}})
    read: list[str] = []
    rerank = CrossEncoderReranker.rerank

    def counted(self: CrossEncoderReranker, queries: Sequence[str], *rest: Any) -> Any:
        read.extend(queries)
        return rerank(self, queries, *rest)

    monkeypatch.setattr(CrossEncoderReranker, "rerank", counted)

    found = adapt(
        index, QUERIES, QRELS, tmp_path / "run", model=reranker, settings=settings, test=test
    )

    assert [row.name for row in found.test] == ["first stages alone", "reranked"]
    assert found.test[0].after == found.test[1].after
    assert [read.count(each) for each in test[0].values()] == [2, 2]  # the parent, and the adapted


def test_a_late_interaction_reranker_is_compared_behind_the_index(
    index: HybridIndex, tiny: Path, tmp_path: Path
) -> None:
    reranker = ColBERTReranker(tiny, name="mine", backend="torch", device="cpu")
    settings = replace(SETTINGS, temperature=1, steps=20)

    found = adapt(index, QUERIES, QRELS, tmp_path / "run", model=reranker, settings=settings)

    assert found.kind == "late-interaction model"
    assert isinstance(found.model, ColBERTReranker)
    assert found.model.name == "mine"
    assert Pipeline(index, found.model).search(["q1 q2"], k=3)


def test_a_late_interaction_stage_is_adapted_and_replaced(tiny: Path, tmp_path: Path) -> None:
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    stages = [BM25(), Dense(encoder), LateInteraction(encoder, datatype="float32", name="tokens")]
    with HybridIndex.create(str(tmp_path / "index"), stages=stages) as index:
        index.add(PASSAGES)

        found = adapt(index, QUERIES, QRELS, tmp_path / "run", model="tokens", settings=SETTINGS)
        assert found.setting.rerank_depths == (index.defaults["depth"],)
        before = index.info()["stages"]
        found.apply(index)

        after = index.stages["tokens"].definition
        assert before != index.info()["stages"]
        assert isinstance(after, LateInteraction)
        assert (after.blend, after.datatype) == (found.setting.rerank_blends[0], "float32")
        answers = index.search(["q1 q2", "q3 q4"])
    with HybridIndex.open(str(tmp_path / "index")) as index:
        assert index.search(["q1 q2", "q3 q4"]) == answers


def test_bad_input_is_named_before_training(
    index: HybridIndex, tiny_cross_encoder: Path, tmp_path: Path
) -> None:
    def refused(match: str, **changes: Any) -> None:
        arguments = {"index": index, "queries": QUERIES, "qrels": QRELS, "folder": tmp_path}
        with pytest.raises(HybridgeError, match=match):
            adapt(**arguments | {"settings": SETTINGS} | changes)
        assert not list(tmp_path.iterdir())

    one = dict(list(QRELS.items())[:1])
    refused("10 questions at least.*there are 1 of 1", qrels=one)
    absent = {query: {"gone": 1} for query in QRELS}
    refused("lacks 240 judged passages .the first: 'gone'.", qrels=absent)
    refused("no stage 'sparse'", model="sparse")
    refused("share", share=1.5)
    refused("not 'zDCG@3'|cannot compute|unknown|measure", measure="zDCG@3")
    refused("held_out", held_out=1.0)
    few = dict(list(QRELS.items())[::24])
    refused("the held-out questions, 1, show nothing of chance", qrels=few, held_out=0.1)
    same = {query: {"d0": 1} for query in QRELS}
    refused("the held-out questions, 50, show nothing of chance", qrels=same)
    refused("the test questions, 1, show nothing", test=({"t": "q1"}, {"t": {"d0": 1}}))
    refused("qrels judges 1 queries", test=({"t": "q1"}, {"t": {"d0": 1}, "gone": {"d0": 1}}))
    refused("test must be a Collection or a pair", test="scifact")
    given = [Example(text.upper(), ("p1",)) for text in QUERIES.values()]
    refused("all 240 examples ask questions that", examples=given)
    hardly = TrainingSettings(steps=4, objective="margins")
    strict = CrossEncoderReranker(tiny_cross_encoder, backend="torch", device="cpu", threshold=9)
    refused("the teacher drops .* without a threshold", teacher=strict, settings=hardly)
    refused("'R@100' does not depend on the order", measure="R@100", model=strict, settings=None)


def test_a_model_that_cannot_be_trained_is_named(tmp_path: Path) -> None:
    letters = CallableEncoder(lambda texts: [[len(text), 1] for text in texts], identity="letters")
    with HybridIndex.create(encoder=letters) as index:
        index.add(PASSAGES)
        with pytest.raises(InvalidInputError, match="CallableEncoder"):
            adapt(index, QUERIES, QRELS, tmp_path / "run")


def test_no_negatives_are_named_where_the_objective_needs_them(tiny: Path, tmp_path: Path) -> None:
    encoder = SentenceTransformerEncoder(tiny, backend="torch", device="cpu")
    with HybridIndex.create(stages=[Dense(encoder)]) as index:
        index.add([PASSAGES[0], replace(PASSAGES[0], id="again")])
        queries = {str(i): f"q{i}" for i in range(12)}
        qrels = {query: {id_: 1} for query, id_ in zip(queries, ["d0", "again"] * 6, strict=True)}
        with pytest.raises(InvalidInputError, match="needs passages that are not relevant"):
            adapt(
                index,
                queries,
                qrels,
                tmp_path / "run",
                settings=replace(SETTINGS, objective="triplet"),
            )
