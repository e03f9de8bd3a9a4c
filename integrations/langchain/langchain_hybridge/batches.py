"""Batches that are searched as batches, where LangChain would search one by one in threads."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForRetrieverRun,
    CallbackManager,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import get_config_list
from pydantic import ConfigDict

from hybridge.filters import Filter

__all__ = ["BatchedRetriever", "Where"]

Where = Mapping[str, Any] | Filter | None


class BatchedRetriever(BaseRetriever):
    """A retriever that answers many queries at once, each as a run with callbacks of its own.

    A subclass says how queries are answered; this class says who is told of it.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    @abstractmethod
    def _answer(
        self,
        queries: Sequence[str],
        runs: Sequence[CallbackManagerForRetrieverRun],
        k: int | None,
        filter: Where,  # noqa: A002
    ) -> list[list[Document]]:
        """The documents of each query, whose run is already begun."""

    @abstractmethod
    async def _aanswer(
        self,
        queries: Sequence[str],
        runs: Sequence[CallbackManagerForRetrieverRun],
        k: int | None,
        filter: Where,  # noqa: A002
    ) -> list[list[Document]]:
        """`_answer` that does not block the event loop."""

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        filter: Where = None,  # noqa: A002
    ) -> list[Document]:
        return self._answer([query], [run_manager], k, filter)[0]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        filter: Where = None,  # noqa: A002
    ) -> list[Document]:
        return (await self._aanswer([query], [run_manager.get_sync()], k, filter))[0]

    def batch(  # type: ignore[override]  # the keywords are named, so that a typo is an error
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        k: int | None = None,
        filter: Where = None,  # noqa: A002
    ) -> list[list[Document]]:
        """The documents of each query, found together.

        Args:
            inputs: queries.
            config: one for all, or one a query.
            return_exceptions: where the search of all fails, search one by one and return the
                errors of those that fail in their places; otherwise the first error is raised.
            k: instead of the field.
            filter: instead of the field.
        """
        if not inputs:
            return []
        configs = get_config_list(config, len(inputs))
        runs = [self._begin(query, some) for query, some in zip(inputs, configs, strict=True)]
        try:
            answers: list[Any] = self._answer(inputs, runs, k, filter)
        except Exception as error:
            if not return_exceptions:
                for run in runs:
                    run.on_retriever_error(error)
                raise
            answers = [self._alone(*pair, k, filter) for pair in zip(inputs, runs, strict=True)]
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
        filter: Where = None,  # noqa: A002
    ) -> list[list[Document]]:
        """`batch` that does not block the event loop."""
        if not inputs:
            return []
        configs = get_config_list(config, len(inputs))
        runs = [
            await self._abegin(query, some) for query, some in zip(inputs, configs, strict=True)
        ]
        answering = [run.get_sync() for run in runs]
        try:
            answers: list[Any] = await self._aanswer(inputs, answering, k, filter)
        except Exception as error:
            if not return_exceptions:
                for run in runs:
                    await run.on_retriever_error(error)
                raise
            pairs = zip(inputs, answering, strict=True)
            answers = [await asyncio.to_thread(self._alone, *pair, k, filter) for pair in pairs]
        for run, answer in zip(runs, answers, strict=True):
            if isinstance(answer, Exception):
                await run.on_retriever_error(answer)
            else:
                await run.on_retriever_end(answer)
        return answers

    def _alone(
        self,
        query: str,
        run: CallbackManagerForRetrieverRun,
        k: int | None,
        filter: Where,  # noqa: A002
    ) -> list[Document] | Exception:
        try:
            return self._answer([query], [run], k, filter)[0]
        except Exception as error:  # noqa: BLE001  # returned in its place, as was asked
            return error

    def _begin(self, query: str, config: RunnableConfig) -> CallbackManagerForRetrieverRun:
        config = ensure_config(config)
        manager = CallbackManager.configure(**self._told(config))
        return manager.on_retriever_start(None, query, **self._named(config))

    async def _abegin(
        self, query: str, config: RunnableConfig
    ) -> AsyncCallbackManagerForRetrieverRun:
        config = ensure_config(config)
        manager = AsyncCallbackManager.configure(**self._told(config))
        return await manager.on_retriever_start(None, query, **self._named(config))

    def _told(self, config: RunnableConfig) -> dict[str, Any]:
        """Who is told of a run, and what: as `BaseRetriever.invoke` has it."""
        return {
            "inheritable_callbacks": config.get("callbacks"),
            "inheritable_tags": config.get("tags"),
            "local_tags": self.tags,
            "inheritable_metadata": {**(config.get("metadata") or {}), **self._get_ls_params()},
            "local_metadata": self.metadata,
        }

    def _named(self, config: RunnableConfig) -> dict[str, Any]:
        return {"name": config.get("run_name") or self.get_name(), "run_id": config.get("run_id")}
