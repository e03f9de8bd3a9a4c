"""What the tests of both frameworks share."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.colbert import export_checkpoint


@pytest.fixture(scope="session")
def colbert_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default bi-encoder as a ColBERT checkpoint: real weights, no hub."""
    return export_checkpoint(None, tmp_path_factory.mktemp("colbert") / "checkpoint")
