"""What a request may set of a search: one model for the API, the pages and their links."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ..errors import InvalidInputError
from ..filters.parsing import check_depth
from ..interop import configured
from ..protocols import Reranker, Retriever

__all__ = [
    "Options",
    "Share",
    "Strict",
    "parsed",
]

_MOST = 100  # entries of an option that has several


def _few(value: Any) -> Any:
    """Refuse too many entries, before each of them is an error."""
    if isinstance(value, list | tuple | dict) and len(value) > _MOST:
        raise ValueError(f"at most {_MOST} entries are valid, not {len(value):,}")
    return value


Share = Annotated[float, Field(ge=0, le=1)]
_Few = BeforeValidator(_few)
_Name = Annotated[str, Field(max_length=1000)]  # A limit refuses lone surrogates, too.


class Strict(BaseModel):
    """What refuses names that it does not know, with one error for all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name in values:
                if name not in cls.model_fields:
                    known = ", ".join(cls.model_fields)
                    raise ValueError(f"there is no {name!r:.100}: there are {known}")
        return values


class Options(Strict):
    """The options of a search; those that are not set are the index's own.

    Args:
        k: passages, or groups of them.
        where: a filter in JSON.
        depth: candidates each stage contributes.
        weights: stage → its weight; one of weight 0 is left out.
        fusion: a method's name.
        late_interaction_weight: late interaction's share in the score.
        rerank: names of the server's rerankers, in the order they run.
        rerank_depth: candidates each reranker gets.
        blend: a reranker's share in the score.
        spelling: whether words that no passage has are corrected.
        query_syntax: whether operators in queries are read.
        floor: stage → the least of its scores that stays.
        floor_of: what is held to the floor.
        distinct: whether near duplicates are left out; a number is the similarity from which on.
        group_by: the field whose values make the groups that `k` counts.
        per_group: passages of one group at most.
    """

    k: Annotated[int, Field(ge=1, le=1000)] = 10
    where: dict[str, Any] | None = None
    depth: Annotated[int, Field(ge=1, le=10_000)] | None = None
    weights: Annotated[dict[_Name, Annotated[float, Field(ge=0)]] | None, _Few] = None
    fusion: _Name | None = None
    late_interaction_weight: Share | None = None
    rerank: Annotated[tuple[_Name, ...], _Few] = ()
    rerank_depth: Annotated[int, Field(ge=1, le=1000)] = 50
    blend: Share = 0.5
    spelling: bool | None = None
    query_syntax: bool | None = None
    floor: Annotated[dict[_Name, float] | None, _Few] = None
    floor_of: Literal["hit", "list"] = "hit"
    distinct: bool | Share | None = None
    group_by: _Name | None = None
    per_group: Annotated[int, Field(ge=1, le=1000)] | None = None

    @field_validator("where")
    @classmethod
    def _check_where(cls, where: dict[str, Any] | None) -> dict[str, Any] | None:
        check_depth(where)  # before anything writes it, into a link or an answer
        return where

    def retriever(self, index: Any, rerankers: Mapping[str, Reranker]) -> Retriever:
        """Return the retriever that these options make of an index; `k` and `where` are a search's.

        Args:
            index: what is searched.
            rerankers: the server's, by their names.

        Raises:
            InvalidInputError: a value that is not valid for this index, or an unknown reranker.
        """
        if unknown := [name for name in self.rerank if name not in rerankers]:
            raise InvalidInputError(
                f"there is no reranker {unknown[0]!r}: this server has {sorted(rerankers)}"
            )
        options = {name: getattr(self, name) for name in _SETTINGS - {"rerank"}}
        return configured(index, rerankers=[rerankers[name] for name in self.rerank], **options)

    @property
    def settings(self) -> str:
        """What `retriever` depends on, as JSON."""
        return self.model_dump_json(include=_SETTINGS, exclude_defaults=True)

    def to_params(self) -> dict[str, str]:
        """Return the options that are set as parameters of a link: text as it is, others in JSON.

        >>> Options(k=3, fusion="rrf", weights={"bm25": 2}).to_params()
        {'k': '3', 'weights': '{"bm25": 2.0}', 'fusion': 'rrf'}
        """
        values = self.model_dump(mode="json", exclude_defaults=True)
        return {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in values.items()
        }

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> Self:
        """Return the options of a link; empty parameters are not set.

        Raises:
            InvalidInputError: an unknown parameter, or a value that is not valid.

        >>> Options.from_params({"k": "3", "fusion": "rrf", "where": ""}).to_params()
        {'k': '3', 'fusion': 'rrf'}
        """
        texts = {"fusion", "floor_of", "group_by"}
        values: dict[str, Any] = {}
        for name, value in params.items():
            if value == "":
                continue
            try:
                values[name] = value if name in texts else parsed(value)
            except ValueError:
                raise InvalidInputError(f"{name}={value!r:.200} is not JSON") from None
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            if not first["loc"]:  # a name, not a value
                raise InvalidInputError(first["msg"]) from None
            where, value = ".".join(map(str, first["loc"])), f"{first['input']!r:.100}"
            raise InvalidInputError(f"{where}: {first['msg']}, not {value}") from None


def parsed(text: str) -> Any:
    """Parse the JSON of a link or an input.

    Raises:
        ValueError: it is none, is nested too deep, or has half a character, which no page can show.
    """
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return value


# Not those of a class that is made of this one.
_SETTINGS = Options.model_fields.keys() - {"k", "where"}
