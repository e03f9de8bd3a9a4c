"""Hybridge for LlamaIndex: node postprocessors."""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("llama-index-hybridge")
