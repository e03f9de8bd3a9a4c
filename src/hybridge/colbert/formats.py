"""What kind of model a folder holds, by what its files say and never by its name."""

from __future__ import annotations

from pathlib import Path

from ..encoders.files import read_object

__all__ = ["is_late_interaction"]


def is_late_interaction(folder: Path) -> bool:
    """Whether the model in this folder was made for late interaction, by what its files say.

    Args:
        folder: the folder of a saved model.

    Raises:
        ModelNotFoundError: a configuration file cannot be read, or is no JSON object.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "config.json").write_text('{"architectures": ["HF_ColBERT"]}')
    ...     is_late_interaction(Path(folder))
    True
    """
    wrapper = read_object(folder / "config_sentence_transformers.json", optional=True)
    if wrapper.get("model_type") in ("ColBERT", "MultiVectorEncoder"):
        return True
    # PyLate's first versions wrote no model_type.
    if "query_prefix" in wrapper:
        return True
    config = read_object(folder / "config.json", optional=True)
    return "HF_ColBERT" in (config.get("architectures") or ())
