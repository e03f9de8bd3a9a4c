"""One filter language for BM25, both Qdrant engines and memory.

A filter is an object, `Eq("topic", "law") & Gte("year", 2010)`, or a dict,
`{"topic": "law", "year": {"$gte": 2010}}`; `as_filter` accepts both. The module `conditions`
defines the operators, `parsing` the dicts, `fields` the names of fields, and `qdrant` the
translation for the engines.
"""

from __future__ import annotations

from .comparisons import Comparison, Gt, Gte, Lt, Lte
from .conditions import (
    Condition,
    Contains,
    Eq,
    Exists,
    In,
    Ne,
    NotIn,
    TextContains,
    TextMatch,
    TextMatchInsensitive,
)
from .field_check import FieldCheck, some_of
from .indexes import index_fields, payload_path
from .language import And, Filter, IdIn, Not, Or
from .parsing import as_filter
from .phrase import TextPhrase, resolved
from .qdrant import Pushed, Strictness, to_edge, to_rest

__all__ = [
    "And",
    "Comparison",
    "Condition",
    "Contains",
    "Eq",
    "Exists",
    "FieldCheck",
    "Filter",
    "Gt",
    "Gte",
    "IdIn",
    "In",
    "Lt",
    "Lte",
    "Ne",
    "Not",
    "NotIn",
    "Or",
    "Pushed",
    "Strictness",
    "TextContains",
    "TextMatch",
    "TextMatchInsensitive",
    "TextPhrase",
    "as_filter",
    "index_fields",
    "payload_path",
    "resolved",
    "some_of",
    "to_edge",
    "to_rest",
]
