"""Judged questions in three parts: for training, for validation, and for the comparison."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..arguments import check_share
from ..errors import InvalidInputError
from ..evaluation.collection import Qrels, check_judged, check_qrels
from ..passages import Passage
from .examples import Example
from .folds import alike

__all__ = [
    "MINIMUM",
    "Parts",
    "can_be_compared",
    "checked",
    "divide",
    "halved",
    "judged_in",
    "without",
]

logger = logging.getLogger(__name__)

MINIMUM = 10
"""Questions with a relevant passage, without which nothing can be trained and measured."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The ids of questions, by what they are for.

    Args:
        training: what the model is trained on.
        validation: for early stopping, and the share of the trained weights.
        held_out: for the weights of the fusion, and the verdict.
    """

    training: Sequence[str]
    validation: Sequence[str]
    held_out: Sequence[str]


def divide(queries: Mapping[str, str], validation: float, held_out: float, seed: int) -> Parts:
    """Divide questions into parts at random; questions of one text stay together.

    Args:
        queries: query id → question.
        validation: the share of the validation, above 0.
        held_out: the share that is held out, above 0.
        seed: of the division.

    Raises:
        InvalidInputError: a share that is not valid, or no part that has a question.

    >>> parts = divide({str(i): f"question {i}" for i in range(20)}, 0.1, 0.2, seed=0)
    >>> len(parts.training), len(parts.validation), len(parts.held_out)
    (14, 2, 4)
    """
    for name, share in (("validation", validation), ("held_out", held_out)):
        if not 0 < check_share(share, name) < 1:
            raise InvalidInputError(f"{name} must be above 0 and below 1, not {share}")
    by_text: dict[str, list[str]] = {}
    for query_id, text in queries.items():
        by_text.setdefault(_plain(text), []).append(query_id)
    groups = list(by_text.values())
    order = np.random.default_rng(seed).permutation(len(groups))
    ends = [round(len(groups) * held_out), round(len(groups) * (held_out + validation))]
    parts = [[query_id for i in part for query_id in groups[i]] for part in np.split(order, ends)]
    if not all(parts):
        raise InvalidInputError(
            f"{len(groups)} questions cannot be divided: validation {validation:g}, held out "
            f"{held_out:g}, and the rest to train on, with one question at least each"
        )
    return Parts(training=parts[2], validation=parts[1], held_out=parts[0])


def halved(queries: Mapping[str, str], seed: int) -> Parts:
    """Divide questions that nothing is trained on: for the validation, and held out."""
    parts = divide(queries, 0.4, 0.5, seed)
    return Parts([], [*parts.training, *parts.validation], parts.held_out)


def without(examples: Sequence[Example], texts: Iterable[str]) -> list[Example]:
    """Return the examples that ask none of the questions to measure on.

    Args:
        examples: to train on.
        texts: the questions to measure on.

    Raises:
        InvalidInputError: none is left.
    """
    measured = set(map(_plain, texts))
    left = [example for example in examples if _plain(example.query) not in measured]
    if examples and not left:
        raise InvalidInputError(
            f"all {len(examples)} examples ask questions that the model is to be measured on: give "
            "examples of other questions"
        )
    if len(left) < len(examples):
        logger.warning(
            "%d of %d examples are left out, because they ask questions to measure on",
            len(examples) - len(left),
            len(examples),
        )
    return left


def can_be_compared(queries: Sequence[str], qrels: Qrels) -> bool:
    """Return whether questions may show more than chance: they have two sets of answers at least.

    Args:
        queries: query ids.
        qrels: their judgements.
    """
    return len(set(alike(queries, qrels).tolist())) > 1


def checked(
    queries: Mapping[str, str], qrels: Qrels, name: str
) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Return the judged questions and their judgements, if they can be compared.

    Args:
        queries: query id → question.
        qrels: query id → passage id → grade.
        name: of these questions, in messages.

    Raises:
        InvalidInputError: they cannot.
    """
    judgements = check_qrels(qrels)
    judged = check_judged(queries, judgements)
    own = {query_id: judgements[query_id] for query_id in judged}
    if not can_be_compared(list(own), own):
        raise InvalidInputError(
            f"the {name} questions, {len(own)}, show nothing of chance: there must be two with "
            "different relevant passages at least, better 50"
        )
    return judged, own


def judged_in(
    passages: Mapping[str, Passage], queries: Mapping[str, str], qrels: Qrels
) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Return the questions that have a relevant passage in an index, and their judgements there.

    Args:
        passages: passage id → passage, of all that are judged and in the index.
        queries: query id → question.
        qrels: query id → passage id → grade.

    Raises:
        InvalidInputError: fewer than `MINIMUM` questions have one.
    """
    judgements = check_qrels(qrels)
    judged = check_judged(queries, judgements)
    here = {
        query_id: {id_: grade for id_, grade in judgements[query_id].items() if id_ in passages}
        for query_id in judged
    }
    usable = {query_id: grades for query_id, grades in here.items() if any(grades.values())}
    usable = {id_: grades for id_, grades in usable.items() if judged[id_].strip()}
    missing = [id_ for query_id in judged for id_ in judgements[query_id] if id_ not in passages]
    if len(usable) < MINIMUM:
        hint = ""
        if missing:
            hint = f": the index lacks {len(missing)} judged passages (the first: {missing[0]!r})"
        raise InvalidInputError(
            f"training and measuring take {MINIMUM} questions at least, better 300, with a "
            f"relevant passage in the index; there are {len(usable)} of {len(judged)}{hint}"
        )
    if len(usable) < len(judged):
        logger.warning(
            "%d of %d questions have no relevant passage in the index, and are left out",
            len(judged) - len(usable),
            len(judged),
        )
    return {query_id: judged[query_id] for query_id in usable}, usable


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
