"""`hybridge tune`: the setting that suits judged questions, and whether it beats the default."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from .files import file_option
from .floors import read_off_topic
from .judged import FILE, Judged, print_result
from .options import json_option, takes
from .reranking import Reranking

if TYPE_CHECKING:
    from ..protocols import Retriever
    from ..tuning import FloorCalibration, Tuning
    from ..tuning.setting import Setting

__all__ = ["tune"]


@click.command()
@takes("judged", Judged)
@takes("reranking", Reranking)
@click.option("--measure", default="nDCG@10", show_default=True, help="What to tune for.")
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True)
@click.option(
    "--test-split", help="Of a collection: other judgements, for one measurement at the end."
)
@click.option("--floor", metavar="STAGE", help="Instead, find the minimum of a stage's score.")
@click.option(
    "--off-topic", type=FILE, help="For it: questions without an answer, one a line of a text file."
)
@click.option(
    "--floor-of",
    type=click.Choice(["hit", "list"]),
    default="hit",
    show_default=True,
    help="Hold each passage to it, or the list.",
)
@file_option("--plot", ".png", ".svg", help="A picture of the values tried: .png or .svg.")
@json_option
def tune(
    judged: Judged,
    reranking: Reranking,
    measure: str,
    folds: int,
    test_split: str | None,
    floor: str | None,
    off_topic: Path | None,
    floor_of: Literal["hit", "list"],
    plot: Path | None,
    as_json: bool,
) -> None:
    """Find the setting that suits the questions best; DIR and the options are as for evaluate.

    Each stage runs once for each question, and hundreds of settings are tried on its scores. The
    choice is measured on questions it has not seen, in folds. Nothing is written to an index: its
    own setting stays.

    With --floor and --off-topic, the minimum of a stage's score is found instead, below which a
    passage is no answer, for search --floor.
    """
    from .. import tuning
    from ..evaluation import load_beir
    from ..evaluation.measures import Judge

    Judge([measure], {})  # an unknown one is refused before a collection is encoded
    if test_split is not None and judged.has_own_questions:
        raise click.UsageError("--test-split is for a collection: an index has none.")
    if (floor is None) != (off_topic is None):
        raise click.UsageError("--floor and --off-topic go together.")
    questions = None if off_topic is None else read_off_topic(off_topic)
    test = None if test_split is None else load_beir(judged.directory, test_split)
    with judged.open(reranking.late_interaction) as (index, fused, collection):
        retriever: Retriever = index if fused is None else fused
        if reranking.names:
            retriever = reranking.over(index) if fused is None else reranking.behind(fused)
        queries, qrels = collection.queries, collection.qrels
        if floor is not None and questions is not None:
            minimum = tuning.calibrate_floor(
                retriever, floor, queries, qrels, questions, of=floor_of
            )
            facts = judged.facts(index, collection, fused)
            print_result(facts, minimum, _floor_json(minimum) if as_json else None)
            return
        found = tuning.tune(retriever, queries, qrels, measure, folds=folds, test=test)
        facts = judged.facts(index, collection, fused)
    if plot is not None:
        from ..plots import tuning_curve

        tuning_curve(found).save(plot)
    print_result(facts, found, _json(found) if as_json else None)


def _floor_json(found: FloorCalibration) -> dict[str, Any]:
    return {
        "floor": None if found.chosen is None else found.floor,
        "of": found.of,
        "chosen": None if found.chosen is None else asdict(found.chosen),
        "auc": found.auc,
        "p": found.p,
        "answered": found.answered,
        "unanswerable": found.unanswerable,
        "points": [asdict(point) for point in found.points],
    }


def _json(found: Tuning) -> dict[str, Any]:
    return {
        "measure": found.measure,
        "default": {**_setting(found.default), "held_out": found.default_score},
        "chosen": {**_setting(found.chosen), "held_out": found.held_out_score},
        "difference": found.difference,
        "interval": list(found.interval),
        "p": found.p,
        "within_noise": found.within_noise,
        "settings_tried": len(found.trials),
        "test": None
        if found.test_score is None
        else {"default": found.default_test_score, "chosen": found.test_score},
    }


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        **{each.name: getattr(setting, each.name) for each in fields(setting)},
        "fusion": setting.fusion.to_config(),
    }
