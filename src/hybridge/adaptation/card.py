"""The card of an adapted model: what it was trained from, on what, and how it was measured."""

from __future__ import annotations

from collections.abc import Sequence

from ..lexical.files import replace_file
from .result import Adaptation, Measured, with_unseen
from .training import write_json

__all__ = ["write_card"]


def write_card(adaptation: Adaptation) -> None:
    """Write ``README.md`` beside the model's weights, and ``adaptation.json`` into its folder."""
    write_json(adaptation.folder / "adaptation.json", adaptation.to_config())
    with replace_file(adaptation.folder / "model" / "README.md") as file:
        file.write(_card(adaptation).encode())


def _card(adaptation: Adaptation) -> str:
    training, settings = adaptation.training, adaptation.settings
    counts = ", ".join(f"{count} {part}" for part, count in adaptation.questions.items())
    lines = [
        "---",
        f"base_model: {adaptation.parent}",
        "tags: [sentence-transformers, hybridge]",
        "---",
        "",
        f"# A {adaptation.kind} adapted from {adaptation.parent}",
        "",
        "The licence is that of the parent; see there, and that of the data it was trained on.",
        "",
        f"- Judged questions: {counts}.",
        f"- Steps: {training.steps}, the best after {training.best}.",
        f"- Share of the trained weights, the rest being the parent's: {training.share:g}.",
        *(f"- {name}: {value}" for name, value in settings.to_config().items()),
        "",
        *_table(f"{adaptation.measure}, held out", adaptation.compared),
    ]
    if adaptation.test:
        lines += ["", *_table(f"{adaptation.measure}, test", adaptation.test)]
    return "\n".join([*lines, "", adaptation.verdict, ""])


def _table(title: str, rows: Sequence[Measured]) -> list[str]:
    return [
        f"| {title} | before | after | p |",
        "|---|---|---|---|",
        *(
            f"| {name} ({row.questions}) | {row.before:.4f} | {row.after:.4f} "
            f"| {row.comparison.p:.4f} |"
            for name, row in with_unseen(rows)
        ),
    ]
