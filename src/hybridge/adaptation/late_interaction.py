"""Training of late-interaction models, by sentence-transformers' trainer and losses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..colbert import ColBERTReranker, MultiVectorTokenEncoder, max_sim
from ..errors import InvalidInputError
from ..iteration import chunked
from .datasets import Columns, prompts_of
from .settings import TrainingSettings
from .trainee import Trainee

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

__all__ = ["TrainableTokenModel"]

_TEXTS_AT_A_TIME = 256  # whose token vectors are in memory


class TrainableTokenModel(Trainee):
    """A late-interaction model in training: a ColBERT checkpoint, or a bi-encoder training-free.

    Its objectives, the usual one first:

    - ``"contrastive"``: the relevant passage before its own negatives and the batch's, by a softmax
      over their MaxSim: O. Khattab and M. Zaharia, *ColBERT*, SIGIR 2020, arXiv 2004.12832;
    - ``"distillation"``: a teacher's distribution over the passages: K. Santhanam et al.,
      *ColBERTv2*, NAACL 2022, arXiv 2112.01488;
    - ``"margins"``: a teacher's differences of scores: S. Hofstätter et al., arXiv 2010.02666.

    A bi-encoder is trained for its token vectors, in a copy: its vectors of whole texts, and the
    dense stage that shares it, stay as they are. The trained model is in sentence-transformers'
    format; `hybridge.colbert.export_checkpoint` writes it in Stanford's for RAGatouille, whose own
    encoder cannot be trained here: give its checkpoint to `MultiVectorTokenEncoder`, which reads
    it. With `pool_factor`, vectors are pooled after training and in validation, not in training.

    Args:
        model: whose model is trained; a reranker gives one of its settings again.

    Raises:
        InvalidInputError: a reranker of another engine than ``"sentence-transformers"``.
    """

    kind = "late-interaction model"
    objectives = ("contrastive", "distillation", "margins")
    defaults = TrainingSettings(learning_rate=1e-5, temperature=1)

    def __init__(self, model: MultiVectorTokenEncoder | ColBERTReranker) -> None:
        encoder = model.encoder if isinstance(model, ColBERTReranker) else model
        if not isinstance(encoder, MultiVectorTokenEncoder):
            raise InvalidInputError(
                f"{type(encoder).__name__} is not trained by sentence-transformers: give its "
                "checkpoint to MultiVectorTokenEncoder, and write the trained one by "
                "hybridge.colbert.export_checkpoint"
            )
        self.encoder = encoder
        self._model = model

    @property
    def parent(self) -> str:
        return self.encoder.model_name

    @property
    def identity(self) -> str:
        return f"{self.parent}, {self.encoder.identity}"

    def load(self, folder: Path | None = None) -> MultiVectorEncoder:
        encoder = self.encoder if folder is None else self.encoder.with_model(folder)
        return encoder.torch_model()

    def trainer(self) -> tuple[type[Any], type[Any]]:
        from sentence_transformers import (
            MultiVectorEncoderTrainer,
            MultiVectorEncoderTrainingArguments,
        )

        return MultiVectorEncoderTrainer, MultiVectorEncoderTrainingArguments

    def arguments(self, settings: TrainingSettings) -> Mapping[str, Any]:
        texts = prompts_of(self.encoder.prompts)
        limits = [n for n in (settings.max_tokens, self.encoder.max_tokens) if n is not None]
        return {"prompts": texts, "max_length": {"document": min(limits)} if limits else None}

    def loss(self, model: MultiVectorEncoder, settings: TrainingSettings, columns: Columns) -> Any:
        from sentence_transformers.multi_vector_encoder import losses

        objective, scale = self.objective(settings), 1 / settings.temperature
        if objective == "contrastive" and settings.mini_batch is not None:
            return losses.CachedMultiVectorMultipleNegativesRankingLoss(
                model, scale=scale, mini_batch_size=settings.mini_batch
            )
        if objective == "contrastive":
            return losses.MultiVectorMultipleNegativesRankingLoss(model, scale=scale)
        if objective == "distillation":
            return losses.MultiVectorDistillKLDivLoss(
                model, student_temperature=settings.temperature, teacher_temperature=1.0
            )
        return losses.MultiVectorMarginMSELoss(model)

    def scores(
        self, model: MultiVectorEncoder, queries: Sequence[str], passages: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        options: dict[str, Any] = {
            "batch_size": 8,
            "show_progress_bar": False,
            "convert_to_numpy": True,
        }
        encoded = [
            self.encoder.finished("query", vectors, query)
            for query, vectors in zip(
                queries, model.encode_query(list(queries), **options), strict=True
            )
        ]
        rows: dict[str, set[int]] = defaultdict(set)
        for row, of_query in enumerate(passages):
            for text in of_query:
                rows[text].add(row)
        found: dict[tuple[int, str], float] = {}
        for texts in chunked(sorted(rows, key=len, reverse=True), _TEXTS_AT_A_TIME):
            for text, vectors in zip(texts, model.encode_document(texts, **options), strict=True):
                passage = self.encoder.finished("document", vectors, text)
                for row in rows[text]:
                    (found[row, text],) = max_sim(encoded[row], [passage])
        return [[found[row, text] for text in of_query] for row, of_query in enumerate(passages)]

    def wrapped(self, folder: Path) -> Any:
        return self._model.with_model(folder)
