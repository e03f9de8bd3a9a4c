"""The agreement of a graph with what it was made of, on a few texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..files import read_object
from ..limits import least_limit
from ..positions import readable_tokens
from .from_torch import load_in_torch
from .graph import Head
from .model import Batch, OnnxModel, Text, load_tokenizer, padding_of
from .unsupported import UnsupportedModelError

__all__ = ["agreement", "opened", "samples", "verify_float32", "verify_int8"]

_Floats: TypeAlias = NDArray[np.floating[Any]]

# Short and long, questions and statements, code, numbers, and other scripts.
_TEXTS = (
    "what thins the blood?",
    "Aspirin thins the blood, as warfarin does; bread needs yeast.",
    "How do I read a file line by line in Python 3.12?",
    "def area(radius): return 3.14159 * radius ** 2",
    "Der Fluss tritt im Frühjahr über die Ufer. Le fleuve déborde au printemps.",
    "春になると川があふれる。",
    "0-dimensional biomaterials show inductive properties. " * 6,
    "a",
)
# The most tokens of a text that are compared.
_TOKENS = 128
# The least cosine of vectors, or correlation of scores, of a graph that counts as the same model:
# for float32 all but rounding, for int8 what costs a list of results nothing that shows.
_FLOAT32, _INT8 = 0.99999, 0.97


def verify_float32(graph: Path, folder: Path, head: Head) -> dict[str, Any]:
    """Compare a new graph with torch, where that is installed.

    Returns:
        What it was compared with, and the agreement; None for both without torch.

    Raises:
        UnsupportedModelError: they disagree.
    """
    if find_spec("torch") is None or find_spec("transformers") is None:
        return {"against": None, "agreement": None}
    _check_tokens(folder, head)
    measured = _compared(graph, folder, head, _by_torch(folder, head))
    _check(measured, _FLOAT32, graph, "torch")
    return {"against": "torch", "agreement": measured}


def verify_int8(graph: Path, plain: Path, folder: Path, head: Head) -> dict[str, Any]:
    """Compare a quantised graph with the one in float32 that it was made of.

    Raises:
        UnsupportedModelError: they disagree.
    """
    reference = opened(plain, folder)

    def by_float32(batch: Batch) -> _Floats:
        return reference.run(batch.ids, batch.mask)

    measured = _compared(graph, folder, head, by_float32)
    _check(measured, _INT8, graph, "float32")
    return {"against": "float32", "agreement": measured}


def agreement(ours: _Floats, theirs: _Floats) -> float:
    """Return the least cosine of two lists of vectors; of two lists of scores, the correlation.

    >>> agreement(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])).__round__(3)
    0.707
    """
    if ours.shape[1] == 1:
        ours, theirs = (each.T - each.mean() for each in (ours, theirs))
    products = (ours * theirs).sum(1)
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float((products / np.maximum(lengths, 1e-12)).min())


def _compared(graph: Path, folder: Path, head: Head, other: Callable[[Batch], _Floats]) -> float:
    model = opened(graph, folder)

    def both(batch: Batch) -> list[tuple[_Floats, _Floats]]:
        pair = batch.output, other(batch)
        if batch.output.ndim == 3:  # a row a token
            pair = tuple((each * batch.mask[..., None]).sum(1) for each in pair)
        return list(zip(*pair, strict=True))

    found = model.encode(samples(head), both, batch_size=1)
    ours, theirs = (np.stack(each).astype(np.float64) for each in zip(*found, strict=True))
    return agreement(ours, theirs)


def samples(head: Head) -> Sequence[Text]:
    """Return texts on which graphs are compared; pairs for one that gives a score."""
    return [(_TEXTS[0], text) for text in _TEXTS] if head == "score" else _TEXTS


def opened(graph: Path, folder: Path) -> OnnxModel:
    """Return a graph that reads sample texts."""
    config = read_object(folder / "config.json", optional=True)
    limit = least_limit([_TOKENS, readable_tokens(config)])
    return OnnxModel(graph, load_tokenizer(folder), limit=limit, padding=padding_of(folder))


def _check_tokens(folder: Path, head: Head) -> None:
    """Raise unless transformers cuts the sample texts into the same tokens."""
    from transformers import AutoTokenizer

    theirs: Any = AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    ours = load_tokenizer(folder)
    ours.no_padding()
    ours.no_truncation()
    for text in samples(head):
        parts = (text,) if isinstance(text, str) else text
        read, tokens = theirs(*parts), ours.encode(*parts)
        types = read.get("token_type_ids", tokens.type_ids)
        if (read["input_ids"], types) != (tokens.ids, tokens.type_ids):
            raise UnsupportedModelError(
                f"the tokenizer in {str(folder)!r} reads {text!r} otherwise in transformers"
            )


def _by_torch(folder: Path, head: Head) -> Callable[[Batch], _Floats]:
    import torch

    model = load_in_torch(folder, head)

    def run(batch: Batch) -> _Floats:
        inputs = [batch.ids, batch.mask, *([] if batch.types is None else [batch.types])]
        with torch.inference_mode():
            array: _Floats = model(*map(torch.from_numpy, inputs)).numpy()
        return array

    return run


def _check(measured: float, minimum: float, graph: Path, other: str) -> None:
    if not measured >= minimum:
        raise UnsupportedModelError(
            f"the graph in {str(graph)!r} was not taken: it agrees with {other} to {measured:.5f} "
            f"on sample texts, less than {minimum}"
        )
