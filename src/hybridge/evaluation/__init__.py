"""Evaluation: the quality of retrievers on judged queries, their latency, and significance.

`evaluate` returns an `Evaluation`, which prints as a table and compares retrievers. Judged
collections come from BEIR's layout, from ir_datasets by name, from your own files, from data sets
of LlamaIndex and LangSmith, from clicks and thumbs, or are generated from the passages. The
measures are trec_eval's, computed by `ir-measures`.
"""

from __future__ import annotations

from .beir import load_beir
from .collection import Collection
from .feedback import load_clicks, load_thumbs
from .ir_datasets import load_ir_dataset
from .judged_file import load_judged
from .known_items import known_item_queries
from .langsmith import load_langsmith
from .llama_index import load_llama_index
from .measures import MEASURES
from .no_answer import NoAnswer, no_answer
from .qrels import read_qrels, read_queries
from .result import Evaluation
from .runner import evaluate, evaluate_runs
from .runs import read_run
from .significance import Comparison

__all__ = [
    "MEASURES",
    "Collection",
    "Comparison",
    "Evaluation",
    "NoAnswer",
    "evaluate",
    "evaluate_runs",
    "known_item_queries",
    "load_beir",
    "load_clicks",
    "load_ir_dataset",
    "load_judged",
    "load_langsmith",
    "load_llama_index",
    "load_thumbs",
    "no_answer",
    "read_qrels",
    "read_queries",
    "read_run",
]
