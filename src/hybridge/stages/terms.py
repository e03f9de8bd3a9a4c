"""The revision of the terms in a store, compared with the analyzer's in this process."""

from __future__ import annotations

from collections.abc import Mapping

from ..analyzer import Analyzer
from ..errors import EncoderMismatchError
from ..passages import JSON

__all__ = ["check_terms", "has_terms_of", "terms_of"]

_REVISION = "revision"


def terms_of(analyzer: Analyzer) -> dict[str, JSON]:
    """Return an analyzer's revision for the manifest."""
    return {_REVISION: analyzer.revision, **analyzer.versions}


def has_terms_of(stored: Mapping[str, JSON] | None, analyzer: Analyzer) -> bool:
    """Return whether the analyzer makes the same terms as the stored ones."""
    return stored is not None and stored.get(_REVISION) == analyzer.revision


def check_terms(stored: Mapping[str, JSON] | None, analyzer: Analyzer, location: str) -> None:
    """Check that the analyzer makes the same terms as the stored ones.

    Raises:
        EncoderMismatchError: it does not; the message names the difference.
    """
    if stored is None or has_terms_of(stored, analyzer):
        return
    cure = "open it with reanalyze=True to write the terms anew, after closing it everywhere else"
    if not stored:
        raise EncoderMismatchError(
            f"the terms in {location} are being written anew, or were when a process was killed: "
            f"wait for it, or {cure}"
        )
    own = analyzer.versions
    changed = [
        f"{name} {stored.get(name, 'unknown')} (here {own.get(name, 'none')})"
        for name in sorted({*own, *stored} - {_REVISION})
        if stored.get(name) != own.get(name)
    ]
    raise EncoderMismatchError(
        f"the terms in {location} were written with {', '.join(changed) or 'another analyzer'}, so "
        "that some words are written otherwise and would not be found: install what it was "
        f"written with, or {cure}"
    )
