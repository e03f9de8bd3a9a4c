"""In notebooks, the libraries below do not warn of progress bars that are not used."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "code",
    [
        "hybridge.Analyzer('english')",
        "hybridge.BM25Retriever([hybridge.Passage('a', 'x')], analyzer=str.split).search(['x'])",
        "hybridge.SentenceTransformerEncoder()",
    ],
)
def test_a_notebook_without_ipywidgets_has_no_warning_of_bars(code: str) -> None:
    program = f"""
import sys, types, warnings
kernel = types.SimpleNamespace(config={{"IPKernelApp": {{}}}})
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: kernel)
sys.modules["ipywidgets"] = None
from tqdm import TqdmWarning
warnings.simplefilter("error", TqdmWarning)
import hybridge
{code}
import tqdm.auto
"""
    subprocess.run([sys.executable, "-c", program], check=True)
