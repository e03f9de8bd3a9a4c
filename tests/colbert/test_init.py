"""The package names everything public and loads nothing heavy for it."""

from __future__ import annotations

import subprocess
import sys

import hybridge.colbert


def test_every_public_name_is_there_and_is_no_module() -> None:
    modules = type(sys)
    for name in hybridge.colbert.__all__:
        assert not isinstance(getattr(hybridge.colbert, name), modules), name
    assert set(hybridge.colbert.__all__) <= set(dir(hybridge.colbert))


def test_a_wrong_name_is_an_attribute_error() -> None:
    assert not hasattr(hybridge.colbert, "ColbertReranker")


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, hybridge.colbert; from hybridge.colbert import ColBERTReranker, max_sim;"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'ragatouille', 'scipy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
