"""Questions that a language model writes about passages, kept where a search finds the passage."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arguments import check_count, check_seed
from ..errors import InvalidInputError
from ..evaluation import Collection
from ..frameworks import is_retriever
from ..iteration import chunked
from ..language_models import LanguageModel
from ..language_models.answer_cache import AnswerCache
from ..language_models.writing import check_cached, shortened, write_answers
from ..passages import Passage, unique_passages
from ..protocols import Retriever
from ..search_text import TEXT_ALONE, SearchText
from .examples import Example
from .question_cleaning import cleaned_question

__all__ = ["INSTRUCTION", "GeneratedQuestions", "generated_questions"]

logger = logging.getLogger(__name__)

INSTRUCTION = (
    "Write one search query that the passage answers, as a person would type it who has not read "
    "the passage, in the language of the passage."
)
"""What a prompt begins with, unless another is given."""

_SHOTS = 3
_PASSAGE, _SHOT = 1500, 600  # characters of the passage, and of an example's
_BATCH = 64  # questions a search

# Of other fields than most corpora, so that a question copied from one of them finds nothing.
_EXAMPLES = (
    Example(
        "why does bread dough rise",
        (
            "Yeast feeds on the sugars in flour and gives off carbon dioxide. The gas is trapped "
            "in a network of gluten, so the dough grows until the oven's heat sets it.",
        ),
    ),
    Example(
        "how did the Erie Canal change the cost of shipping?",
        (
            "Opened in 1825, the Erie Canal linked the Hudson River to Lake Erie. Moving a ton of "
            "goods from Buffalo to New York fell from 100 dollars to less than 10.",
        ),
    ),
    Example(
        "change the passphrase of an ssh key",
        (
            "With -p, ssh-keygen asks for the old passphrase and then twice for the new one. The "
            "key itself stays the same, so no server needs to be changed.",
        ),
    ),
)


class _Index(Retriever, Protocol):
    """An index: a retriever that gives its passages too."""

    def __iter__(self) -> Iterator[Passage]: ...


@dataclass(frozen=True, slots=True)
class GeneratedQuestions(Collection):
    """Questions that a language model wrote, each with the passage it was written about.

    Args:
        passages: all of the index.
        queries: query id → question.
        qrels: query id → the passage's id → 1.
        attempted: the passages that the model was to write about.
        failed: those for which it raised an error; a run with the same cache tries them again.
        unusable: those whose answer was empty, too short, a copy or a loop.
        repeated: those whose question another passage had already.
        not_found: those that a search for their question did not find.
    """

    attempted: int
    failed: int
    unusable: int
    repeated: int
    not_found: int

    @property
    def summary(self) -> str:
        """What became of the passages, in a sentence."""
        return (
            f"{len(self.queries)} questions about {self.attempted} passages: {self.failed} failed, "
            f"{self.unusable} were unusable, {self.repeated} repeated, and of "
            f"{self.not_found} a search did not find the passage"
        )


def generated_questions(
    index: _Index,
    model: object,
    *,
    number: int = 1000,
    examples: Sequence[Example] = (),
    instruction: str = INSTRUCTION,
    round_trip: int | None = 10,
    cache: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> GeneratedQuestions:
    """Return questions that a language model writes about passages, to train on without labels.

    The prompt has an instruction, a few examples and the passage: L. Bonifacio et al., *InPars:
    Data Augmentation for Information Retrieval using Large Language Models*, arXiv 2202.05144,
    2022. Much of what small models write is wrong. So a question is kept only if a search of the
    index finds its passage among the first `round_trip`: C. Alberti et al., *Synthetic QA Corpora
    Generation with Roundtrip Consistency*, ACL 2019, arXiv 1906.05416; Z. Dai et al.,
    *Promptagator*, arXiv 2209.11755, 2022.

    Args:
        index: a `HybridIndex`, or another retriever that can be iterated over.
        model: anything that `LanguageModel.of` takes: a model of LangChain or LlamaIndex, a
            function from a prompt to a text, the name of a T5 of doc2query's kind,
            `local_language_model()`; or a `LanguageModel`, for batches or another name.
        number: the passages to write about, drawn at random; the draw of a smaller number is the
            beginning of that of a larger one.
        examples: queries of real users with the passage each is answered by, the first or the one
            with the highest label: three of them, drawn at random, are in every prompt. Without any
            there are three of other fields.
        instruction: the task, in words; the examples show its form.
        round_trip: passages a search returns; None keeps all questions.
        cache: a folder for the answers. The next run of the same model, prompt and seed takes them
            from there: so an interrupted run goes on, and passages that failed are tried again.
        seed: of the draws, and with the model's name the key of the cache.
        progress: show a bar on standard error; None shows it on a terminal.

    Raises:
        InvalidInputError: an argument is not valid, or the model returns something that is no text.
        HybridgeError: the model raised an error for every passage, or for 20 in a row, or for two
            batches where these are larger; the last one is its cause.
        ModelCacheError: the cache cannot be written.

    >>> from hybridge import BM25Retriever
    >>> index = BM25Retriever([Passage("a", "Boil the eggs for nine minutes.")])
    >>> made = generated_questions(index, lambda prompt: "1. how long to boil eggs")
    >>> made.queries, made.qrels
    ({'generated-1': 'how long to boil eggs'}, {'generated-1': {'a': 1}})
    """
    check_count(number, "number")
    if round_trip is not None:
        check_count(round_trip, "round_trip")
    check_seed(seed)
    writer = LanguageModel.of(model)
    check_cached(writer, cache)
    passages = _passages(index)
    search_text: SearchText = getattr(index, "search_text", TEXT_ALONE)
    shots = _shots(examples, seed)
    prefix = _prefix(instruction, shots)
    texts = _drawn(passages, search_text, number, seed)
    prompts = {
        id_: text if writer.reads_passages else f"{prefix}Passage: {text}\nQuery:"
        for id_, text in texts.items()
    }
    with AnswerCache(cache, writer.name or "", seed) as answers:
        write_answers(writer, prompts.values(), answers, "Writing", progress)
        written = {id_: answers.get(prompt) for id_, prompt in prompts.items()}
    known = [shot.query for shot in shots]
    cleaned = {
        id_: cleaned_question(answer, texts[id_], known)
        for id_, answer in written.items()
        if answer is not None
    }
    usable = {id_: question for id_, question in cleaned.items() if question is not None}
    single = _first_of_each(usable)
    found = single if round_trip is None else _round_trip(index, single, round_trip)
    ids = {id_: f"generated-{position}" for position, id_ in enumerate(texts, start=1)}
    made = GeneratedQuestions(
        passages,
        {ids[id_]: question for id_, question in found.items()},
        {ids[id_]: {id_: 1} for id_ in found},
        attempted=len(texts),
        failed=len(texts) - len(cleaned),
        unusable=len(cleaned) - len(usable),
        repeated=len(usable) - len(single),
        not_found=len(single) - len(found),
    )
    logger.info("%s", made.summary)
    return made


def _passages(index: _Index) -> list[Passage]:
    if not is_retriever(index) or not hasattr(index, "__iter__"):
        raise InvalidInputError(
            "questions are written about the passages of an index: give a HybridIndex, or another "
            f"retriever that can be iterated over, not {type(index).__name__}"
        )
    passages = sorted(unique_passages(index), key=lambda passage: passage.id)
    if not any(passage.text.strip() for passage in passages):
        raise InvalidInputError("the index is empty: add its passages before writing questions")
    return passages


def _shots(examples: Sequence[Example], seed: int) -> list[Example]:
    if not isinstance(examples, Sequence) or not all(isinstance(e, Example) for e in examples):
        raise InvalidInputError(
            "examples must be Example(query, (passage,)) in a list, queries of users with the "
            f"passages that answer them, not {examples!r:.80}"
        )
    chosen = examples or _EXAMPLES
    drawn = np.random.default_rng(seed).permutation(len(chosen))[:_SHOTS]
    return [chosen[i] for i in drawn]


def _prefix(instruction: str, shots: Sequence[Example]) -> str:
    if not isinstance(instruction, str) or not instruction.strip():
        raise InvalidInputError(f"instruction must be a text, not {instruction!r}")
    parts = [
        f"Passage: {shortened(_best(shot), _SHOT)}\nQuery: {' '.join(shot.query.split())}"
        for shot in shots
    ]
    return "".join(f"{part}\n\n" for part in (instruction.strip(), *parts))


def _best(example: Example) -> str:
    """Return the passage that answers an example's query best."""
    return example.passages[int(np.argmax(example.labels)) if example.labels else 0]


def _drawn(
    passages: Sequence[Passage], search_text: SearchText, number: int, seed: int
) -> dict[str, str]:
    """Return the texts of passages drawn at random, under their ids."""
    texts: dict[str, str] = {}
    for i in np.random.default_rng(seed).permutation(len(passages)):
        if len(texts) == number:
            break
        if text := shortened(search_text(passages[i]), _PASSAGE):
            texts[passages[i].id] = text
    return texts


def _first_of_each(questions: Mapping[str, str]) -> dict[str, str]:
    """Return the questions but those that an earlier passage has already."""
    first: dict[str, str] = {}
    for id_, question in questions.items():
        first.setdefault(question.casefold(), id_)
    return {id_: questions[id_] for id_ in first.values()}


def _round_trip(index: _Index, questions: Mapping[str, str], depth: int) -> dict[str, str]:
    """Return the questions whose passages a search for them finds."""
    confirmed: dict[str, str] = {}
    for batch in chunked(questions.items(), _BATCH):
        found = index.search([question for _, question in batch], depth)
        confirmed |= {
            id_: question
            for (id_, question), hits in zip(batch, found, strict=True)
            if id_ in {hit.passage.id for hit in hits}
        }
    return confirmed
