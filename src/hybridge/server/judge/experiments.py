"""What judged questions are for: evaluate, tune and adapt as jobs, and their results for a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...adaptation import TrainingSettings, adapt
from ...errors import InvalidInputError, MissingExtraError
from ...evaluation import Collection, Evaluation, evaluate
from ...evaluation.significance import SIGNIFICANT
from ...fusion import get_fusion
from ...judging.pooling import pooled_retrievers
from ...passages import Hit
from ...pipeline import Pipeline
from ...plots import Picture, comparison, tuning_curve
from ...protocols import Retriever, Where
from ...report import Section, Styled, Table, number
from ...tuning import Tuning, tune
from ..jobs import Report
from ..options import Options
from ..service import Service

__all__ = [
    "DEPTH",
    "MEASURES",
    "Drawn",
    "Outcome",
    "can_adapt",
    "run_adapt",
    "run_evaluate",
    "run_tune",
]

DEPTH = 10
"""Passages of each list that are pooled and measured: deeper ones have no grades."""

MEASURES = ("nDCG@10", "RR@10", "R@10", "P@5", "Success@5")
"""The measures to choose from, none of them deeper than `DEPTH`."""

_BASELINE = "hybrid"
_FOLDS = 5
_PICTURES = 2
_ENOUGH = 0.9  # of the passages of a list with a grade, for a verdict without a caveat


@dataclass(frozen=True)
class Drawn:
    """A picture of an outcome.

    Args:
        alt: the alternative text.
        width: in CSS pixels.
        height: the same.
        content: SVG.
    """

    alt: str
    width: int
    height: int
    content: bytes

    @classmethod
    def of(cls, picture: Picture) -> Drawn:
        """Draw a picture."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / "picture.svg"
            picture.save(file)
            content = file.read_bytes()
        width, height = picture.figure.get_size_inches() * 100
        return cls(picture.alt, round(width), round(height), content)


@dataclass(frozen=True)
class Outcome:
    """The result of an experiment.

    Args:
        verdict: what follows, in a sentence or two.
        sections: tables and findings.
        pictures: those that were drawn.
        setting: the options that were chosen; None for none.
        code: that makes the chosen setting; empty for none.
    """

    verdict: str
    sections: Sequence[Section]
    pictures: Sequence[Drawn] = field(default=())
    setting: Options | None = None
    code: str = ""


def can_adapt() -> bool:
    """Return whether the extra `adapt` is installed."""
    return all(find_spec(package) is not None for package in ("accelerate", "datasets", "torch"))


def run_evaluate(service: Service, collection: Collection, measure: str, report: Report) -> Outcome:
    """Compare each stage, the search of all stages, and that search with each reranker.

    Args:
        service: the index and the rerankers.
        collection: judged questions.
        measure: by which to compare; one of `MEASURES`.
        report: of the job.
    """
    systems = pooled_retrievers(service.index, DEPTH, service.rerankers)
    total = len(collection.qrels)
    counted = {name: _Counted(each) for name, each in systems.items()}
    counted[_BASELINE].progress = lambda done: report("Searching", min(done, total), total)
    measures = [measure, *(each for each in ("nDCG@10", "R@10", "RR@10") if each != measure)]
    evaluation = evaluate(
        counted,
        collection.queries,
        collection.qrels,
        measures,
        k=DEPTH,
        baseline=_BASELINE,
        progress=False,
    )
    report("Comparing")
    sections = [evaluation._report()]
    verdict = "One question shows no difference: grade more."
    pictures: list[Drawn] = []
    if total > 1:
        found = evaluation.compare(measure=measure)
        rows = [
            [
                each.retriever,
                f"{each.difference:+.4f}",
                f"{each.interval[0]:+.4f} to {each.interval[1]:+.4f}",
                f"{each.corrected:.4f}",
                f"{each.wins} / {each.ties} / {each.losses}",
            ]
            for each in found
        ]
        heading = ["", "difference", "95 % interval", "p, corrected", "better / equal / worse"]
        title = f"Against {_BASELINE} by {measure}"
        sections.append(Section(title, [Table(heading, rows)]))
        better = [each for each in found if each.corrected < SIGNIFICANT and each.difference > 0]
        worse = [each for each in found if each.corrected < SIGNIFICANT and each.difference < 0]
        verdict = _verdict([e.retriever for e in better], [e.retriever for e in worse], total)
        differing = [each for each in found if each.wins or each.losses]
        ranked = sorted(differing, key=lambda each: -abs(each.difference))[:_PICTURES]
        pictures = _drawn(
            lambda: [comparison(evaluation, each.retriever, measure=measure) for each in ranked]
        )
    shares = _graded_shares(evaluation)
    sections.append(_graded(shares))
    return Outcome(verdict + _caveat(shares), sections, pictures)


