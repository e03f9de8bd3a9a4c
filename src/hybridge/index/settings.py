"""The arguments of `HybridIndex.create`, checked and turned into a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ..analyzer import AnalyzerLike
from ..arguments import check_count
from ..errors import InvalidInputError
from ..fusion import Fusion, check_weights, get_fusion
from ..fusion import from_config as fusion_from_config
from ..lexical.parameters import BM25Parameters
from ..lexical.synonyms import SynonymsLike
from ..search_text import TEXT_ALONE, SearchText
from ..stages.bm25 import BM25, Lexical
from ..stages.dense import Dense, EncoderLike
from ..stages.late_interaction import LateInteraction
from ..stages.stage import Stage, check_stage_name
from ..vectors.cluster import Cluster
from ..vectors.options import HNSW, Distance, FieldKind, Quantization, StoreOptions
from .manifest import Manifest
from .open_stages import record_of

__all__ = ["check_stage_weights", "chosen_stages", "make_manifest", "searching"]

K = TypeVar("K", bound=Stage)


def chosen_stages(
    stages: Iterable[Stage] | None,
    *,
    encoder: EncoderLike,
    lexical: Lexical | None,
    analyzer: AnalyzerLike,
    bm25: BM25Parameters | None,
    synonyms: SynonymsLike,
    distance: Distance,
    late_interaction: Any,
    search_text: SearchText,
    served: bool,
) -> list[Stage]:
    """Return the stages of a new index, each complete.

    Args:
        stages: the caller's stages; None for those of the other arguments, the short form.
        encoder: as for `HybridIndex.create`, as are the others up to `late_interaction`.
        search_text: what stages without an own one search.
        served: whether the index lives on a server.

    Raises:
        InvalidInputError: both forms at once, or stages that do not go together.
    """
    short: dict[str, Any] = {
        "encoder": encoder,
        "lexical": lexical,
        "analyzer": analyzer,
        "bm25": bm25,
        "synonyms": synonyms,
        "late_interaction": late_interaction,
    }
    if stages is None:
        late = LateInteraction.of(late_interaction)
        words = BM25(analyzer, lexical=lexical, parameters=bm25, synonyms=synonyms)
        chosen: list[Stage] = [words.within([], served=served)]
        chosen += [Dense(encoder, distance=distance), *([] if late is None else [late])]
    else:
        chosen = [stages] if isinstance(stages, Stage) else list(stages)
        if distance != "cosine":
            short["distance"] = distance
        if named := [name for name, value in short.items() if value is not None]:
            raise InvalidInputError(
                f"stages= lists all stages of the index: give {named[0]} to one of them"
            )
    for stage in chosen:
        if not isinstance(stage, Stage):
            raise InvalidInputError(
                f"stages must be a list of stages, as in [BM25(), Dense()], not with {stage!r}"
            )
    names = [check_stage_name(stage.name) for stage in chosen]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInputError(
            f"two stages are named {twice[0]!r}: give one of them another name="
        )
    if not any(stage.finds for stage in chosen):
        raise InvalidInputError(
            f"an index needs a stage that finds candidates, such as BM25() or Dense(), beside "
            f"{names}"
        )
    complete = [stage.within(chosen, served=served) for stage in chosen]
    return [searching(stage, search_text) for stage in complete]


def searching(stage: K, search_text: SearchText) -> K:
    """Return a stage that searches this of a passage, unless it has an own search_text."""
    if stage.own_search_text is not None or stage.search_text == search_text:
        return stage
    return stage.with_search_text(search_text)


def make_manifest(
    stages: Sequence[Stage],
    *,
    fusion: str | Fusion,
    weights: Mapping[str, float] | None,
    depth: int,
    hnsw: HNSW | None = None,
    quantization: Quantization | None = None,
    filter_fields: Mapping[str, FieldKind] | None = None,
    search_text: SearchText = TEXT_ALONE,
    vectors: Mapping[str, str] | None = None,
    cluster: Cluster | None = None,
) -> Manifest:
    """Return the manifest of a new index; arguments as for `HybridIndex.create`, and one more.

    Args:
        vectors: the names that vectors have in the store, by stage, where they are not the stages'.

    Raises:
        InvalidInputError: a setting that is not valid, or two that exclude each other.
    """
    finding = [stage.name for stage in stages if stage.finds]
    equal = dict.fromkeys(finding, 1 / len(finding))
    shares = equal if weights is None else check_stage_weights(weights, finding)
    chosen = get_fusion(fusion)
    # Tested before anything is written: it can be restored, and accepts these weights.
    restored = fusion_from_config(chosen.to_config())
    restored.fuse([{0: 1.0} for _ in finding], list(shares.values()))
    names = {} if vectors is None else vectors
    kinds = {
        names.get(stage.name, stage.name): stage.vectors
        for stage in stages
        if stage.vectors is not None
    }
    fields = {} if filter_fields is None else filter_fields
    return Manifest(
        stages=[record_of(stage, names.get(stage.name)) for stage in stages],
        store=StoreOptions(kinds, hnsw, quantization, fields, cluster),
        fusion=chosen.to_config(),
        weights=shares,
        depth=check_count(depth, "depth"),
        search_text=search_text.to_config(),
    )


def check_stage_weights(weights: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Return weights of stages, in the order of the stages.

    Args:
        weights: one a stage.
        names: of the stages that find candidates.

    Raises:
        InvalidInputError: a stage is missing or unknown, a weight is negative or not finite, or
            all are 0.

    >>> check_stage_weights({"dense": 0.7, "bm25": 0.3}, ["bm25", "dense"])
    {'bm25': 0.3, 'dense': 0.7}
    """
    if not isinstance(weights, Mapping) or set(weights) != set(names):
        example = dict.fromkeys(names, round(1 / len(names), 3))
        raise InvalidInputError(f"weights must name each stage, as in {example}, not {weights!r}")
    check_weights([weights[name] for name in names], len(names))
    return {name: float(weights[name]) for name in names}
