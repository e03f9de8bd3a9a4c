"""Fusions, rerankers and stages that other distributions bring, by their names in entry points.

A distribution names what it brings in its ``pyproject.toml``. Each value is a class, or a function,
that makes the part from keyword arguments:

    [project.entry-points."hybridge.fusions"]
    loudest = "their_package:Loudest"

    [project.entry-points."hybridge.rerankers"]
    shortest = "their_package:ShortestFirst"

    [project.entry-points."hybridge.stages"]
    soundex = "their_package:SoundexStage"

The name then works wherever a built-in name does, and an index on disk that was created with it
opens in any process that has the distribution. Nothing is imported before its name is used.
Built-in names win over plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from .errors import HybridgeError, InvalidInputError

__all__ = [
    "FUSIONS",
    "RERANKERS",
    "STAGES",
    "load",
    "load_entry_point",
    "plugin_names",
    "reranker_named",
]

FUSIONS = "hybridge.fusions"
"""The group of entry points of fusions."""
RERANKERS = "hybridge.rerankers"
"""The group of entry points of rerankers."""
STAGES = "hybridge.stages"
"""The group of entry points of stages: a stage's `kind`, and its class."""

_BUILT_IN_RERANKERS = (
    EntryPoint("colbert", "hybridge.colbert:ColBERTReranker", RERANKERS),
    EntryPoint("cross-encoder", "hybridge.cross_encoder:CrossEncoderReranker", RERANKERS),
)

# A scan reads the metadata of every installed distribution, which a search must not repeat. A name
# that is not found is not kept: its distribution may be installed meanwhile.
_loaded: dict[tuple[str, str], Callable[..., Any]] = {}


def load(group: str, name: str, *, built_in: Iterable[str] = ()) -> Callable[..., Any]:
    """Import the class or function that a distribution registered under a name.

    Args:
        group: `FUSIONS`, `RERANKERS` or `STAGES`.
        name: the entry point's name.
        built_in: the names that need no plugin, for the message about an unknown one.

    Raises:
        InvalidInputError: no distribution registered the name.
        HybridgeError: two distributions did, or the one that did cannot be imported.

    >>> load("hybridge.fusions", "no-such", built_in=["convex", "rrf"])
    Traceback (most recent call last):
    ...
    hybridge.errors.InvalidInputError: there is no fusion 'no-such': choose one of ...
    """
    key = (group, name)
    if key not in _loaded:
        _loaded[key] = load_entry_point(_found(group, name, built_in))
    return _loaded[key]


def plugin_names(group: str) -> dict[str, str]:
    """Return the names that installed distributions registered, each with its distribution.

    >>> plugin_names("hybridge.no-such-group")
    {}
    """
    return {point.name: _owner(point) for point in entry_points(group=group)}


def reranker_named(name: str, **settings: Any) -> Any:
    """Make the reranker of this name: built in, or brought by another distribution.

    Args:
        name: ``"colbert"``, ``"cross-encoder"``, or a name in the group ``hybridge.rerankers``.
        settings: keyword arguments of its class.

    Returns:
        A `Reranker`, for `Pipeline`.

    Raises:
        InvalidInputError: no reranker has this name, or it does not take these settings.
        HybridgeError: see `load`; or what the distribution registered makes no reranker.

    >>> type(reranker_named("colbert")).__name__
    'ColBERTReranker'
    """
    ours = {point.name: point for point in _BUILT_IN_RERANKERS}
    make = ours[name].load() if name in ours else load(RERANKERS, name, built_in=ours)
    try:
        reranker = make(**settings)
    except TypeError as error:
        raise InvalidInputError(f"reranker {name!r} does not take {settings}: {error}") from error
    if not callable(getattr(reranker, "rerank", None)):
        raise HybridgeError(
            f"the entry point {name!r} in {RERANKERS!r} makes a {type(reranker).__name__}, which "
            "has no rerank(queries, candidates, k): it must name the class of a reranker"
        )
    return reranker


def load_entry_point(point: EntryPoint) -> Any:
    """Import what an entry point names.

    Raises:
        HybridgeError: it cannot be imported; the message names the distribution.
    """
    try:
        return point.load()
    except Exception as error:  # a module may fail with anything while it is imported
        owner = "" if point.dist is None else f" of {_owner(point)}"
        raise HybridgeError(
            f"the entry point {point.name!r}{owner} in {point.group!r}, {point.value}, does not "
            f"load ({error}): reinstall the distribution, or uninstall it"
        ) from error


def _found(group: str, name: str, built_in: Iterable[str]) -> EntryPoint:
    kind = group.removeprefix("hybridge.").removesuffix("s")
    points = list(entry_points(group=group, name=name))
    if not points:
        plugins = (f"{each!r} (of {owner})" for each, owner in plugin_names(group).items())
        choices = ", ".join([*map(repr, built_in), *plugins])
        raise InvalidInputError(
            f"there is no {kind} {name!r}: choose one of {choices}, or install the distribution "
            f"that brings it in the group {group!r}"
        )
    if len(points) > 1:
        owners = " and ".join(sorted(map(_owner, points)))
        raise HybridgeError(f"{owners} both bring a {kind} {name!r}: uninstall one of them")
    return points[0]


def _owner(point: EntryPoint) -> str:
    return "" if point.dist is None else f"{point.dist.name} {point.dist.version}"
