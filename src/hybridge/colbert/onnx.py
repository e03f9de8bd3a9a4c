"""Late interaction in ONNX Runtime: how queries and passages are read, from a model's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..encoders.files import read_object
from ..encoders.limits import transformer_folder
from ..encoders.onnx.export import Precision
from ..encoders.onnx.load import load_model
from ..encoders.onnx.model import OnnxModel
from ..encoders.onnx.tokens import Expansion, OnnxTokens, Reading
from ..encoders.onnx.unsupported import UnsupportedModelError
from ..encoders.positions import readable_tokens
from ..encoders.prompts import Prompts
from ..encoders.resolution import ModelSource
from ..encoders.scaling import unit_length
from .limits import check_lengths
from .saved import SavedModel, read_saved
from .training_free import punctuation

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["Readers", "Task", "checkpoint_readers", "training_free_readers"]

Task: TypeAlias = Literal["query", "document"]
Readers: TypeAlias = Mapping[Task, OnnxTokens]

# Mask tokens of tokenizers that do not name theirs.
_MASKS = ("[MASK]", "<mask>")


def training_free_readers(
    queries: OnnxModel,
    passages: OnnxModel,
    folder: Path,
    prompts: Prompts,
    query_length: int | None,
    passage_length: int | None,
) -> Readers:
    """Return how a bi-encoder's transformer reads texts for late interaction without training.

    Args:
        queries: the transformer for queries.
        passages: the transformer for passages, which may be the same.
        folder: the folder of the model.
        prompts: what stands before texts.
        query_length: tokens of a query at most; None for all that the model reads.
        passage_length: the same of a passage.

    Raises:
        UnsupportedModelError: its graph gives no vectors of tokens.
        InvalidInputError: it cannot read as many.
    """
    _check_lengths(passages.tokenizer, folder, query_length, passage_length)
    vocabulary = passages.tokenizer.get_vocab()
    skipped = sorted(vocabulary[mark] for mark in punctuation(vocabulary))
    query = Reading(prompts.query, query_length or queries.limit)
    passage = Reading(prompts.passage, passage_length or passages.limit, skipped)
    return {
        "query": OnnxTokens(queries, query, [unit_length]),
        "document": OnnxTokens(passages, passage, [unit_length]),
    }


def checkpoint_readers(
    source: ModelSource,
    dtype: Precision,
    query_length: int | None,
    passage_length: int | None,
    *,
    device: str | None = None,
    export: bool = False,
) -> Readers:
    """Return how a late-interaction model reads texts.

    Args:
        source: where the model is; it is downloaded first if it is on the hub.
        dtype: the precision.
        query_length: as for `MultiVectorTokenEncoder`.
        passage_length: as for `MultiVectorTokenEncoder`.
        device: as for `load_model`.
        export: as for `load_model`.

    Raises:
        UnsupportedModelError: ONNX Runtime cannot run it here.
        InvalidInputError: it cannot read as many tokens.
        ModelNotFoundError: a file is missing or damaged.
    """
    folder = source.fetch()
    saved = read_saved(folder)
    model = load_model(source, "tokens", dtype, device=device, export=export)
    _keep_whole(model.tokenizer, saved.markers)
    _check_lengths(model.tokenizer, folder, query_length, passage_length)
    expansion = _expansion(saved, model.tokenizer, folder, query_length)
    passage_limit = passage_length or saved.lengths.get("document_length") or model.limit

    def skipped(task: Task) -> Sequence[int]:
        numbers = map(model.tokenizer.token_to_id, saved.skipped.get(task, ()))
        return [number for number in numbers if number is not None]

    query_limit = query_length or model.limit
    queries = Reading(saved.query_prompt, query_limit, skipped("query"), (), expansion)
    passages = Reading(saved.passage_prompt, passage_limit, skipped("document"), saved.allowed)
    return {
        "query": OnnxTokens(model, queries, saved.steps),
        "document": OnnxTokens(model, passages, saved.steps),
    }


def _check_lengths(
    tokenizer: Tokenizer, folder: Path, query_length: int | None, passage_length: int | None
) -> None:
    config = read_object(_transformer(folder) / "config.json", optional=True)
    special = tokenizer.num_special_tokens_to_add(False)
    check_lengths(query_length, passage_length, special, readable_tokens(config))


def _keep_whole(tokenizer: Tokenizer, markers: Sequence[str]) -> None:
    """Make the tokenizer keep markers whole that it knows but would take apart."""
    from tokenizers import AddedToken

    for marker in filter(str.strip, markers):
        for token in (marker, marker.split(None, 1)[0]):
            if tokenizer.token_to_id(token) is None:
                continue
            if tokenizer.encode(token, add_special_tokens=False).tokens != [token]:
                tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True)])
            break


def _expansion(
    saved: SavedModel, tokenizer: Tokenizer, folder: Path, query_length: int | None
) -> Expansion | None:
    settings = saved.lengths.get("query_expansion")
    if not settings:
        return None
    token = settings.get("token") or _mask(tokenizer, folder)
    number = tokenizer.token_to_id(token)
    if number is None:
        raise UnsupportedModelError(
            f"the tokenizer in {str(folder)!r} has no token {token!r}, which fills queries up"
        )
    return Expansion(query_length or settings["length"], number, bool(settings.get("attend")))


def _mask(tokenizer: Tokenizer, folder: Path) -> str:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        settings = read_object(_transformer(folder) / name, optional=True)
        named: Any = settings.get("mask_token")
        if named is not None:
            return str(named["content"] if isinstance(named, Mapping) else named)
    found = next((mask for mask in _MASKS if tokenizer.token_to_id(mask) is not None), None)
    if found is None:
        raise UnsupportedModelError(f"the tokenizer in {str(folder)!r} names no mask token")
    return found


def _transformer(folder: Path) -> Path:
    return transformer_folder(folder) or folder
