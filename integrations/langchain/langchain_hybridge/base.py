"""LangChain's retriever over any retriever of Hybridge, with everything that LangChain's can do.

A search is a run with a child run for each stage, and its hits become documents.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeAlias

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForRetrieverRun,
    CallbackManager,
    CallbackManagerForChainRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import get_config_list
from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from hybridge import Hit, Pipeline
from hybridge.diversity import DiverseRetriever
from hybridge.errors import InvalidInputError
from hybridge.filters import as_filter
from hybridge.interop import (
    FrameworkEncoder,
    FutureIndex,
    SearchConfig,
    as_retriever,
    check_boosts,
    check_parts,
    check_threshold,
    configured,
    trace_to_dict,
    unwrapped,
)
from hybridge.observation import ENCODING, observing
from hybridge.protocols import Where

from .documents import SCORE, TRACE, copied, documents_of_texts, passages_of
from .relevance import RelevanceRetriever
from .rerankers import core_reranker

__all__ = ["CoreRetriever", "StageRuns", "document_of", "documents_of_hits"]

_MADE = "_made"

_Run: TypeAlias = CallbackManagerForChainRun | CallbackManagerForRetrieverRun


class _Made(NamedTuple):
    """What a retriever searches by.

    Args:
        options: those it was made with.
        config: what searches.
        names: of retriever, index and embeddings, for LangSmith.
    """

    options: dict[str, Any]
    config: SearchConfig
    names: LangSmithRetrieverParams


class CoreRetriever(BaseRetriever):
    """LangChain's retriever over a retriever of Hybridge.

    `invoke`, `ainvoke`, `batch` and `abatch` take ``k`` and ``filter``, which beat the fields. A
    batch is searched as a batch. Each stage of a search is a child run. It is a retriever of
    Hybridge too: `search` and `asearch` return hits, for an evaluation or a `Pipeline`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    # Fields that are options of `hybridge.interop.configured`.
    _option_names: ClassVar[tuple[str, ...]] = (
        "boosts",
        "floor",
        "floor_of",
        "distinct",
        "group_by",
        "per_group",
        "parents",
        "window",
        "merge",
    )

    # One opaque field: configurable_fields makes a copy of a retriever for each call, of the
    # declared fields alone, and must neither lose nor copy what is searched.
    retriever: Any = Field(exclude=True, repr=False)
    k: int = Field(default=4, ge=1)
    filter: Any = None
    rerankers: tuple[Any, ...] = Field(default=(), exclude=True, repr=False)
    rerank_depth: int = Field(default=50, ge=1)
    blend: float = Field(default=0.5, ge=0, le=1)
    boosts: tuple[Any, ...] = Field(default=(), exclude=True, repr=False)
    floor: dict[str, float] | None = None
    floor_of: Literal["hit", "list"] = "hit"
    score_threshold: float | None = None
    distinct: bool | float | None = None
    group_by: Any = None
    per_group: int | None = Field(default=None, ge=1)
    parents: Any = None
    window: int | None = Field(default=None, ge=1)
    merge: float | None = Field(default=None, ge=0, le=1)
    include_scores: bool = False
    include_trace: bool = False

    @field_validator("distinct", "group_by", "per_group", "parents", "window", "merge")
    @classmethod
    def _check_results(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and "retriever" in info.data:
            options: dict[str, Any] = {
                name: info.data.get(name) for name in ("group_by", "parents", "window")
            }
            options[str(info.field_name)] = value
            configured(info.data["retriever"], **options)
        return value

    @field_validator("retriever")
    @classmethod
    def _check_retriever(cls, value: Any) -> Any:
        return as_retriever(value)

    @field_validator("rerankers", mode="before")
    @classmethod
    def _check_rerankers(cls, value: Any) -> tuple[Any, ...]:
        # A LangChain reranker can be iterated over: all of pydantic's models can.
        if not isinstance(value, Sequence):
            raise InvalidInputError(f"rerankers must be a list, not {value!r}: write [{value!r}]")
        return tuple(map(core_reranker, value))

    @field_validator("filter")
    @classmethod
    def _check_filter(cls, value: Any) -> Any:
        as_filter(value)
        return value

    @field_validator("boosts", mode="before")
    @classmethod
    def _check_boosts(cls, value: Any) -> tuple[Any, ...]:
        return check_boosts(value) if value != () else ()

    @model_validator(mode="after")
    def _check_floor(self) -> Self:
        if self.floor is not None:
            configured(self.retriever, rerankers=self.rerankers, floor=self.floor)
        return self

    @classmethod
    def _check_settings(cls, settings: Mapping[str, Any], stages: Any = None) -> None:
        """Validate the fields before the work that a typo should not cost."""
        if "retriever" in settings:
            raise InvalidInputError("retriever= is what this makes: use from_index to give one")
        cls(retriever=FutureIndex.of(stages), **settings)

    @classmethod
    def from_index(cls, index: Any, **settings: Any) -> Self:
        """Return a retriever over a retriever of Hybridge.

        Args:
            index: a `HybridIndex`, or any other retriever of Hybridge.
            settings: the retriever's fields, like ``k``.
        """
        return cls(retriever=index, **settings)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str] | None = None,
        **options: Any,
    ) -> Self:
        """Return a retriever over texts.

        Args:
            texts: the texts of the documents.
            metadatas: one a text.
            ids: one a text.
            options: the other arguments of `from_documents`, by keyword.

        Raises:
            HybridgeError: not one of each a text, and what `from_documents` raises.
        """
        documents = documents_of_texts(texts, metadatas, ids)
        made: Self = cls.from_documents(documents, **options)  # type: ignore[attr-defined]
        return made

    # The search

    @property
    def search_config(self) -> SearchConfig:
        """What it searches by, for `hybridge.explain`."""
        return self._made_once().config

    def _made_once(self) -> _Made:
        """Return what was made for the fields as they are, at the first search."""
        made: _Made | None = self.__dict__.get(_MADE)
        options = {name: getattr(self, name) for name in self._option_names}
        if made is None or made.options != options:  # a dict can be changed in place
            searched = configured(
                self.retriever,
                rerankers=self.rerankers,
                rerank_depth=self.rerank_depth,
                blend=self.blend,
                **options,
            )
            threshold = check_threshold(self.score_threshold, searched)
            config = SearchConfig(searched, self.k, self.filter, threshold)
            copied = {k: dict(v) if isinstance(v, dict) else v for k, v in options.items()}
            names = super()._get_ls_params()
            names.update(_providers(self.retriever))
            made = _Made(copied, config, names)
            self.__dict__[_MADE] = made
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__.pop(_MADE, None)

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__dict__.pop(_MADE, None)  # `model_copy` goes on to change its fields
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        self.__dict__.pop(_MADE, None)
        check_parts(self, vars(self))
        return super().__getstate__()

    def search(
        self, queries: Sequence[str], k: int | None = None, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """Return what `batch` finds, as hits and without callbacks; arguments beat fields."""
        return self._made_once().config.search(queries, k, where=where)

    async def asearch(
        self, queries: Sequence[str], k: int | None = None, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` that does not block the event loop."""
        return await self._made_once().config.asearch(queries, k, where=where)

    def add_documents(self, documents: Iterable[Document]) -> list[str]:
        """Add documents to the index; one whose id is there already replaces it.

        Returns:
            Their ids.

        Raises:
            InvalidInputError: the retriever takes none, or a document is not valid.
        """
        index = _index_of(self.retriever)
        if not callable(getattr(index, "add", None)):
            raise InvalidInputError(f"a {type(index).__name__} takes no documents")
        passages = passages_of(documents)
        index.add(passages)
        return [passage.id for passage in passages]

    async def aadd_documents(self, documents: Iterable[Document]) -> list[str]:
        """`add_documents` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.add_documents, documents)

    # LangChain's runs

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        filter: Where | None = None,  # noqa: A002
    ) -> list[Document]:
        return self._answer([query], [run_manager], k, filter)[0]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        filter: Where | None = None,  # noqa: A002
    ) -> list[Document]:
        return (await self._aanswer([query], [run_manager.get_sync()], k, filter))[0]

    def batch(  # type: ignore[override]  # the keywords are named, so that a typo is an error
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        k: int | None = None,
        filter: Where | None = None,  # noqa: A002
    ) -> list[list[Document]]:
        """Return the documents of each query, found together.

        Args:
            inputs: queries.
            config: one for all, or one a query.
            return_exceptions: if the search of all fails, search one by one, and return the errors
                of those that fail in their positions; otherwise the first error is raised.
            k: instead of the field.
            filter: instead of the field.
        """
        if not inputs:
            return []
        configs = get_config_list(config, len(inputs))
        runs = [self._begin(*pair) for pair in zip(inputs, configs, strict=True)]
        try:
            answers: list[Any] = self._answer(inputs, runs, k, filter)
        except Exception as error:
            if not return_exceptions:
                for run in runs:
                    run.on_retriever_error(error)
                raise
            answers = [
                self._answer_or_error(*pair, k, filter) for pair in zip(inputs, runs, strict=True)
            ]
        for run, answer in zip(runs, answers, strict=True):
            if isinstance(answer, Exception):
                run.on_retriever_error(answer)
            else:
                run.on_retriever_end(answer)
        return answers

    async def abatch(  # type: ignore[override]
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        k: int | None = None,
        filter: Where | None = None,  # noqa: A002
    ) -> list[list[Document]]:
        """`batch` that does not block the event loop."""
        if not inputs:
            return []
        configs = get_config_list(config, len(inputs))
        runs = [await self._abegin(*pair) for pair in zip(inputs, configs, strict=True)]
        sync_runs = [run.get_sync() for run in runs]
        try:
            answers: list[Any] = await self._aanswer(inputs, sync_runs, k, filter)
        except Exception as error:
            if not return_exceptions:
                for run in runs:
                    await run.on_retriever_error(error)
                raise
            pairs = zip(inputs, sync_runs, strict=True)
            answers = [
                await asyncio.to_thread(self._answer_or_error, *pair, k, filter) for pair in pairs
            ]
        for run, answer in zip(runs, answers, strict=True):
            if isinstance(answer, Exception):
                await run.on_retriever_error(answer)
            else:
                await run.on_retriever_end(answer)
        return answers

    def _answer(
        self,
        queries: Sequence[str],
        runs: Sequence[CallbackManagerForRetrieverRun],
        k: int | None,
        filter: Where | None,  # noqa: A002
    ) -> list[list[Document]]:
        """Return the documents of each query, whose run has begun."""
        watched = any(run.inheritable_handlers for run in runs)
        with observing(StageRuns(queries, runs)) if watched else nullcontext():
            lists = self.search(queries, k, where=filter)
        return documents_of_hits(lists, scores=self.include_scores, trace=self.include_trace)

    async def _aanswer(
        self,
        queries: Sequence[str],
        runs: Sequence[CallbackManagerForRetrieverRun],
        k: int | None,
        filter: Where | None,  # noqa: A002
    ) -> list[list[Document]]:
        if any(run.inheritable_handlers for run in runs):
            # Callbacks may block, and so must not be called from the event loop.
            return await asyncio.to_thread(self._answer, queries, runs, k, filter)
        lists = await self.asearch(queries, k, where=filter)
        return documents_of_hits(lists, scores=self.include_scores, trace=self.include_trace)

    def _answer_or_error(
        self,
        query: str,
        run: CallbackManagerForRetrieverRun,
        k: int | None,
        filter: Where | None,  # noqa: A002
    ) -> list[Document] | Exception:
        try:
            return self._answer([query], [run], k, filter)[0]
        except Exception as error:  # noqa: BLE001  # returned in its position: return_exceptions
            return error

    def _begin(self, query: str, config: RunnableConfig) -> CallbackManagerForRetrieverRun:
        config = ensure_config(config)
        manager = CallbackManager.configure(**self._callbacks(config))
        return manager.on_retriever_start(None, query, **self._run_of(config))

    async def _abegin(
        self, query: str, config: RunnableConfig
    ) -> AsyncCallbackManagerForRetrieverRun:
        config = ensure_config(config)
        manager = AsyncCallbackManager.configure(**self._callbacks(config))
        return await manager.on_retriever_start(None, query, **self._run_of(config))

    def _callbacks(self, config: RunnableConfig) -> dict[str, Any]:
        """Return the arguments of `configure`, as in `BaseRetriever.invoke`."""
        return {
            "inheritable_callbacks": config.get("callbacks"),
            "inheritable_tags": config.get("tags"),
            "local_tags": self.tags,
            "inheritable_metadata": {**(config.get("metadata") or {}), **self._get_ls_params()},
            "local_metadata": self.metadata,
        }

    def _run_of(self, config: RunnableConfig) -> dict[str, Any]:
        return {"name": config.get("run_name") or self.get_name(), "run_id": config.get("run_id")}

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return self._made_once().names.copy()


def _providers(retriever: Any) -> LangSmithRetrieverParams:
    index = _index_of(retriever)
    names = LangSmithRetrieverParams(ls_vector_store_provider=type(index).__name__)
    encoder = None
    with suppress(InvalidInputError):  # there is no dense stage
        encoder = getattr(index, "encoder", None)
    if encoder is not None:
        plain = unwrapped(encoder)
        model = plain.model if isinstance(plain, FrameworkEncoder) else plain
        names["ls_embedding_provider"] = type(model).__name__
        names["ls_embedding_model"] = encoder.identity
    return names


def _index_of(retriever: Any) -> Any:
    """Return what holds the passages, behind the stages that only order them."""
    while isinstance(retriever, Pipeline | DiverseRetriever | RelevanceRetriever):
        retriever = retriever.retriever if isinstance(retriever, Pipeline) else retriever.index
    return retriever


class StageRuns:
    """An observer that makes every stage of a search a child run of its query's run.

    A stage may be the user's, and a trace must not make a search fail. A stage may end without
    hits, or search by another stage of the same name, or for more queries than there are runs; then
    the further queries have none.

    Args:
        queries: the questions.
        runs: one a query.
    """

    def __init__(
        self, queries: Sequence[str], runs: Sequence[CallbackManagerForRetrieverRun]
    ) -> None:
        self._queries = queries
        self._managers = [run.get_child() for run in runs]
        self._open: dict[str, list[dict[int, _Run]]] = {}

    @property
    def makes_spans(self) -> bool:
        """Whether these runs become spans of OpenTelemetry, by OpenInference's handler."""
        handlers = (each for manager in self._managers for each in manager.handlers)
        return any(type(each).__module__.startswith("openinference.") for each in handlers)

    def began(self, stage: str, queries: Sequence[int]) -> None:
        runs = {i: self._begin(stage, i) for i in queries if i < len(self._queries)}
        self._open.setdefault(stage, []).append(runs)

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        for i, run in self._open[stage].pop().items():
            if isinstance(run, CallbackManagerForRetrieverRun):
                [documents] = documents_of_hits([hits.get(i, ())], scores=True, trace=True)
                run.on_retriever_end(documents)
            else:
                run.on_chain_end({})

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        for run in self._open[stage].pop().values():
            if isinstance(run, CallbackManagerForRetrieverRun):
                run.on_retriever_error(error)
            else:
                run.on_chain_error(error)

    def _begin(self, stage: str, i: int) -> _Run:
        query, manager = self._queries[i], self._managers[i]
        if stage.rpartition("/")[2] == ENCODING:  # of a member of a FusedRetriever, too
            return manager.on_chain_start(None, {"query": query}, name=stage)
        return manager.on_retriever_start(None, query, name=stage)


def documents_of_hits(
    lists: Iterable[Iterable[Hit]], *, scores: bool = False, trace: bool = False
) -> list[list[Document]]:
    """Return each query's hits as documents; arguments as for `document_of`."""
    found = []
    for hits in lists:
        documents = []
        for hit in hits:
            passage = hit.passage
            metadata = {
                key: copied(value) if isinstance(value, dict | list) else value
                for key, value in passage.metadata.items()
            }
            if scores:
                metadata[SCORE] = hit.score
            if trace:
                metadata[TRACE] = trace_to_dict(hit.trace)
            # As the constructor does, which takes twice as long.
            fields = {"id": passage.id, "page_content": passage.text, "metadata": metadata}
            document = Document.__new__(Document)
            Document.__pydantic_validator__.validate_python(fields, self_instance=document)
            documents.append(document)
        found.append(documents)
    return found


def document_of(hit: Hit, *, scores: bool = False, trace: bool = False) -> Document:
    """Return a hit as a new document, which the caller may change.

    Args:
        hit: a result.
        scores: put its score into the metadata, as ``relevance_score``.
        trace: put each stage's rank and score into the metadata, under ``hybridge``.

    >>> from hybridge import Passage, StageScore
    >>> hit = Hit(Passage("a", "text"), 0.5, (StageScore("bm25", 1, 0.5),))
    >>> document_of(hit, scores=True).metadata
    {'relevance_score': 0.5}
    >>> document_of(hit, trace=True).metadata
    {'hybridge': {'bm25': {'rank': 1, 'score': 0.5}}}
    """
    return documents_of_hits([[hit]], scores=scores, trace=trace)[0][0]
