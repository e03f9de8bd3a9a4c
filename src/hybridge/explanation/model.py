"""The data classes of an explanation: each stage's numbers for one passage, and their sums."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..passages import Hit, Passage, StageScore
from ..spelling import corrected_query
from .renderable import RenderablePart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "BM25Part",
    "BlendPart",
    "BoostPart",
    "Explanation",
    "FusionPart",
    "MaxSimPart",
    "RerankPart",
    "ScorePart",
    "SearchExplanation",
    "StagePart",
    "TermPart",
]


@dataclass(frozen=True, slots=True)
class TermPart:
    """The part of a BM25 score that one term of the query adds.

    Args:
        term: as the analyzer returns it.
        words: the words of the query that became it, as they are written there; or, of a synonym,
            those that it stands for.
        in_query: how often the query has it.
        in_passage: how often the passage has it.
        passages_with: how many passages have it.
        idf: its inverse document frequency, as the variant of BM25 defines it.
        part: its share of the score.
        note: why the part is 0, where the term is no match: ``"not in the passage"``, ``"not in
            the corpus"``, ``"stop word"``, ``"question word"``, or ``"no term"`` for what the
            analyzer leaves out otherwise.
        is_synonym: whether the query has other words, of which this is a synonym.
    """

    term: str
    words: tuple[str, ...]
    in_query: int
    in_passage: int
    passages_with: int
    idf: float
    part: float
    note: str = ""
    is_synonym: bool = False


@dataclass(frozen=True, slots=True)
class BM25Part(RenderablePart):
    """A passage's BM25 score, term by term: the terms' parts and the constant sum to the score.

    Args:
        score: the exact score, whether or not the passage was found.
        rank: from 1, among the passages that pass the filter; None if it is far down.
        terms: every term of the query, in its order, stop words included.
        constant: what every passage has for the query, in the variants bm25l and bm25+; else 0.
        spans: start and end of each matching word in `text`.
        text: what BM25 searches of the passage: its text, or what `search_text` makes of it.
    """

    score: float
    rank: int | None
    terms: tuple[TermPart, ...]
    constant: float = 0.0
    spans: tuple[tuple[int, int], ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class ScorePart(RenderablePart):
    """A passage's score by one stage.

    Args:
        stage: its name in traces.
        score: the exact score, whether or not the passage was found.
        rank: from 1, among the passages that pass the filter; None if not in the first `depth`.
        depth: how deep the rank was sought; 0 if the filter or the query excludes the passage.
        unit: of the score: ``"cosine"``, ``"dot"``, or ``"score"``.
        contributions: what the score is a sum of, by name, the largest first; None where the stage
            does not take its scores apart.
    """

    stage: str
    score: float
    rank: int | None
    depth: int
    unit: str = "score"
    contributions: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class StagePart:
    """The part of a fused score that one stage adds.

    Args:
        stage: its name in traces.
        score: its own score; None if it did not score the passage.
        normalised: the score after normalisation; None where the fusion is no sum of parts.
        weight: its share of the weights; those of all the stages sum to 1.
        part: its share of the fused score; None where the fusion is no sum of parts.
        rank: of the passage in the list of a member of a `FusedRetriever`, from 1; None if it is
            not in it, and for the stages of an index, which have their own parts.
    """

    stage: str
    score: float | None
    normalised: float | None
    weight: float
    part: float | None
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class FusionPart(RenderablePart):
    """A fused score, stage by stage: the stages' parts sum to the score.

    Args:
        method: the fusion's name.
        stages: those that took part, in their order.
        score: None if the passage is no candidate.
        rank: among the candidates, from 1; None if it is not one of them.
        candidates: how many there are.
        exact: whether the parts are known, and sum to the score.
    """

    method: str
    stages: tuple[StagePart, ...]
    score: float | None
    rank: int | None
    candidates: int
    exact: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class MaxSimPart(RenderablePart):
    """Late interaction, token by token: the greatest of each row sum to the score.

    Args:
        stage: its name in traces.
        query_tokens: one a row of the matrix.
        passage_tokens: one a column. Where the index keeps fewer vectors than there are tokens,
            one stands for several, and they are joined by ``+``.
        matrix: shape (query tokens, passage tokens): their similarities, as they were compared.
        score: the sum of the rows' greatest values, as the stage gave it.
        rank: of the passage among the candidates by this score, from 1; None if it is not one of
            them.
    """

    stage: str
    query_tokens: tuple[str, ...]
    passage_tokens: tuple[str, ...]
    matrix: NDArray[np.float64]
    score: float
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class BlendPart(RenderablePart):
    """A stage's score blended with the previous one.

    ``after = blend * score_normalised + (1 - blend) * before_normalised``; each side is in
    standard deviations from its mean over the candidates. With a blend of 1, `after` is the
    stage's own score.

    Args:
        stage: its name in traces.
        score: its own score, in its own unit; None if it dropped or never saw the passage.
        rank: of the passage by that score, from 1.
        before: the previous score.
        rank_before: of the passage by that score.
        blend: the stage's share, from 0 to 1.
        before_normalised: None where the blend is 1.
        score_normalised: None where the blend is 1.
        after: the score that leaves the stage.
        rank_after: of the passage by that score.
        candidates: the number of passages that the stage scored.
    """

    stage: str
    score: float | None
    rank: int | None
    before: float | None
    rank_before: int | None
    blend: float
    before_normalised: float | None
    score_normalised: float | None
    after: float | None
    rank_after: int | None
    candidates: int


@dataclass(frozen=True, slots=True, eq=False)
class RerankPart(BlendPart):
    """The effect of a reranker of a `Pipeline` on a passage.

    Args:
        max_sim: the score token by token, where the reranker compares tokens.
    """

    max_sim: MaxSimPart | None = None


@dataclass(frozen=True, slots=True)
class BoostPart(RenderablePart):
    """The boosts of a passage: with the normalised score before them, they sum to its score.

    Args:
        stage: the name of the boosts in traces.
        before: the score before them.
        rank_before: of the passage by that score, from 1.
        normalised: the same in standard deviations from the mean of the candidates.
        boosts: what each boost adds, by name.
        after: the boosted score.
        rank_after: of the passage by that score.
        candidates: how many were boosted.
    """

    stage: str
    before: float
    rank_before: int
    normalised: float
    boosts: Mapping[str, float]
    after: float
    rank_after: int
    candidates: int


@dataclass(frozen=True, slots=True, eq=False)
class Explanation(RenderablePart):
    """The explanation of a passage's rank for a query, or of why it is not found.

    Args:
        query: the question.
        passage: the passage.
        rank: in the final list, from 1; None if it is not among the first `k`.
        score: its score there; None without a rank.
        stages: its score by each stage that finds candidates, by name: a `BM25Part`, or a
            `ScorePart`.
        fusion: of these scores; None where nothing was fused.
        late: its tokens against the query's, by each late-interaction stage of an index.
        blends: how each of these scores was blended with the one before.
        rerankers: the effect of each reranker, in order.
        boosts: the effect of boosts, where there are any.
        members: each member's own explanation, by name, where a `FusedRetriever` was searched.
        missed: why it is not found, in one sentence; None where it is.
        trace: rank and score in each stage of the search, as in a `Hit`; empty if none ranked it.
        read_as: the query with its spelling corrected, and its operators; None where nothing was.
        conditions: what the query asks of a passage's text, as in ``+must`` and ``-not``; see
            `hybridge.query_syntax`.
    """

    query: str
    passage: Passage
    rank: int | None
    score: float | None
    stages: Mapping[str, BM25Part | ScorePart] = field(default_factory=dict)
    fusion: FusionPart | None = None
    late: Mapping[str, MaxSimPart] = field(default_factory=dict)
    blends: tuple[BlendPart, ...] = ()
    rerankers: tuple[RerankPart, ...] = ()
    boosts: tuple[BoostPart, ...] = ()
    members: Mapping[str, Explanation] = field(default_factory=dict)
    missed: str | None = None
    trace: tuple[StageScore, ...] = ()
    read_as: str | None = None
    conditions: tuple[str, ...] = ()

    @property
    def bm25(self) -> BM25Part | None:
        """The score by the first BM25 stage, term by term."""
        return next((part for part in self.stages.values() if isinstance(part, BM25Part)), None)

    @property
    def dense(self) -> ScorePart | None:
        """The similarity by the first dense stage."""
        parts = (part for part in self.stages.values() if isinstance(part, ScorePart))
        return next((part for part in parts if part.unit in ("cosine", "dot")), None)

    @property
    def late_interaction(self) -> MaxSimPart | None:
        """The tokens against the query's by the first late-interaction stage."""
        return next(iter(self.late.values()), None)

    @property
    def late_blend(self) -> BlendPart | None:
        """How the first late-interaction stage's score was blended."""
        return self.blends[0] if self.blends else None


@dataclass(frozen=True, slots=True, eq=False)
class SearchExplanation(RenderablePart):
    """A query's answers and each one's explanation.

    Args:
        query: the question.
        hits: the answers, best first.
        candidates: all that the search considered, best first, each with its trace.
        explanations: one an answer, in their order.
    """

    query: str
    hits: Sequence[Hit]
    candidates: Sequence[Hit]
    explanations: Sequence[Explanation] = field(default=())

    @property
    def read_as(self) -> str | None:
        """The query as stages read it, where its spelling was corrected; else None."""
        return corrected_query(self.candidates)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What the query asks of a passage's text, where there are answers."""
        return self.explanations[0].conditions if self.explanations else ()
