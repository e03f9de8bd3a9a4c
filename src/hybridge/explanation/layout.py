"""What is shown of each part of an explanation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from .parts import (
    BlendPart,
    BM25Part,
    Explanation,
    FusionPart,
    MaxSimPart,
    RerankPart,
    ScorePart,
    SearchExplanation,
    TermPart,
)
from .section import Head, Section, head, sections

__all__ = ["number", "strongest", "verdict"]

_PAIRS = 5


def number(value: float | None, digits: int = 3) -> str:
    """A number as people read it.

    >>> number(1.23456), number(None)
    ('1.235', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}"


def verdict(explanation: Explanation) -> str:
    """An explanation in a sentence."""
    if explanation.rank is not None:
        return f"rank {explanation.rank}, score {number(explanation.score)}"
    return f"not found: {explanation.missed}"


def strongest(part: MaxSimPart, count: int = _PAIRS) -> list[tuple[str, str, float]]:
    """The query's tokens that count most, what each met in the passage, and how near it is."""
    best = part.matrix.max(axis=1)
    rows = np.argsort(-best, kind="stable")[:count].tolist()
    columns = part.matrix.argmax(axis=1)
    return [
        (part.query_tokens[row], part.passage_tokens[columns[row]], float(best[row]))
        for row in rows
    ]


@sections.register
def _(part: BM25Part) -> list[Section]:
    matched = [term for term in part.terms if term.in_passage]
    rows = [
        (
            term.term,
            ", ".join(term.words),
            str(term.in_query),
            str(term.in_passage),
            str(term.passages_with),
            number(term.idf, 2),
            number(term.part),
        )
        for term in sorted(matched, key=lambda term: -term.part)
    ]
    if part.constant:
        rows.append(("(every passage)", "", "", "", "", "", number(part.constant)))
    columns = ("term", "words", "in query", "in passage", "passages with", "idf", "part")
    return [
        Section(
            f"BM25 {number(part.score)}, {_rank(part.rank)}",
            columns if rows else (),
            tuple(rows),
            tuple(_idle(part.terms)),
            bars=True,
        )
    ]


@sections.register
def _(part: ScorePart) -> list[Section]:
    sought = f"not among the first {part.depth:,}"
    rank = _rank(part.rank) if part.rank is not None else sought
    title = f"{part.stage}: {part.unit} {number(part.score)}, {rank}"
    if not part.contributions:
        return [Section(title)]
    rows = tuple((name, number(each)) for name, each in part.contributions.items())
    return [Section(title, ("term", "part"), rows, bars=True)]


@sections.register
def _(part: FusionPart) -> list[Section]:
    ranked = any(stage.rank is not None for stage in part.stages)
    rows = tuple(
        (
            stage.stage,
            *(["–" if stage.rank is None else str(stage.rank)] if ranked else []),
            number(stage.score),
            number(stage.normalised),
            number(stage.weight, 2),
            number(stage.part),
        )
        for stage in part.stages
    )
    if part.score is None:
        title = f"{part.method} fusion: no candidate, of {part.candidates}"
    else:
        of = f"{_rank(part.rank)} of {part.candidates}"
        title = f"{part.method} fusion {number(part.score)}, {of}"
    notes = () if part.exact or part.score is None else ("This fusion is no sum of parts.",)
    columns = ("stage", *(["rank"] if ranked else []), "score", "normalised", "weight", "part")
    return [Section(title, columns, rows, notes)]


@sections.register
def _(part: MaxSimPart) -> list[Section]:
    pairs = tuple((query, passage, number(value)) for query, passage, value in strongest(part))
    rows, columns = part.matrix.shape
    title = f"{part.stage} {number(part.score)}, {_rank(part.rank)}"
    note = f"The best matches of {rows} query tokens among {columns} of the passage sum to it."
    return [Section(title, ("query", "passage", "similarity"), pairs, (note,), heat=part)]


@sections.register
def _(part: BlendPart) -> list[Section]:
    ranks = f"rank {part.rank_before or '–'} → {part.rank_after or '–'} of {part.candidates}"
    if part.rank_before is None:
        would = "" if part.score is None else f"; it would have scored {number(part.score)}"
        return [Section(f"{part.stage}: it never saw the passage{would}")]
    if part.after is None:
        return [Section(f"{part.stage} dropped it, with {number(part.score)}")]
    if part.before_normalised is None or part.score_normalised is None:
        title = f"{part.stage}: {number(part.after)}, its own score alone, {ranks}"
        return [Section(title)]
    shares = (("before", 1 - part.blend), (part.stage, part.blend))
    scores = (part.before, part.score)
    normalised = (part.before_normalised, part.score_normalised)
    rows = tuple(
        (name, number(score), number(z), number(share, 2), number(share * z))
        for (name, share), score, z in zip(shares, scores, normalised, strict=True)
    )
    title = f"{part.stage} blended: {number(part.after)}, {ranks}"
    return [Section(title, ("score of", "score", "normalised", "share", "part"), rows)]


@sections.register
def _(part: RerankPart) -> list[Section]:
    blended = sections.dispatch(BlendPart)(part)
    return blended if part.max_sim is None else [*sections(part.max_sim), *blended]


@sections.register
def _(part: Explanation) -> list[Section]:
    late = {blend.stage: blend for blend in part.blends}
    parts = (
        *part.stages.values(),
        part.fusion,
        *(one for name, each in part.late.items() for one in (each, late.pop(name, None))),
        *late.values(),
        *part.rerankers,
    )
    found = [section for one in parts if one is not None for section in sections(one)]
    for name, member in part.members.items():
        found.append(Section(f"{name}: {verdict(member)}"))
        if not _is_bare(member):
            found += [replace(each, title=f"{name}: {each.title}") for each in sections(member)]
    if found:
        return found
    rows = tuple((entry.stage, str(entry.rank), number(entry.score)) for entry in part.trace)
    return [Section("What each stage said", ("stage", "rank", "score"), rows)] if rows else []


@sections.register
def _(part: SearchExplanation) -> list[Section]:
    stages = list(dict.fromkeys(entry.stage for hit in part.hits for entry in hit.trace))
    rows = []
    for rank, hit in enumerate(part.hits, start=1):
        entries = (hit.stage(stage) for stage in stages)
        said = (
            "–" if entry is None else f"#{entry.rank} {number(entry.score)}" for entry in entries
        )
        rows.append((str(rank), hit.passage.id, *said))
    title = f"{len(part.hits)} answers of {len(part.candidates)} candidates"
    return [Section(title, ("rank", "passage", *stages), tuple(rows))]


@head.register
def _(part: Explanation) -> Head:
    spans = () if part.bm25 is None else part.bm25.spans
    return Head(part.query, part.passage, verdict(part), spans)


@head.register
def _(part: SearchExplanation) -> Head:
    answers = tuple((one.passage.id, one) for one in part.explanations)
    return Head(part.query, answers=answers)


def _is_bare(explanation: Explanation) -> bool:
    """Whether no more is known of a passage than its rank and score."""
    parts = (*explanation.stages.values(), explanation.fusion, *explanation.late.values())
    return not any((*parts, *explanation.rerankers)) and len(explanation.trace) < 2


def _rank(rank: int | None) -> str:
    return "no rank" if rank is None else f"rank {rank}"


def _idle(terms: Iterable[TermPart]) -> list[str]:
    """What adds nothing, a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for term in terms:
        if not term.in_passage:
            reasons.setdefault(term.note, []).append(", ".join(term.words))
    return [f"{reason}: {', '.join(words)}" for reason, words in reasons.items()]
