"""Training of bi-encoders, by sentence-transformers' trainer and losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..encoders import SentenceTransformerEncoder
from .datasets import Columns, check_labels, columns_of, prompts_of
from .examples import Example
from .settings import Objective, TrainingSettings
from .trainee import Trainee

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["TrainableBiEncoder"]

_LABELS = {"regression": (-1.0, 1.0), "classification": (0.0, 1000.0)}


class TrainableBiEncoder(Trainee):
    """A bi-encoder in training.

    Its objectives, the usual one first:

    - ``"contrastive"``: the relevant passage before its own negatives and the batch's, InfoNCE of
      A. van den Oord et al., arXiv 1807.03748;
    - ``"triplet"``, ``"regression"``, ``"classification"``: a relevant passage nearer than a
      negative one, a cosine, a class: N. Reimers and I. Gurevych, *Sentence-BERT*, EMNLP 2019,
      arXiv 1908.10084;
    - ``"ranking"``: the cosines of a batch's pairs in the order of their labels: J. Su, CoSENT;
    - ``"margins"``: a teacher's differences of scores: S. Hofstätter et al., arXiv 2010.02666;
    - ``"distillation"``: a teacher's distribution over the passages.

    For the first and the last two, a score is a cosine over the temperature: 0.05 makes scores from
    -20 to 20, as wide as a cross-encoder's.

    Args:
        encoder: whose model is trained.
    """

    kind = "bi-encoder"
    objectives: ClassVar[tuple[Objective, ...]] = (
        "contrastive",
        "triplet",
        "regression",
        "classification",
        "ranking",
        "margins",
        "distillation",
    )

    def __init__(self, encoder: SentenceTransformerEncoder) -> None:
        self.encoder = encoder

    @property
    def parent(self) -> str:
        return self.encoder.model_name

    @property
    def identity(self) -> str:
        return f"{self.parent}, {self.encoder.identity}"

    def load(self, folder: Path | None = None) -> SentenceTransformer:
        encoder = self.encoder if folder is None else self.encoder.with_model(folder)
        return encoder.torch_model()

    def trainer(self) -> tuple[type[Any], type[Any]]:
        from sentence_transformers import (
            SentenceTransformerTrainer,
            SentenceTransformerTrainingArguments,
        )

        return SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    def arguments(self, settings: TrainingSettings) -> Mapping[str, Any]:
        return {"prompts": prompts_of(self.encoder.prompts)}

    def columns(self, examples: Sequence[Example], settings: TrainingSettings) -> Columns:
        # CoSENT takes pairs, and compares those of a batch.
        objective = self.objective(settings)
        check_labels(examples, objective, _LABELS)
        return columns_of(examples, "regression" if objective == "ranking" else objective)

    def loss(self, model: SentenceTransformer, settings: TrainingSettings, columns: Columns) -> Any:
        from sentence_transformers.sentence_transformer import losses
        from sentence_transformers.util import pairwise_cos_sim

        objective: Objective = self.objective(settings)
        scale = 1 / settings.temperature
        if objective == "contrastive" and settings.mini_batch is not None:
            return losses.CachedMultipleNegativesRankingLoss(
                model, scale=scale, mini_batch_size=settings.mini_batch
            )
        if objective == "contrastive":
            return losses.MultipleNegativesRankingLoss(model, scale=scale)
        if objective == "distillation":
            return losses.DistillKLDivLoss(
                model,
                pairwise_cos_sim,
                student_temperature=settings.temperature,
                teacher_temperature=1.0,
            )
        if objective == "margins":
            return losses.MarginMSELoss(model, lambda a, b: scale * pairwise_cos_sim(a, b))
        if objective == "classification":
            size = int(model.get_embedding_dimension() or 0)
            return losses.SoftmaxLoss(model, size, num_labels=max(columns["label"]) + 1)
        return {
            "triplet": losses.TripletLoss,
            "regression": losses.CosineSimilarityLoss,
            "ranking": losses.CoSENTLoss,
        }[objective](model)

    def scores(
        self,
        model: SentenceTransformer,
        queries: Sequence[str],
        passages: Sequence[Sequence[str]],
    ) -> list[list[float]]:
        texts = list(dict.fromkeys(text for of_query in passages for text in of_query))
        prompts = self.encoder.prompts
        options: dict[str, Any] = {
            "normalize_embeddings": True,
            "show_progress_bar": False,
            "batch_size": 16,
        }
        queried = model.encode_query(list(queries), prompt=prompts.query, **options)
        vectors = model.encode_document(texts, prompt=prompts.passage, **options)
        row_of = {text: row for row, text in enumerate(texts)}
        return [
            (vectors[[row_of[text] for text in of_query]] @ query).astype(np.float64).tolist()
            for query, of_query in zip(queried, passages, strict=True)
        ]

    def wrapped(self, folder: Path) -> SentenceTransformerEncoder:
        return self.encoder.with_model(folder)
