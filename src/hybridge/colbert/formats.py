"""What kind of model a folder holds, by what its files say and never by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import ModelNotFoundError

__all__ = ["is_late_interaction"]


def is_late_interaction(folder: Path) -> bool:
    """Whether the model in this folder was made for late interaction, by what its files say.

    Args:
        folder: the folder of a saved model.

    Raises:
        ModelNotFoundError: a configuration file is not JSON.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "config.json").write_text('{"architectures": ["HF_ColBERT"]}')
    ...     is_late_interaction(Path(folder))
    True
    """
    wrapper = _configuration(folder / "config_sentence_transformers.json")
    if wrapper.get("model_type") in ("ColBERT", "MultiVectorEncoder"):
        return True
    # PyLate's first versions wrote no model_type.
    if "query_prefix" in wrapper:
        return True
    return "HF_ColBERT" in (_configuration(folder / "config.json").get("architectures") or ())


def _configuration(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ModelNotFoundError(f"{str(path)!r} is not JSON: {error}") from error
    return config if isinstance(config, dict) else {}
