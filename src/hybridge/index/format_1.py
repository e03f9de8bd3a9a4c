"""Manifests of the first format, which knew BM25, one dense stage and late interaction by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["of_format_1"]


def of_format_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest's entries as they are written today."""
    old = values["store"]
    vectors = {
        "dense": {
            "kind": "dense",
            "dimension": old["dimension"],
            "distance": old["distance"],
        }
    }
    stages = [
        {
            "name": "bm25",
            "kind": "bm25",
            "identity": "bm25",
            "config": {
                "lexical": values["lexical"],
                "analyzer": values["analyzer"],
                "parameters": values["bm25"],
            },
            "vector": "bm25",
            "state": {},
        },
        {
            "name": "dense",
            "kind": "dense",
            "identity": values["encoder"],
            "config": {"encoder": values.get("encoder_config"), "distance": old["distance"]},
            "vector": "dense",
        },
    ]
    if old["sparse"]:
        vectors["bm25"] = {"kind": "sparse", "idf": True}
        stages[0]["state"] = {
            "average_length": values.get("average_length", 1.0),
            "reweighing": values.get("reweighing", False),
            "terms": values.get("terms"),
        }
    tokens = old.get("tokens")
    if tokens is not None:
        vectors["tokens"] = {"kind": "tokens", **tokens}
        stages.append(
            {
                "name": "late-interaction",
                "kind": "late-interaction",
                "identity": values["token_encoder"],
                "config": {
                    "encoder": values.get("token_encoder_config"),
                    "blend": values.get("blend", 0.0),
                    "datatype": tokens["datatype"],
                },
                "vector": "tokens",
            }
        )
    return {
        "stages": stages,
        "store": {
            "vectors": vectors,
            "hnsw": old["hnsw"],
            "quantization": old["quantization"],
            "filter_fields": old.get("filter_fields", {}),
        },
        "fusion": values["fusion"],
        "weights": values["weights"],
        "depth": values["depth"],
        "pending": None,
    }
