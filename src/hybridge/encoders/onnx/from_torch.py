"""Models as torch computes them: what graphs are compared with, and exported from.

An export needs ``pip install 'hybridge[export]'``, and takes torch's own code of an architecture
that has no graph in `hybridge.encoders.onnx.graph`: ModernBERT, DeBERTa, Qwen3 and others.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import MissingExtraError
from ..files import read_object
from .graph import OUTPUTS, Head
from .unsupported import UnsupportedModelError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["export_from_torch", "load_in_torch"]

_OPSET = 20


def load_in_torch(folder: Path, head: Head) -> nn.Module:
    """Return a saved transformer in torch, in float32, with the inputs and output of its graph.

    Args:
        folder: the folder of the transformer.
        head: what it ends with.

    Raises:
        UnsupportedModelError: transformers cannot load it, or it is a decoder that scores.
    """
    import torch
    import transformers

    from ..loading import LOADING, no_bars

    kind = {
        "tokens": transformers.AutoModel,
        "score": transformers.AutoModelForSequenceClassification,
    }.get(head, transformers.AutoModelForMaskedLM)
    try:
        with LOADING, no_bars():
            loaded: Any = kind.from_pretrained(
                str(folder),
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                attn_implementation="eager",
            )
    except Exception as error:  # a damaged or unknown model makes each library raise its own
        raise UnsupportedModelError(
            f"transformers cannot load the model in {str(folder)!r}: {error}"
        ) from error
    # As in hybridge.encoders.padding: these heads read the last token before the padding, and
    # sentence-transformers may choose another token for it.
    if head == "score" and hasattr(loaded, "score"):
        raise UnsupportedModelError(
            f"the model in {str(folder)!r} is for torch: its score depends on the padding token"
        )
    loaded.config.use_cache = False

    class WithHead(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = loaded

        def forward(
            self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
        ) -> Tensor:
            inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
            if token_type_ids is not None:
                inputs["token_type_ids"] = token_type_ids
            found: Any = self.model(**inputs)
            output: Tensor
            if head == "tokens":
                output = found.last_hidden_state
            elif head == "score":
                output = found.logits
            else:
                words = torch.relu(found.logits) * attention_mask[..., None]
                output = words.amax(1) if head == "max_words" else torch.log1p(words).sum(1)
            return output

    return WithHead().eval()


def export_from_torch(folder: Path, head: Head, path: Path) -> None:
    """Write the graph of a saved transformer, with the inputs and output of `build_graph`'s.

    Args:
        folder: the folder of the transformer.
        head: what it ends with.
        path: the ONNX file to write; weights of more than a file can hold are put beside it.

    Raises:
        MissingExtraError: the extra ``export`` is not installed.
        UnsupportedModelError: transformers cannot load the model, or torch cannot export it.
    """
    for package in ("torch", "transformers", "onnxscript"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "export")
    import torch

    model = load_in_torch(folder, head)
    ids = torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0]])
    inputs = {"input_ids": ids, "attention_mask": torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])}
    if _reads_types(folder, model):
        inputs["token_type_ids"] = torch.zeros_like(ids)
    dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with _silence():
            program = torch.onnx.export(
                model,
                kwargs=inputs,
                dynamo=True,
                input_names=list(inputs),
                output_names=[OUTPUTS[head]],
                dynamic_shapes={**dict.fromkeys(inputs, dynamic)},
                opset_version=_OPSET,
                verbose=False,
            )
            assert program is not None
            program.save(str(path))
    except OSError:
        raise
    except Exception as error:  # whatever an architecture's own code raises under the exporter
        raise UnsupportedModelError(
            f"torch {torch.__version__} cannot export the model in {str(folder)!r}: {error}"
        ) from error


def _reads_types(folder: Path, model: nn.Module) -> bool:
    """Return whether transformers gives a model the types of its tokens, and they matter to it."""
    count = read_object(folder / "config.json").get("type_vocab_size")
    if count is not None:
        return int(count) > 1
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    name = "token_type_ids"
    known = signature(model.model.forward).parameters  # type: ignore[union-attr]
    return name in tokenizer.model_input_names and name in known


@contextmanager
def _silence() -> Iterator[None]:
    """Hide warnings of the exporter, about missing libraries and its next versions."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