def run_tune(
    service: Service,
    collection: Collection,
    measure: str,
    rerankers: Sequence[str],
    report: Report,
) -> Outcome:
    """Find the best setting of the index, with rerankers behind it or without.

    Args:
        service: the index and the rerankers.
        collection: judged questions.
        measure: what is to be maximised; one of `MEASURES`.
        rerankers: the names of those behind the index.
        report: of the job.
    """
    questions = len(collection.qrels)
    if questions < 2:
        raise InvalidInputError("tuning needs two questions with a relevant passage, better 50")
    report(f"Trying settings on {questions} questions")
    searched: Any = service.index
    if unknown := [name for name in rerankers if name not in service.rerankers]:
        raise InvalidInputError(f"there is no reranker {unknown[0]!r}")
    if rerankers:
        searched = Pipeline(searched, *(service.rerankers[name] for name in rerankers))
    folds = min(_FOLDS, questions)
    tuning = tune(
        searched, collection.queries, collection.qrels, measure, folds=folds, progress=False
    )
    pictures = _drawn(lambda: [tuning_curve(tuning)] if tuning.parameters else [])
    settings = {
        "the default": tuning.target.build(tuning.default),
        "the chosen setting": tuning.apply(),
    }
    shares = _graded_shares(
        evaluate(settings, collection.queries, collection.qrels, [measure], k=DEPTH, progress=False)
    )
    return Outcome(
        tuning.verdict + _caveat(shares),
        [tuning._report(), _graded(shares)],
        pictures,
        _options(tuning, rerankers),
        _code(tuning, rerankers),
    )


def run_adapt(
    service: Service,
    collection: Collection,
    measure: str,
    folder: Path,
    minutes: float,
    report: Report,
) -> Outcome:
    """Train the index's dense model on the judged questions, and measure what that is worth.

    Args:
        service: the index.
        collection: judged questions.
        measure: what is to be maximised.
        folder: of the adapted model.
        minutes: of training at most.
        report: of the job.
    """
    report(f"Training for {minutes:g} minutes at most; the model goes to {folder}")
    adaptation = adapt(
        service.index,
        collection.queries,
        collection.qrels,
        folder,
        measure=measure,
        settings=TrainingSettings(minutes=minutes),
        progress=False,
    )
    return Outcome(
        f"{adaptation.verdict} The trained model is in {folder}.", [adaptation._report()]
    )


