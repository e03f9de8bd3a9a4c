"""The location of a model's files: a folder, the hub's cache, an installed package, or the hub.

They are tried in that order, and the network last, once, with a deadline: on a machine without the
hub the answer comes at once.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidInputError, ModelNotFoundError
from ..iteration import import_bars
from .onnx.files import is_runnable, needed
from .packages import packaged_as

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

__all__ = ["DEFAULT_MODEL", "ModelSource", "find_here", "for_torch", "hub_cache", "resolve"]

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

# Seconds for one small request to the hub. Its client has no such limit on the whole: a name server
# or a firewall that drops packets would block it for minutes.
_PATIENCE = 2.5

# The hub's rule for the names of owners and repositories.
_NAME = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?(?<!\.git)")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The location of a model's files.

    Args:
        kind: ``"path"`` (the caller's own folder), ``"cache"`` (the hub's cache on this machine),
            ``"package"`` (an installed package) or ``"hub"`` (not downloaded yet).
        name: the model's name on the hub; None for the caller's own folder.
        folder: the folder with the files; None while they are on the hub.
        files: the files to download from the hub.
        dtype: the one precision that the files are in, where they are an ONNX file alone; None
            where they are weights, which serve every precision.
        pooling: how tokens are pooled by a bi-encoder whose files lack their configuration
            (packaged ONNX files); its vectors are scaled to length 1. None: as the files say.
        num_labels: scores a pair of a cross-encoder whose files lack their configuration.
        sought: what it was found for, as in `resolve`: the precision, and whether an ONNX file
            suffices.
    """

    kind: Literal["path", "cache", "package", "hub"]
    name: str | None
    folder: Path | None
    files: tuple[str, ...] = ()
    dtype: Literal["int8"] | None = None
    pooling: Literal["cls", "mean"] | None = None
    num_labels: int | None = None
    sought: tuple[str, bool] = ("float32", False)

    def __reduce__(self) -> tuple[Callable[..., ModelSource], tuple[object, ...]]:
        # On another machine it is elsewhere, or missing, which must raise at once.
        dtype, onnx = self.sought
        again = partial(resolve, dtype=dtype, onnx=onnx)
        return again, (self.name or self.folder,)

    def fetch(self) -> Path:
        """Return the folder with the model's files, downloaded first if they are on the hub.

        Raises:
            ModelNotFoundError: the download failed, or a packaged file is not the known one.
        """
        if self.folder is not None:
            if packaged := packaged_as(str(self.name)) if self.kind == "package" else None:
                packaged.verify()
            return self.folder
        from huggingface_hub import snapshot_download

        logger.info("downloading %s", self.name)
        try:
            folder = snapshot_download(
                str(self.name), allow_patterns=list(self.files), cache_dir=hub_cache()
            )
        except _hub_errors() as error:
            raise ModelNotFoundError(
                f"the model {self.name!r} could not be downloaded: {error}"
            ) from error
        return Path(folder)


def resolve(
    model: str | Path,
    owner: str = "sentence-transformers",
    *,
    dtype: str = "float32",
    onnx: bool = False,
) -> ModelSource:
    """Find a model, without loading it and without torch.

    Args:
        model: a folder, or a name on the Hugging Face hub.
        owner: the owner of a name without one.
        dtype: the precision that it is to have. Weights serve every one; packaged ONNX files serve
            ``"int8"`` and ``"auto"`` alone.
        onnx: find what ONNX Runtime needs: an ONNX file suffices then
            (`hybridge.encoders.onnx.files`).

    Raises:
        InvalidInputError: `model` is empty or neither a string nor a path.
        ModelNotFoundError: the folder holds no model, or the name is neither on this machine nor
            on a hub that answers; the message names what to install or set.

    >>> resolve("sentence-transformers/all-MiniLM-L6-v2").name
    'sentence-transformers/all-MiniLM-L6-v2'
    """
    if not isinstance(model, str | Path) or not str(model).strip():
        raise InvalidInputError(
            f"model must be a name on the hub, a folder or a model object, not {model!r}"
        )
    import_bars()
    path = os.path.expanduser(model)
    if os.path.exists(path):
        return ModelSource("path", None, _checked(Path(path)))
    name = _hub_name(model, owner)
    if here := find_here(name, dtype=dtype, onnx=onnx):
        return here
    files = _needed(_ask_hub(name), dtype, onnx)
    return ModelSource("hub", name, None, files, sought=(dtype, onnx))


def find_here(name: str, *, dtype: str = "float32", onnx: bool = False) -> ModelSource | None:
    """Find a model of the hub on this machine, without the network.

    Args:
        name: its name on the hub, owner included.
        dtype: the precision that it is to have, as in `resolve`.
        onnx: whether an ONNX file suffices, as in `resolve`.

    Returns:
        Its location in the hub's cache or an installed package; None if it is in neither.

    >>> find_here("nobody/has-this") is None
    True
    """
    if folder := _cached(name, dtype, onnx):
        return ModelSource("cache", name, folder, sought=(dtype, onnx))
    packaged = packaged_as(name)
    if packaged is None or packaged.folder is None or not packaged.serves(dtype):
        return None
    logger.info("%s is not in the hub's cache: using the packaged copy %s", name, packaged.folder)
    return ModelSource(
        "package",
        name,
        packaged.folder,
        dtype=packaged.dtype,
        pooling=packaged.pooling,
        num_labels=packaged.num_labels,
        sought=(dtype, onnx),
    )


