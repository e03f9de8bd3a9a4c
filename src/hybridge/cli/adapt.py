"""`hybridge adapt`: a model trained on your own questions, and what that is worth on others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .files import file_option
from .judged import FILE, Questions, print_result, read_judged
from .options import json_option, takes

if TYPE_CHECKING:
    from ..adaptation import Adaptation

__all__ = ["adapt"]

_MINUTES = 30


@click.command()
@takes("questions", Questions)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help=f"For training; encoding the passages anew comes on top.  [default: {_MINUTES}]",
)
@click.option("--steps", type=click.IntRange(min=1), help="Batches to train on, instead.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Of the adapted model and its vectors.  [default: DIR-adapted]",
)
@click.option("--stage", help="The stage to adapt, where the index has several.")
@click.option("--cross-encoder", help="Adapt this one instead: a name on the hub, or a folder.")
@click.option("--colbert", help="Adapt this one instead: a name on the hub, or a folder.")
@click.option(
    "--from-corpus",
    is_flag=True,
    help="Train on titles, headings and spans of the passages; the questions only measure.",
)
@click.option("--objective", help="What the model learns.  [default: the usual one of its kind]")
@click.option("--teacher", help="A cross-encoder, for --objective margins or distillation.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1),
    help="Of the trained weights in the model; 0.5 keeps other domains.  [default: the best]",
)
@click.option("--measure", default="nDCG@10", show_default=True, help="What to maximise.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--test-queries", type=FILE, help="Other questions, to measure once at the end.")
@click.option("--test-qrels", type=FILE, help="Their answers.")
@click.option("--apply", is_flag=True, help="Write it to the index, unless the gain is noise.")
@click.option("--as", "name", help="With --apply: a further stage of this name, beside the old.")
@file_option("--plot", ".png", ".svg", help="A picture of the training: .png or .svg.")
@json_option
def adapt(
    questions: Questions,
    minutes: float | None,
    steps: int | None,
    folder: Path | None,
    stage: str | None,
    cross_encoder: str | None,
    colbert: str | None,
    from_corpus: bool,
    objective: Any,
    teacher: str | None,
    share: float | None,
    measure: str,
    seed: int,
    test_queries: Path | None,
    test_qrels: Path | None,
    apply: bool,
    name: str | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Train a model on your questions, and measure on others what that is worth.

    The model is that of a dense stage of the index DIR, or a reranker. Most of the questions train
    it, some say when to stop, and a fifth of them are held out: on these the answers before and
    after are compared.

    The index is only read. With --apply it gets the adapted stage if the gain on the held-out
    questions is more than chance, and stays as it is otherwise. The same command again trains
    nothing anew: an interrupted one goes on, and one that has ended can still be given --apply.
    """
    from .. import adaptation
    from ..adaptation.target import target_of
    from ..cross_encoder import CrossEncoderReranker
    from ..index import HybridIndex

    rerankers = [each for each in (cross_encoder, colbert) if each is not None]
    _check(rerankers, stage, apply=apply, name=name)
    if test_queries is not None and test_qrels is None:
        raise click.UsageError("--test-queries and --test-qrels go together.")
    with HybridIndex.open(str(questions.directory), read_only=True) as index:
        if name is not None and name in index.stages:
            raise click.UsageError(f"The index has a stage {name!r}: give --as another name.")
        collection = questions.read(index)
        test = None if test_qrels is None else read_judged(index, test_queries, test_qrels)
        model = _reranker(cross_encoder, colbert) if rerankers else stage
        found = adaptation.adapt(
            index,
            collection.queries,
            collection.qrels,
            _beside(questions.directory) if folder is None else folder,
            model=model,
            measure=measure,
            settings=replace(
                target_of(index, model).trainee.defaults,
                objective=objective,
                minutes=_MINUTES if minutes is None and steps is None else minutes,
                steps=steps,
                seed=seed,
            ),
            examples=adaptation.corpus_pairs(index, seed=seed) if from_corpus else None,
            share=share,
            teacher=None if teacher is None else CrossEncoderReranker(teacher),
            test=test,
        )
        facts = questions.facts(index, collection)
    # What is added beside the old stage has its own comparison.
    is_noise = found.within_noise if name is None else found.within_noise_beside
    applied = apply and not is_noise
    if applied:
        with HybridIndex.open(str(questions.directory), read_only=False) as index:
            found.apply(index, name=name)
    if plot is not None:
        from ..plots import training_curve

        training_curve(found).save(plot)
    figures = {**found.to_config(), "folder": str(found.folder), "applied": applied}
    print_result(facts, found, figures if as_json else None)
    if not as_json:
        _print_end(found, str(questions.directory), apply=apply, applied=applied, name=name)


def _check(rerankers: list[str], stage: str | None, *, apply: bool, name: str | None) -> None:
    if len(rerankers) + (stage is not None) > 1:
        raise click.UsageError("Give --stage, --cross-encoder or --colbert: one model is adapted.")
    if apply and rerankers:
        raise click.UsageError(
            "--apply is for a stage: a reranker is no part of an index. Search with "
            "--cross-encoder or --colbert and the folder of the adapted model."
        )
    if name is not None and not apply:
        raise click.UsageError("--as names a stage that is written to the index: add --apply.")


def _reranker(cross_encoder: str | None, colbert: str | None) -> Any:
    from ..colbert import ColBERTReranker
    from ..cross_encoder import CrossEncoderReranker

    if cross_encoder is not None:
        return CrossEncoderReranker(cross_encoder)
    return ColBERTReranker(colbert)


def _beside(index: Path) -> Path:
    resolved = index.resolve()
    return resolved.with_name(f"{resolved.name}-adapted")


def _print_end(
    found: Adaptation, index: str, *, apply: bool, applied: bool, name: str | None
) -> None:
    """Print where the model is, and what was written to the index."""
    from .output import console

    lines = [f"The adapted model is in {found.folder / 'model'}."]
    if apply and not applied:
        lines.append(f"{index} stays as it is.")
    elif applied:
        lines.append(f"{index} has it as the stage {name or found.stage!r}.")
    elif not found.within_noise and found.stage is not None:
        lines.append(f"{index} is as it was: the same command with --apply gives it the model.")
    for line in lines:
        console().print(line, markup=False, soft_wrap=True)