class _Counted:
    """A retriever that counts its searches."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self._done = -1  # the first search is not timed
        self.progress: Callable[[int], None] = lambda done: None

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        self._done += len(queries)
        self.progress(max(0, self._done))
        return self._retriever.search(queries, k, where=where)

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        return await self._retriever.asearch(queries, k, where=where)


def _drawn(draw: Callable[[], Sequence[Picture]]) -> list[Drawn]:
    """Draw pictures; none where the package that draws them is not installed."""
    try:
        return [Drawn.of(picture) for picture in draw()]
    except MissingExtraError:
        return []


def _verdict(better: Sequence[str], worse: Sequence[str], questions: int) -> str:
    if not better and not worse:
        return (
            f"No difference from {_BASELINE} is more than chance on these {questions} questions. "
            "With more of them smaller differences show."
        )
    parts = [f"better than {_BASELINE}: {', '.join(better)}"] if better else []
    parts += [f"worse than {_BASELINE}: {', '.join(worse)}"] if worse else []
    return f"More than chance on these {questions} questions: {'; '.join(parts)}."


def _graded_shares(evaluation: Evaluation) -> dict[str, float | None]:
    """Return how much of each system's lists has a grade; None where they are empty.

    What has none counts as not relevant, and may be: so much better may a system be than it looks.
    """
    shares: dict[str, float | None] = {}
    for name, lists in evaluation.lists.items():
        found = [(query, passage) for query, some in lists.items() for passage in some]
        graded = sum(passage in evaluation.qrels[query] for query, passage in found)
        shares[name] = graded / len(found) if found else None
    return shares


def _caveat(shares: Mapping[str, float | None]) -> str:
    """Say which system has too few grades for the verdict to count; nothing where all have them."""
    share, name = min((1.0 if share is None else share, name) for name, share in shares.items())
    if share >= _ENOUGH:
        return ""
    return (
        f" But of what {name} finds only {100 * share:.0f} % is graded, and the rest counts as not "
        "relevant: grade it first."
    )


def _graded(shares: Mapping[str, float | None]) -> Section:
    """Build the table of how much of each list has a grade."""
    rows = [
        [name, number(None, 0) if share is None else f"{100 * share:.0f} %"]
        for name, share in shares.items()
    ]
    note = Styled("A passage without a grade counts as not relevant.", "dim")
    return Section(
        f"Passages of the first {DEPTH} that are graded", [Table(["", "graded"], rows), note]
    )


def _options(tuning: Tuning, rerankers: Sequence[str]) -> Options | None:
    """Return the chosen setting as a link of the page has it; None where a link cannot have it."""
    chosen, default = tuning.chosen, tuning.default
    name = chosen.fusion.name
    if get_fusion(name) != chosen.fusion or (chosen.k1, chosen.b) != (default.k1, default.b):
        return None
    if len(set(chosen.rerank_depths)) > 1 or len(set(chosen.rerank_blends)) > 1:
        return None  # each reranker has its own
    values: dict[str, Any] = {"depth": chosen.depth, "fusion": name}
    if chosen.weights is not None:
        values["weights"] = dict(chosen.weights)
    if chosen.blend is not None:
        values["late_interaction_weight"] = chosen.blend
    if chosen.rerank_depths:
        values["rerank"] = tuple(rerankers[: len(chosen.rerank_depths)])
        values["rerank_depth"] = chosen.rerank_depths[0]
        values["blend"] = chosen.rerank_blends[0]
    return Options(**values)


def _code(tuning: Tuning, rerankers: Sequence[str]) -> str:
    """Return the chosen setting as source text, over an open index and rerankers by their names."""
    chosen = tuning.chosen
    options = [f"    fusion={chosen.fusion!r},"]
    imports = ["from hybridge import Pipeline"] if chosen.rerank_depths else []
    imports.append(f"from hybridge.fusion import {type(chosen.fusion).__name__}")
    if chosen.weights is not None:
        options.append(f"    weights={dict(chosen.weights)!r},")
    options.append(f"    depth={chosen.depth},")
    if chosen.blend is not None:
        options.append(f"    blend={chosen.blend!r},")
    if chosen.k1 is not None and chosen.b is not None and tuning.target.bm25 is not None:
        bm25 = replace(tuning.target.bm25, k1=chosen.k1, b=chosen.b)
        imports.append("from hybridge.lexical import BM25Parameters")
        options.append(f"    bm25={bm25!r},")
    lines = [*imports, "", "tuned = index.tuned(", *options, ")"]
    if chosen.rerank_depths:
        names = ", ".join(f"rerankers[{name!r}]" for name in rerankers)
        depths, blends = list(chosen.rerank_depths), list(chosen.rerank_blends)
        lines.append(f"tuned = Pipeline(tuned, {names}, depth={depths!r}, blend={blends!r})")
    return "\n".join(lines)