def for_torch(source: ModelSource) -> ModelSource:
    """Return where the files for torch are of a model that was found for ONNX Runtime.

    Raises:
        ModelNotFoundError: they are neither on this machine nor on a hub that answers.
    """
    is_for_both = source.kind in ("path", "package") and source.dtype is None
    return source if is_for_both else resolve(str(source.name))


def _checked(path: Path) -> Path:
    if any((path / file).is_file() for file in ("modules.json", "config.json")):
        return path.resolve()
    raise ModelNotFoundError(
        f"{str(path)!r} is not a folder that holds a model: there is neither modules.json nor "
        "config.json in it"
    )


def _hub_name(model: str | Path, owner: str) -> str:
    name = str(model)
    parts = name.split("/")
    shaped = len(name) <= 96 and len(parts) <= 2 and all(map(_NAME.fullmatch, parts))
    if isinstance(model, Path) or not shaped:
        raise ModelNotFoundError(
            f"there is no folder {name!r}, and it is no name on the hub either: give the path of "
            f"an existing folder, or a name like {DEFAULT_MODEL!r}"
        )
    return name if len(parts) == 2 else f"{owner}/{name}"


def hub_cache() -> Path:
    """Return the folder of the hub's cache: ``SENTENCE_TRANSFORMERS_HOME``, else the hub's own."""
    from huggingface_hub import constants

    return Path(os.getenv("SENTENCE_TRANSFORMERS_HOME") or constants.HF_HUB_CACHE)


def _cached(name: str, dtype: str, onnx: bool) -> Path | None:
    # The hub's library does the same, but imports its HTTP client first: 0.1 s of a short search.
    home = hub_cache() / f"models--{name.replace('/', '--')}"
    try:
        folder = home / "snapshots" / (home / "refs" / "main").read_text("utf-8")
    except FileNotFoundError:
        return None
    if not any((folder / file).is_file() for file in ("modules.json", "config.json")):
        return None
    # Other programs fetch single files.
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    return folder if is_runnable(names, dtype, onnx=onnx) else None


def _needed(info: ModelInfo, dtype: str, onnx: bool) -> tuple[str, ...]:
    return needed(
        [sibling.rfilename for sibling in info.siblings or ()],
        onnx=onnx,
        dtype=dtype,
        model_type=(info.config or {}).get("model_type"),
    )


def _ask_hub(name: str) -> ModelInfo:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import RepositoryNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise _not_found(name, "HF_HUB_OFFLINE forbids asking the hub", "unset HF_HUB_OFFLINE")
    answers: queue.Queue[ModelInfo | Exception] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(HfApi().model_info(name, timeout=_PATIENCE))
        except _hub_errors() as error:
            answers.put(error)

    # A daemon, so that a name server that never answers cannot hold the program at its end.
    threading.Thread(target=ask, name="hybridge-ask-hub", daemon=True).start()
    try:
        answer = answers.get(timeout=_PATIENCE)
    except queue.Empty:
        answer = TimeoutError(f"no answer in {_PATIENCE} s")
    if isinstance(answer, RepositoryNotFoundError):
        raise _not_found(
            name,
            f"{constants.ENDPOINT} has no model of this name, or not for you",
            "check the spelling, or set HF_TOKEN for a private one",
        ) from answer
    if isinstance(answer, Exception):
        raise _not_found(
            name,
            f"{constants.ENDPOINT} does not answer as a hub ({type(answer).__name__}: {answer})",
            f"run 'hf download {name}' where it can be, and set HF_HOME to its cache",
        ) from answer
    return answer


def _hub_errors() -> tuple[type[Exception], ...]:
    from huggingface_hub import errors

    # The root of its HTTP library's errors, which differs by version; files and sockets; an answer
    # that is no JSON, like a login page.
    return errors.HTTPError, OSError, ValueError  # type: ignore[attr-defined]


def _not_found(name: str, reason: str, remedy: str) -> ModelNotFoundError:
    packaged = packaged_as(name)
    if packaged is not None and packaged.folder is not None:
        remedy = f'set dtype="{packaged.dtype}" for the packaged copy, which is here, or {remedy}'
    elif packaged is not None:
        precision = f' and set dtype="{packaged.dtype}"' if packaged.dtype else ""
        remedy = f"install the packaged copy with {packaged.command}{precision}, or {remedy}"
    return ModelNotFoundError(
        f"the model {name!r} is not on this machine, and {reason}. What helps: {remedy}, "
        "or give the path of a folder that holds the model."
    )
