"""Stages of a search as events of LlamaIndex's instrumentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llama_index.core.instrumentation.dispatcher import Dispatcher
from llama_index.core.instrumentation.event_handlers import NullEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.schema import NodeWithScore

from hybridge import Hit

from .nodes import scored_nodes

__all__ = ["StageEndEvent", "StageEvents", "StageStartEvent", "is_heard"]


class StageStartEvent(BaseEvent):
    """A stage of a search begins.

    Args:
        stage: its name, like ``"bm25"``, ``"fusion"`` or a reranker's.
    """

    stage: str

    @classmethod
    def class_name(cls) -> str:
        return "StageStartEvent"


class StageEndEvent(BaseEvent):
    """A stage of a search has ended, or has failed and found nothing.

    Args:
        stage: its name.
        nodes: its results, best first.
    """

    stage: str
    nodes: list[NodeWithScore]

    @classmethod
    def class_name(cls) -> str:
        return "StageEndEvent"


def is_heard(dispatcher: Dispatcher) -> bool:
    """Return whether an event handler listens to this dispatcher."""
    current: Dispatcher | None = dispatcher
    while current is not None:
        # LlamaIndex's root has one that does nothing.
        if any(not isinstance(each, NullEventHandler) for each in current.event_handlers):
            return True
        current = current.parent if current.propagate else None
    return False


class StageEvents:
    """An observer that emits LlamaIndex's events for the stages of a search of one query."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def began(self, stage: str, queries: Sequence[int]) -> None:
        self._dispatcher.event(StageStartEvent(stage=stage))

    def ended(self, stage: str, hits: Mapping[int, Sequence[Hit]]) -> None:
        nodes = scored_nodes(hit for found in hits.values() for hit in found)
        self._dispatcher.event(StageEndEvent(stage=stage, nodes=nodes))

    def failed(self, stage: str, queries: Sequence[int], error: BaseException) -> None:
        self._dispatcher.event(ExceptionEvent(exception=error))
        self._dispatcher.event(StageEndEvent(stage=stage, nodes=[]))
