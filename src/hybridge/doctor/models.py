"""The models on this machine, found without loading one and without the network."""

from __future__ import annotations

from collections.abc import Iterator

from .findings import Finding

__all__ = ["examine_hub", "examine_models"]


def examine_hub() -> Iterator[Finding]:
    """Look up whether models may be downloaded from the hub, and where its cache is."""
    from huggingface_hub import constants

    cache = f"its cache is {constants.HF_HUB_CACHE}"
    if constants.HF_HUB_OFFLINE:
        yield Finding(
            "models",
            "hub",
            "note",
            f"HF_HUB_OFFLINE is set: a model that is not on this machine is an error; {cache}",
            "unset HF_HUB_OFFLINE where the hub can be reached",
        )
    else:
        yield Finding(
            "models",
            "hub",
            "ok",
            f"{constants.ENDPOINT} serves models that are not on this machine; {cache}",
        )


def examine_models() -> Iterator[Finding]:
    """Look for the default models: cached, packaged or missing."""
    from huggingface_hub import constants

    from ..cross_encoder import DEFAULT_MODEL as CROSS_ENCODER
    from ..encoders.limits import saved_limit
    from ..encoders.packages import PACKAGED
    from ..encoders.resolution import DEFAULT_MODEL, find_here

    uses = {
        DEFAULT_MODEL: "the default bi-encoder",
        CROSS_ENCODER: "the default cross-encoder",
        "colbert-ir/colbertv2.0": "a ColBERT checkpoint; without it, the bi-encoder's tokens serve",
    }
    for name, use in uses.items():
        source = find_here(name)
        if source is not None:
            how = "packaged" if source.kind == "package" else "cached"
            detail = f"{use}: {how} in {source.folder}"
            if name == DEFAULT_MODEL and (limit := saved_limit(source.fetch())):
                detail += f"; of a text it reads {limit} tokens"
            yield Finding("models", name, "ok", detail)
            continue
        remedy = f"hf download {name}"
        if constants.HF_HUB_OFFLINE:
            remedy += " where the hub can be reached, and HF_HOME set to a copy of its cache"
        if name == DEFAULT_MODEL:
            remedy = f"{PACKAGED[name].command}, or {remedy}"
        yield Finding("models", name, "missing", f"{use}: not on this machine", remedy)
