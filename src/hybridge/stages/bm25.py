"""A BM25 stage: arrays in memory beside the store, or sparse vectors inside it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Literal, Self, TypeAlias, get_args

from ..analyzer import Analyzer, AnalyzerLike
from ..errors import CorruptIndexError, InvalidInputError
from ..lexical.parameters import BM25Parameters, check_bm25
from ..lexical.synonyms import Synonyms, SynonymsLike
from ..passages import JSON
from ..search_text import SearchTextLike, chosen_search_text
from ..vectors.options import SparseVectors
from .bm25_arrays import OpenBM25Arrays
from .bm25_following import OpenFollowingBM25
from .bm25_sparse import OpenBM25Vectors, check_state, initial_state
from .record import StageRecord
from .stage import Stage, StageStorage, check_stage_name

__all__ = ["BM25", "Lexical", "OpenBM25"]

logger = logging.getLogger(__name__)

Lexical: TypeAlias = Literal["bm25s", "qdrant"]
OpenBM25: TypeAlias = OpenBM25Arrays | OpenBM25Vectors


class BM25(Stage):
    """A BM25 stage of an index.

    Args:
        analyzer: an `Analyzer`, a language, or a function from a text to its terms; None stands for
            English.
        name: in traces and weights.
        lexical: ``"bm25s"`` keeps BM25 in arrays beside the store, fastest for a corpus that
            stays; ``"qdrant"`` keeps it in the store, for one that changes or is shared. None
            chooses ``"qdrant"`` on a server and ``"bm25s"`` elsewhere.
        parameters: variant, k1 and b; None for lucene, 1.2 and 0.75.
        search_text: what it searches of a passage, see `hybridge.search_text`; None for what its
            index searches.
        fields: instead, the fields that it searches, each with a boost from 1 to 100, as in
            ``{"title": 2, "text": 1}``: a field of boost 2 counts as if it were written twice.
        synonyms: `hybridge.lexical.Synonyms`, or one of the forms that it takes, for words in
            queries; None without.

    Raises:
        InvalidInputError: an argument is not valid, or excludes another.

    >>> BM25("german", name="words").analyzer(["Katzen schlafen"])
    [['katz', 'schlaf']]
    """

    kind = "bm25"
    query_dependent = True

    def __init__(
        self,
        analyzer: AnalyzerLike = None,
        *,
        name: str = "bm25",
        lexical: Lexical | None = None,
        parameters: BM25Parameters | None = None,
        search_text: SearchTextLike = None,
        fields: Mapping[str, int] | None = None,
        synonyms: SynonymsLike = None,
    ) -> None:
        self.name = check_stage_name(name)
        self.analyzer = Analyzer.of(analyzer)
        self.parameters = BM25Parameters() if parameters is None else check_bm25(parameters)
        if lexical is not None and lexical not in get_args(Lexical):
            raise InvalidInputError(f"lexical must be one of {get_args(Lexical)}, not {lexical!r}")
        own = {self.parameters.method, self.parameters.idf_method}
        if lexical == "qdrant" and own - {"lucene", None}:
            raise InvalidInputError(
                f"lexical='qdrant' weighs terms as lucene does, not as {self.parameters}: "
                "choose lexical='bm25s' for the other variants"
            )
        self.lexical = lexical
        self.own_search_text = chosen_search_text(search_text, fields)
        self.synonyms = Synonyms.of(synonyms)
        self._are_saved = True  # the synonyms, by the index; not those for one process alone

    def within(self, stages: Sequence[Stage], *, served: bool) -> BM25:
        if served and self.lexical == "bm25s":
            raise InvalidInputError(
                "lexical='bm25s' keeps BM25 in this process, where it cannot follow what others "
                "write to the server: use lexical='qdrant'"
            )
        chosen: Lexical = self.lexical or ("qdrant" if served else "bm25s")
        return type(self)(
            self.analyzer,
            name=self.name,
            lexical=chosen,
            parameters=self.parameters,
            search_text=self.own_search_text,
            synonyms=self.synonyms,
        )

    def elsewhere(self, *, served: bool) -> BM25:
        """Return this definition with its terms where an index keeps them by default there."""
        own = copy(self)
        own.lexical = None
        return own.within([], served=served)

    def with_analyzer(self, analyzer: AnalyzerLike = None) -> Self:
        """Return this definition with another analyzer; None for the latest version."""
        changed = copy(self)
        changed.analyzer = self.analyzer.latest() if analyzer is None else Analyzer.of(analyzer)
        return changed

    def with_synonyms(self, synonyms: Synonyms | None) -> Self:
        """Return this definition with other synonyms."""
        changed = copy(self)
        changed.synonyms = synonyms
        changed._are_saved = True
        return changed

    def replacing(self, old: Stage) -> BM25:
        """Return this definition under the name of another; without `lexical`, with that one's."""
        own = copy(self)
        own.name = old.name
        if own.lexical is None and isinstance(old, BM25):
            own.lexical = old.lexical
        return own

    @property
    def identity(self) -> str:
        return "bm25"

    @property
    def vectors(self) -> SparseVectors | None:
        return SparseVectors(idf=True) if self.lexical == "qdrant" else None

    @property
    def state(self) -> dict[str, JSON]:
        state = initial_state(self.analyzer) if self.lexical == "qdrant" else {}
        # Not in the configuration: other synonyms leave the stage what it is.
        return state if self.synonyms is None else {**state, "synonyms": self.synonyms.to_config()}

    def to_config(self) -> Mapping[str, JSON]:
        return {
            "lexical": self.lexical,
            "analyzer": self.analyzer.to_config(),
            "parameters": self.parameters.to_config(),
        }

    @property
    def settings(self) -> dict[str, JSON]:
        analyzer = self.analyzer.to_config()
        if self.analyzer.version is not None:
            analyzer["version"] = self.analyzer.version
        shown: dict[str, JSON] = {**self.to_config(), "analyzer": analyzer}
        if self.synonyms is not None:
            shown["synonyms"] = {"weight": self.synonyms.weight, "entries": len(self.synonyms)}
        return shown

    @classmethod
    def restored(
        cls, record: StageRecord, override: Any = None, stages: Sequence[Stage] = ()
    ) -> Self:
        config = record.config
        analyzer, synonyms = override, None
        if isinstance(override, BM25):
            analyzer, synonyms = override.analyzer, override.synonyms
        elif isinstance(override, Mapping):
            analyzer, synonyms = override["analyzer"], override["synonyms"]
        if config["lexical"] not in get_args(Lexical):
            raise CorruptIndexError(f"'lexical' must be one of {get_args(Lexical)}")
        if config["lexical"] == "qdrant":
            check_state(record.state)
        analyzer = Analyzer.from_config(config["analyzer"], analyzer)
        if not analyzer.is_latest:
            logger.info(
                "the stage %r keeps the words of version %d of the analyzer, with which it was "
                "made: `hybridge reanalyze` takes those of the latest, and keeps all else",
                *(record.name, analyzer.version),
            )
        saved = record.state.get("synonyms")
        made = cls(
            analyzer,
            name=record.name,
            lexical=config["lexical"],
            parameters=BM25Parameters.from_config(config["parameters"]),
            synonyms=Synonyms.from_config(saved, synonyms),
        )
        made._are_saved = made.synonyms is None or made.synonyms.to_config() == saved
        return made

    @property
    def nameless_part(self) -> object:
        analyzer = self.analyzer if "callable" in self.analyzer.to_config() else None
        if self.synonyms is None or (self._are_saved and not self.synonyms.is_callable):
            return analyzer
        return {"analyzer": analyzer, "synonyms": self.synonyms}

    def open(self, storage: StageStorage) -> OpenBM25:
        if self.lexical == "qdrant":
            return OpenBM25Vectors(
                storage, self.analyzer, self.parameters, self.search_text, self.synonyms
            )
        kind = OpenFollowingBM25 if storage.is_shared else OpenBM25Arrays
        return kind(storage, self.analyzer, self.parameters, self.search_text, self.synonyms)

    def reanalyze(self, storage: StageStorage) -> None:
        """Write the terms that are kept in the store as this analyzer writes them."""
        if self.lexical == "qdrant":
            OpenBM25Vectors(
                storage, self.analyzer, self.parameters, self.search_text, reanalyze=True
            )
