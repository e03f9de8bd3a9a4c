"""What the adapters of LangChain and LlamaIndex share; the toolbox for an adapter of your own.

An adapter imports its framework, public names of Hybridge, and this.
"""

from ..arguments import as_id, check_count, check_queries, check_share
from ..copying import check_parts
from ..encoders.wrapping import unwrapped
from ..filters.fields import Path, lookup, parse_field
from ..forking import ForkSafeLock
from ..frameworks import as_retriever
from ..passages import trace_to_dict
from ..pipeline import SearchConfig, search_config_of
from ..results.boosts import check_boosts
from ..results.floor import check_floor
from ..vectors.store import stored_passage
from .bridge import ExternalHit, FrameworkRetriever, as_json, decreasing_scores
from .encoders import FrameworkEncoder, framework_encoder
from .indexes import (
    FutureIndex,
    check_threshold,
    configured,
    connection_options,
    dense_vector_names,
    is_persistent,
    new_index,
)

__all__ = [
    "ExternalHit",
    "ForkSafeLock",
    "FrameworkEncoder",
    "FrameworkRetriever",
    "FutureIndex",
    "Path",
    "SearchConfig",
    "as_id",
    "as_json",
    "as_retriever",
    "check_boosts",
    "check_count",
    "check_floor",
    "check_parts",
    "check_queries",
    "check_share",
    "check_threshold",
    "configured",
    "connection_options",
    "decreasing_scores",
    "dense_vector_names",
    "framework_encoder",
    "is_persistent",
    "lookup",
    "new_index",
    "parse_field",
    "search_config_of",
    "stored_passage",
    "trace_to_dict",
    "unwrapped",
]
