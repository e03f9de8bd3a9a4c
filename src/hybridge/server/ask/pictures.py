"""The pictures of a search and of an explanation, drawn when a page asks for them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import NamedTuple

from ...explanation import Explanation
from ...passages import Hit
from ...plots import Picture, max_sim, rank_flow, score_distributions, term_parts

__all__ = ["Pictures", "Shown"]

_MOST = 64


class Shown(NamedTuple):
    """A picture on a page.

    Args:
        key: by which `Pictures.get` returns its bytes.
        alt: the alternative text.
        width: in CSS pixels.
        height: the same.
    """

    key: str
    alt: str
    width: int
    height: int


class Pictures:
    """Pictures that were drawn of late, for the requests that fetch them. Threads may share one."""

    def __init__(self) -> None:
        self._drawn: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> bytes | None:
        """Return a picture as SVG; None for one that is not kept."""
        return self._drawn.get(key)

    def of_search(self, hits: Sequence[Hit], top: int) -> list[Shown]:
        """Draw the ranks and the scores of hits.

        Args:
            hits: of one question, best first, more than are shown.
            top: how many are shown.

        Raises:
            MissingExtraError: the extra `evaluation` is not installed.
        """
        if not hits:
            return []
        top = min(top, 10)
        return [*map(self._keep, (rank_flow(hits, top=top), score_distributions(hits, top=top)))]

    def of_explanation(self, explanation: Explanation) -> list[Shown]:
        """Draw the terms and the tokens of an explanation.

        Raises:
            MissingExtraError: the extra `evaluation` is not installed.
        """
        return [*map(self._keep, _parts(explanation))]

    def _keep(self, picture: Picture) -> Shown:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "picture.svg"
            picture.save(file)
            content = file.read_bytes()
        key = blake2b(content, digest_size=16).hexdigest()
        with self._lock:
            self._drawn[key] = content
            while len(self._drawn) > _MOST:
                self._drawn.popitem(last=False)
        width, height = picture.figure.get_size_inches() * 100
        return Shown(key, picture.alt, round(width), round(height))


def _parts(explanation: Explanation) -> Iterator[Picture]:
    if explanation.bm25 is not None and explanation.bm25.terms:
        yield term_parts(explanation.bm25)
    compared = [*explanation.late.values(), *(each.max_sim for each in explanation.rerankers)]
    for part in compared:
        if part is not None and part.matrix.size:
            yield max_sim(part)
