"""Another language for a bi-encoder, from pairs of a sentence and its translation."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import check_share
from ..encoders import SentenceTransformerEncoder
from ..errors import InvalidInputError
from ..protocols import Encoder, Vectors
from .bi_encoder import TrainableBiEncoder
from .datasets import Columns
from .examples import Example
from .folder import working_in
from .saved import load_training, save_training
from .settings import TrainingSettings
from .training import CurvePoint, check_record, train

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["Agreement", "Distillation", "distil"]

logger = logging.getLogger(__name__)

_MINIMUM = 10  # sentences
_HELD_OUT = 1000  # at most, for each costs time at every validation
_UNKNOWN = 0.1


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a student's vectors are to its teacher's, on sentences that were held out.

    Args:
        sentences: the mean cosine of its vectors of sentences with the teacher's.
        translations: that of its vectors of translations with the teacher's of the sentences.
        accuracy: the share of translations whose nearest sentence, by the teacher's vectors of
            those held out, is their own.
    """

    sentences: float
    translations: float
    accuracy: float


@dataclass(frozen=True)
class Distillation:
    """A student that has learned its teacher's vectors.

    Args:
        encoder: the student, saved in the folder; an index is opened with it as with any other.
        before: its agreement with the teacher before training.
        after: that after training, on the same sentences. They chose when training stopped, so
            this is a little too good.
        curve: the points of the validation, whose score is the mean of the two cosines.
        seconds: the time that training took.
    """

    encoder: SentenceTransformerEncoder
    before: Agreement
    after: Agreement
    curve: Sequence[CurvePoint]
    seconds: float


def distil(
    student: SentenceTransformerEncoder,
    teacher: Encoder,
    pairs: Iterable[tuple[str, str]],
    folder: str | Path,
    *,
    settings: TrainingSettings | None = None,
    validation: float = 0.1,
    progress: bool | None = None,
) -> Distillation:
    """Teach a student the teacher's vectors of sentences, for their translations too.

    So the student searches passages of one language for questions in another, and of both. It
    learns by the mean squared error of its two vectors: N. Reimers and I. Gurevych, *Making
    Monolingual Sentence Embeddings Multilingual using Knowledge Distillation*, EMNLP 2020, arXiv
    2004.09813. An interrupted call goes on where it stopped, if it is repeated with the same
    arguments.

    Args:
        student: whose model is trained: one whose tokenizer knows the other language, such as a
            multilingual one; with English alone the teacher itself may be the student.
        teacher: knows the sentences' language. Its vectors have the student's dimension.
        pairs: a sentence in the teacher's language, and its translation; a sentence may come with
            several. Better 10,000 than 1,000.
        folder: of the trained model and its checkpoints.
        settings: of the training; its objective stays None. None trains for 30 minutes.
        validation: the share of sentences that are held out, 1,000 at most.
        progress: show a bar; None shows it on a terminal.

    Raises:
        InvalidInputError: an argument is not valid, the dimensions differ, there are fewer than 10
            sentences, or the folder is of another training. Raised before any training.
        MissingExtraError: the extra `adapt` is not installed.
        HybridgeError: the folder cannot be written to, has no room, or another call trains in it.
    """
    settings = TrainingSettings(minutes=30, batch_size=32) if settings is None else settings
    if not isinstance(student, SentenceTransformerEncoder):
        raise InvalidInputError(
            f"student must be a SentenceTransformerEncoder, not {type(student).__name__}: other "
            "encoders cannot be trained"
        )
    if isinstance(teacher, type) or not callable(getattr(teacher, "encode_passages", None)):
        raise InvalidInputError(
            f"teacher must be an encoder, not {teacher!r:.80}: give as_encoder(...)"
        )
    if student.dimension != teacher.dimension:
        raise InvalidInputError(
            f"the student's vectors have {student.dimension} numbers and the teacher's "
            f"{teacher.dimension}: they must be of one length"
        )
    examples = _examples(pairs)
    training, held_out = _divided(examples, validation, settings.seed)
    location = Path(folder).expanduser()
    trainee = _Student(student, teacher)
    trainee.objective(settings)
    check_record(location, trainee, [training], settings)
    parent = trainee.load()
    _warn_of_unknown(parent, examples)
    before = trainee.agreement(parent, held_out)
    del parent

    def validate(model: Any) -> float:
        reached = trainee.agreement(model, held_out)
        return (reached.sentences + reached.translations) / 2

    with working_in(location):
        saved = load_training(location)
        if saved is None:
            trained = train(
                trainee, [training], settings, location, validate=validate, progress=progress
            )
            save_training(location, trained, 1.0, {})
            saved = load_training(location)
            assert saved is not None
    model = location / "model"
    after = trainee.agreement(trainee.load(model), held_out)
    return Distillation(trainee.wrapped(model), before, after, saved.curve, saved.seconds)


