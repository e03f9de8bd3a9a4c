"""The check of a manifest that was read: a missing or wrong entry is named by its key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType
from typing import Any, TypeAlias

from ..arguments import check_count
from ..errors import CorruptIndexError, HybridgeError
from ..fusion import FUSIONS, check_weights, from_config
from ..search_text import SearchText
from ..stages.bm25 import BM25
from ..stages.kinds import stage_class
from ..stages.stage import Stage
from ..stages.vector import VectorStage

__all__ = ["check_entries", "damaged", "manifest_of"]

# The name of an entry point.
_KIND = re.compile(r"[^\s=\[]([^=]*[^\s=])?")

_Types: TypeAlias = tuple[type, ...]

_NAMES = {str: "a string", dict: "a mapping", list: "a list", int: "a whole number"}
_MANIFEST: Mapping[str, _Types] = {
    "stages": (list,),
    "store": (dict,),
    "fusion": (dict,),
    "weights": (dict,),
    "depth": (int,),
    "pending": (dict, NoneType),
}
_STAGE: Mapping[str, _Types] = {
    "name": (str,),
    "kind": (str,),
    "identity": (str,),
    "config": (dict,),
    "vector": (str,),
}
_STORE: Mapping[str, _Types] = {"vectors": (dict,), "hnsw": (dict, NoneType)}


def damaged(manifest: str, error: Exception | str) -> CorruptIndexError:
    """Return the error of opening an index whose manifest is damaged.

    Args:
        manifest: where it is.
        error: what is wrong with it.
    """
    reason = f"it lacks {error}" if isinstance(error, KeyError) else error
    return CorruptIndexError(
        f"{manifest} is damaged, or no index's ({reason}): restore it from a copy, or index again"
    )


def manifest_of(config: Any) -> dict[str, Any]:
    """Return the entries of the manifest in a file, of any format.

    Raises:
        ValueError: there is none.
    """
    if not isinstance(config, dict):
        raise ValueError(f"it must be a mapping with 'hybridge', not {config!r:.80}")
    _check(config, {"hybridge": (dict,)}, "")
    return {**config["hybridge"]}


def check_entries(values: Mapping[str, Any]) -> None:
    """Check the entries of a manifest of the present format, up to those of its stages' own.

    Raises:
        ValueError: an entry is missing or wrong; the message has its key.
    """
    _check(values, _MANIFEST, "")
    store = values["store"]
    _check(store, _STORE, "store.")
    records = {f"stages[{i}].": record for i, record in enumerate(values["stages"])}
    if values["pending"] is not None:
        records["pending."] = values["pending"]
    for key, record in records.items():
        _check(record, _STAGE, key)
        _check({"state": {}, **record}, {"state": (dict,)}, key)
        _check_search_text(record.get("search_text"), key)
        _check_kind(record, key)
    _check_search_text(values.get("search_text"), "")
    names = [record["name"] for record in values["stages"]]  # a pending one may replace another
    if len({*names}) < len(names):
        raise ValueError(f"'stages' has a name twice: {names}")
    stages = {record["name"]: _class_of(record) for record in values["stages"]}
    for record in records.values():
        vector = record["vector"]
        if _keeps_vectors(record, _class_of(record)) and vector not in store["vectors"]:
            # Found before the store opens, which then drops vectors that have no name here.
            raise ValueError(f"'store.vectors' lacks {vector!r} of the stage {record['name']!r}")
    _check_weights(values, stages)
    check_count(values["depth"], "'depth'")
    _check(values["fusion"], {"name": (str,)}, "fusion.")
    if values["fusion"]["name"] in FUSIONS:
        from_config(values["fusion"])


def _check_kind(record: Mapping[str, Any], key: str) -> None:
    """Check what is known of a kind: its form, and the identity of BM25, which is no encoder's."""
    kind, identity = record["kind"], record["identity"]
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{key + 'kind'!r} is {kind!r}, which names no kind of stages")
    if kind == BM25.kind and identity != BM25().identity:
        raise ValueError(f"{key + 'identity'!r} must be {BM25().identity!r}, not {identity!r}")


def _check_search_text(config: Any, key: str) -> None:
    """Check what is searched of a passage: nothing else than its text, a template or a function."""
    try:
        if not SearchText.is_function(config):
            SearchText.from_config(config)
    except CorruptIndexError as error:
        raise ValueError(f"{f'{key}search_text'!r} is {config!r}: {error}") from error


def _check_weights(values: Mapping[str, Any], stages: Mapping[str, type[Stage] | None]) -> None:
    """Check that the stages that find candidates, and no others, have a weight."""
    weights = values["weights"]
    for record in values["stages"]:
        name, stage = record["name"], stages[record["name"]]
        if stage is not None and stage.finds != (name in weights):
            reason = "lacks" if stage.finds else "must not have"
            raise ValueError(f"'weights' {reason} the stage {name!r}")
    if unknown := sorted(weights.keys() - {record["name"] for record in values["stages"]}):
        raise ValueError(f"'weights' has {unknown[0]!r}, which is no stage")
    check_weights(list(weights.values()), len(weights))


def _class_of(record: Mapping[str, Any]) -> type[Stage] | None:
    try:
        return stage_class(record["kind"])
    except HybridgeError:
        return None  # of a package that is not installed: an error when the stages are restored


def _keeps_vectors(record: Mapping[str, Any], stage: type[Stage] | None) -> bool:
    if stage is None:
        return False
    if issubclass(stage, BM25):
        return bool(record["config"].get("lexical") == "qdrant")
    return issubclass(stage, VectorStage)


def _check(values: Any, types: Mapping[str, _Types], key: str) -> None:
    if not isinstance(values, dict):
        raise ValueError(f"{key.rstrip('.')!r} must be a mapping, not {values!r}")
    for name, allowed in types.items():
        if name not in values:
            raise ValueError(f"it lacks {key + name!r}")
        if not isinstance(values[name], allowed):
            expected = " or ".join(_NAMES.get(each, "null") for each in allowed)
            raise ValueError(f"{key + name!r} must be {expected}, not {values[name]!r}")
