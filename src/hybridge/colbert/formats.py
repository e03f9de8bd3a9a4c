"""What kind of model a folder holds, by what its files say and never by its name."""

from __future__ import annotations

from pathlib import Path

from ..encoders.kinds import kind_of

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
    return kind_of(folder).kind == "late-interaction model"
