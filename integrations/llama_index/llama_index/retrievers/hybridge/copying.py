"""Components of LlamaIndex that pickle whole, or say why they cannot."""

from __future__ import annotations

from typing import Any

from llama_index.core.bridge.pydantic import BaseModel

from hybridge.interop import check_parts

__all__ = ["PickledWhole"]


class PickledWhole:
    """A base that comes before LlamaIndex's own, whose copies by pickle are other objects.

    LlamaIndex leaves out what cannot be pickled, and makes the copy anew of its public fields
    alone: a postprocessor comes back with the default model.
    """

    def __getstate__(self) -> dict[Any, Any]:
        state = BaseModel.__getstate__(self)  # type: ignore[arg-type]
        check_parts(self, state["__dict__"] | (state["__pydantic_private__"] or {}))
        return state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        BaseModel.__setstate__(self, state)  # type: ignore[arg-type]
