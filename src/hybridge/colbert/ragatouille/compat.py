"""RAGatouille, imported where LangChain 1 and transformers 5 are.

It stands in the way of itself in four places:

- it imports a class from ``langchain.retrievers``, which LangChain 1 has not: a module that holds
  the class is there while it imports, and only then;
- its model calls no ``post_init``, which transformers 5 needs;
- its model's configuration is read with ``trust_remote_code=True``, and a model class that comes
  with a checkpoint is run: both end here. A tokenizer's code is not its business but transformers',
  which asks the user; `StanfordCheckpoint` refuses a folder that names any, before that;
- it wants the program ``git``, to note who made a checkpoint: it does without.
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
    """Make sure that RAGatouille is installed, without importing it, which takes seconds.

    Raises:
        MissingExtraError: it is not.
    """
    if find_spec("ragatouille") is None:
        raise MissingExtraError("ragatouille", "colbert")


def ragatouille() -> ModuleType:
    """The module `ragatouille`, imported and mended; the process is otherwise as it was.

    Raises:
        MissingExtraError: RAGatouille, or something it needs, is not installed.
    """
    with LOCK:
        return _imported()


@cache
def _imported() -> ModuleType:
    with preserved(), quiet(), _nothing_said_of_cuda():
        os.environ["GIT_PYTHON_REFRESH"] = "quiet"
        try:
            with _old_langchain():
                module = import_module("ragatouille")
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "ragatouille", "colbert") from error
        _mend()
    return module


@contextmanager
def _nothing_said_of_cuda() -> Iterator[None]:
    """A block in which torch does not warn of a CUDA compiler without a GPU: none is needed."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def _old_langchain() -> Iterator[None]:
    """A block in which the class that RAGatouille wants is where it was in LangChain 0."""
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


def _mend() -> None:
    from colbert.modeling import base_colbert, hf_colbert
    from colbert.modeling.tokenization import doc_tokenization, query_tokenization

    mended = _complete(hf_colbert.class_factory)
    for module in (hf_colbert, base_colbert, doc_tokenization, query_tokenization):
        module.class_factory = mended
    hf_colbert.AutoConfig = _Config
    hf_colbert.get_class_from_dynamic_module = _refuse


def _complete(factory: Callable[[str], Any]) -> Callable[[str], Any]:
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
    """transformers' AutoConfig, which never runs a checkpoint's code whatever it is asked."""

    @staticmethod
    def from_pretrained(name_or_path: str, **options: Any) -> Any:
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(name_or_path, **{**options, "trust_remote_code": False})


def _refuse(reference: str, name_or_path: str, *_: Any, **__: Any) -> None:
    raise ModelNotFoundError(
        f"{name_or_path!r} brings code of its own ({reference}), which is never run: choose a "
        "model whose architecture transformers knows"
    )
