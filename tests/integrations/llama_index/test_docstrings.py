"""The examples in the adapter's docstrings run.

pytest itself would import a file of a namespace package by half its name.
"""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

PACKAGES = [
    import_module(f"llama_index.{kind}.hybridge")
    for kind in ("retrievers", "postprocessor", "vector_stores")
]
MODULES = [
    found.name
    for package in PACKAGES
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.engine
@pytest.mark.model
@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [
        example
        for name in MODULES
        for found in finder.find(import_module(name))
        for example in found.examples
    ]
    assert len(examples) > 20
