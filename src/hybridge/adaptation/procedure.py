"""The function `adapt`: a model trained on one's own questions, and measured on unseen ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import check_count, check_seed, check_share
from ..encoders.passage_cache import CachedEncoder
from ..errors import InvalidInputError, needs_extra
from ..evaluation import Collection, evaluate
from ..evaluation.collection import Qrels
from ..evaluation.measures import Judge
from ..evaluation.significance import compare
from ..fused import FusedRetriever
from ..index import HybridIndex
from ..iteration import chunked, progress_over
from ..passages import Passage
from ..pipeline import Pipeline
from ..protocols import Reranker, Retriever
from ..search_text import TEXT_ALONE, SearchText
from ..stages import Dense
from ..tuning import Space, Tuning, tune
from .averaging import averaged
from .card import write_card
from .examples import Example
from .mining import Mined, mine
from .questions import Parts, divide, judged_in
from .result import Adaptation, Measured
from .saved import SavedTraining, load_training, save_training
from .settings import TrainingSettings
from .trainable import trainable
from .trainee import Trainee
from .training import Trained, Validate, check_record, train

__all__ = ["adapt"]

logger = logging.getLogger(__name__)

_SHARES = (0.5, 0.75, 1.0)
_DEPTH = 100  # of the lists that are measured
_POOL = 20  # candidates a question, for the validation
_SLICE = 1024  # passages encoded between two looks at the cache
_RERANK_DEPTHS = (20, 50)
_BATCH = 64


def adapt(
    index: HybridIndex,
    queries: Mapping[str, str],
    qrels: Qrels,
    folder: str | Path,
    *,
    model: Any = None,
    measure: str = "nDCG@10",
    settings: TrainingSettings | None = None,
    examples: Sequence[Example] | None = None,
    share: float | None = None,
    depth: int = 30,
    teacher: Reranker | None = None,
    margin: float | None = None,
    validation: float = 0.1,
    held_out: float = 0.2,
    test: Collection | tuple[Mapping[str, str], Qrels] | None = None,
    progress: bool | None = None,
) -> Adaptation:
    """Train a model on judged questions, and measure on others what that is worth.

    The questions are divided at random. On the largest part the model is trained, with hard
    negatives from the index's own search. On the validation part training is stopped, and the share
    of the trained weights in the adapted model is chosen. On the held-out part, which the training
    never sees, the answers before and after are compared; the weights of the fusion are tuned
    there, each fold by the others. If the gain is not more than chance, the advice is to keep the
    model. The index stays as it is until `Adaptation.apply`.

    An interrupted call goes on where it stopped, if it is repeated with the same arguments.

    Args:
        index: searched, for negatives and for the comparison; nothing is written to it.
        queries: query id → question.
        qrels: query id → passage id → grade; those of one question with a passage of the index.
        folder: of the adapted model, its checkpoints and its vectors.
        model: the name of a dense stage of the index, or a reranker: a `CrossEncoderReranker`, or
            a `ColBERTReranker` of sentence-transformers. None for the only dense stage.
        measure: what is to be maximised, as for `hybridge.evaluation.evaluate`.
        settings: of the training; None trains for 30 minutes.
        examples: train on these instead; the questions are then for validation and comparison
            alone, half and half.
        share: of the trained weights in the average with the parent's. 0.5 keeps most of what the
            model knows of other domains; None chooses by the validation.
        depth: hits a question among which negatives are mined.
        teacher: a reranker whose scores the objectives "margins" and "distillation" learn.
        margin: see `hybridge.adaptation.mining.mine`.
        validation: the share of questions to validate on.
        held_out: the share of questions to compare on.
        test: other questions and their judgements, searched once at the end.
        progress: show bars; None shows them on a terminal.

    Raises:
        InvalidInputError: an argument is not valid, the model cannot be trained, or fewer than ten
            questions have a relevant passage in the index. Raised before any training.
        MissingExtraError: the extra `adapt` is not installed.
        HybridgeError: the folder cannot be written to, or has no room.
    """
    with needs_extra("adapt"):
        import accelerate  # noqa: F401
        import datasets  # noqa: F401
    settings = TrainingSettings(minutes=30) if settings is None else settings
    if not isinstance(index, HybridIndex):
        raise InvalidInputError(f"index must be a HybridIndex, not {type(index).__name__}")
    if share is not None:
        check_share(share, "share")
    check_count(depth, "depth")
    check_seed(settings.seed)
    Judge([measure], {}, _DEPTH)
    target = _Target.of(index, model)
    location = Path(folder).expanduser()
    passages = _judged_passages(index, qrels)
    questions, judgements = judged_in(passages, queries, qrels)
    parts = (
        divide(questions, validation, held_out, settings.seed)
        if examples is None
        else _halves(questions, settings.seed)
    )
    mined = mine(
        index,
        {query_id: questions[query_id] for query_id in (*parts.training, *parts.validation)},
        judgements,
        passages,
        depth=max(depth, _POOL),
        teacher=teacher,
        margin=margin,
        text_of=target.search_text,
        progress=progress,
    )
    count = len(parts.training)
    rounds = _rounds(mined[:count], target.trainee, settings) if examples is None else [examples]
    validate = _validation(target.trainee, mined[count:], measure)
    relevant = {each.query: frozenset(each.relevant) for each in mined}
    check_record(location, target.trainee, list(chain.from_iterable(rounds)), settings)
    saved = load_training(location)
    if saved is None:
        trained = train(
            target.trainee,
            rounds,
            settings,
            location,
            validate=validate,
            relevant=relevant,
            progress=progress,
        )
        _save_best_share(location, target.trainee, trained, share, validate, progress)
        saved = load_training(location)
        assert saved is not None
    ...
