"""RAGatouille runs here, and the process it runs in is afterwards as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from hybridge.colbert.ragatouille import compat
from hybridge.errors import MissingExtraError

# Takes a picture of the process, uses everything, and takes another.
AS_IT_WAS = """
import json, logging, multiprocessing, os, random, sys, warnings

def picture():
    import numpy, torch
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "files": sorted(os.listdir()),
        "start method": multiprocessing.get_start_method(allow_none=True),
        "random": str(random.getstate()),
        "numpy": str(numpy.random.get_state()[1].tolist()),
        "torch": torch.get_rng_state().tolist(),
        "warnings": str(warnings.filters),
        "logging": str((logging.root.level, logging.root.handlers, logging.root.disabled)),
        "threads": torch.get_num_threads(),
        "streams": [id(sys.stdout), id(sys.stderr)],
        "fakes": [name for name in sys.modules if name.startswith("langchain.retrievers")],
    }

def compare(before, after):
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, changed

class Lines(logging.Handler):
    lines = []
    def emit(self, record):
        self.lines.append(record.getMessage())

import torch
logging.getLogger("hybridge").addHandler(Lines())
logging.getLogger("hybridge").setLevel(logging.INFO)
before = picture()
from hybridge import Passage
from hybridge.colbert import ColBERTRetriever
from hybridge.colbert.ragatouille.compat import ragatouille
assert "ragatouille" not in sys.modules
ragatouille()
assert "ragatouille" in sys.modules
compare(before, picture())
first = Passage("1", "Aspirin thins the blood.")
with ColBERTRetriever.create("../index", [first], model=sys.argv[1]) as retriever:
    retriever.add([Passage("2", "Bread needs yeast.", {"no": 2})])
    [[best, _]] = retriever.search(["what does a baker need?"])
    assert retriever.score(["baker"], [["2"]])[0][0] > 0
assert best.passage.id == "2"
with ColBERTRetriever.open("../index") as retriever:
    assert len(retriever.search(["baker"], where={"no": 1})[0]) == 0
    assert len(retriever.search(["baker"])[0]) == 2
# The first bar that anybody draws with tqdm settles that the default is what it is.
before["start method"] = multiprocessing.get_all_start_methods()[0]
compare(before, picture())
assert sum("nothing is compiled" in line for line in Lines.lines) == 1, Lines.lines

import langchain, langchain_classic, llama_index.core
from langchain_classic.retrievers import EnsembleRetriever
try:
    import langchain.retrievers
except ModuleNotFoundError:
    pass
else:
    raise AssertionError("langchain.retrievers is still there")
"""

# Where there is no LangChain, no git and no compiler.
WITHOUT = """
import shutil, sys
sys.modules["langchain"] = None
assert not any(map(shutil.which, ("git", "g++", "c++", "ninja")))
from torch.utils import cpp_extension
cpp_extension.load = None
from hybridge import Passage
from hybridge.colbert import ColBERTRetriever
texts = {"1": "Aspirin thins the blood.", "2": "Bread needs yeast."}
with ColBERTRetriever.create(None, map(Passage, texts, texts.values()), model=sys.argv[1]) as found:
    assert found.search(["what does a baker need?"])[0][0].passage.id == "2"
"""


def run(program: str, checkpoint: Path, folder: Path, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program, str(checkpoint)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", ""), "RAGatouille is silent"


def test_the_process_is_as_it_was_and_warns_of_nothing(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    # A CUDA compiler on a machine without a GPU, which torch would mention.
    compiler = tmp_path / "bin" / "nvcc"
    compiler.parent.mkdir()
    compiler.touch(mode=0o755)
    path = os.pathsep.join([str(compiler.parent), os.environ["PATH"]])
    run(AS_IT_WAS, checkpoint, folder, PATH=path)


def test_langchain_git_and_a_compiler_are_not_needed(checkpoint: Path, tmp_path: Path) -> None:
    run(WITHOUT, checkpoint, tmp_path, PATH=str(tmp_path))


def test_ragatouille_is_imported_once() -> None:
    module = compat.ragatouille()
    assert isinstance(module, ModuleType)
    assert compat.ragatouille() is module


def test_code_that_comes_with_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    compat.ragatouille()
    from colbert.modeling import base_colbert, hf_colbert

    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    code = {"AutoConfig": "code.NovelConfig", "AutoModel": "code.NovelModel"}
    for model_type in ("novel", "bert"):
        config = {"model_type": model_type, "auto_map": code}
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(Exception, match=r"trust_remote_code|its own code"):
            base_colbert.class_factory(str(tmp_path))
    assert base_colbert.class_factory is hf_colbert.class_factory
    assert not (tmp_path / "ran").exists()


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"'ragatouille' is .*hybridge\[colbert\]"):
        compat.check_installed()

    def without_voyager(name: str) -> None:
        raise ModuleNotFoundError("No module named 'voyager'", name="voyager")

    monkeypatch.setattr(compat, "import_module", without_voyager)
    with pytest.raises(MissingExtraError, match=r"'voyager' is .*hybridge\[colbert\]"):
        compat._imported.__wrapped__()
