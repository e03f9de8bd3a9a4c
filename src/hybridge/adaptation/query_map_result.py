"""The result of fitting a query map: the map, its score on held-out queries, and a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..encoders.mapped import QueryMap, passage_encoder
from ..errors import InvalidInputError
from ..evaluation.significance import SIGNIFICANT, compare
from ..passages import JSON
from ..protocols import Encoder
from ..report import Renderable, Section, Table, number

__all__ = ["FittedQueryMap", "HeldOut"]

_FIGURES = "query_map.json"

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A measure of held-out queries, without a map and with one that has not seen them.

    Args:
        before: query id → value without a map.
        after: query id → value with one.
        interval: the 95 % bootstrap interval of the difference of their means.
        p: how often a difference as large comes about by chance (paired permutation test).
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    interval: tuple[float, float]
    p: float

    @classmethod
    def of(
        cls,
        queries: Sequence[str],
        before: _Floats,
        after: _Floats,
        groups: NDArray[np.int_],
        seed: int,
    ) -> Self:
        """Return the comparison of two lists of values, one a query.

        Groups are resampled and permuted whole, for queries about one passage vary together: C. A.
        Field and A. H. Welsh, *Bootstrapping Clustered Data*, J. R. Statist. Soc. B 69, 2007.

        Args:
            queries: query ids.
            before: without a map.
            after: with one.
            groups: the group of each query, from 0.
            seed: of the resampling.
        """
        count = int(groups.max()) + 1

        def by_group(values: _Floats) -> dict[str, float]:
            # Sums, scaled so that their mean is the mean of the queries.
            sums = np.bincount(groups, values, count) * (count / len(values))
            return {str(group): float(value) for group, value in enumerate(sums)}

        values = {"before": {"": by_group(before)}, "after": {"": by_group(after)}}
        [found] = compare(values, "before", [""], correction=None, seed=seed)
        return cls(
            dict(zip(queries, before.tolist(), strict=True)),
            dict(zip(queries, after.tolist(), strict=True)),
            found.interval,
            found.p,
        )

    @property
    def before_score(self) -> float:
        """The mean of `before`."""
        return fmean(self.before.values())

    @property
    def after_score(self) -> float:
        """The mean of `after`: an estimate of the map's score on unseen queries."""
        return fmean(self.after.values())

    @property
    def difference(self) -> float:
        """`after_score` less `before_score`."""
        return self.after_score - self.before_score

    @property
    def within_noise(self) -> bool:
        """Whether `after` is not significantly better than `before` (p < 0.05)."""
        return self.difference <= 0 or self.p >= SIGNIFICANT


@dataclass(frozen=True, slots=True, repr=False)
class FittedQueryMap(Renderable):
    """The result of `fit_query_map`; printed, a summary with a verdict.

    Args:
        measure: the measure to maximise.
        k: how many passages each search returned.
        folds: the number of folds of the cross-validation.
        groups: the number of groups of queries that share no relevant passage.
        unseen_passages: whether such groups were held out whole.
        stage: the name of the dense stage.
        strength: λ, as chosen on all queries; None where no map is as good as none.
        curve: λ → the measure's mean over all queries, each by a map without its fold.
        stage_alone: searches of the dense stage alone.
        whole: searches of the whole index, with its own weights.
        query_map: fitted on all queries; None where no map is as good as none.
        encoder: the stage's encoder with this map, or as it is without one: for
            ``index.replace_stage(found.stage, Dense(found.encoder))``, which encodes nothing.
    """

    measure: str
    k: int
    folds: int
    groups: int
    unseen_passages: bool
    stage: str
    strength: float | None
    curve: Mapping[float, float]
    stage_alone: HeldOut
    whole: HeldOut
    query_map: QueryMap | None
    encoder: Encoder

    @property
    def within_noise(self) -> bool:
        """Whether searches of the whole index are not significantly better with the map."""
        return self.query_map is None or self.whole.within_noise

    @property
    def verdict(self) -> str:
        """The advice that follows, in a sentence or two."""
        queries = f"these {len(self.whole.before)} queries"
        if self.query_map is None:
            return f"No map that was tried is better than none on {queries}: keep what you have."
        if self.within_noise:
            return (
                f"The gain is within noise: {queries} do not show that searches are better with "
                "the map. Keep what you have."
            )
        return f"The gain is more than chance on {queries}: take the map."

    def save(self, folder: str | Path) -> None:
        """Save the map in a folder, with its figures as JSON.

        ``MappedEncoder(encoder, folder)`` maps an encoder's queries by it again.

        Args:
            folder: made if it is missing; a map that is there is replaced.

        Raises:
            InvalidInputError: there is no map, or the folder cannot be written to.
        """
        if self.query_map is None:
            raise InvalidInputError("there is no query map to save: none was as good as no map")
        identity = str(passage_encoder(self.encoder).identity)
        self.query_map.save(folder, encoder=identity)
        figures = json.dumps({"encoder": identity, **self._figures()}, indent=1, ensure_ascii=False)
        path = Path(folder).expanduser() / _FIGURES
        try:
            path.write_text(figures, encoding="utf-8")
        except OSError as error:
            raise InvalidInputError(f"{str(path)!r} cannot be written to: {error}") from error

    def _figures(self) -> dict[str, JSON]:
        parts = {"stage_alone": self.stage_alone, "whole": self.whole}
        return {
            "measure": self.measure,
            "queries": len(self.whole.before),
            "groups": self.groups,
            "unseen_passages": self.unseen_passages,
            "folds": self.folds,
            "stage": self.stage,
            "strength": self.strength,
            "curve": {f"{strength:g}": score for strength, score in self.curve.items()},
            **{
                name: {
                    "before": each.before_score,
                    "after": each.after_score,
                    "interval": list(each.interval),
                    "p": each.p,
                }
                for name, each in parts.items()
            },
            "verdict": self.verdict,
        }

    def __repr__(self) -> str:
        return (
            f"FittedQueryMap({self.measure}: before {self.whole.before_score:.4f}, held out "
            f"{self.whole.after_score:.4f}, λ = {_shown(self.strength)})"
        )

    def _report(self) -> Section:
        parts = {f"{self.stage} alone": self.stage_alone}
        if self.whole is not self.stage_alone:
            parts["the whole index"] = self.whole
        rows = [
            [
                name,
                number(each.before_score, 4),
                number(each.after_score, 4),
                f"{each.difference:+.4f}",
                f"[{each.interval[0]:+.4f}, {each.interval[1]:+.4f}]",
                number(each.p, 4),
            ]
            for name, each in parts.items()
        ]
        apart = "held out whole" if self.unseen_passages else "divided at random"
        how = (
            f"{len(self.whole.before)} queries in {self.groups} groups that share no relevant "
            f"passage, {apart}; each of {self.folds} folds judged by a map of the others, λ chosen "
            f"there. On all queries: λ = {_shown(self.strength)}."
        )
        curve = [[_shown(strength), number(each, 4)] for strength, each in self.curve.items()]
        return Section(
            body=[
                Table(
                    [f"{self.measure} held out", "before", "after", "difference", "95 %", "p"], rows
                ),
                "",
                how,
                self.verdict,
                "",
                Table(["λ", f"{self.measure} of {self.stage} alone"], curve),
            ]
        )


def _shown(strength: float | None) -> str:
    return "– (no map)" if strength is None else f"{strength:g}"
