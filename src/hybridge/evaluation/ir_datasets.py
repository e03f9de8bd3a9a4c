"""Judged collections by name, through the package ir_datasets."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from ..errors import CollectionNotFoundError, InvalidInputError, needs_extra
from ..passages import Passage
from .collection import Collection

__all__ = ["load_ir_dataset"]

_PARTS = ("docs", "queries", "qrels")


def load_ir_dataset(name: str) -> Collection:
    """Load a collection of `ir_datasets`, such as "beir/nfcorpus/test" or "vaswani".

    Missing files are downloaded to the folder of ir_datasets, the judgements first, so that
    without a network nothing else is tried. A passage's text is its default text in ir_datasets,
    for most collections the title and the body. Only judged queries are kept; a negative relevance
    becomes 0. All passages are held in memory.

    Args:
        name: its name at https://ir-datasets.com.

    Raises:
        InvalidInputError: an unknown name, or a collection without passages, queries or
            judgements; the message gives near names.
        CollectionNotFoundError: its files are not on disk and cannot be downloaded.
        MissingExtraError: the extra `collections` is not installed.
    """
    with needs_extra("collections"):
        import ir_datasets
    names = list(ir_datasets.registry)
    try:
        dataset = ir_datasets.load(name)
    except (KeyError, TypeError):  # the second for a name that is no string
        near = get_close_matches(str(name), names, n=3)
        raise InvalidInputError(
            f"ir_datasets knows no collection {name!r}"
            + (f": did you mean {' or '.join(near)}?" if near else "; see https://ir-datasets.com")
        ) from None
    if missing := [part for part in _PARTS if not dataset.has(part)]:
        inside = [other for other in names if other.startswith(f"{name}/")]
        whole = [other for other in inside if all(map(ir_datasets.load(other).has, _PARTS))]
        raise InvalidInputError(
            f"{name!r} has no {' and no '.join(missing)}"
            + (f": take one of its parts, such as {', '.join(whole[:3])}" if whole else "")
        )
    for part, needed in (("docs", "default_text"), ("queries", "default_text")):
        if not hasattr(getattr(dataset, f"{part}_cls")(), needed):
            raise InvalidInputError(f"{name!r} has {part} that are not text")
    try:
        return _read(name, dataset)
    except (OSError, RuntimeError) as error:
        raise CollectionNotFoundError(
            f"{name!r} is not on disk and could not be downloaded ({error}): check the network, "
            f"or put its files where https://ir-datasets.com/{name.split('/')[0]} says"
        ) from error


def _read(name: str, dataset: Any) -> Collection:
    qrels: dict[str, dict[str, int]] = {}
    for judgement in dataset.qrels_iter():
        judged = qrels.setdefault(judgement.query_id, {})
        # Judged for several aspects, a passage is as relevant as for the best of them.
        before = judged.get(judgement.doc_id, 0)
        judged[judgement.doc_id] = max(before, int(judgement.relevance))
    queries = {
        query.query_id: query.default_text()
        for query in dataset.queries_iter()
        if query.query_id in qrels
    }
    if unknown := sorted(qrels.keys() - queries.keys()):
        raise InvalidInputError(
            f"{name!r} judges {len(unknown)} queries that it does not have "
            f"(the first: {unknown[0]!r})"
        )
    passages = [Passage(doc.doc_id, doc.default_text().strip()) for doc in dataset.docs_iter()]
    return Collection(passages, queries, qrels)