class _Student(TrainableBiEncoder):
    """A bi-encoder that learns a teacher's vectors: of a sentence, and of its translation."""

    kind = "student"
    objectives = ("regression",)

    def __init__(self, encoder: SentenceTransformerEncoder, teacher: Encoder) -> None:
        super().__init__(encoder)
        self._teacher = teacher
        self._known: dict[str, Vectors] = {}

    @property
    def parent(self) -> str:
        return f"{super().parent}, with the vectors of {self._teacher.identity}"

    def columns(self, examples: Sequence[Example], settings: TrainingSettings) -> Columns:
        rows = [(example.query, text) for example in examples for text in example.passages]
        sentences = [sentence for sentence, _ in rows]
        return {
            "query": sentences,
            "translation": [translation for _, translation in rows],
            "label": self._targets(sentences).tolist(),
        }

    def arguments(self, settings: TrainingSettings) -> Mapping[str, Any]:
        return {"prompts": dict.fromkeys(("query", "translation"), self.encoder.prompts.passage)}

    def loss(self, model: SentenceTransformer, settings: TrainingSettings, columns: Columns) -> Any:
        from sentence_transformers.sentence_transformer import losses

        return losses.MSELoss(model)

    def agreement(self, model: SentenceTransformer, examples: Sequence[Example]) -> Agreement:
        """Compare a loaded model with the teacher."""
        pairs = [(row, text) for row, example in enumerate(examples) for text in example.passages]
        rows = np.array([row for row, _ in pairs])
        targets = _unit(self._targets([example.query for example in examples]))
        sentences = self._encoded(model, [example.query for example in examples])
        translations = self._encoded(model, [text for _, text in pairs])
        nearest = (translations @ targets.T).argmax(axis=1)
        return Agreement(
            float((sentences * targets).sum(axis=1).mean()),
            float((translations * targets[rows]).sum(axis=1).mean()),
            float((nearest == rows).mean()),
        )

    def _encoded(self, model: SentenceTransformer, texts: list[str]) -> Vectors:
        vectors: Vectors = model.encode_document(
            texts,
            prompt=self.encoder.prompts.passage,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return vectors

    def _targets(self, sentences: Sequence[str]) -> Vectors:
        """Return the teacher's vectors, each encoded once."""
        new = [text for text in dict.fromkeys(sentences) if text not in self._known]
        if new:
            vectors = self._teacher.encode_passages(new)
            self._known |= dict(zip(new, vectors, strict=True))
        return np.stack([self._known[text] for text in sentences])


def _examples(pairs: Iterable[tuple[str, str]]) -> list[Example]:
    """Return one example a sentence, with all its translations."""
    translations: dict[str, dict[str, None]] = {}
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise InvalidInputError(
                f"pairs must be of a sentence and its translation, not {pair!r:.80}"
            )
        sentence, translation = pair
        translations.setdefault(sentence, {})[translation] = None
    examples = [Example(sentence, tuple(texts)) for sentence, texts in translations.items()]
    if len(examples) < _MINIMUM:
        raise InvalidInputError(
            f"a language takes {_MINIMUM} different sentences at least, better 10,000; there are "
            f"{len(examples)}"
        )
    return examples


def _divided(
    examples: Sequence[Example], validation: float, seed: int
) -> tuple[list[Example], list[Example]]:
    if not 0 < check_share(validation, "validation") <= 0.5:
        raise InvalidInputError(f"validation must be above 0 and at most a half, not {validation}")
    count = min(_HELD_OUT, max(1, round(validation * len(examples))))
    order = np.random.default_rng(seed).permutation(len(examples))
    return [examples[i] for i in order[count:]], [examples[i] for i in order[:count]]


def _warn_of_unknown(model: SentenceTransformer, examples: Sequence[Example]) -> None:
    """Warn if the student's tokenizer does not know the language of the translations."""
    tokenizer = model.tokenizer
    unknown = getattr(tokenizer, "unk_token_id", None)
    if unknown is None:
        return
    texts = [text for example in examples[:_HELD_OUT] for text in example.passages]
    rows = tokenizer(texts, add_special_tokens=False)["input_ids"]
    tokens = [token for row in rows for token in row]
    share = tokens.count(unknown) / max(1, len(tokens))
    if share > _UNKNOWN:
        logger.warning(
            "the student's tokenizer does not know %.0f %% of the translations' tokens: it learns "
            "this language badly, and a multilingual student learns it well",
            100 * share,
        )


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)
