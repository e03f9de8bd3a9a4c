"""`ColBERTRetriever`: passages to add, delete, filter and find by late interaction, in PLAID."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from ..arguments import check_ids, check_k, check_queries
from ..errors import InvalidInputError
from ..filters import as_filter, some_of
from ..observation import observed
from ..passages import JSON, Hit, Passage, unique_passages
from ..protocols import Vectors, Where
from .ragatouille.encoder import RAGatouilleTokenEncoder
from .ragatouille.lifecycle import Lifecycle
from .ragatouille.settings import FORMAT
from .ragatouille.view import STAGE

__all__ = ["ColBERTRetriever"]


class ColBERTRetriever(Lifecycle):
    """Finds passages by late interaction over all of them: ColBERT in a PLAID index.

    A `Retriever` and a `Scorer`, with the verbs of `HybridIndex`. The model is run by RAGatouille,
    the index is colbert-ai's, and RAGatouille can open it too. It may be searched from many threads
    while others add and delete.

    What a write costs: `add` encodes texts that are new here, once for all time, while searches go
    on; the first search after it builds the index anew from the vectors that are kept, 20 s for
    5,000 abstracts on two cores, so add many at a time. `delete` costs nothing: deleted passages
    are passed over. An index is a function of the set of its texts alone, so one that grew and
    shrank finds what one that was built at once finds, once it is built anew; `optimize` does that
    after deletions too.

    Up to 256 texts all are scored; of more, those whose centroids PLAID recommends, so that a
    passage may be missed. ``HybridIndex.create(late_interaction=...)`` compares what BM25 and the
    bi-encoder found, and nothing else: it takes more room, adds without building anything anew,
    and is the faster of the two.
    """

    @property
    def encoder(self) -> RAGatouilleTokenEncoder:
        """What makes token vectors of queries and passages."""
        return self._settings.encoder

    def __len__(self) -> int:
        self._check()
        return len(self._passages)

    def __iter__(self) -> Iterator[Passage]:
        """The passages, in the order of their ids."""
        self._check()
        return iter(sorted(self._passages.values(), key=lambda passage: passage.id))

    def add(self, passages: Iterable[Passage], *, progress: bool | None = None) -> int:
        """Add passages; one whose id is there already replaces it.

        All or nothing; when it returns, they survive the process. Passages that are blank can be
        got, but are never found.

        Args:
            passages: any number of them.
            progress: show a bar; None shows it on a terminal.

        Returns:
            How many passages were added.

        Raises:
            InvalidInputError: something that is no passage, or an id that comes twice.
        """
        added = list(unique_passages(passages))
        self._put(added, progress=progress)
        return len(added)

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete passages by their ids or by a filter; ids that are not there are no error.

        Returns:
            How many passages were deleted.

        Raises:
            InvalidInputError: neither or both of `ids` and `where` were given.
        """
        if (ids is None) == (where is None):
            raise InvalidInputError("delete needs either ids or where, to say what to delete")
        wanted, condition = set(check_ids(() if ids is None else ids)), as_filter(where)
        with self._writer:
            self._check()
            kept = {
                passage.id: passage
                for passage in self._passages.values()
                if not (passage.id in wanted if condition is None else condition.matches(passage))
            }
            deleted = len(self._passages) - len(kept)
            if deleted:
                self._write(kept)
        return deleted

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """The passages of these ids, None for an id that is not there."""
        wanted = check_ids(ids)
        self._check()
        passages = self._passages
        return [passages.get(name) for name in wanted]

    def search(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """The best `k` passages for each query, best first, ties by id.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most.
            where: only passages that pass this filter, an object or a dict.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        asked, k, condition = check_queries(queries), check_k(k), as_filter(where)
        with observed(STAGE, len(asked)) as report:
            view = self._view()
            if condition is not None:
                self._fields.look(condition, some_of(self._passages.values()))
            choice = view.choice(condition)
            if not choice.carriers:
                hits: list[list[Hit]] = [[] for _ in asked]
            else:
                vectors = self._settings.encoder.encode_queries(asked)
                hits = [view.hits(query, k, choice) for query in vectors]
            report.hits = hits
        return hits

    async def asearch(
        self, queries: Sequence[str], k: int = 10, *, where: Where | None = None
    ) -> list[list[Hit]]:
        """`search` in a thread, so that the event loop goes on."""
        return await asyncio.to_thread(self.search, queries, k, where=where)

    def score(self, queries: Sequence[str], ids: Sequence[Sequence[str]]) -> list[list[float]]:
        """The score of each of `ids[i]` for `queries[i]`, whether it would be found or not.

        It is what `search` reports: MaxSim over the index's vectors, which are those of the model
        rounded to a few bits; 0.0 where the query or the passage is blank.

        Raises:
            InvalidInputError: an unknown id, or not as many lists of ids as queries.
        """
        asked = check_queries(queries)
        wanted = [check_ids(some) for some in ids]
        if len(asked) != len(wanted):
            raise InvalidInputError(
                f"{len(wanted)} lists of ids for {len(asked)} queries: give one to each"
            )
        view = self._view()
        vectors = self._settings.encoder.encode_queries(asked)
        return [view.scores(query, some) for query, some in zip(vectors, wanted, strict=True)]

    def vectors(self, id_: str) -> Vectors | None:
        """A passage's token vectors as the index compares them, shape (tokens, dimension).

        They are those of the model rounded to a few bits. None where the passage is blank, or not
        there.
        """
        [name] = check_ids([id_])
        return self._view().vectors(name)

    def info(self) -> dict[str, JSON]:
        """What this retriever is and holds, as JSON."""
        return {
            "place": self._home.place,
            "passages": len(self),
            "encoder": self._settings.encoder.identity,
            "bits": self._settings.bits,
            "format": FORMAT,
        }
