"""How far one query travels through our own code: its calls, and the files they are in.

    python benchmarks/calls.py            # a table
    python benchmarks/calls.py --calls    # and every call, in order, indented by depth

A *call* is one that `sys.setprofile` reports of a named Python function or method in `hybridge` or
one of its adapters, in any thread: functions written in C, other packages, comprehensions, lambdas
and generator expressions are not counted, and a generator counts each time it is resumed. *Files*
are those that the calls are defined in.

The query is the second of its process, so that nothing is counted that is loaded or remembered
once; its vector is forgotten, so that it is encoded again. It asks an embedded index of four
passages for all of them, without a filter; encoder and reranker are a few lines of this file, so
that models and the number of candidates add little.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

import hybridge
import langchain_hybridge
import llama_index.retrievers.hybridge as llama_index_hybridge
from hybridge import CallableEncoder, HybridIndex, Passage, Pipeline, Reranker
from hybridge.encoders import query_cache
from hybridge.reranking import TextReranker

OURS = {
    f"{Path(str(module.__file__)).parents[above].as_posix()}/": label
    for module, above, label in (
        (hybridge, 0, "core"),
        (langchain_hybridge, 0, "adapter"),
        (llama_index_hybridge, 2, "adapter"),
    )
}
K = 4
QUERY = "what thins the blood?"
TEXTS = [
    "Aspirin thins the blood.",
    "Warfarin thins the blood as well.",
    "Bread needs yeast.",
    "Bread rises.",
]


class Call(NamedTuple):
    """A call of one of our functions.

    Args:
        depth: how many of our own functions wait for it.
        part: core or adapter.
        file: where the function is defined.
        function: its name, with its class.
    """

    depth: int
    part: str
    file: str
    function: str


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """The calls inside the block, in order."""
    calls: list[Call] = []

    def profile(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        where = owner(frame)
        if event == "call" and where is not None and not code.co_name.startswith("<"):
            calls.append(Call(depth(frame), *where, code.co_qualname))

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def owner(frame: FrameType) -> tuple[str, str] | None:
    """Whose function this is and in which file; None where it is not ours."""
    file = Path(frame.f_code.co_filename).as_posix()
    for folder, part in OURS.items():
        if file.startswith(folder):
            return part, file.removeprefix(folder)
    return None


def depth(frame: FrameType) -> int:
    outer, found = frame.f_back, 0
    while outer is not None:
        found += owner(outer) is not None
        outer = outer.f_back
    return found


class Longest(TextReranker):
    """Ranks by length."""

    def _score(self, queries: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[float(len(text)) for text in some] for some in texts]


def vowels(texts: Sequence[str]) -> list[list[float]]:
    return [[float(text.count(vowel)) for vowel in "aeiou"] for text in texts]


def searches(index: HybridIndex, reranker: Reranker) -> dict[str, Callable[[], object]]:
    """What is asked, by name."""
    pipeline = Pipeline(index, reranker)
    chained = langchain_hybridge.HybridgeRetriever(retriever=index, rerankers=(reranker,), k=K)
    engine = llama_index_hybridge.HybridgeRetriever(index, rerankers=[reranker], similarity_top_k=K)
    return {
        "core: HybridIndex.search": lambda: index.search([QUERY], K),
        "core: Pipeline.search, a reranker": lambda: pipeline.search([QUERY], K),
        "LangChain: invoke, a reranker": lambda: chained.invoke(QUERY),
        "LlamaIndex: retrieve, a reranker": lambda: engine.retrieve(QUERY),
    }


def figures(calls: Sequence[Call]) -> tuple[str, str]:
    """How many calls, and in how many files."""
    return str(len(calls)), str(len({call.file for call in calls}))


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--calls", action="store_true", help="list every call, indented by depth")
    options = parser.parse_args()
    console = Console()
    table = Table("one query", "calls", "files", "of the adapter: calls", "files", box=None)
    encoder = CallableEncoder(vowels, identity="vowels", dimension=5)
    with HybridIndex.create(encoder=encoder) as index:
        index.add(Passage(f"p{number}", text) for number, text in enumerate(TEXTS))
        for name, search in searches(index, Longest("length")).items():
            search()
            query_cache.clear()
            with recorded() as calls:
                search()
            if options.calls:
                console.print(f"\n{name}", style="bold")
                for call in calls:
                    console.print(f"{'  ' * call.depth}{call.file} {call.function}")
            adapter = [call for call in calls if call.part == "adapter"]
            table.add_row(name, *figures(calls), *figures(adapter))
    console.print(table)


if __name__ == "__main__":
    main()
