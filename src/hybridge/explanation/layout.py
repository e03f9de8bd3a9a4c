"""The report of each part of an explanation: one function for each class of part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from ..report import Block, Heat, Section, Styled, Table, highlighted, number
from .model import (
    BlendPart,
    BM25Part,
    BoostPart,
    Explanation,
    FusionPart,
    MaxSimPart,
    RerankPart,
    ScorePart,
    SearchExplanation,
    TermPart,
)
from .renderable import report, sections

__all__ = ["strongest", "verdict"]

_PAIRS = 5


def verdict(explanation: Explanation) -> str:
    """Sum an explanation up in a sentence."""
    if explanation.rank is not None:
        return f"rank {explanation.rank}, score {number(explanation.score)}"
    return f"not found: {explanation.missed}"


def strongest(part: MaxSimPart, count: int = _PAIRS) -> list[tuple[str, str, float]]:
    """Return the query tokens that add most, each with its passage token and their similarity."""
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
            f"synonym of {term.words[0]}" if term.is_synonym else ", ".join(term.words),
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
    table = [Table(columns, rows, bars=True)] if rows else []
    title = f"BM25 {number(part.score)}, {_rank(part.rank)}"
    return [Section(title, [*table, *_unmatched(part.terms)])]


@sections.register
def _(part: ScorePart) -> list[Section]:
    missed = f"not among the first {part.depth:,}" if part.depth else "excluded"
    rank = _rank(part.rank) if part.rank is not None else missed
    title = f"{part.stage}: {part.unit} {number(part.score)}, {rank}"
    if not part.contributions:
        return [Section(title)]
    rows = [(name, number(each)) for name, each in part.contributions.items()]
    return [Section(title, [Table(("term", "part"), rows, bars=True)])]


@sections.register
def _(part: FusionPart) -> list[Section]:
    ranked = any(stage.rank is not None for stage in part.stages)
    rows = [
        (
            stage.stage,
            *(["–" if stage.rank is None else str(stage.rank)] if ranked else []),
            number(stage.score),
            number(stage.normalised),
            number(stage.weight, 2),
            number(stage.part),
        )
        for stage in part.stages
    ]
    if part.score is None:
        title = f"{part.method} fusion: no candidate, of {part.candidates}"
    else:
        of = f"{_rank(part.rank)} of {part.candidates}"
        title = f"{part.method} fusion {number(part.score)}, {of}"
    notes = [] if part.exact or part.score is None else [_note("This fusion is no sum of parts.")]
    columns = ("stage", *(["rank"] if ranked else []), "score", "normalised", "weight", "part")
    return [Section(title, [Table(columns, rows), *notes])]


@sections.register
def _(part: MaxSimPart) -> list[Section]:
    pairs = [(query, passage, number(value)) for query, passage, value in strongest(part)]
    table = Table(("query", "passage", "similarity"), pairs)
    heat = Heat(part.query_tokens, part.passage_tokens, part.matrix.tolist(), table)
    rows, columns = part.matrix.shape
    title = f"{part.stage} {number(part.score)}, {_rank(part.rank)}"
    note = f"The best matches of {rows} query tokens among {columns} of the passage sum to it."
    return [Section(title, [heat, _note(note)])]


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
    rows = [
        (name, number(score), number(z), number(share, 2), number(share * z))
        for (name, share), score, z in zip(shares, scores, normalised, strict=True)
    ]
    title = f"{part.stage} blended: {number(part.after)}, {ranks}"
    return [Section(title, [Table(("score of", "score", "normalised", "share", "part"), rows)])]


@sections.register
def _(part: RerankPart) -> list[Section]:
    blended: list[Section] = sections.dispatch(BlendPart)(part)
    return blended if part.max_sim is None else [*sections(part.max_sim), *blended]


@sections.register
def _(part: BoostPart) -> list[Section]:
    parts = {"normalised score": part.normalised, **part.boosts}
    rows = [(name, number(value)) for name, value in parts.items()]
    ranks = f"rank {part.rank_before} → {part.rank_after} of {part.candidates}"
    title = f"{part.stage}: {number(part.after)}, {ranks}"
    return [Section(title, [Table(("part", "value"), rows)])]


@sections.register
def _(part: Explanation) -> list[Section]:
    found = [section for one in _parts(part) for section in sections(one)]
    for name, member in part.members.items():
        found.append(Section(f"{name}: {verdict(member)}", _reading(member)))
        if any(_parts(member)) or len(member.trace) > 1:
            found += [replace(each, title=f"{name}: {each.title}") for each in sections(member)]
    if found or not part.trace:
        return found
    rows = [(entry.stage, str(entry.rank), number(entry.score)) for entry in part.trace]
    return [Section("Rank and score by stage", [Table(("stage", "rank", "score"), rows)])]


@sections.register
def _(part: SearchExplanation) -> list[Section]:
    stages = list(dict.fromkeys(entry.stage for hit in part.hits for entry in hit.trace))
    rows = []
    for rank, hit in enumerate(part.hits, start=1):
        entries = (hit.stage(stage) for stage in stages)
        cells = (
            "–" if entry is None else f"#{entry.rank} {number(entry.score)}" for entry in entries
        )
        rows.append((str(rank), hit.passage.id, *cells))
    title = f"{len(part.hits)} answers of {len(part.candidates)} candidates"
    return [Section(title, [Table(("rank", "passage", *stages), rows)])]


@report.register
def _(part: Explanation) -> Section:
    bm25 = part.bm25
    read, spans = (part.passage.text, ()) if bm25 is None else (bm25.text, bm25.spans)
    text = Section(body=[highlighted(read, spans)], html_only=True)
    answer = (Styled(part.passage.id, "strong"), f": {verdict(part)}")
    return Section(body=[part.query, *_reading(part), answer, text, *sections(part)], brief=True)


@report.register
def _(part: SearchExplanation) -> Section:
    answers = [
        Section(f"{rank}. {one.passage.id}", report(one).body, html_only=True)
        for rank, one in enumerate(part.explanations, start=1)
    ]
    query = Styled(part.query, "strong")
    body: list[Block] = [query, *_reading(part), *sections(part), *answers]
    return Section(body=body, brief=True)


def _parts(part: Explanation) -> Iterator[object]:
    """Iterate over the parts that an explanation has, in the order of the search."""
    yield from part.stages.values()
    if part.fusion is not None:
        yield part.fusion
    blends = {blend.stage: blend for blend in part.blends}
    for name, late in part.late.items():
        yield late
        if name in blends:
            yield blends.pop(name)
    yield from blends.values()
    yield from part.rerankers
    yield from part.boosts


def _reading(part: Explanation | SearchExplanation) -> list[Styled]:
    """Say how the query was read, where that is not as it was asked."""
    read_as = [] if part.read_as is None else [_note(f"read as: {part.read_as}")]
    conditions = [_note(f"conditions: {', '.join(part.conditions)}")] if part.conditions else []
    return [*read_as, *conditions]


def _rank(rank: int | None) -> str:
    return "no rank" if rank is None else f"rank {rank}"


def _note(text: str) -> Styled:
    return Styled(text, "dim")


def _words(term: TermPart) -> str:
    words = ", ".join(term.words)
    return f"{term.term}, for {words}" if term.is_synonym else words


def _unmatched(terms: Iterable[TermPart]) -> list[Styled]:
    """List the terms that add nothing, a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for term in terms:
        if not term.in_passage:
            reasons.setdefault(term.note, []).append(_words(term))
    return [_note(f"{reason}: {', '.join(words)}") for reason, words in reasons.items()]
