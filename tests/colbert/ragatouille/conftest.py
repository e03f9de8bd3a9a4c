"""The real bi-encoder as a ColBERT checkpoint that RAGatouille runs, loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.colbert.ragatouille import RAGatouilleTokenEncoder


@pytest.fixture(scope="session")
def encoder(checkpoint: Path) -> RAGatouilleTokenEncoder:
    return RAGatouilleTokenEncoder(checkpoint, passage_length=64)
