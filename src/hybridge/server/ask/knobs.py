"""The form of a setting: what an index lets one choose, and options to and from its inputs.

Inputs are named by a setting, ``a`` or ``b``, and an option: ``a.k``, ``a.weights.bm25``. What is
as the index has it is not set, so that links stay short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import QueryParams

from ...errors import InvalidInputError
from ...fusion import FUSIONS
from ...index.fields import FieldSummary
from ...plugins import FUSIONS as FUSION_PLUGINS
from ...plugins import plugin_names
from ..options import Options, parsed
from ..service import Service

__all__ = ["Knobs", "default_similarity"]

default_similarity = 0.8
"""From which on two passages are near duplicates, where it is not set."""


@dataclass(frozen=True)
class Knobs:
    """What an index lets a setting choose, and what it has where that chooses nothing.

    Args:
        weights: of the stages that find candidates, by name.
        depth: candidates each stage contributes.
        fusion: the name of the method.
        late_interaction: its share in the score; None without, and for several such stages.
        fusions: the names of methods.
        rerankers: names that requests give → names in traces.
        stages: the names of all stages.
        floored: the names of those that a floor may be of.
        fields: of the metadata, as `HybridIndex.fields` returns them.
    """

    weights: Mapping[str, float]
    depth: int
    fusion: str
    late_interaction: float | None
    fusions: Sequence[str]
    rerankers: Mapping[str, str]
    stages: Sequence[str]
    floored: Sequence[str]
    fields: Sequence[FieldSummary]

    @classmethod
    def of(cls, service: Service) -> Knobs:
        """Return those of a service; this may read the index."""
        defaults = service.index.defaults
        blend = defaults.get("blend")
        stages = service.index.stages
        rerankers = {
            name: str(getattr(reranker, "name", name))
            for name, reranker in service.rerankers.items()
        }
        return cls(
            weights=defaults["weights"],
            depth=defaults["depth"],
            fusion=defaults["fusion"].name,
            late_interaction=blend if isinstance(blend, float) else None,
            fusions=_fusions(),
            rerankers=rerankers,
            stages=[*stages],
            floored=[name for name, stage in stages.items() if not stage.query_dependent],
            fields=service.index.fields(),
        )

    @property
    def groups(self) -> list[str]:
        """The fields by whose values hits are grouped."""
        return [each.name for each in self.fields]

    def floors(self, options: Options) -> list[str]:
        """Return the stages whose floor may be set: of the index, chosen rerankers, and set."""
        chosen = [self.rerankers[name] for name in options.rerank if name in self.rerankers]
        return [*dict.fromkeys([*self.floored, *chosen, *(options.floor or ())])]

    def read(self, form: QueryParams, side: str, where: dict[str, Any] | None) -> Options:
        """Return the options that the inputs of one setting make.

        Args:
            form: the inputs' values.
            side: ``"a"`` or ``"b"``.
            where: the filter.

        Raises:
            InvalidInputError: a value that is not valid.
        """
        inputs = _Inputs(form, f"{side}.")
        rerank = inputs.all("rerank")
        group = inputs.text("group_by")
        similar = inputs.number("similarity", default_similarity)
        alike = True if similar == default_similarity else similar
        values = {
            "k": inputs.number("k", 10),
            "where": where,
            "depth": _unless(self.depth, inputs.number("depth")),
            "weights": self._weights(inputs.mapping("weights")),
            "fusion": inputs.text("fusion"),
            "late_interaction_weight": _unless(self.late_interaction, inputs.number("late")),
            "rerank": rerank,
            "rerank_depth": inputs.number("rerank_depth", 50) if rerank else 50,
            "blend": inputs.number("blend", 0.5) if rerank else 0.5,
            "spelling": None if inputs.is_on("spelling") else False,
            "query_syntax": True if inputs.is_on("query_syntax") else None,
            "floor": inputs.mapping("floor") or None,
            "floor_of": inputs.text("floor_of") or "hit",
            "distinct": alike if inputs.is_on("distinct") else None,
            "group_by": group,
            "per_group": _unless(1, inputs.number("per_group")) if group else None,
        }
        try:
            return Options.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise InvalidInputError(
                f"{name}: {first['msg']}, not {first['input']!r:.200}"
            ) from None

    def _weights(self, weights: dict[str, float]) -> dict[str, float] | None:
        """Return the weights, None if their shares are the index's own."""
        if weights.keys() == self.weights.keys() and sum(weights.values()) > 0:
            shares, own = _shares(weights), _shares(self.weights)
            if all(abs(shares[name] - own[name]) < 1e-9 for name in own):
                return None
        return weights or None


@cache
def _fusions() -> list[str]:
    """Return the names of all fusions; a look for plugins reads all installed distributions."""
    return [*FUSIONS, *sorted(plugin_names(FUSION_PLUGINS))]


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _unless(own: float | None, value: float | None) -> float | None:
    return None if value == own else value


@dataclass(frozen=True)
class _Inputs:
    """The inputs of a form whose names begin so."""

    form: QueryParams
    prefix: str

    def all(self, name: str) -> list[str]:
        return [value for value in self.form.getlist(self.prefix + name) if value]

    def text(self, name: str) -> str | None:
        return self.form.get(self.prefix + name) or None

    def is_on(self, name: str) -> bool:
        return self.text(name) is not None

    def number(self, name: str, default: float | None = None) -> float | None:
        text = self.text(name)
        return default if text is None else _number(name, text)

    def mapping(self, name: str) -> dict[str, float]:
        prefix = f"{self.prefix}{name}."
        return {
            key.removeprefix(prefix): _number(key.removeprefix(self.prefix), value)
            for key, value in self.form.items()
            if key.startswith(prefix) and value
        }


def _number(name: str, text: str) -> float:
    try:
        number = parsed(text)
    except ValueError:
        number = None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InvalidInputError(f"{name}: {text!r:.200} is not a number")
    return number
