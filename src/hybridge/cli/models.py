"""`hybridge models`: the models on this machine, those of the hub, and which one to take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from ..catalogue import (
    CATALOGUE,
    MEASURED,
    PUBLISHED_MEASURES,
    CatalogueKind,
    KnownModel,
    Measurement,
    Need,
    select,
)
from ..errors import InvalidInputError
from .options import json_option

if TYPE_CHECKING:
    from ..encoders.local import LocalModel
    from ..encoders.onnx.prepared import PreparedGraph
    from ..passages import JSON
    from ..report import Block, Line, Section

__all__ = ["models"]

_MEGABYTE = 1_000_000
_KINDS: dict[str, CatalogueKind] = {
    kind.removesuffix(" encoder").removesuffix(" model"): kind for kind in get_args(CatalogueKind)
}


@click.command()
@click.option("--kind", "short", type=click.Choice(list(_KINDS)), help="Models of one kind.")
@click.option("--language", help="Of your texts: a name or ISO code.")
@click.option("--max-size", type=click.FloatRange(0), metavar="MB", help="Of the weights.")
@click.option(
    "--need",
    type=click.Choice(get_args(Need)),
    default="balanced",
    show_default=True,
    help="What matters most; length is that of the passages.",
)
@click.option(
    "--remove-graphs",
    "removed",
    metavar="MODEL",
    help="Remove what was prepared of a model for ONNX Runtime, or of 'all', and list nothing.",
)
@json_option
def models(
    short: str | None,
    language: str | None,
    max_size: float | None,
    need: Need,
    removed: str | None,
    as_json: bool,
) -> None:
    """List models: on this machine, on the hub; and recommend one of each kind.

    No model is loaded, and the network is not used.
    """
    from ..encoders.local import models_here
    from .output import console, print_json

    if removed is not None:
        size = _remove_graphs(removed)
        if as_json:
            print_json({"removed_bytes": size})
        else:
            console().print(f"Removed {size / _MEGABYTE:,.1f} MB of graphs.")
        return
    kind = None if short is None else _KINDS[short]
    fitting = select(kind=kind, language=language, max_megabytes=max_size, need=need)
    here = [
        model
        for model in models_here()
        if CATALOGUE.get(model.name) in fitting
        or (
            model.name not in CATALOGUE
            and kind in (None, model.kind)
            and language is None
            and (max_size is None or model.size <= max_size * _MEGABYTE)
        )
    ]
    if as_json:
        print_json(_to_json(here, fitting))
    else:
        console().print(_to_section(here, fitting))


def _remove_graphs(model: str) -> int:
    """Return how many bytes of graphs were removed."""
    from ..encoders.onnx.prepared import prepared, remove_prepared

    if model == "all":
        return remove_prepared()
    names = sorted({graph.model for graph in prepared()})
    if model not in names:
        raise InvalidInputError(
            f"no graph in the cache is of {model!r}: give one of {', '.join((*names, 'all'))}"
        )
    return remove_prepared(model)


def _to_json(here: Sequence[LocalModel], fitting: Sequence[KnownModel]) -> JSON:
    from ..encoders.onnx.prepared import prepared

    local: list[JSON] = [
        {
            **asdict(model),
            "folder": str(model.folder),
            "measured": asdict(_measured(model)),
        }
        for model in here
    ]
    known: list[JSON] = [_known_to_json(model) for model in fitting]
    graphs: list[JSON] = [{**asdict(graph), "folder": str(graph.folder)} for graph in prepared()]
    return {
        "here": local,
        "known": known,
        "graphs": graphs,
        "recommended": [
            {"kind": model.kind, "name": model.name, "source": source, "usage": model.usage}
            for model, source in _recommended(here, fitting)
        ],
        "caches": {str(folder): size for folder, size in _caches()},
    }


def _known_to_json(model: KnownModel) -> dict[str, JSON]:
    facts: dict[str, Any] = asdict(model)
    return {
        **facts,
        "languages": list(model.languages),
        "megabytes": {dtype: model.megabytes(dtype) for dtype in ("float32", "int8")},
        "published_measure": PUBLISHED_MEASURES[model.kind],
        "measured": {
            dtype: asdict(measured)
            for (name, dtype), measured in MEASURED.items()
            if name == model.name
        },
    }


def _to_section(here: Sequence[LocalModel], fitting: Sequence[KnownModel]) -> Section:
    from ..encoders.onnx.prepared import prepared
    from ..report import Section, Styled, Table

    names = {model.name for model in here}
    sections: list[Block] = []
    if here:
        columns = ["model", "kind", "MB", "precision", "nDCG@10", "query ms", "passages/s"]
        table = Table(columns, [_local_row(model) for model in here], wide=0)
        sections += [Section("On this machine", [table]), ""]
    columns = ["model", "MB", "tokens", "languages", "licence", "runs in", "quality"]
    for kind in get_args(CatalogueKind):
        rows = [
            _known_row(model) for model in fitting if model.kind == kind and model.name not in names
        ]
        if rows:
            sections += [Section(f"On the hub: {kind}s", [Table(columns, rows, wide=0)]), ""]
    recommended = [
        Section((f"{model.kind}: {model.name} ", Styled(f"({source})", "dim")), [model.usage])
        for model, source in _recommended(here, fitting)
    ]
    sections += [Section("Recommended", recommended) if recommended else "No known model fits.", ""]
    if graphs := prepared():
        columns = ["model", "output", "precision", "MB", "agreement", "with"]
        table = Table(columns, [_graph_row(graph) for graph in graphs], wide=0)
        sections += [Section("Prepared for ONNX Runtime", [table]), ""]
    rows = [[str(folder), f"{size / _MEGABYTE:,.1f} MB"] for folder, size in _caches()]
    return Section(body=[*sections, Section("Caches", [Table((), rows, wide=0)])])


def _known_row(model: KnownModel) -> list[Line]:
    from ..report import number

    return [
        model.name,
        str(model.smallest),
        str(model.tokens),
        _languages(model),
        model.licence,
        "torch" if model.runs == "torch" else "ONNX",
        number(model.published, 2),
    ]


def _local_row(model: LocalModel) -> list[Line]:
    from ..report import number

    measured = _measured(model)
    return [
        model.name,
        model.kind or "unknown",
        f"{model.size / _MEGABYTE:.0f}",
        model.dtype or "any",
        number(measured.ndcg),
        number(measured.query_ms, 1),
        number(measured.passages_per_second, 0),
    ]


def _graph_row(graph: PreparedGraph) -> list[Line]:
    from ..report import number

    return [
        graph.model,
        graph.head,
        graph.dtype,
        f"{graph.size / _MEGABYTE:.0f}",
        number(graph.agreement, 5),
        graph.against or "–",
    ]


def _measured(model: LocalModel) -> Measurement:
    return MEASURED.get((model.name, model.dtype or "float32"), Measurement())


def _languages(model: KnownModel) -> str:
    if not model.languages:
        return "~100"
    return ", ".join(model.languages) if len(model.languages) < 3 else str(len(model.languages))


def _recommended(
    here: Sequence[LocalModel], fitting: Sequence[KnownModel]
) -> Iterator[tuple[KnownModel, str]]:
    """Yield the best model of each kind that is here, and the best that can be had."""
    from ..encoders.packages import PACKAGED

    names = {model.name for model in here}
    for kind in get_args(CatalogueKind):
        of_kind = [model for model in fitting if model.kind == kind]
        local = [model for model in of_kind if model.name in names]
        for model in dict.fromkeys((*local[:1], *of_kind[:1])):
            if model.name in names:
                yield model, "here"
            elif model.name in PACKAGED:
                yield model, PACKAGED[model.name].command
            else:
                yield model, "on the hub"


def _caches() -> list[tuple[Path, int]]:
    """Return the hub's cache and the parts of our own, with their bytes."""
    from ..encoders.local import folder_bytes
    from ..encoders.resolution import hub_cache
    from ..encoders.user_cache import user_cache

    own = user_cache()
    parts = sorted(own.iterdir()) if own.is_dir() else []
    return [(folder, folder_bytes(folder, links=False)) for folder in (hub_cache(), *parts)]
