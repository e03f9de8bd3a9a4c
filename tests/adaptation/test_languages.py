"""Another language: what a student learns, from whom, and how it goes on after an interruption."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybridge import CallableEncoder, SentenceTransformerEncoder
from hybridge.adaptation import TrainingSettings, languages
from hybridge.adaptation.languages import Agreement, Distillation, distil
from hybridge.errors import InvalidInputError

SETTINGS = TrainingSettings(
    steps=160, batch_size=16, learning_rate=1e-2, max_tokens=None, validations=2
)


def sentences(count: int) -> list[str]:
    """Different sentences of three words in the language of q."""
    random = np.random.default_rng(0)
    drawn = {" ".join(f"q{n}" for n in random.integers(0, 30, 3)) for _ in range(count * 2)}
    return sorted(drawn)[:count]


def translated(sentence: str) -> str:
    """The language of p has the same words in the same order."""
    return sentence.replace("q", "p")


PAIRS = [(sentence, translated(sentence)) for sentence in sentences(300)]


@pytest.fixture
def student(tiny: Path) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(tiny, backend="torch", device="cpu")


@pytest.fixture
def taught(student: SentenceTransformerEncoder, tmp_path: Path) -> Callable[..., Distillation]:
    def run(folder: Path = tmp_path / "run", **changed: Any) -> Distillation:
        arguments = {"teacher": student, "pairs": PAIRS, "settings": SETTINGS, **changed}
        return distil(arguments.pop("student", student), folder=folder, **arguments)

    return run


def cosines(first: Any, second: Any) -> Any:
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / lengths


def test_a_student_learns_the_other_language_and_keeps_its_own(
    student: SentenceTransformerEncoder, taught: Callable[..., Distillation], tmp_path: Path
) -> None:
    result = taught()

    assert result.before.sentences == pytest.approx(1, abs=1e-5)  # its own teacher
    assert result.before.accuracy < 0.3
    assert result.after.accuracy > 0.7
    assert result.after.sentences > 0.9
    assert result.after.translations > max(0.9, result.before.translations)
    assert [point.step for point in result.curve] == [0, 80, 160]

    # Sentences that are in no pair, by the encoder as it is saved.
    new = sorted(set(sentences(340)) - {sentence for sentence, _ in PAIRS})
    assert len(new) >= 20
    targets = student.encode_passages(new)
    before = cosines(student.encode_passages(list(map(translated, new))), targets).mean()
    again = SentenceTransformerEncoder(tmp_path / "run" / "model", backend="torch", device="cpu")
    for encoder in (result.encoder, again):
        after = cosines(encoder.encode_passages(list(map(translated, new))), targets).mean()
        assert after > max(0.9, before)


def test_the_agreement_is_that_of_the_vectors(
    student: SentenceTransformerEncoder, tiny: Path
) -> None:
    random = np.random.default_rng(1)
    held_out = sentences(40)
    vectors = {text: random.normal(size=16) for text in held_out}
    teacher = CallableEncoder(
        lambda texts: [vectors[text] for text in texts], identity="random", dimension=16
    )
    trainee = languages._Student(student, teacher)
    examples = languages._examples([(s, translated(s)) for s in held_out])

    found = trainee.agreement(trainee.load(), examples)

    targets = np.array([vectors[text] for text in held_out])
    ours = student.encode_passages(held_out)
    theirs = student.encode_passages(list(map(translated, held_out)))
    nearest = [
        max(range(40), key=lambda j: float(cosines(theirs[i : i + 1], targets[j : j + 1])[0]))
        for i in range(40)
    ]
    expected = Agreement(
        float(cosines(ours, targets).mean()),
        float(cosines(theirs, targets).mean()),
        float(np.mean([i == j for i, j in enumerate(nearest)])),
    )
    assert found.sentences == pytest.approx(expected.sentences, abs=1e-5)
    assert found.translations == pytest.approx(expected.translations, abs=1e-5)
    assert found.accuracy == expected.accuracy


def test_the_loss_is_the_squared_error_of_both_vectors(student: SentenceTransformerEncoder) -> None:
    trainee = languages._Student(student, student)
    pairs = PAIRS[:10]
    columns = trainee.columns(languages._examples(pairs), SETTINGS)
    assert list(columns) == ["query", "translation", "label"]
    model = trainee.load()
    loss = trainee.loss(model, SETTINGS, columns)
    features = [
        model.preprocess(columns["query"]),
        model.preprocess(columns["translation"]),
    ]
    with torch.no_grad():
        value = float(loss(features, torch.tensor(columns["label"])))
        raw = [np.asarray(model.encode(columns[name])) for name in ("query", "translation")]
    targets = np.array(columns["label"])
    expected = [((vectors - targets) ** 2).mean() for vectors in raw]
    assert value in (pytest.approx(sum(expected)), pytest.approx(sum(expected) / 2))


def test_a_sentence_may_have_several_translations(student: SentenceTransformerEncoder) -> None:
    pairs = [("q1", "p1"), ("q2", "p2"), ("q1", "p3"), ("q1", "p1")]
    pairs += [(f"q{n}", f"p{n}") for n in range(10, 20)]
    examples = languages._examples(pairs)
    assert (examples[0].query, examples[0].passages) == ("q1", ("p1", "p3"))
    columns = languages._Student(student, student).columns(examples[:2], SETTINGS)
    assert (columns["query"], columns["translation"]) == (["q1", "q1", "q2"], ["p1", "p3", "p2"])
    assert columns["label"][0] == columns["label"][1] != columns["label"][2]


def test_the_teacher_encodes_each_sentence_once(
    student: SentenceTransformerEncoder, taught: Callable[..., Distillation]
) -> None:
    asked: list[str] = []

    def encode(texts: list[str]) -> Any:
        asked.extend(texts)
        return student.encode_passages(texts)

    teacher = CallableEncoder(encode, identity="counted", dimension=16)
    taught(teacher=teacher, settings=TrainingSettings(steps=2, max_tokens=None))
    assert sorted(asked) == sorted(sentence for sentence, _ in PAIRS)


def test_an_interrupted_call_ends_at_the_same_figures(
    taught: Callable[..., Distillation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = taught(folder=tmp_path / "whole")
    calls = 0
    agreement = languages._Student.agreement

    def interrupted(*arguments: Any) -> Agreement:
        nonlocal calls
        calls += 1
        if calls == 4:  # the second validation on the way
            raise KeyboardInterrupt
        return agreement(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(languages._Student, "agreement", interrupted)
        with pytest.raises(KeyboardInterrupt):
            taught(folder=tmp_path / "parts")
    resumed = taught(folder=tmp_path / "parts")
    assert (resumed.before, resumed.after) == (whole.before, whole.after)
    assert [p.score for p in resumed.curve] == [p.score for p in whole.curve]
    # What ended is not trained again.
    again = taught(folder=tmp_path / "parts")
    assert (again.after, again.seconds) == (resumed.after, resumed.seconds)


def test_a_folder_of_another_training_is_refused(taught: Callable[..., Distillation]) -> None:
    short = TrainingSettings(steps=2, max_tokens=None)
    taught(settings=short)
    with pytest.raises(InvalidInputError, match="other settings"):
        taught(settings=SETTINGS)
    with pytest.raises(InvalidInputError, match="other examples"):
        taught(settings=short, pairs=PAIRS[:100])
    other = CallableEncoder(lambda texts: [[1.0] * 16] * len(texts), identity="o", dimension=16)
    with pytest.raises(InvalidInputError, match="other parent"):
        taught(settings=short, teacher=other)


def test_a_tokenizer_that_lacks_the_language_is_warned_of(
    taught: Callable[..., Distillation], caplog: pytest.LogCaptureFixture
) -> None:
    unknown = [(sentence, f"der {translated(sentence)}") for sentence, _ in PAIRS[:40]]
    with caplog.at_level(logging.WARNING):
        taught(pairs=unknown, settings=TrainingSettings(steps=2, max_tokens=None))
    assert "does not know 25 % of the translations' tokens" in caplog.text


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"student": CallableEncoder(len, identity="x", dimension=16)}, "student must be"),
        ({"teacher": CallableEncoder(len, identity="x", dimension=3)}, "16 numbers and .* 3"),
        ({"teacher": "all-MiniLM-L6-v2"}, "teacher must be an encoder, not 'all-MiniLM-L6-v2'"),
        ({"pairs": PAIRS[:9]}, "10 different sentences at least"),
        ({"pairs": PAIRS[:9] * 2}, "there are 9"),
        ({"pairs": [("q1", "p1", "p2")]}, "pairs must be of a sentence and its translation"),
        ({"pairs": [("q1", " ")]}, "must have words"),
        ({"validation": 0}, "validation must be above 0"),
        ({"validation": 0.6}, "at most a half"),
        ({"settings": TrainingSettings("triplet")}, "a student is not trained by 'triplet'"),
    ],
)
def test_errors_name_what_is_wrong_before_any_training(
    taught: Callable[..., Distillation], changed: dict[str, Any], named: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        taught(**changed)
    assert not (tmp_path / "run").exists()
