"""RAGatouille, imported beside LangChain 1 and transformers 5.

Four things are in its way:

- it imports a class from ``langchain.retrievers``, which LangChain 1 lacks: a stand-in module holds
  the class during the import, and only then;
- its model does not call ``post_init``, as transformers 5 requires;
- it reads a model's configuration with ``trust_remote_code=True`` and runs a checkpoint's own model
  class: both are switched off. transformers asks the user before it runs a tokenizer's code, and
  `StanfordCheckpoint` refuses a folder that names any before that;
- it needs the program ``git``, to record a checkpoint's author: that is switched off.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from ...errors import MissingExtraError, ModelNotFoundError
from .runtime import LOCK, preserved, quiet

__all__ = ["check_installed", "ragatouille"]

_LEAF = "langchain.retrievers.document_compressors.base"


def check_installed() -> None:
    """Raise if RAGatouille is not installed, without importing it, which takes seconds.

    Raises:
        MissingExtraError: it is not.
    """
    if find_spec("ragatouille") is None:
        raise MissingExtraError("ragatouille", "colbert")


def ragatouille() -> ModuleType:
    """Return the module `ragatouille`, imported and patched.

    Raises:
        MissingExtraError: RAGatouille, or one of its requirements, is not installed.
    """
    with LOCK:
        return _imported()


@cache
def _imported() -> ModuleType:
    with preserved(), quiet(), _no_cuda_warning():
        os.environ["GIT_PYTHON_REFRESH"] = "quiet"
        try:
            with _old_langchain():
                module = import_module("ragatouille")
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "ragatouille", "colbert") from error
        _patch()
    return module


@contextmanager
def _no_cuda_warning() -> Iterator[None]:
    """Silence torch's warning of a CUDA compiler without a GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def _old_langchain() -> Iterator[None]:
    """Provide the class that RAGatouille imports at its place in LangChain 0."""
    try:
        import_module(_LEAF)
    except ImportError:
        pass
    else:
        yield
        return
    from langchain_core.documents import BaseDocumentCompressor

    leaf = ModuleType(_LEAF)
    leaf.BaseDocumentCompressor = BaseDocumentCompressor  # type: ignore[attr-defined]
    sys.modules[_LEAF] = leaf
    try:
        yield
    finally:
        del sys.modules[_LEAF]


def _patch() -> None:
    from colbert.modeling import base_colbert, hf_colbert
    from colbert.modeling.tokenization import doc_tokenization, query_tokenization

    patched = _with_post_init(hf_colbert.class_factory)
    for module in (hf_colbert, base_colbert, doc_tokenization, query_tokenization):
        module.class_factory = patched
    hf_colbert.AutoConfig = _Config
    hf_colbert.get_class_from_dynamic_module = _refuse


def _with_post_init(factory: Callable[[str], Any]) -> Callable[[str], Any]:
    @wraps(factory)
    def class_factory(name_or_path: str) -> Any:
        made = factory(name_or_path)
        construct = made.__init__

        def __init__(self: Any, *arguments: Any, **named: Any) -> None:  # noqa: N807
            construct(self, *arguments, **named)
            self.post_init()

        made.__init__ = __init__
        return made

    return class_factory


class _Config:
    """transformers' AutoConfig, without ever running a checkpoint's code."""

    @staticmethod
    def from_pretrained(name_or_path: str, **options: Any) -> Any:
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(name_or_path, **{**options, "trust_remote_code": False})


def _refuse(reference: str, name_or_path: str, *_: Any, **__: Any) -> None:
    raise ModelNotFoundError(
        f"{name_or_path!r} brings its own code ({reference}), which is never run: choose a "
        "model whose architecture transformers knows"
    )
