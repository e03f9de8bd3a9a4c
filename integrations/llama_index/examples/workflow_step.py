"""A workflow with retrieval as its first step, and an event for what that found.

python workflow_step.py "How long does Eco take?"
"""

from __future__ import annotations

import asyncio
import sys

from llama_index.core.schema import NodeWithScore
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step

from common import MANUAL, PROMPT, language_model
from llama_index.retrievers.hybridge import HybridgeRetriever


class Found(Event):
    question: str
    nodes: list[NodeWithScore]


class Answering(Workflow):
    def __init__(self) -> None:
        super().__init__()
        self.retriever = HybridgeRetriever.from_documents(MANUAL, similarity_top_k=2)
        self.model = language_model()

    @step
    async def retrieve(self, context: Context, start: StartEvent) -> Found:
        found = Found(question=start.question, nodes=await self.retriever.aretrieve(start.question))
        context.write_event_to_stream(found)
        return found

    @step
    async def answer(self, found: Found) -> StopEvent:
        passages = "\n\n".join(node.get_content() for node in found.nodes)
        asked = PROMPT.format_messages(context_str=passages, query_str=found.question)
        response = await self.model.achat(asked)
        return StopEvent(result=response.message.content)


async def main(question: str) -> None:
    running = Answering().run(question=question)
    async for event in running.stream_events():
        if isinstance(event, Found):
            print("Found: " + ", ".join(f"{node.node.ref_doc_id}" for node in event.nodes))
    print(await running)


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "How many hours does the Eco programme take?"))
