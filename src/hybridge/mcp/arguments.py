"""What tools take: models whose schemas agents read, and which refuse what they do not know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..errors import InvalidInputError

__all__ = [
    "Arguments",
    "Delete",
    "Explain",
    "Get",
    "ListFields",
    "NewPassage",
    "Search",
    "Write",
    "checked",
]

A = TypeVar("A", bound="Arguments")


def _decoded(value: object) -> object:
    """Read JSON that a model wrote as text, where an object or a list is due."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


_Json = BeforeValidator(_decoded)
_Id = Annotated[str, Field(min_length=1, max_length=10_000)]
_Query = Annotated[
    str, Field(max_length=10_000, description="A question or keywords, in plain words.")
]
_K = Annotated[int, Field(ge=1, le=100, description="How many passages to return at most.")]
_Where = Annotated[
    dict[str, Any] | None,
    _Json,
    Field(
        description="Only passages that pass this filter; `search` describes its form and fields."
    ),
]
_Rerank = Annotated[
    list[str] | None,
    _Json,
    Field(description="Rerankers, in order; leave it out for the usual ones, [] for none."),
]
_Floor = Annotated[
    dict[str, float] | None,
    _Json,
    Field(description='Stage → least score, such as {"dense": 0.3}: what is below is no hit.'),
]


class Arguments(BaseModel):
    """The arguments of a tool."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Search(Arguments):
    """The arguments of `search`."""

    query: _Query
    k: _K = 5
    where: _Where = None
    rerank: _Rerank = None
    floor: _Floor = None
    trace: Annotated[bool, Field(description="Give each stage's rank and score.")] = False


class Get(Arguments):
    """The arguments of `get`."""

    ids: Annotated[
        list[_Id], _Json, Field(min_length=1, max_length=20, description="Of the passages.")
    ]
    offset: Annotated[
        int, Field(ge=0, description="Characters of each text to leave out before its beginning.")
    ] = 0


class Explain(Arguments):
    """The arguments of `explain`; but for the id, those of the search."""

    query: _Query
    id: Annotated[_Id, Field(description="Of the passage, found or not.")]
    k: _K = 5
    where: _Where = None
    rerank: _Rerank = None
    floor: _Floor = None


class ListFields(Arguments):
    """The arguments of `fields`: none."""


class NewPassage(Arguments):
    """A passage to add."""

    id: Annotated[_Id, Field(description="A passage of this id that is there is replaced.")]
    text: str
    metadata: Annotated[dict[str, Any], _Json] = {}


class Write(Arguments):
    """The arguments of `add`."""

    passages: Annotated[list[NewPassage], _Json, Field(min_length=1, max_length=100)]


class Delete(Arguments):
    """The arguments of `delete`."""

    ids: Annotated[
        list[_Id], _Json, Field(min_length=1, max_length=100, description="Of the passages.")
    ]


def checked(model: type[A], values: Mapping[str, Any]) -> A:
    """Return a tool's arguments.

    Raises:
        InvalidInputError: an unknown argument, or one that is not valid.

    >>> checked(Get, {"ids": '["a"]'}).ids
    ['a']
    >>> checked(Search, {"query": "cats", "top": 3})
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: there is no argument 'top': there are query, k, where, \
rerank, floor, trace
    """
    if unknown := [name for name in values if name not in model.model_fields]:
        known = ", ".join(model.model_fields) or "none"
        raise InvalidInputError(f"there is no argument {unknown[0]!r:.100}: there are {known}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInputError(f"{where}: {first['msg']}, not {first['input']!r:.100}") from None
