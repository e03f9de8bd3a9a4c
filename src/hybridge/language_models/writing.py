"""Answers of a language model, kept on disk as they come, so that an interrupted run goes on."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from ..errors import HybridgeError, InvalidInputError
from ..iteration import chunked, progress_over
from .answer_cache import AnswerCache
from .models import LanguageModel

__all__ = ["check_cached", "shortened", "write_answers"]

logger = logging.getLogger(__name__)

_PATIENCE = 20  # failures in a row, after which the model is taken to be out of order


def check_cached(model: LanguageModel, cache: str | os.PathLike[str] | None) -> None:
    """Raise if answers are to be kept, and the model has no name to keep them under."""
    if cache is not None and model.name is None:
        raise InvalidInputError(
            "the answers are kept under the model's name, and it has none: give "
            'LanguageModel.of(model, name="..."), with all its settings in the name'
        )


def write_answers(
    model: LanguageModel,
    prompts: Iterable[str],
    answers: AnswerCache,
    description: str,
    progress: bool | None,
) -> None:
    """Add the answers that are not there yet, and log the errors of prompts that failed.

    Args:
        model: the model.
        prompts: one a passage.
        answers: where the answers are kept.
        description: of the work, for the bar.
        progress: show a bar on standard error; None shows it on a terminal.

    Raises:
        HybridgeError: the model failed for every passage, or for 20 in a row, or for two batches
            where these are larger.
        InvalidInputError: it returns something that is no text.
    """
    every = dict.fromkeys(prompts)
    missing = [prompt for prompt in every if answers.get(prompt) is None]
    bar = progress_over(missing, description, "passage", progress)
    failures, in_a_row = 0, 0
    patience = max(_PATIENCE, 2 * model.batch_size)  # an error of a batch may be one of the moment
    for batch in chunked(bar, model.batch_size):
        written = dict(zip(batch, model.answers(batch), strict=True))
        answers.add({prompt: text for prompt, text in written.items() if isinstance(text, str)})
        for text in written.values():
            if isinstance(text, str):
                in_a_row = 0
                continue
            failures, in_a_row, error = failures + 1, in_a_row + 1, text
            logger.warning("the language model failed for a passage", exc_info=error)
            if in_a_row == patience or failures == len(every):
                raise HybridgeError(
                    f"the language model failed for {in_a_row} passages in a row ({error}): "
                    "what it wrote before is kept where there is a cache, and the next run goes on"
                ) from error


def shortened(text: str, length: int) -> str:
    """Return a text on one line, cut between words.

    >>> shortened("Bread  rises.", 8)
    'Bread'
    """
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    cut = text[: length + 1]
    return cut.rsplit(" ", 1)[0] if " " in cut else text[:length]
