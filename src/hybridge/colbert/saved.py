"""The settings of a saved late-interaction model, from its files: nothing is loaded.

There are three formats: Stanford's (``artifact.metadata`` beside a transformer with a projection),
PyLate's, and sentence-transformers' own. What they mean is what sentence-transformers'
`MultiVectorEncoder` makes of them.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..encoders.files import read_modules, read_object
from ..encoders.onnx.modules import Step, read_dense
from ..encoders.onnx.unsupported import UnsupportedModelError
from ..encoders.scaling import unit_length
from ..errors import ModelNotFoundError
from ..protocols import Vectors

__all__ = ["SavedModel", "read_saved"]

_STANFORD = "HF_ColBERT"
_TRANSFORMER = ("max_seq_length", "do_lower_case", "transformer_task", "modality_config")
_LENGTHS = ("query_length", "document_length", "query_expansion")
# PyLate's settings, whose presence says that queries are expanded unless one says otherwise.
_PYLATE = (
    *_LENGTHS,
    "do_query_expansion",
    "attend_to_expansion_tokens",
    "attend_to_mask_tokens",
    "query_prefix",
    "document_prefix",
    "skiplist_words",
)


@dataclass(frozen=True)
class SavedModel:
    """The settings of a saved late-interaction model.

    Args:
        prompts: what stands before texts, by sentence-transformers' names.
        markers: those of them that the tokenizer must keep whole.
        lengths: `query_length`, `document_length` and `query_expansion`, as in
            sentence-transformers, where they are set.
        skipped: tokens that get no vector, by task.
        allowed: numbers of the only tokens of passages that get one; empty for all.
        steps: what is done to the vectors of tokens.
    """

    prompts: Mapping[str, str]
    markers: Sequence[str]
    lengths: Mapping[str, Any]
    skipped: Mapping[str, Sequence[str]]
    allowed: Sequence[int]
    steps: Sequence[Step]

    @property
    def query_prompt(self) -> str:
        return self.prompts.get("query") or ""

    @property
    def passage_prompt(self) -> str:
        return self.prompts.get("document") or ""


def read_saved(folder: Path) -> SavedModel:
    """Return the settings of a saved late-interaction model.

    Args:
        folder: the folder of the model.

    Raises:
        UnsupportedModelError: a module is of another kind, or works otherwise than those here.
        ModelNotFoundError: a file cannot be read.
    """
    config = read_object(folder / "config.json", optional=True)
    is_stanford = _STANFORD in (config.get("architectures") or ())
    if (folder / "modules.json").is_file():
        return _read_modules(folder, is_stanford=is_stanford)
    if is_stanford:
        return _read_stanford(folder)
    raise UnsupportedModelError(
        f"the late-interaction model in {str(folder)!r} has no modules.json, and is not in "
        "Stanford's format"
    )


def _read_stanford(folder: Path) -> SavedModel:
    settings = read_object(folder / "artifact.metadata", optional=True)
    markers = {
        "query": (settings.get("query_token_id") or "[unused0]") + " ",
        "document": (settings.get("doc_token_id") or "[unused1]") + " ",
    }
    lengths: dict[str, Any] = {
        "query_expansion": {
            "length": settings.get("query_maxlen") or 32,
            "attend": bool(settings.get("attend_to_mask_tokens")),
        }
    }
    if settings.get("doc_maxlen") is not None:
        lengths["document_length"] = settings["doc_maxlen"]
    skipped = string.punctuation if settings.get("mask_punctuation", True) else ""
    return SavedModel(
        prompts=markers,
        markers=list(markers.values()),
        lengths=lengths,
        skipped={"document": list(skipped)},
        allowed=(),
        steps=[_stanford_projection(folder), unit_length],
    )


def _stanford_projection(folder: Path) -> Step:
    from safetensors import SafetensorError, safe_open

    path = folder / "model.safetensors"
    if not path.is_file():
        raise UnsupportedModelError(f"there is no model.safetensors in {str(folder)!r}")
    name = "linear.weight"
    try:
        with safe_open(path, "numpy") as file:
            if name not in file.keys():  # noqa: SIM118  # it is no mapping
                raise ModelNotFoundError(
                    f"the checkpoint in {str(folder)!r} has no weights {name!r}: is it a ColBERT "
                    "checkpoint?"
                )
            weight = file.get_tensor(name)
    except SafetensorError as error:
        raise ModelNotFoundError(f"the weights in {str(path)!r} cannot be read: {error}") from error
    except TypeError as error:  # numpy has no bfloat16
        raise UnsupportedModelError(f"the projection in {str(path)!r}: {error}") from error
    matrix = np.ascontiguousarray(weight.T, dtype=np.float32)

    def project(vectors: Vectors) -> Vectors:
        projected: Vectors = vectors @ matrix
        return projected

    return project


def _read_modules(folder: Path, *, is_stanford: bool) -> SavedModel:
    config = read_object(folder / "config_sentence_transformers.json", optional=True)
    prompts = {name: prompt for name, prompt in (config.get("prompts") or {}).items() if prompt}
    markers = []
    for prefix, name in (("query_prefix", "query"), ("document_prefix", "document")):
        if prefix in config:
            marker = config[prefix] or ""
            markers.append(marker)
            prompts[name] = marker + prompts.get(name, "").removeprefix(marker)
    kind_of_model = config.get("model_type") or (_STANFORD if is_stanford else None)
    is_pylate = kind_of_model == "ColBERT"
    is_converted = kind_of_model in (None, "SentenceTransformer")
    saved = SavedModel(prompts, markers, _pylate_lengths(config), {}, (), [])
    if is_pylate or is_converted:
        words = config.get("skiplist_words")
        if words is None:
            words = list(string.punctuation) if is_pylate or markers else []
        saved = replace(saved, skipped={"document": words})
    for number, module in enumerate(read_modules(folder)):
        kind = str(module.get("type")).rpartition(".")[2]
        path = folder / str(module.get("path") or "")
        if number == 0 and kind == "Transformer":
            saved = replace(saved, lengths={**saved.lengths, **_own_lengths(path)})
        elif (step := _read_step(kind, path, is_converted=is_converted)) is not None:
            saved = replace(saved, steps=[*saved.steps, step])
        elif kind == "MultiVectorMask" and not saved.skipped:
            saved = replace(saved, **_read_mask(path))
        elif not (is_converted and kind in ("Pooling", "Normalize")):
            raise UnsupportedModelError(
                f"module {number} of the model in {str(folder)!r} is a {kind}, which is not run by "
                "ONNX Runtime here"
            )
    if is_pylate or is_converted:
        saved = replace(saved, steps=[*saved.steps, unit_length])
    return saved


def _pylate_lengths(config: Mapping[str, Any]) -> dict[str, Any]:
    lengths = {
        name: config[name]
        for name in _LENGTHS
        if name in config and (config[name] is not None or name == "query_expansion")
    }
    if "query_expansion" in lengths or not any(name in config for name in _PYLATE):
        return lengths
    if config.get("do_query_expansion") is False:
        return {**lengths, "query_expansion": None}
    attend = config.get("attend_to_expansion_tokens", config.get("attend_to_mask_tokens"))
    expansion = {"length": lengths.pop("query_length", None) or 32, "attend": bool(attend)}
    return {**lengths, "query_expansion": expansion}


def _own_lengths(folder: Path) -> dict[str, Any]:
    """Return the lengths that a transformer was saved with, which come first."""
    settings = read_object(folder / "sentence_bert_config.json", optional=True)
    if (task := settings.get("transformer_task", "feature-extraction")) != "feature-extraction":
        raise UnsupportedModelError(f"the transformer in {str(folder)!r} is for {task}")
    known = (*_TRANSFORMER, "module_output_name", *_LENGTHS)
    if strange := [name for name in settings if name not in known and settings[name]]:
        raise UnsupportedModelError(
            f"the transformer in {str(folder)!r} sets {strange[0]}, which is not known here"
        )
    return {name: settings[name] for name in _LENGTHS if name in settings}


def _read_step(kind: str, folder: Path, *, is_converted: bool) -> Step | None:
    """Return what a module does to vectors of tokens; None if that is nothing."""
    if kind not in ("Dense", "Normalize"):
        return None
    config = read_object(folder / "config.json", optional=kind == "Normalize")
    source = config.get(
        "module_input_name", "token_embeddings" if kind == "Dense" else "sentence_embedding"
    )
    target = config.get("module_output_name") or source
    if kind == "Dense" and (is_converted or (source, target) == ("token_embeddings",) * 2):
        return read_dense(folder)
    if kind == "Normalize" and (source, target) == ("token_embeddings",) * 2:
        return unit_length
    return None


def _read_mask(folder: Path) -> dict[str, Any]:
    config = read_object(folder / "config.json", optional=True)
    words, tasks = config.get("skiplist_words") or [], config.get("skiplist_tasks") or ["document"]
    return {
        "skipped": dict.fromkeys([tasks] if isinstance(tasks, str) else tasks, words),
        "allowed": config.get("keep_only_token_ids") or (),
    }
