"""Bi-encoders in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...protocols import Vectors
from ..resolution import ModelSource
from ..scaling import unit_length
from .export import Precision
from .load import load_model
from .model import Batch
from .modules import Step, pooling, read_pipeline
from .unsupported import UnsupportedModelError

__all__ = ["OnnxBiEncoder"]


class OnnxBiEncoder:
    """A bi-encoder whose transformer ONNX Runtime runs.

    Args:
        source: where the model is; it is downloaded first if it is on the hub.
        dtype: the precision.
        max_length: tokens of a text that are read; None takes the model's own.
        device: as for `load_model`.
        export: as for `load_model`.

    Raises:
        UnsupportedModelError: ONNX Runtime cannot run it here.
        MissingExtraError: what an export needs is not installed.
        InvalidInputError: the model cannot read `max_length` tokens.
        ModelNotFoundError: a file is missing or damaged.
    """

    def __init__(
        self,
        source: ModelSource,
        dtype: Precision,
        max_length: int | None,
        *,
        device: str | None = None,
        export: bool = False,
    ) -> None:
        folder = source.fetch()
        if source.pooling is None:
            self._pool, self._steps = read_pipeline(folder)
        else:
            steps: list[Step] = [unit_length]
            self._pool, self._steps = pooling([source.pooling]), steps
        self.model = load_model(source, "tokens", dtype, max_length, device=device, export=export)
        self._check()

    def encode(self, texts: Sequence[str], *, batch_size: int, progress: bool) -> list[Vectors]:
        """Return one vector a text; the prompt is part of a text."""
        return self.model.encode(texts, self.pooled, batch_size=batch_size, progress=progress)

    def pooled(self, batch: Batch) -> list[Vectors]:
        """Return one vector a text of a batch."""
        if self.model.output == "sentence_embedding":
            return list(batch.output)
        vectors = self._pool(batch.output, batch.mask)
        for step in self._steps:
            vectors = step(vectors)
        return list(np.ascontiguousarray(vectors))

    def _check(self) -> None:
        """Raise unless the graph's output is what the modules after it take."""
        try:
            [vector] = self.encode(["text"], batch_size=1, progress=False)
        except (ValueError, IndexError) as error:
            raise UnsupportedModelError(
                f"the graph in {str(self.model.graph)!r} gives an output that the modules of this "
                f"model do not fit: {error}"
            ) from error
        if vector.ndim != 1:
            raise UnsupportedModelError(
                f"the graph in {str(self.model.graph)!r} gives no vectors of tokens"
            )
