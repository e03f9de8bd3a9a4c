"""Every notebook runs from a clean kernel, silent on stderr, and is kept without outputs."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

# Models are loaded and fitted here, and a busy machine is no fault of theirs.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = (
    "01_quickstart",
    "02_langchain_rag",
    "03_llamaindex_rag",
    "04_colbert_and_rerankers",
    "05_evaluate_and_tune",
    "06_your_own_data",
    "07_judge_and_improve",
    "08_adapt",
)

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def test_all_of_them_are_there() -> None:
    assert tuple(path.stem for path in NOTEBOOKS) == NAMES


@each_notebook
def test_it_is_kept_without_outputs(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert [cell for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert [cell for cell in notebook.cells if cell.metadata] == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    # What differs from one machine to the next.
    assert set(notebook.metadata.language_info) == {"name"}


@each_notebook
def test_it_runs_from_a_clean_kernel(path: Path, models_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "notebooks"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    notebook = read(folder / path.name)
    NotebookClient(
        notebook,
        timeout=1500,  # seconds a cell; it says which, before the test's own limit says nothing
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    said = [
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stderr"
    ]
    assert said == []
