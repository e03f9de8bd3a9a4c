"""Contextual passages: a sentence that says where in its document a passage stands, for search."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..arguments import check_count, check_seed
from ..errors import InvalidInputError
from ..passages import Passage, unique_passages
from .answer_cache import AnswerCache
from .models import LanguageModel
from .parsing import parse_text
from .writing import check_cached, shortened, write_answers

__all__ = ["CONTEXTUAL", "CONTEXT_INSTRUCTION", "ContextualPassages", "contextual"]

logger = logging.getLogger(__name__)

CONTEXT_INSTRUCTION = (
    "Write one short sentence that places the passage within the document, so that a search finds "
    "it: name what it is about where the passage itself does not. Write the sentence alone, in the "
    "language of the passage."
)
"""What a prompt ends with, unless another is given."""

CONTEXTUAL = "{context}\n{text}"
"""The `search_text` of an index of contextual passages: the context stands before the text."""

_FIELD = "context"
_CONTEXT = 500  # characters of a sentence; more is no sentence


@dataclass(frozen=True, slots=True)
class ContextualPassages(Sequence[Passage]):
    """Passages with their context in the metadata, under ``"context"``.

    Args:
        passages: in the order they were given.
        failed: the ids of those that have none, because the model failed or wrote nothing.
    """

    passages: tuple[Passage, ...]
    failed: tuple[str, ...] = ()

    def __getitem__(self, position: Any) -> Any:
        return self.passages[position]

    def __len__(self) -> int:
        return len(self.passages)


def contextual(
    passages: Iterable[Passage],
    model: Any,
    *,
    document: str | Callable[[Passage], str] | Mapping[str, str] = "source",
    window: int = 8000,
    instruction: str = CONTEXT_INSTRUCTION,
    cache: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> ContextualPassages:
    r"""Return passages with a sentence of context, that a language model writes for each.

    The model reads the passage's document, or as much of it as fits around the passage. Anthropic,
    *Introducing Contextual Retrieval*, 2024. Index the passages with ``search_text=CONTEXTUAL``:
    the context is searched, and the text that is returned stays as it is.

    Args:
        passages: of documents.
        model: anything that `LanguageModel.of` takes.
        document: the metadata field that names a passage's document, whose text is that of all its
            passages in their order; or a function from a passage to its document's text; or a
            mapping, from a passage's id to that text. Without a document, the passage is read
            alone.
        window: characters of the document in a prompt.
        instruction: the task, in words.
        cache: a folder for the answers. The next run of the same model and prompts takes them from
            there: so an interrupted run goes on, and passages that failed are tried again.
        seed: with the model's name the key of the cache.
        progress: show a bar on standard error; None shows it on a terminal.

    Raises:
        InvalidInputError: an argument is not valid, or the model returns something that is no text.
        HybridgeError: the model raised an error for every passage, or for 20 in a row.
        ModelCacheError: the cache cannot be written.

    >>> from hybridge import BM25Retriever
    >>> passages = [Passage("1", "It thins the blood.", {"source": "aspirin.txt"})]
    >>> made = contextual(passages, lambda prompt: "About aspirin.")
    >>> bm25 = BM25Retriever(made, search_text=CONTEXTUAL)
    >>> [[hit]] = bm25.search(["aspirin"])
    >>> hit.passage.text, hit.passage.metadata["context"]
    ('It thins the blood.', 'About aspirin.')
    """
    listed = list(unique_passages(passages))
    check_count(window, "window")
    check_seed(seed)
    if not isinstance(instruction, str) or not instruction.strip():
        raise InvalidInputError(f"instruction must be a text, not {instruction!r}")
    writer = LanguageModel.of(model)
    check_cached(writer, cache)
    around = _around(listed, document, window)
    prompts = {
        passage.id: _prompt(around[passage.id], passage.text, instruction.strip())
        for passage in listed
        if passage.text.strip()
    }
    with AnswerCache(cache, writer.name or "", seed) as answers:
        write_answers(writer, prompts.values(), answers, "Placing", progress)
        written = {id_: _sentence(answers.get(prompt)) for id_, prompt in prompts.items()}
    failed = tuple(id_ for id_, context in written.items() if not context)
    if failed:
        logger.warning(
            "%d of %d passages have no context: the language model failed or wrote nothing",
            len(failed),
            len(prompts),
        )
    return ContextualPassages(
        tuple(_with_context(passage, written.get(passage.id, "")) for passage in listed), failed
    )


def _around(
    passages: Sequence[Passage],
    document: str | Callable[[Passage], str] | Mapping[str, str],
    window: int,
) -> dict[str, str]:
    """Return the text of each passage's document, or a window of it around the passage."""
    if callable(document):
        return {one.id: _window(document(one), one.text, window) for one in passages}
    if isinstance(document, Mapping):
        return {one.id: _window(document.get(one.id, ""), one.text, window) for one in passages}
    if not isinstance(document, str) or not document:
        raise InvalidInputError(
            "document must be a metadata field, a function from a passage to a text, or a mapping "
            f"from ids to texts, not {document!r:.80}"
        )
    parts: dict[Any, list[str]] = {}
    for one in passages:
        if (name := one.metadata.get(document)) is not None:
            parts.setdefault(str(name), []).append(one.text)
    whole = {name: "\n".join(texts) for name, texts in parts.items()}
    return {
        one.id: _window(whole.get(str(one.metadata.get(document)), ""), one.text, window)
        for one in passages
    }


def _window(document: str, text: str, size: int) -> str:
    """Return the part of a document, of at most so many characters, with the passage in its middle.

    >>> _window("aaaa bbbb cccc dddd", "cccc", 9)
    'b cccc dd'
    """
    if not isinstance(document, str):
        raise InvalidInputError(f"a document must be a text, not {document!r:.80}")
    if len(document) <= size:
        return document
    middle = max(document.find(text), 0) + len(text) // 2
    start = min(max(middle - size // 2, 0), len(document) - size)
    return document[start : start + size]


def _prompt(document: str, text: str, instruction: str) -> str:
    before = f"<document>\n{document}\n</document>\n\n" if document.strip() else ""
    return f"{before}<passage>\n{text}\n</passage>\n\n{instruction}"


def _sentence(answer: str | None) -> str:
    lines = parse_text(answer or "")
    return shortened(lines[0], _CONTEXT) if lines else ""


def _with_context(passage: Passage, context: str) -> Passage:
    if not context:
        return passage
    return Passage(passage.id, passage.text, {**passage.metadata, _FIELD: context})
