"""The API's requests and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from ..options import Options, Strict

__all__ = [
    "AddRequest",
    "Count",
    "DeleteRequest",
    "ExplainAnswer",
    "ExplainRequest",
    "FieldModel",
    "FieldsAnswer",
    "GetAnswer",
    "GetRequest",
    "HitModel",
    "Id",
    "InfoAnswer",
    "JobModel",
    "PassageModel",
    "ProgressModel",
    "Query",
    "SearchAnswer",
    "SearchRequest",
    "SearchResult",
    "StageScoreModel",
]

# Limits of one request. An id may be a URL.
_LETTERS, _QUERIES, _HITS, _IDS, _PASSAGES = 10_000, 100, 10_000, 1_000, 10_000

Query = Annotated[str, Field(max_length=_LETTERS)]
Id = Annotated[str, Field(min_length=1, max_length=_LETTERS)]


class PassageModel(Strict):
    """A passage.

    Args:
        id: any non-empty text.
        text: what is searched and returned.
        metadata: any JSON under text keys.
    """

    id: Id
    text: str
    metadata: dict[str, Any] = Field(default_factory=dict)


class StageScoreModel(BaseModel):
    """The rank and score of a passage in one stage.

    Args:
        stage: its name.
        rank: from 1.
        score: in the stage's own unit.
        query: with its spelling corrected, as the stage read it; null where nothing was.
        passage: the id of the passage that was ranked, where the hit is another.
        note: what else the stage reports.
    """

    stage: str
    rank: int
    score: float
    query: str | None = None
    passage: str | None = None
    note: str | None = None


class HitModel(BaseModel):
    """A passage that was found.

    Args:
        passage: the passage.
        score: the last stage's, by which the list is sorted.
        trace: one entry a stage that ranked it, in the order they ran.
    """

    passage: PassageModel
    score: float
    trace: list[StageScoreModel]


class SearchRequest(Options):
    """A query or several, and the options of the search.

    Args:
        query: one, or a list; blank ones find nothing.
    """

    query: Query | Annotated[list[Query], Field(max_length=_QUERIES)]

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if len(self.queries) * self.k > _HITS:
            raise ValueError(
                f"{len(self.queries)} queries of k={self.k} ask for more than {_HITS:,} passages: "
                "ask in several requests"
            )
        return self

    @property
    def queries(self) -> list[str]:
        """The queries as a list."""
        return [self.query] if isinstance(self.query, str) else self.query


class SearchResult(BaseModel):
    """What one query found.

    Args:
        hits: best first.
    """

    hits: list[HitModel]


class SearchAnswer(BaseModel):
    """What each query found.

    Args:
        results: one a query, in their order.
    """

    results: list[SearchResult]


class ExplainRequest(Options):
    """A query to explain, and the options of its search.

    Args:
        query: the question.
        passage: the id of a passage, found or not; null explains each hit.
    """

    query: Annotated[str, Field(min_length=1, max_length=_LETTERS)]
    passage: Id | None = None


class ExplainAnswer(BaseModel):
    """Why passages rank where they do.

    Args:
        text: the explanation for a reader.
        explanations: the numbers of each passage's, as `hybridge.explanation.Explanation` has them.
    """

    text: str
    explanations: list[dict[str, Any]]


class GetRequest(Strict):
    """Passages to return.

    Args:
        ids: of the passages.
    """

    ids: Annotated[list[Id], Field(max_length=_IDS)]


class GetAnswer(BaseModel):
    """Passages by their ids.

    Args:
        passages: one an id, in their order; null for one that is not there.
    """

    passages: list[PassageModel | None]


class AddRequest(Strict):
    """Passages to add.

    Args:
        passages: one whose id is there already replaces it.
    """

    passages: Annotated[list[PassageModel], Field(max_length=_PASSAGES)]


class DeleteRequest(Strict):
    """Passages to delete: by their ids, or by a filter; not both.

    Args:
        ids: of the passages; unknown ones are no error.
        where: a filter in JSON.
    """

    ids: Annotated[list[Id], Field(max_length=_IDS)] | None = None
    where: dict[str, Any] | None = None


class Count(BaseModel):
    """How many passages were added or deleted.

    Args:
        count: of the passages.
    """

    count: int


class FieldModel(BaseModel):
    """A field of the metadata, as filters compare it.

    Args:
        name: as filters spell it.
        types: of its values.
        count: passages that have a value, of those that were read.
        read: passages that were read.
        values: the most frequent values, each with the number of passages that have it.
        lists_all: whether these are all values that there are.
        minimum: of numbers or dates.
        maximum: the same.
    """

    name: str
    types: list[str]
    count: int
    read: int
    values: list[tuple[Any, int]]
    lists_all: bool
    minimum: float | str | None
    maximum: float | str | None


class FieldsAnswer(BaseModel):
    """The fields of the passages' metadata.

    Args:
        fields: by name.
    """

    fields: list[FieldModel]


class InfoAnswer(BaseModel):
    """What is served.

    Args:
        name: of the index.
        version: of Hybridge.
        allow_writes: whether passages may be added and deleted.
        rerankers: the names that requests may give.
        index: its settings and contents.
    """

    name: str
    version: str
    allow_writes: bool
    rerankers: list[str]
    index: dict[str, Any]


class ProgressModel(BaseModel):
    """A line of a job's progress.

    Args:
        message: for a reader.
        done: how much is done.
        total: of how much.
    """

    message: str
    done: int | None = None
    total: int | None = None


class JobModel(BaseModel):
    """Work that outlasts its request.

    Args:
        id: of the job.
        name: what it does.
        state: whether it runs, or how it ended.
        progress: the last line of it; null before the first.
        result: what came of it; null until it is done.
    """

    id: str
    name: str
    state: Literal["running", "done", "failed", "stopped"]
    progress: ProgressModel | None
    result: Any = None
