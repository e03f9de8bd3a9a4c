"""The tables, and the bars that the figures are held to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

__all__ = ["bars", "print_bars", "print_corpus"]

Results: TypeAlias = Mapping[str, Any]
Place: TypeAlias = tuple[str, ...]

_console = Console(width=120)


def print_corpus(label: str, measured: Results) -> None:
    """Prints what searching and keeping one corpus costs in each system."""
    systems = measured["systems"]
    searching = _table(
        f"{label}: searching {measured['passages']:,} passages, top 10, without the encoder; "
        "ratios to Hybridge bm25s",
        ("system", "search", "nDCG@10", "recall@100", "p50 ms", "p95 ms", "CPU ms", "p50 ratio"),
    )
    for name, system in systems.items():
        for search, figures in system["searches"].items():
            reference = _reference(systems, search)
            searching.add_row(
                name,
                search,
                _number(figures.get("ndcg@10"), ".4f"),
                _number(figures.get("recall@100"), ".4f"),
                _number(figures["p50"], ".2f"),
                _number(figures["p95"], ".2f"),
                _number(figures["cpu"], ".2f"),
                _number(reference and figures["p50"] / reference, ".2f"),
            )
        searching.add_section()
    keeping = _table(
        f"{label}: building and reopening, vectors given",
        (
            "system",
            "import s",
            "build s",
            "passages/s",
            "1st query s",
            "peak MB",
            "reopen s",
            "1st query s",
        ),
    )
    for name, system in systems.items():
        build, opened = system["build"], system.get("open", {})
        keeping.add_row(
            name,
            _number(system["import"], ".2f"),
            _number(build["seconds"], ".2f"),
            _number(build["passages_per_second"], ",.0f"),
            _number(build["first_query"], ".3f"),
            _number(system["peak_mb"], ",.0f"),
            _number(opened.get("seconds"), ".3f"),
            _number(opened.get("first_query"), ".3f"),
        )
    _console.print(searching, keeping)


def bars(corpora: Mapping[str, Results]) -> list[dict[str, Any]]:
    """Every bar whose figures this run measured: what, measured, bar, passed."""
    found = []
    for bar in BARS:
        try:
            systems = corpora[bar.corpus]["systems"]
            measured = bar.measured(systems)
        except KeyError:  # this run left out a system or a size
            continue
        passed = bar.low <= measured <= bar.high
        found.append({"what": bar.what, "measured": measured, "bar": str(bar), "passed": passed})
    return found


def print_bars(found: list[dict[str, Any]]) -> None:
    """Prints each bar beside what was measured."""
    table = _table("Bars", ("figure", "measured", "bar", ""))
    for bar in found:
        verdict = "[green]pass[/]" if bar["passed"] else "[red]FAIL[/]"
        table.add_row(bar["what"], f"{bar['measured']:,.4g}", bar["bar"], verdict)
    _console.print(table)


@dataclass(frozen=True)
class Bar:
    """One figure, or the ratio of two, and the range it has to lie in.

    Args:
        what: the figure in words.
        corpus: the label of the corpus it is measured on.
        figure: where it stands: system, then the keys of `hybrid.run`; "*" takes the least.
        low, high: the range.
        divisor: where the figure that it is divided by stands.
    """

    what: str
    corpus: str
    figure: Place
    low: float = 0.0
    high: float = math.inf
    divisor: Place | None = None

    def measured(self, systems: Results) -> float:
        value = _at(systems, self.figure)
        return value if self.divisor is None else value / _at(systems, self.divisor)

    def __str__(self) -> str:
        if self.low == 0.0:
            return f"≤ {self.high:g}"
        return f"≥ {self.low:,g}" if self.high == math.inf else f"{self.low:g} to {self.high:g}"


def _at(results: Results, place: Place) -> float:
    first, *rest = place
    if first == "*":
        return min(_at(each, tuple(rest)) for each in results.values())
    value = results[first]
    return _at(value, tuple(rest)) if rest else float(value)


def _bars(ours: str, floor: float) -> list[Bar]:
    def search(name: str, key: str, system: str = ours) -> Place:
        return (system, "searches", name, key)

    return [
        Bar(f"SciFact nDCG@10: {ours}, BM25", "5k", search("bm25", "ndcg@10"), low=0.700),
        Bar(f"SciFact nDCG@10: {ours}, dense", "5k", search("dense", "ndcg@10"), 0.647, 0.652),
        Bar(f"SciFact nDCG@10: {ours}, hybrid", "5k", search("hybrid", "ndcg@10"), low=0.745),
        Bar(f"SciFact recall@100: {ours}, hybrid", "5k", search("hybrid", "recall@100"), low=0.96),
        *(
            Bar(
                f"p50 at 5k: {peer} ÷ {ours}",
                "5k",
                search("*", "p50", peer),
                low=least,
                divisor=search("hybrid", "p50"),
            )
            for peer, least in (("LangChain", 12), ("LlamaIndex", 7))
        ),
        *(
            Bar(
                f"p50 at 5k: {ours} ÷ floor, {how}",
                "5k",
                search("hybrid", "p50"),
                high=floor,
                divisor=search(how, "p50", "floor"),
            )
            for how in ("loop", "vectorised")
        ),
        *(
            Bar(
                f"filtered p50 at 50k: QdrantClient(path) dense ÷ {ours} {how}",
                "50k",
                search("dense filtered", "p50", "QdrantClient(path)"),
                low=50,
                divisor=search(f"{how} filtered", "p50"),
            )
            for how in ("dense", "hybrid")
        ),
        Bar(
            f"seconds to reopen 50k and answer: {ours}",
            "50k",
            (ours, "open", "until_answer"),
            high=1.0,
        ),
    ]


BARS = [
    *_bars("Hybridge bm25s", floor=1.5),
    *_bars("Hybridge qdrant", floor=1.0),
    *(
        Bar(
            f"passages added a second at {size}, vectors given, BM25 included",
            size,
            ("Hybridge bm25s", "build", "passages_per_second"),
            low=5000,
        )
        for size in ("5k", "50k")
    ),
]


def _reference(systems: Results, search: str) -> float | None:
    """What a search is compared with: Hybridge's of the same name, or else its hybrid one."""
    searches = systems.get("Hybridge bm25s", {}).get("searches", {})
    figures = searches.get(search, searches.get("hybrid"))
    return figures and figures["p50"]


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        text = column in ("system", "search", "figure")
        table.add_column(column, justify="left" if text else "right", no_wrap=True)
    return table


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
