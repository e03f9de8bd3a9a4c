"""trec_eval's measures of ranked lists, computed by `ir-measures`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..arguments import check_count
from ..errors import InvalidInputError, needs_extra
from .collection import Qrels

__all__ = ["MEASURES", "Judge", "default_measures"]

MEASURES = ("nDCG@10", "R@100", "RR@10")

_EXAMPLES = "'nDCG@10', 'MRR@10', 'MAP@100', 'recall@100', 'precision@5' or 'AP(rel=2)@100'"
_SPELLING = re.compile(r"\s*(\w+)\s*(?:\((.*)\))?\s*(?:@\s*(.+?))?\s*")


def default_measures(k: int) -> tuple[str, ...]:
    """Return `MEASURES`, none of them deeper than a list of `k`.

    >>> default_measures(100) == MEASURES, default_measures(20)
    (True, ('nDCG@10', 'R@20', 'RR@10'))
    """
    named = (measure.partition("@") for measure in MEASURES)
    return tuple(f"{name}@{min(int(cutoff), k)}" for name, _, cutoff in named)


class Judge:
    """A judge of ranked ids by measures; made before any search, so that mistakes show.

    Queries without results count as 0, as in trec_eval, and so do those without a relevant
    passage. The reciprocal rank with a cutoff, which trec_eval does not
    have, is MS MARCO's.

    Args:
        measures: names as ir-measures or people write them, in any case: "nDCG@10", "MRR@10",
            "MAP@100", "recall@100", "precision@5", "success@1", "Rprec", "AP(rel=2)@100".
        qrels: the judgements.
        k: the length of the longest list; None if it is unknown.

    Raises:
        InvalidInputError: an unknown measure, or one that needs more than `k` passages.
        MissingExtraError: ir-measures is not installed.

    >>> judge = Judge(["MRR@10", "p@2"], {"q1": {"p1": 1}, "q2": {"p1": 1}}, k=10)
    >>> judge({"q1": ["p2", "p1"]})
    {'MRR@10': {'q1': 0.5, 'q2': 0.0}, 'p@2': {'q1': 0.5, 'q2': 0.0}}
    """

    def __init__(self, measures: Sequence[str], qrels: Qrels, k: int | None = None) -> None:
        with needs_extra("evaluation"):
            import ir_measures
        is_list = isinstance(measures, Iterable) and not isinstance(measures, str)
        self._measures = {label: _parsed(label) for label in measures} if is_list else {}
        if not self._measures:
            raise InvalidInputError(
                f'measures must be a list such as ["nDCG@10"], not {measures!r}'
            )
        # What trec_eval computes, what it lacks for reciprocal rank, and the share of a list that
        # is judged; the other providers start other programs or break ties by other rules.
        provider: Any = ir_measures.providers.FallbackProvider(  # type: ignore[no-untyped-call]
            [ir_measures.pytrec_eval, ir_measures.msmarco, ir_measures.judged]
        )
        for label, measure in self._measures.items():
            if not provider.supports(measure):
                raise InvalidInputError(
                    f"cannot compute {label}: trec_eval does not have it; give measures such as "
                    f"{_EXAMPLES}"
                )
            cutoff = measure.params.get("cutoff", 0)
            if k is not None and cutoff > k:
                raise InvalidInputError(f"{label} needs k of at least {cutoff}, not {k}")
        # The binding reads ids up to a zero byte, as C does, and dies of a lone surrogate: numbers
        # stand for ids.
        self._queries = {query: str(i) for i, query in enumerate(qrels)}
        self._judged = {q: {id_: str(i) for i, id_ in enumerate(qrels[q])} for q in qrels}
        judged = {
            number: {self._judged[query][id_]: value for id_, value in qrels[query].items()}
            for query, number in self._queries.items()
        }
        self._evaluator = provider.evaluator(list(set(self._measures.values())), judged)

    @property
    def cutoff(self) -> int | None:
        """The depth that the measures look at; None where one looks at whole lists."""
        cutoffs = [measure.params.get("cutoff") for measure in self._measures.values()]
        return None if None in cutoffs else max(cutoffs)

    def __call__(self, ranked: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
        """Return measure → query id → value, for lists of passage ids, best first, no id twice."""
        # Ranks as scores: trec_eval sorts by score and breaks ties its own way. An empty list makes
        # its binding read memory that is not its own.
        run = {
            self._queries[query]: {
                self._judged[query].get(i, f"unjudged {rank}"): float(-rank)
                for rank, i in enumerate(ids)
            }
            for query, ids in ranked.items()
            if ids
        }
        found = {
            (metric.measure, metric.query_id): float(metric.value)
            for metric in self._evaluator.iter_calc(run)
        }
        return {
            label: {query: found[measure, number] for query, number in self._queries.items()}
            for label, measure in self._measures.items()
        }


def _parsed(label: str) -> Any:
    """Return the measure of a name, with its parameters and its cutoff."""
    from ir_measures import measures

    if not isinstance(label, str):
        raise InvalidInputError(f"a measure is a string such as 'nDCG@10', not {label!r}")
    names = {name.casefold(): measure for name, measure in measures.registry.items()}
    spelling = _SPELLING.fullmatch(label)
    measure = names.get(spelling[1].casefold()) if spelling else None
    if spelling is None or measure is None:
        raise InvalidInputError(f"there is no measure {label!r}: write {_EXAMPLES}")
    parameters = _parameters(label, spelling[2] or "")
    if spelling[3]:
        parameters[measure.AT_PARAM] = _value(label, spelling[3])
    for name, value in parameters.items():
        info = measure.SUPPORTED_PARAMS.get(name)
        if name in {"cutoff", "rel"} and info is not None:
            check_count(value, f"{name} in {label!r}")
        elif info is None or not info.validate(value):
            raise InvalidInputError(
                f"{label!r} cannot have {name}={value!r}: {measure} takes "
                f"{', '.join(measure.SUPPORTED_PARAMS) or 'no parameters'}"
            )
    for name, info in measure.SUPPORTED_PARAMS.items():
        if info.required and name not in parameters:
            example = {"cutoff": "@10", "recall": "@0.1"}.get(name, f"({name}=…)")
            raise InvalidInputError(f"{label!r} needs a {name}: write '{measure}{example}'")
    return measure(**parameters)


def _parameters(label: str, written: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"measure({written})", mode="eval").body
    except SyntaxError:
        call = None
    if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
        raise InvalidInputError(f"{label!r}: write parameters as in 'AP(rel=2)@100'")
    return {str(keyword.arg): _value(label, keyword.value) for keyword in call.keywords}


def _value(label: str, written: str | ast.expr) -> Any:
    try:
        return ast.literal_eval(written)
    except (SyntaxError, ValueError):
        shown = written if isinstance(written, str) else ast.unparse(written)
        raise InvalidInputError(
            f"{label!r}: {shown!r} is not a value; write 'nDCG@10' or 'AP(rel=2)@100'"
        ) from None
