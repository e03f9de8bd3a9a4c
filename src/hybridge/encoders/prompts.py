"""Prompts: the words in front of a text before a model reads it.

A model trained with prompts finds little without them. For queries and for passages, the first of
these applies:

1. the argument (`query_prompt=`, `passage_prompt=`), where ``""`` means no prompt;
2. the prompt in the model's own configuration, where it is not empty: ``"query"``, and
   ``"document"``, ``"passage"`` or ``"corpus"``, the names that sentence-transformers reads;
3. the table below: models whose authors require prompts and ship none, by their exact hub name;
4. none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["KNOWN_PROMPTS", "PASSAGE_PROMPTS", "Prompts", "choose_prompts"]

# sentence-transformers' names of a passage's prompt, in its order.
PASSAGE_PROMPTS = ("document", "passage", "corpus")


class Prompts(NamedTuple):
    """A query's prompt and a passage's; empty for none.

    >>> Prompts("query: ", "passage: ").query
    'query: '
    """

    query: str
    passage: str


# Wang et al. 2022, arXiv 2212.03533, and 2024, arXiv 2402.05672, with their model cards.
_E5 = Prompts("query: ", "passage: ")
_E5_INSTRUCT = Prompts(
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ",
    "",
)
# Xiao et al. 2023, arXiv 2309.07597, and the table in FlagEmbedding's README.
_BGE_EN = Prompts("Represent this sentence for searching relevant passages: ", "")
_BGE_ZH = Prompts("为这个句子生成表示以用于检索相关文章：", "")
# Nussbaum et al. 2024, arXiv 2402.01613, with its model card.
_NOMIC = Prompts("search_query: ", "search_document: ")

KNOWN_PROMPTS: Mapping[str, Prompts] = {
    "BAAI/bge-base-en": _BGE_EN,
    "BAAI/bge-base-en-v1.5": _BGE_EN,
    "BAAI/bge-base-zh": _BGE_ZH,
    "BAAI/bge-base-zh-v1.5": _BGE_ZH,
    "BAAI/bge-large-en": _BGE_EN,
    "BAAI/bge-large-en-v1.5": _BGE_EN,
    "BAAI/bge-large-zh": _BGE_ZH,
    "BAAI/bge-large-zh-v1.5": _BGE_ZH,
    "BAAI/bge-small-en": _BGE_EN,
    "BAAI/bge-small-en-v1.5": _BGE_EN,
    "BAAI/bge-small-zh": _BGE_ZH,
    "BAAI/bge-small-zh-v1.5": _BGE_ZH,
    "intfloat/e5-base": _E5,
    "intfloat/e5-base-unsupervised": _E5,
    "intfloat/e5-base-v2": _E5,
    "intfloat/e5-large": _E5,
    "intfloat/e5-large-unsupervised": _E5,
    "intfloat/e5-large-v2": _E5,
    "intfloat/e5-small": _E5,
    "intfloat/e5-small-unsupervised": _E5,
    "intfloat/e5-small-v2": _E5,
    "intfloat/multilingual-e5-base": _E5,
    "intfloat/multilingual-e5-large": _E5,
    "intfloat/multilingual-e5-large-instruct": _E5_INSTRUCT,
    "intfloat/multilingual-e5-small": _E5,
    "nomic-ai/nomic-embed-text-v1": _NOMIC,
    "nomic-ai/nomic-embed-text-v1.5": _NOMIC,
}


def choose_prompts(
    name: str | None,
    configured: Mapping[str, str | None],
    *,
    query: str | None = None,
    passage: str | None = None,
) -> Prompts:
    """Return the prompts of a model, by the rule of this module.

    Args:
        name: the model's name on the hub; None for a folder or an object.
        configured: the prompts in the model's own configuration.
        query: the argument for queries, or None.
        passage: the argument for passages, or None.

    >>> choose_prompts("intfloat/e5-base-v2", {})
    Prompts(query='query: ', passage='passage: ')
    >>> choose_prompts("intfloat/e5-base-v2", {}, passage="")
    Prompts(query='query: ', passage='')
    >>> choose_prompts(None, {"query": "ask: ", "document": ""})
    Prompts(query='ask: ', passage='')
    """
    known = KNOWN_PROMPTS.get(name or "", Prompts("", ""))
    if query is None:
        query = configured.get("query") or known.query
    if passage is None:
        found = (configured.get(name) for name in PASSAGE_PROMPTS)
        passage = next(filter(None, found), known.passage)
    return Prompts(query, passage)
