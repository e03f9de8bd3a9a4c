"""Training of cross-encoders, by sentence-transformers' trainer and losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cross_encoder import CrossEncoderReranker
from ..errors import InvalidInputError
from .datasets import Columns, columns_of
from .examples import Example
from .settings import TrainingSettings
from .trainee import Trainee

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = ["TrainableCrossEncoder"]

# The labels that a loss can learn, by objective: beyond them it has no minimum, or no number.
_LABELS = {"ranking": (0, 100), "classification": (0, 1)}


class TrainableCrossEncoder(Trainee):
    """A cross-encoder in training.

    Its objectives, the usual one first:

    - ``"ranking"``: a query's passages in the order of their labels, the best ones first,
      LambdaLoss of X. Wang et al., *The LambdaLoss Framework for Ranking Metric Optimization*,
      CIKM 2018;
    - ``"contrastive"``: the relevant passage before its own negatives and a few of the batch's, by
      a softmax over them: L. Gao et al., *Rethink Training of BERT Rerankers in Multi-Stage
      Retrieval Pipeline*, ECIR 2021, arXiv 2101.08751;
    - ``"classification"``: whether a passage is relevant, from 0 to 1: R. Nogueira and K. Cho,
      *Passage Re-ranking with BERT*, arXiv 1901.04085;
    - ``"regression"``: the labels themselves as scores;
    - ``"margins"``: a teacher's differences of scores: S. Hofstätter et al., arXiv 2010.02666;
    - ``"distillation"``: a teacher's distribution over a query's passages, ListNet of Z. Cao et
      al., *Learning to Rank: From Pairwise Approach to Listwise Approach*, ICML 2007.

    For the first, third and fourth, an example without labels has 1 for its first passage, and 0
    for the others. The examples of a step are queries, or single pairs for ``"classification"``,
    ``"regression"`` and ``"margins"``.

    Args:
        reranker: whose model is trained.
    """

    kind = "cross-encoder"
    shares_passages = False
    objectives = (
        "ranking",
        "contrastive",
        "classification",
        "regression",
        "margins",
        "distillation",
    )
    defaults = TrainingSettings(
        epochs=2, batch_size=8, learning_rate=2e-5, temperature=1, max_tokens=192, negatives=5
    )

    def __init__(self, reranker: CrossEncoderReranker) -> None:
        self.reranker = reranker

    @property
    def parent(self) -> str:
        return self.reranker.model_name

    def load(self, folder: Path | None = None) -> CrossEncoder:
        reranker = self.reranker if folder is None else self.reranker.with_model(folder)
        return reranker.torch_model()

    def trainer(self) -> tuple[type[Any], type[Any]]:
        from sentence_transformers import CrossEncoderTrainer, CrossEncoderTrainingArguments

        return CrossEncoderTrainer, CrossEncoderTrainingArguments

    def columns(self, examples: Sequence[Example], settings: TrainingSettings) -> Columns:
        objective = self.objective(settings)
        if objective in ("ranking", "classification", "regression"):
            examples = [_labelled(example) for example in examples]
        lowest, highest = _LABELS.get(objective, (float("-inf"), float("inf")))
        for example in examples:
            if any(not lowest <= label <= highest for label in example.labels):
                raise InvalidInputError(
                    f"labels of objective {objective!r} must be from {lowest} to {highest}, not "
                    f"{list(example.labels)} as of the query {example.query!r:.80}: scale them, or "
                    "choose another objective"
                )
        # Its loss takes parts of a class, and that of distillation lists.
        taken = {"classification": "regression", "distillation": "ranking"}
        return columns_of(examples, taken.get(objective, objective))  # type: ignore[arg-type]

    def loss(self, model: CrossEncoder, settings: TrainingSettings, columns: Columns) -> Any:
        from sentence_transformers.cross_encoder import losses
        from torch.nn import Identity

        objective, scale = self.objective(settings), 1 / settings.temperature
        if objective == "ranking":
            return losses.LambdaLoss(model, weighting_scheme=losses.NDCGLoss2PPScheme())
        if objective == "contrastive":
            mined = sum(name.startswith("negative") for name in columns)
            options: dict[str, Any] = {
                "num_negatives": max(1, settings.negatives - mined),
                "scale": scale,
                "activation_fn": Identity(),
            }
            if settings.mini_batch is not None:
                return losses.CachedMultipleNegativesRankingLoss(
                    model, mini_batch_size=settings.mini_batch, **options
                )
            return losses.MultipleNegativesRankingLoss(model, **options)
        if objective == "distillation":
            scaled: Any = partial(mul, scale)
            return losses.ListNetLoss(model, activation_fn=scaled)
        return {
            "classification": losses.BinaryCrossEntropyLoss,
            "regression": losses.MSELoss,
            "margins": losses.MarginMSELoss,
        }[objective](model)

    def scores(
        self, model: CrossEncoder, queries: Sequence[str], passages: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        from torch.nn import Identity

        pairs = [
            (query, text)
            for query, of_query in zip(queries, passages, strict=True)
            for text in of_query
        ]
        found = iter(
            model.predict(
                pairs, batch_size=16, show_progress_bar=False, activation_fn=Identity()
            ).tolist()
            if pairs
            else []
        )
        return [[next(found) for _ in of_query] for of_query in passages]

    def wrapped(self, folder: Path) -> CrossEncoderReranker:
        return self.reranker.with_model(folder)


def _labelled(example: Example) -> Example:
    """Return an example with the labels that it means where it has none."""
    if example.labels:
        return example
    return replace(example, labels=(1.0, *(0.0 for _ in example.passages[1:])))
