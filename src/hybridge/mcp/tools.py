"""The tools: what each does with an index, and how its answer reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mcp.types import CallToolResult, TextContent, ToolAnnotations
from mcp.types import Tool as ToolDefinition
from pydantic import BaseModel

from ..errors import InvalidInputError
from ..explanation import explain
from ..index import HybridIndex
from ..index.fields import describe_fields
from ..interop import configured
from ..passages import Passage, trace_to_dict
from ..protocols import Reranker, Retriever
from ..spelling import corrected_query
from . import answers, arguments
from .arguments import Arguments, checked
from .framing import Frame

__all__ = ["IndexTools", "Tool"]

A = TypeVar("A", bound=Arguments)
_Answer = tuple[str, BaseModel]
"""An answer as text, and structured."""

# Characters of the fields in a description, and of an explanation.
_FIELDS, _REPORT = 4_000, 8_000
_READS = ToolAnnotations(readOnlyHint=True, idempotentHint=True, openWorldHint=False)
_WRITES = ToolAnnotations(
    readOnlyHint=False, destructiveHint=True, idempotentHint=True, openWorldHint=False
)


@dataclass(frozen=True)
class Tool(Generic[A]):
    """A tool.

    Args:
        name: by which it is called.
        title: for people.
        description: for the model that calls it.
        takes: the model of its arguments.
        gives: the model of its answer.
        answer: runs it.
        annotations: what clients may know of its effects.
        with_fields: whether the fields of the index follow in its description.
    """

    name: str
    title: str
    description: str
    takes: type[A]
    gives: type[BaseModel]
    answer: Callable[[A], Awaitable[_Answer]]
    annotations: ToolAnnotations
    with_fields: bool = False

    def definition(self, fields: str) -> ToolDefinition:
        """Return what a client is shown of it.

        Args:
            fields: a description of the fields of the index.
        """
        return ToolDefinition(
            name=self.name,
            title=self.title,
            description=f"{self.description}\n\n{fields}" if self.with_fields else self.description,
            inputSchema=_schema(self.takes),
            outputSchema=_schema(self.gives),
            annotations=self.annotations,
        )

    async def call(self, values: Mapping[str, Any]) -> CallToolResult:
        """Run it.

        Raises:
            HybridgeError: an argument is not valid, or the index cannot answer.
        """
        text, structured = await self.answer(checked(self.takes, values))
        return CallToolResult(
            content=[TextContent(type="text", text=text)],
            structuredContent=structured.model_dump(mode="json"),
        )


@dataclass(frozen=True)
class IndexTools:
    """The tools of an index. What may wait and cannot be awaited runs in threads.

    Args:
        index: an open index.
        rerankers: by the names that calls give.
        rerank: those that run unless a call names others.
        allow_writes: whether there are tools that write.
        options: further ones of `hybridge.interop.configured`, for each search.
    """

    index: HybridIndex
    rerankers: Mapping[str, Reranker]
    rerank: tuple[str, ...]
    allow_writes: bool
    options: Mapping[str, Any]

    def tools(self) -> list[Tool[Any]]:
        """Return the tools, in the order in which an agent needs them."""
        named = ", ".join(self.rerankers) or "none"
        usual = ", ".join(self.rerank) or "none"
        read: list[Tool[Any]] = [
            Tool(
                "search",
                "Search",
                "Find the passages that answer a question, best first, by keywords and by meaning. "
                "Long texts are cut: `get` gives the rest. Scores order one list, and do not "
                f"compare between questions. Rerankers: {named}; the usual ones: {usual}.",
                arguments.Search,
                answers.Found,
                self.search,
                _READS,
                with_fields=True,
            ),
            Tool(
                "get",
                "Get passages",
                "Read passages by their ids, whole; of a text that is too long, the part from an "
                "offset on.",
                arguments.Get,
                answers.Got,
                self.get,
                _READS,
            ),
            Tool(
                "explain",
                "Explain a rank",
                "Explain why a passage ranks where it does for a question, or why it is not found: "
                "give its id and the arguments of the search.",
                arguments.Explain,
                answers.Explained,
                self.explain,
                _READS,
            ),
            Tool(
                "fields",
                "List fields",
                "List the fields of the metadata, with types and frequent values, as the filter "
                "`where` of a search takes them.",
                arguments.ListFields,
                answers.Fields,
                self.fields,
                _READS,
            ),
        ]
        write: list[Tool[Any]] = [
            Tool(
                "add",
                "Add passages",
                "Add passages to the index; one whose id is there already is replaced.",
                arguments.Write,
                answers.Added,
                self.add,
                _WRITES,
            ),
            Tool(
                "delete",
                "Delete passages",
                "Delete passages by their ids, for ever; ids that are not there are no error.",
                arguments.Delete,
                answers.Deleted,
                self.delete,
                _WRITES,
            ),
        ]
        return [*read, *(write if self.allow_writes else [])]

    async def search(self, call: arguments.Search) -> _Answer:
        """Find passages."""
        retriever = self._retriever(call.rerank, call.floor)
        [hits] = await retriever.asearch([call.query], call.k, where=call.where)
        shown = answers.hits_shown(hits, call.trace)
        found = answers.Found(hits=shown, query=corrected_query(hits))
        if not hits:
            blank = "" if call.query.strip() else " The query is blank: give a question."
            return f"Nothing was found.{blank}", found
        frame = Frame()
        parts = [f"{len(hits)} found, best first. {frame.notice}"]
        if found.query is not None:
            parts.append(frame.of(f"Results for the corrected query: {json.dumps(found.query)}"))
        for rank, hit in enumerate(shown, start=1):
            parts.append(_framed(frame, hit, f"rank={rank} score={hit.score:.6g}"))
        return "\n\n".join(parts), found

    async def get(self, call: arguments.Get) -> _Answer:
        """Read passages."""
        ids = list(dict.fromkeys(call.ids))
        passages = await asyncio.to_thread(self.index.get, ids)
        there = [passage for passage in passages if passage is not None]
        missing = [id_ for id_, passage in zip(ids, passages, strict=True) if passage is None]
        shown = answers.passages_shown(there, call.offset)
        frame = Frame()
        parts = [frame.notice, *(_framed(frame, passage) for passage in shown)] if shown else []
        if missing:
            parts.append(f"Not in the index: {json.dumps(missing, ensure_ascii=False)}")
        return "\n\n".join(parts), answers.Got(passages=shown, missing=missing)

    async def explain(self, call: arguments.Explain) -> _Answer:
        """Explain a passage's rank."""
        retriever = self._retriever(call.rerank, call.floor)
        found = await asyncio.to_thread(
            explain, retriever, call.query, call.id, k=call.k, where=call.where
        )
        report = str(found)
        if len(report) > _REPORT:
            report = f"{report[:_REPORT]}\n… (cut)"
        explained = answers.Explained(
            rank=found.rank,
            score=found.score,
            missed=found.missed,
            trace=trace_to_dict(found.trace),
            report=report,
        )
        position = (
            f"not among the first {call.k}" if found.rank is None else f"on rank {found.rank}"
        )
        frame = Frame()
        return f"The passage is {position}. {frame.notice}\n\n{frame.of(report)}", explained

    async def fields(self, call: arguments.ListFields) -> _Answer:
        """List the fields."""
        found = await asyncio.to_thread(self.index.fields)
        passages = await asyncio.to_thread(len, self.index)
        listed: list[dict[str, Any]] = []
        room = answers.SIZE
        for field in found:
            one = field.to_dict()
            room -= len(json.dumps(one, ensure_ascii=False))
            if room < 0:
                break
            listed.append(one)
        frame = Frame()
        described = describe_fields(found[: len(listed)])
        more = len(found) - len(listed)
        rest = f"\n\n{more:,} more fields are left out." if more else ""
        text = f"{passages:,} passages. {frame.notice}\n\n{frame.of(described)}{rest}"
        return text, answers.Fields(passages=passages, fields=listed)

    async def describe_fields(self) -> str:
        """Describe the fields within a tool's description."""
        found = await asyncio.to_thread(self.index.fields)
        frame = Frame("passage-fields")
        described = describe_fields(found)
        if len(described) > _FIELDS:
            cut = described[:_FIELDS].rpartition("\n")[0]
            described = f"{cut}\n- … the tool `fields` lists all"
        return f"The filter `where`. {frame.notice}\n{frame.of(described)}"

    async def add(self, call: arguments.Write) -> _Answer:
        """Add passages."""
        passages = [Passage(new.id, new.text, new.metadata) for new in call.passages]
        added = await asyncio.to_thread(self.index.add, passages, progress=False)
        answer = answers.Added(added=added, passages=await asyncio.to_thread(len, self.index))
        return f"Added {added:,}; the index holds {answer.passages:,}.", answer

    async def delete(self, call: arguments.Delete) -> _Answer:
        """Delete passages."""
        deleted = await asyncio.to_thread(self.index.delete, call.ids)
        answer = answers.Deleted(deleted=deleted, passages=await asyncio.to_thread(len, self.index))
        return f"Deleted {deleted:,}; the index holds {answer.passages:,}.", answer

    def _retriever(
        self, rerank: Sequence[str] | None, floor: Mapping[str, float] | None
    ) -> Retriever:
        names = self.rerank if rerank is None else rerank
        if unknown := [name for name in names if name not in self.rerankers]:
            known = ", ".join(self.rerankers) or "none"
            raise InvalidInputError(f"there is no reranker {unknown[0]!r:.100}: there are {known}")
        rerankers = [self.rerankers[name] for name in names]
        options = dict(self.options) if floor is None else {**self.options, "floor": floor}
        return configured(self.index, rerankers=rerankers, **options)


def _framed(frame: Frame, shown: answers.ShownPassage, attributes: str = "") -> str:
    lines = [f"id: {json.dumps(shown.id, ensure_ascii=False)}"]
    if shown.metadata:
        lines.append(f"metadata: {json.dumps(shown.metadata, ensure_ascii=False)}")
    if isinstance(shown, answers.FoundHit) and shown.trace is not None:
        lines.append(f"stages: {json.dumps(shown.trace, ensure_ascii=False)}")
    framed = frame.of("\n".join([*lines, "", shown.text]), attributes)
    notes = []
    if shown.left_out:
        notes.append(f"{shown.left_out} large fields of its metadata are left out")
    if shown.offset or shown.rest is not None:
        end = shown.offset + len(shown.text)
        notes.append(f"characters {shown.offset:,} to {end:,} of {shown.characters:,}")
    if shown.rest is not None:
        notes.append(f"get with this id and offset={shown.rest} gives the rest")
    return f"{framed}\n({'; '.join(notes)})" if notes else framed


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON schema without what is written for readers of its code."""
    schema = model.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("description", None)
    return schema
