"""`HybridIndex`: passages to add, delete, filter and find, by any number of stages."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, Unpack, cast

from numpy.typing import ArrayLike

from ..analyzer import Analyzer, AnalyzerLike
from ..arguments import check_count, check_ids, check_queries
from ..copying import pickle_nowhere
from ..errors import ClosedError, CopyError, InvalidInputError, StoreError
from ..filters import Filter, as_filter
from ..fusion import Fusion, from_config
from ..hits import PassageReader
from ..lexical.parameters import BM25Parameters
from ..lexical.synonyms import Synonyms, SynonymsLike
from ..passages import JSON, Hit, Passage
from ..protocols import Encoder, Where
from ..queries import Queries, ReadBatch
from ..scope import check_scope, narrowed
from ..search import (
    SearchOptions,
    SearchSettings,
    by_filter,
    check_settings,
    run_batched,
    run_search,
)
from ..search_text import TEXT_ALONE, SearchText, SearchTextLike
from ..stages.bm25 import BM25, Lexical, OpenBM25
from ..stages.bm25_scopes import Statistics, check_statistics
from ..stages.dense import Dense, EncoderLike
from ..stages.late_interaction import OpenLateInteraction
from ..stages.stage import OpenStage, Stage
from ..stages.vector import with_passage_cache
from ..steps import Hold, Steps, Work, arun, run
from ..vectors.cluster import Cluster
from ..vectors.connection import ConnectionOptions
from ..vectors.layouts import Layout
from ..vectors.options import HNSW, Distance, FieldKind, Quantization
from ..vectors.served_collection import ServedCollection
from .attached import Attached, Target, find_target
from .copies import copy_passages, manifest_of_copy, stages_elsewhere, staying
from .fields import FieldCache, FieldSummary, counted
from .info import describe
from .lock import IndexLock
from .open_stages import IndexStageStorage, OpenStages, StagesChangedError, restored_stages
from .reindex import reindex
from .scoped import ScopedLock, ScopedStorage, scoped_stage
from .served import Address
from .settings import check_stage_weights, chosen_stages, make_manifest, searching
from .single_stage import DenseRetriever, LateReranker, StageRetriever
from .stage_changes import add_stage, remove_stage, replace_stage, set_synonyms
from .storage import Storage, create_storage, is_remote, open_storage
from .tuned import TunedIndex
from .writer import IndexWriter

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, QdrantClient

__all__ = ["HybridIndex", "ScopedIndex"]

T = TypeVar("T")


class HybridIndex:
    """A persistent, updatable, filterable index, searched by several stages together.

    Make one with `create`, find it again with `open`; both are context managers. Everything but
    `close` may be called from many threads.

    >>> from hybridge import CallableEncoder
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("p1", "Bananas and apples"), Passage("p2", "Green beets")])
    ...     [hit.passage.id for hit in index.search(["apples"], k=1)[0]]
    2
    ['p1']
    """

    def __init__(
        self, storage: Storage, stages: Sequence[Stage], search_text: SearchText = TEXT_ALONE
    ) -> None:
        """Do not call this: `create`, `open` and `attach` check the arguments."""
        self._storage = storage
        self._lock = IndexLock(storage)
        self._stages = OpenStages(storage, stages, search_text)
        self._writer = IndexWriter(storage, self._lock, self._stages)
        self._fusion = from_config(storage.manifest.fusion)
        self._fields = FieldCache()
        # Closes an index that is still open when it is collected or the process ends.
        self._finalizer = weakref.finalize(self, _shut, storage, self._stages, os.getpid())

    @classmethod
    def create(
        cls,
        path: str | Path | None = None,
        *,
        url: str | Sequence[str] | None = None,
        api_key: str | None = None,
        collection: str = "hybridge",
        cluster: Cluster | None = None,
        stages: Sequence[Stage] | None = None,
        encoder: EncoderLike = None,
        lexical: Lexical | None = None,
        analyzer: AnalyzerLike = None,
        bm25: BM25Parameters | None = None,
        synonyms: SynonymsLike = None,
        fusion: str | Fusion = "convex",
        weights: Mapping[str, float] | None = None,
        depth: int = 100,
        distance: Distance = "cosine",
        hnsw: HNSW | None = None,
        quantization: Quantization | None = None,
        filter_fields: Mapping[str, FieldKind] | None = None,
        late_interaction: Any = None,
        search_text: SearchTextLike = None,
        passage_cache: str | Path | bool = False,
        overwrite: bool = False,
        **options: Unpack[ConnectionOptions],
    ) -> Self:
        """Create a new, empty index.

        Args:
            path: a missing or empty folder for an embedded index; without `path` and `url`, a
                temporary one that goes when the index is closed.
            url: a Qdrant server; several addresses of one cluster, of which the next is tried when
                a node does not answer; or ``":memory:"`` for qdrant-client's engine in this
                process.
            api_key: the key a protected server asks for.
            collection: the collection's name on the server.
            cluster: `hybridge.vectors.Cluster`: shards and copies of the collection, and its
                tenants; None for one shard, with a copy on a second node if there is one.
            stages: what the index searches by, any number of `hybridge.stages`: `BM25`, `Dense`,
                `LateInteraction` and those of other packages, each under its own name. None stands
                for ``[BM25(), Dense()]`` with what the arguments from `encoder` to
                `late_interaction` say, the short form.
            encoder: a model's name or path, an `Encoder`, a SentenceTransformer, or None for the
                default model.
            lexical: ``"bm25s"`` keeps BM25 in arrays beside the store, fastest for a corpus that
                stays; ``"qdrant"`` keeps it in the store, for one that changes or is shared. None
                chooses ``"qdrant"`` on a server and ``"bm25s"`` elsewhere.
            analyzer: an `Analyzer`, a language, or a function from a text to its terms; None
                stands for English.
            bm25: `hybridge.lexical.BM25Parameters`: variant, k1 and b; None for lucene, 1.2, 0.75.
            synonyms: of words and phrases in queries, for BM25: `hybridge.lexical.Synonyms`, or one
                of the forms that it takes, such as a mapping, groups or the path of a JSON file.
                They are saved with the index, a function by its name; see `set_synonyms`.
            fusion: a method's name or object, see `hybridge.fusion`.
            weights: one weight for each stage that finds candidates; equal ones by default, as in
                ``{"bm25": 0.5, "dense": 0.5}``.
            depth: candidates each stage contributes, never less than a search's `k`.
            distance: ``"cosine"``, or ``"dot"`` for models trained with it.
            hnsw: `hybridge.vectors.HNSW`: approximate dense search, for 100,000 passages and more,
                once `optimize` was called; None searches exactly.
            quantization: ``"int8"`` or ``"binary"`` copies of the vectors for a faster first pass,
                once `optimize` was called.
            filter_fields: metadata fields that searches will filter by, name to kind of value:
                ``{"year": "float", "topic": "keyword"}``; the other kinds are ``"datetime"`` and
                ``"bool"``. They are indexed from the start. Others are indexed when a search first
                filters by them, or by `optimize` where there are more than 50,000 passages.
            late_interaction: True keeps a vector for every second token as well, by which each
                search then judges its candidates; see `hybridge.stages.LateInteraction` for other
                models and settings, of which it takes an encoder or the whole.
            search_text: what is searched of a passage, while its text is what is returned: a
                template such as ``"{title}\\n{text}"`` over text and metadata, or a function from
                a `Passage` to a string; see `hybridge.search_text`. None searches the text alone.
                A stage's own search_text comes before it.
            passage_cache: a folder to keep the passages' vectors in, or True for one in the user's
                cache: another index of the same encoders and texts then encodes nothing, see
                `hybridge.encoders.CachedEncoder`, which a stage that is added later takes for
                itself. It is not part of the index: give it to `open` as well.
            overwrite: replace an index that is there already; nothing else is ever overwritten. If
                `collection` is an alias, it names the new index once that is there.
            options: of the connection to a server, `hybridge.vectors.ConnectionOptions`: `client`,
                your own `QdrantClient` or `AsyncQdrantClient` in place of `url`, which stays open;
                `timeout`, seconds for one attempt at a request (30), and `deadline`, for all its
                attempts (60); `headers` sent with each; `verify`, of the server's certificate.

        Raises:
            InvalidInputError: an argument is not valid, or excludes another.
            IndexExistsError: this location is in use already.
            ModelNotFoundError: the encoder's model is neither on disk nor reachable.
        """
        chosen = chosen_stages(
            stages,
            encoder=encoder,
            lexical=lexical,
            analyzer=analyzer,
            bm25=bm25,
            synonyms=synonyms,
            distance=distance,
            late_interaction=late_interaction,
            search_text=(text := SearchText.of(search_text)),
            served=is_remote(url, options.get("client")),
        )
        chosen = with_passage_cache(chosen, passage_cache)
        manifest = make_manifest(
            chosen,
            fusion=fusion,
            weights=weights,
            depth=depth,
            hnsw=hnsw,
            quantization=quantization,
            filter_fields=filter_fields,
            search_text=text,
            cluster=cluster,
        )
        address = Address(_names(url), api_key, collection, options)
        storage = create_storage(path, address, manifest, overwrite=overwrite)
        with _closed_on_failure(storage):
            return cls(storage, chosen, text)

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        url: str | Sequence[str] | None = None,
        api_key: str | None = None,
        collection: str = "hybridge",
        stages: Sequence[Stage] = (),
        encoder: EncoderLike = None,
        analyzer: AnalyzerLike = None,
        synonyms: SynonymsLike = None,
        late_interaction: Any = None,
        search_text: SearchTextLike = None,
        passage_cache: str | Path | bool = False,
        read_only: bool | None = None,
        reanalyze: bool = False,
        **options: Unpack[ConnectionOptions],
    ) -> Self:
        """Open the index that `create` made at this location; arguments as for `create`.

        One process at a time opens a folder for writing, any number for reading only, beside it or
        on a medium that is read-only. A reader works on a private copy of the state at the moment
        of opening, which takes the size of the folder in temporary files; `refresh` follows the
        writer.

        On a server any number of processes write and read. `collection` may be an alias. An open
        index notices within ten seconds of searching that another one took its name, by a switch
        of the alias or anew: with the same stages it goes on there, with others it raises.

        Args:
            stages: definitions of stages by which to open those of the same name, where the index
                cannot make them of what it keeps, such as a `Dense` over a function.
            encoder: for the first dense stage; None loads the model it was made with; where that
                was an object that has no name, it must be given again.
            analyzer: None for the one the index was made with; a function must be given again.
            synonyms: None for those that are saved with the index; others are used in their place
                and not saved. A function must be given again.
            late_interaction: None loads the encoder of tokens that the index was made with; where
                that was an object that has no name, it must be given again. Of a `LateInteraction`
                only its encoder counts.
            search_text: None for the one the index was made with; a function must be given again,
                that of one stage with its definition in `stages`.
            read_only: True opens for reading only, False for writing. None tries to open for
                writing, and where another process has the index open or the folder cannot be
                written to, opens for reading only and logs it; see `is_read_only`.
            reanalyze: with ``lexical="qdrant"`` on a server, write the terms of all passages anew
                if another release of the stemmer or the like wrote them, which is refused
                otherwise. Close the index everywhere else first. An index in a folder does it by
                itself.

        Raises:
            IndexNotFoundError: there is no index at this location.
            IndexLockedError: it is open for writing already, and ``read_only=False``.
            ReadOnlyError: the folder cannot be written to, and ``read_only=False``.
            CorruptIndexError: its files are damaged, or no index's.
            EncoderMismatchError: it was made with another encoder, analyzer or search_text, or its
                terms on a server by another release of what the analyzer depends on.
        """
        address = Address(_names(url), api_key, collection, options)
        storage = open_storage(path, address, read_only=read_only)
        with _closed_on_failure(storage):
            words = analyzer if synonyms is None else {"analyzer": analyzer, "synonyms": synonyms}
            overrides = _overrides(storage, stages, encoder, words, late_interaction)
            text = SearchText.from_config(storage.manifest.search_text, search_text)
            texts = {
                name: stage.own_search_text
                for name, stage in overrides.items()
                if isinstance(stage, Stage) and stage.own_search_text is not None
            }
            restored = restored_stages(storage.manifest, overrides, storage.location, text, texts)
            restored = with_passage_cache(restored, passage_cache)
            if reanalyze:
                storage.validate(())
                for stage in restored:
                    if isinstance(stage, BM25):
                        stage.reanalyze(IndexStageStorage(storage, stage.name))
            return cls(storage, restored, text)

    @classmethod
    def _open_without_encoders(
        cls,
        path: str | Path | None = None,
        *,
        url: str | Sequence[str] | None = None,
        api_key: str | None = None,
        collection: str = "hybridge",
        read_only: bool | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> Self:
        """Open an index to encode nothing: an encoder that no name loads need not be passed."""
        address = Address(_names(url), api_key, collection, options)
        storage = open_storage(path, address, read_only=read_only)
        with _closed_on_failure(storage):
            manifest = storage.manifest
            text = SearchText.from_config(manifest.search_text)
            restored = restored_stages(manifest, {}, storage.location, text, encodes=False)
            return cls(storage, restored, text)

    @classmethod
    def attach(
        cls,
        client_or_url: QdrantClient | AsyncQdrantClient | str | Sequence[str],
        collection: str,
        *,
        layout: Layout,
        encoder: EncoderLike,
        api_key: str | None = None,
        analyzer: AnalyzerLike = None,
        bm25: BM25Parameters | None = None,
        synonyms: SynonymsLike = None,
        fusion: str | Fusion = "convex",
        weights: Mapping[str, float] | None = None,
        depth: int = 100,
        search_text: SearchTextLike = None,
        writable: bool = False,
        **options: Unpack[ConnectionOptions],
    ) -> Self:
        """Return an index over a Qdrant collection that LangChain, LlamaIndex or others wrote.

        Nothing is written to it, no payload index either. Its texts are read once, for BM25, which
        lives in this process; what others add later is found by meaning at once, and by BM25 after
        `refresh`. A passage's id is the point's, as a string.

        Args:
            client_or_url: a `QdrantClient` or `AsyncQdrantClient`, which stays the caller's to
                close, or the url of a server, or several of one cluster.
            collection: the collection's name.
            layout: how passages lie in it: a `hybridge.vectors.PayloadLayout`, an adapter's
                layout, or one of your own.
            encoder: the one that the collection was written with, as for `create`.
            api_key: the key a protected server asks for, with a url.
            analyzer: as for `create`, as are `bm25`, `synonyms`, `fusion`, `weights` and `depth`.
            search_text: as for `create`: what BM25 searches of a passage, and what is encoded of
                an added one. The vectors in the collection stay as they are.
            writable: let `add` and `delete` change the collection, in its own layout. An added
                passage's id must be a UUID or a whole number, and it has no sparse vector.
            options: of the connection, as for `create`, but `client`.

        Raises:
            InvalidInputError: an argument is not valid, or the collection has no such vector, or
                one that is compared by another distance than cosine or dot product.
            IndexNotFoundError: there is no such collection.
            EncoderMismatchError: the encoder's vectors are of another length than its.

        >>> from qdrant_client import QdrantClient, models
        >>> from hybridge import CallableEncoder, HybridIndex
        >>> from hybridge.vectors import PayloadLayout
        >>> client = QdrantClient(":memory:")
        >>> params = models.VectorParams(size=1, distance=models.Distance.DOT)
        >>> _ = client.create_collection("docs", vectors_config=params)
        >>> payload = {"page_content": "Green beets", "metadata": None}
        >>> _ = client.upsert("docs", [models.PointStruct(id=7, vector=[1.0], payload=payload)])
        >>> ones = CallableEncoder(lambda texts: [[1.0] for _ in texts], identity="ones")
        >>> layout = PayloadLayout("page_content", "metadata")
        >>> with HybridIndex.attach(client, "docs", layout=layout, encoder=ones) as index:
        ...     index.bm25.search(["beets"])[0][0].passage
        Passage(id='7', text='Green beets', metadata={})
        >>> client.close()
        """
        text = SearchText.of(search_text)
        own = BM25(analyzer, lexical="bm25s", parameters=bm25, synonyms=synonyms)
        words = searching(own, text)
        target = find_target(client_or_url, collection, layout, api_key, **options)
        with _closed_on_failure(target):
            dense = searching(Dense(encoder, distance=target.vector.distance), text)
            target.check_encoder(dense.encoder)
            manifest = make_manifest(
                [words, dense],
                fusion=fusion,
                weights=weights,
                depth=depth,
                search_text=text,
                vectors={dense.name: target.vector.name},
            )
            return cls(Attached(target, manifest, writable=writable), [words, dense], text)

    @property
    def is_temporary(self) -> bool:
        """Whether the index goes when it is closed, with all that is in it."""
        return self._storage.is_temporary

    @property
    def is_read_only(self) -> bool:
        """Whether the index was opened for reading only: `refresh` then follows its writer."""
        return self._storage.is_read_only

    @property
    def lexical(self) -> Lexical | None:
        """Where the first BM25 stage lives: ``"bm25s"`` or ``"qdrant"``."""
        return self._stages.first(BM25).lexical

    @property
    def analyzer(self) -> Analyzer:
        """What makes terms of queries and passages for the first BM25 stage."""
        return self._stages.first(BM25).analyzer

    @property
    def search_text(self) -> SearchText:
        """What the first BM25 stage searches of a passage."""
        return self._stages.first(BM25).search_text

    @property
    def synonyms(self) -> Synonyms | None:
        """The synonyms of the first BM25 stage; None without."""
        opened = self._stages.opened[self._stages.first(BM25).name]
        return opened.synonyms if isinstance(opened, OpenBM25) else None

    @property
    def encoder(self) -> Encoder:
        """What makes vectors of queries and passages for the first dense stage."""
        return self._stages.first(Dense).encoder

    @property
    def stages(self) -> dict[str, StageRetriever]:
        """Each stage alone, by name, in their order: a `Retriever` and `Scorer`.

        >>> from hybridge import CallableEncoder
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> with HybridIndex.create(encoder=lengths) as index:
        ...     list(index.stages)
        ['bm25', 'dense']
        """
        with self._lock.reading():
            return {name: self._single(name) for name in self._stages.definitions}

    def _single(self, name: str) -> StageRetriever:
        opened = self._stages.opened[name]
        if isinstance(opened, OpenLateInteraction):
            return LateReranker(self, name)
        is_dense = isinstance(self._stages.definitions[name], Dense)
        return DenseRetriever(self, name) if is_dense else StageRetriever(self, name)

    @property
    def bm25(self) -> StageRetriever:
        """The first BM25 stage alone, a `Retriever` and `Scorer`.

        Raises:
            InvalidInputError: there is none.
        """
        return StageRetriever(self, self._stages.first(BM25).name)

    @property
    def dense(self) -> DenseRetriever:
        """The first dense stage alone, a `Retriever` and `Scorer`.

        Raises:
            InvalidInputError: there is none.
        """
        return DenseRetriever(self, self._stages.first(Dense).name)

    @property
    def late_interaction(self) -> LateReranker | None:
        """The first late-interaction stage alone, a `Reranker` and `Retriever`; None without."""
        late = self._stages.late
        return LateReranker(self, late[0].name) if late else None

    @property
    def defaults(self) -> dict[str, Any]:
        """The default options of a search: keywords of `tuned`."""
        manifest = self._storage.manifest
        options: dict[str, Any] = {
            "fusion": self._fusion,
            "weights": dict(manifest.weights),
            "depth": manifest.depth,
        }
        words = [s for s in self._stages.definitions.values() if isinstance(s, BM25)]
        if words and all(stage.parameters == words[0].parameters for stage in words):
            options["bm25"] = words[0].parameters
        if late := self._stages.late:
            blends = {stage.name: stage.stage.blend for stage in late}
            options["blend"] = blends if len(late) > 1 else late[0].stage.blend
        return options

    def add(
        self,
        passages: Iterable[Passage],
        *,
        vectors: ArrayLike | Mapping[str, Any] | None = None,
        token_vectors: Sequence[ArrayLike] | None = None,
        batch_size: int | None = None,
        progress: bool | None = None,
    ) -> int:
        """Add passages; one whose id is there already replaces it.

        Everything is checked and encoded before the first is written, in bounded memory: if one
        is bad, none is written. They are then written in chunks, which searches see one after
        another. When `add` returns, all survive the process. To keep what a very long run has
        done so far, add in slices.

        A stored passage keeps its vectors where the text that is searched of it is the same: it is
        not encoded again, and only its text and metadata are written, if they changed.

        Args:
            passages: any iterable, however long.
            vectors: the passages' vectors, shape (passages, dimension), if you have them already;
                they replace stored ones. Those of several stages are a mapping from their names.
            token_vectors: the same for late interaction: a matrix a passage, shape (its tokens,
                their dimension), each row of length 1.
            batch_size: how many texts the encoder gets at most in one call, for a server that
                refuses larger requests; None leaves it to the encoder.
            progress: show a bar; None shows it on a terminal.

        Returns:
            How many passages were added.

        Raises:
            InvalidInputError: a passage or a vector is not valid, or an id comes twice; nothing
                was written.
        """
        return self._writer.add(passages, vectors, token_vectors, batch_size, progress)

    def update_metadata(
        self,
        ids: Iterable[str],
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        replace: bool = False,
    ) -> int:
        """Change the metadata of passages; their texts stay. All or nothing.

        Their vectors and terms stay too, except in stages that search a field that changed, by
        their search_text: for these the changed passages are encoded and analyzed again.

        Args:
            ids: of the passages.
            metadata: what to set, the same for all passages or one mapping a passage; other keys
                stay.
            replace: drop the other keys.

        Returns:
            How many passages were changed.

        Raises:
            InvalidInputError: an id that is not there or comes twice, not one mapping a passage,
                or metadata that JSON cannot hold; nothing was changed.

        >>> from hybridge import CallableEncoder
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> with HybridIndex.create(encoder=lengths) as index:
        ...     index.add([Passage("a", "Bread", {"year": 2019, "lang": "en"})])
        ...     index.update_metadata(["a"], {"year": 2020})
        ...     index.get(["a"])[0].metadata
        1
        1
        {'year': 2020, 'lang': 'en'}
        """
        return self._writer.update_metadata(ids, metadata, replace=replace)

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete passages by their ids or by a filter; ids that are not there are no error.

        Returns:
            How many passages were deleted.

        Raises:
            InvalidInputError: neither or both of `ids` and `where` were given.
        """
        return self._writer.delete(ids, where)

    def add_stage(
        self,
        stage: Stage,
        *,
        weight: float | Mapping[str, float] | None = None,
        progress: bool | None = None,
    ) -> None:
        """Add a stage to an index that may hold passages already: these are encoded for it.

        Searches and writes go on meanwhile, and searches leave the stage out until it is whole. If
        this is interrupted, the index is as it was before; the same call then goes on where it
        stopped, and `remove_stage` gives up.

        Args:
            stage: a `hybridge.stages` definition, with a name that is not in use.
            weight: its share of all weights, from 0 to 1; None for an equal one. The others keep
                their proportions. Or new weights of all stages that find candidates. A
                late-interaction stage has its blend instead.
            progress: show a bar; None shows it on a terminal.

        Raises:
            InvalidInputError: no stage, a name that is taken, or another stage is half added.
            ReadOnlyError: the index is open for reading only.

        >>> from hybridge import CallableEncoder
        >>> from hybridge.stages import Dense
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> vowels = CallableEncoder(
        ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
        ...     dimension=2, identity="vowels",
        ... )
        >>> with HybridIndex.create(encoder=lengths) as index:
        ...     index.add([Passage("p1", "Bananas"), Passage("p2", "Green beets")])
        ...     index.add_stage(Dense(vowels, name="vowels"))
        ...     index.stages["vowels"].search(["an apple pie"])[0][0].passage.id
        2
        'p1'
        """
        storage, lock = self._storage, self._lock
        add_stage(
            storage, lock, self._stages, self._writer, stage, weight=weight, progress=progress
        )

    def replace_stage(
        self,
        name: str,
        stage: Stage,
        *,
        weights: Mapping[str, float] | None = None,
        progress: bool | None = None,
    ) -> None:
        """Replace a stage by another definition, under the same name and with the same weight.

        Another analyzer reads all texts again and encodes nothing: the vectors of the other stages
        stay. Another encoder encodes all passages, for this stage alone; one that maps the queries
        of the same encoder (`hybridge.encoders.MappedEncoder`) encodes none. Searches and writes go
        on meanwhile, and searches use the old stage until the new one is whole. If this is
        interrupted, the index is as it was before, and the same call goes on where it stopped.
        Another replacement begins anew; the definition that the index has already gives up.

        Args:
            name: of the stage to replace.
            stage: the new definition, whole: settings that it does not name are the defaults. It
                takes the name. ``BM25(...)`` without `lexical` stays where BM25 is.
            weights: new ones of all stages that find candidates, from then on; None leaves them.
            progress: show a bar; None shows it on a terminal.

        Raises:
            InvalidInputError: no stage, no stage of this name, one of the two finds candidates and
                the other one scores them, or the change of another stage was interrupted.
            ReadOnlyError: the index is open for reading only.

        >>> from hybridge import Analyzer, CallableEncoder
        >>> from hybridge.stages import BM25
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> with HybridIndex.create(encoder=lengths, analyzer=Analyzer(None)) as index:
        ...     index.add([Passage("p1", "Banana"), Passage("p2", "Green beets")])
        ...     before = index.bm25.search(["bananas"], spelling=False)[0]
        ...     index.replace_stage("bm25", BM25("english"))
        ...     before, index.bm25.search(["bananas"])[0][0].passage.id
        2
        ([], 'p1')
        """
        storage, lock = self._storage, self._lock
        replace_stage(
            storage,
            lock,
            self._stages,
            self._writer,
            name,
            stage,
            weights=weights,
            progress=progress,
        )

    def set_synonyms(self, synonyms: SynonymsLike, *, stage: str | None = None) -> None:
        """Replace the synonyms of a BM25 stage, and save them; no passage is analyzed for it.

        Args:
            synonyms: as for `create`; None for none.
            stage: the name of a BM25 stage; None for the first one.

        Raises:
            InvalidInputError: another form of synonyms, or no such stage.
            ReadOnlyError: the index is open for reading only.

        >>> from hybridge import CallableEncoder
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> with HybridIndex.create(encoder=lengths) as index:
        ...     index.add([Passage("p1", "Used automobiles"), Passage("p2", "Green beets")])
        ...     index.set_synonyms([["car", "automobile"]])
        ...     [hit.passage.id for hit in index.bm25.search(["cars"])[0]]
        2
        ['p1']
        """
        name = self._stages.first(BM25).name if stage is None else stage
        set_synonyms(self._storage, self._lock, self._stages, self._writer, name, synonyms)

    def remove_stage(self, name: str) -> None:
        """Remove a stage with all that it keeps; or one that was added half.

        Args:
            name: the stage's.

        Raises:
            InvalidInputError: there is none of this name, or it is the last that finds candidates.
            ReadOnlyError: the index is open for reading only.
        """
        remove_stage(self._storage, self._lock, self._stages, self._writer, name)

    def get(self, ids: Iterable[str]) -> list[Passage | None]:
        """Return the passages of these ids, None for an id that is not there."""
        store = self._storage.store
        points = [store.point(id_) for id_ in check_ids(ids)]
        with self._lock.reading():
            found = store.get(points)
        return [found.get(point) for point in points]

    def matching(self, where: Where) -> list[Passage]:
        """Return the passages that pass a filter, in no particular order.

        Raises:
            InvalidInputError: no filter, or one that is not valid.

        >>> from hybridge import CallableEncoder
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> with HybridIndex.create(encoder=lengths) as index:
        ...     index.add([Passage("a", "Bread", {"year": 2019}), Passage("b", "Oven")])
        ...     [passage.id for passage in index.matching({"year": {"$gte": 2000}})]
        2
        ['a']
        """
        chosen = as_filter(where)
        if chosen is None:
            raise InvalidInputError("matching needs a filter: iterate over the index for all of it")
        store = self._storage.store
        with self._lock.reading(chosen):
            found = store.get(store.matching(chosen))
        return list(found.values())

    def fields(self) -> tuple[FieldSummary, ...]:
        """Return the fields of the metadata, with types, counts and frequent values, by name.

        They are counted once until the next write. Of more than 20,000 passages on a server, the
        first are read, and the values of fields that have an index there are counted in all.

        >>> from hybridge import CallableEncoder
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> with HybridIndex.create(encoder=lengths) as index:
        ...     index.add([Passage("a", "Bread", {"year": 2019}), Passage("b", "Oven")])
        ...     [(field.name, field.types, field.count) for field in index.fields()]
        2
        [('year', ('number',), 1)]
        """
        return self._fields_of(None, self._writer.writes)

    def _fields_of(self, scope: Filter | None, writes: int) -> tuple[FieldSummary, ...]:
        self._lock.check()
        store = self._storage.store
        facet = getattr(store, "facet", None)
        return self._fields.get(
            scope,
            writes,
            lambda: counted(iter(self), facet),
            is_shared=store.is_remote,
        )

    def __len__(self) -> int:
        with self._lock.reading():
            return self._storage.store.count()

    def __iter__(self) -> Iterator[Passage]:
        pages = self._storage.store.pages()
        while True:
            with self._lock.reading():  # for a page at a time, so that the loop's body may write
                page = next(pages, None)
            if page is None:
                return
            yield from page

    def optimize(self, *, deadline: float = 3600.0, progress: bool | None = None) -> None:
        """Optimize the store after many writes. It may take long, and searches wait meanwhile.

        Reclaims the space of deleted passages, indexes the metadata fields of earlier filters, and
        builds the graph and the copies of `hnsw` and `quantization`. With ``lexical="qdrant"`` BM25
        then uses the exact average length, which else may be up to 2 % off.

        A server optimizes by itself: this waits until it has, and searches go on.

        Args:
            deadline: seconds to wait for a server.
            progress: show a bar while waiting; None shows it on a terminal.

        Raises:
            StoreError: the server failed to optimize, or takes longer; it then goes on by itself.
        """
        self._writer.optimize(deadline, progress)

    def copy_to(
        self,
        path: str | Path | None = None,
        *,
        url: str | Sequence[str] | None = None,
        api_key: str | None = None,
        collection: str = "hybridge",
        cluster: Cluster | None = None,
        overwrite: bool = False,
        progress: bool | None = None,
        **options: Unpack[ConnectionOptions],
    ) -> Self:
        """Copy this index to another place: from a folder to a server, to another one, or back.

        The passages keep the vectors that they have, and nothing is encoded. BM25 is weighed anew,
        in arrays in a folder and in the collection on a server. A copy that was interrupted is
        there in part: make it again, with `overwrite`.

        Args:
            path: as for `create`, as are the others up to `cluster`.
            overwrite: replace an index that is there already.
            progress: show a bar; None shows it on a terminal.
            options: of the connection, as for `create`.

        Returns:
            the copy, open.

        Raises:
            InvalidInputError: an argument is not valid, or a stage cannot be there.
            IndexExistsError: that location is in use already.

        >>> from hybridge import CallableEncoder
        >>> letters = CallableEncoder(lambda texts: [[t.count("a"), 1] for t in texts],
        ...     dimension=2, identity="letters")
        >>> with HybridIndex.create(encoder=letters) as index:
        ...     index.add([Passage("p1", "Bananas")])
        ...     with index.copy_to(url=":memory:") as copy:
        ...         copy.get(["p1"])[0].text
        1
        'Bananas'
        """
        self._lock.check()
        own = [self._stages.current(name) for name in self._stages.definitions]
        served = is_remote(url, options.get("client"))
        chosen, text = stages_elsewhere(own, served=served), self._stages.search_text
        manifest = manifest_of_copy(self._storage.manifest, own, chosen, text, cluster)
        address = Address(_names(url), api_key, collection, options)
        storage = create_storage(path, address, manifest, overwrite=overwrite)
        with _closed_on_failure(storage):
            copy = type(self)(storage, chosen, text)
            copy_passages(self._storage, self._lock, copy, staying(own, chosen), progress)
            copy.optimize(progress=progress)
            return copy

    def reindex(
        self,
        stages: Sequence[Stage] | None = None,
        *,
        alias: str | None = None,
        cluster: Cluster | None = None,
        drop_old: bool = False,
        progress: bool | None = None,
    ) -> str:
        """Copy all passages into a new collection, and let an alias name it from then on.

        Searches by the alias go on meanwhile, in the old collection, and see the new one at once
        when it is whole. What is added to the old one or deleted from it meanwhile is followed,
        until a moment before the switch. Only stages that are new or differ are encoded: other
        shards, or another analyzer, encode nothing. If this fails, all is as before.

        Args:
            stages: of the new index, all of them, as for `create`; None for those of this one.
            alias: a new alias, or the one to move; None for the name that this index was opened by.
            cluster: as for `create`; None for that of this index.
            drop_old: delete the old collection after the switch; it is kept else, to go back to.
            progress: show a bar; None shows it on a terminal.

        Returns:
            the name of the new collection: that of the old one with the next number.

        Raises:
            InvalidInputError: the index is on no server, its name is no alias, or a stage is not
                valid.
        """
        self._lock.check()
        return reindex(
            self._storage,
            self._lock,
            self._stages,
            type(self),
            stages,
            alias=alias,
            cluster=cluster,
            drop_old=drop_old,
            progress=progress,
        )

    def snapshot(self) -> str:
        """Let the server write a snapshot of the collection, from which it can be restored.

        Returns:
            the name, under which `snapshots` lists it. Qdrant's API downloads and restores it:
            ``GET /collections/{collection}/snapshots/{name}``.

        Raises:
            InvalidInputError: the index is not on a server.
        """
        return self._served().snapshot()

    def snapshots(self) -> list[dict[str, JSON]]:
        """Return the snapshots of the collection: their names, times and sizes in bytes.

        Raises:
            InvalidInputError: the index is not on a server.
        """
        return self._served().snapshots()

    def _served(self) -> ServedCollection:
        self._lock.check()
        if self._storage.server is None:
            raise InvalidInputError(
                f"the index ({self._storage.location}) is on no server, which makes snapshots: "
                "close it and copy its folder"
            )
        return self._storage.server

    def info(self) -> dict[str, JSON]:
        """Return the settings and contents of this index, as JSON.

        ``stages`` has the settings of each stage. Where its encoder has a known limit
        (`SentenceTransformerEncoder` does), ``truncated`` has how many passages are longer than the
        `max_tokens` that it reads, out of 1,000 where there are more. ``missing_synonyms`` names
        a function that others gave the index as synonyms, which this process does not have.
        ``fixed_average_length`` is BM25's where the key does not allow to save another. On a
        server, ``server`` has its version and the collection's status, shards, copies and limits.
        """
        self._lock.check()
        return describe(self._storage, self._lock, self._stages)

    def search(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        where: Where | None = None,
        depth: int | None = None,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        blend: float | Mapping[str, float] | None = None,
        bm25: BM25Parameters | None = None,
        spelling: bool | None = None,
        query_syntax: bool | None = None,
        vectors: ArrayLike | Mapping[str, Any] | None = None,
    ) -> list[list[Hit]]:
        """Return the best `k` passages for each query, best first, with every stage's score.

        Args:
            queries: a list of questions; a blank one finds nothing.
            k: how many passages a query gets at most.
            where: only passages that pass this filter, an object or a dict.
            depth: candidates each stage contributes; at least `k`, the index's own by default.
            weights: one weight a stage, by default the index's own; one of weight 0 is left out.
            fusion: a method's name or object instead of the index's own.
            blend: late interaction's share in the score, instead of the index's own; 0 leaves it
                out. Where several stages are of that kind, a mapping from their names.
            bm25: `hybridge.lexical.BM25Parameters` instead of the index's own, where
                ``lexical="bm25s"``; the first search with others scores all passages anew.
            spelling: whether words of a query that no passage has are corrected to the nearest that
                some passage has, see `hybridge.spelling`; a hit's trace has the corrected query.
                None stands for True. An index without BM25, or with more than 20,000 passages on
                a server, corrects nothing.
            query_syntax: whether queries may have phrases in quotes, ``+must`` and ``-not``, see
                `hybridge.query_syntax`: conditions on a passage's text, for every stage, whose
                words the first BM25 stage's analyzer reads. None stands for False.
            vectors: the queries' vectors for the first dense stage, shape (queries, dimension), if
                you have them already; those of several stages are a mapping from their names.

        Raises:
            InvalidInputError: an argument is not valid.
        """
        settings: SearchSettings = {
            "depth": depth,
            "weights": weights,
            "fusion": fusion,
            "blend": blend,
            "bm25": bm25,
            "spelling": spelling,
            "query_syntax": query_syntax,
        }
        return run(self._searching(queries, k, where, vectors, settings))

    def _searching(
        self,
        queries: Sequence[str],
        k: int,
        where: Where | None,
        vectors: ArrayLike | Mapping[str, Any] | None,
        settings: SearchSettings,
    ) -> Steps[list[list[Hit]]]:
        """Return the hits of a search."""
        chosen = None if where is None else as_filter(where)
        self._lock.check()
        checked = check_queries(queries)
        attempt = partial(self._attempt, checked, k, chosen, vectors, settings)
        return (yield from self._settled(attempt))

    def _settled(self, attempt: Callable[[], Steps[T]]) -> Steps[T]:
        """Return what an attempt at a search leads to, repeated where the stages changed in it."""
        if self._storage.store.is_remote:
            yield from self._follow_replacement()
        while True:
            store = self._storage.store
            try:
                return (yield from attempt())
            except StagesChangedError:  # while the queries were encoded
                continue
            except StoreError as error:
                yield from self._follow_replacement(error)
                if self._storage.store is store:
                    raise

    def _attempt(
        self,
        checked: list[str],
        k: int,
        chosen: Filter | None,
        vectors: ArrayLike | Mapping[str, Any] | None,
        settings: SearchSettings,
    ) -> Steps[list[list[Hit]]]:
        """Return the hits of a search, if its stages are still those of the index then."""
        stages = self._stages
        version = stages.version
        is_remote = self._storage.store.is_remote
        options = self._options(k, **settings)
        own_vectors = {} if vectors is None else stages.encoded_vectors(vectors, len(checked))
        groups: Mapping[Filter | None, Sequence[int]] = {chosen: range(len(checked))}
        if options.query_syntax:
            groups = by_filter(range(len(checked)), stages.filters(checked, chosen))
        prepared = Queries(
            checked,
            [*options.stages, *(stage for stage, _ in options.late)],
            lambda: stages.opened.values(),
            self._lock,
            is_remote=is_remote,
            joint=stages.joint,
            vectors=own_vectors,
            spelling=options.spelling,
            query_syntax=options.query_syntax,
        )

        def answer(positions: Sequence[int], where: Filter | None) -> Steps[list[list[Hit]]]:
            with (yield Hold(self._lock, where)) if is_remote else self._lock.reading(where):
                if version != self._stages.version:
                    raise StagesChangedError
                store = self._storage.store
                passing = None if where is None else (yield from stages.resolving(where))
                reader = PassageReader(store)
                batch = ReadBatch(prepared, positions)
                record = yield from run_search(options, batch, store, passing, reader)
                return (yield from record.hits(reader, options.k))

        return (yield from run_batched(checked, prepared.encode, answer, groups))

    def _follow_replacement(self, error: StoreError | None = None) -> Steps[None]:
        """Follow another index that took the place of this one on the server, if it is time to ask.

        Args:
            error: a refusal, which may have that cause.

        Raises:
            EncoderMismatchError: the other index has other stages.
        """
        storage = self._storage
        is_suspect = error is not None and error.status in _REFUSALS and not storage.is_shared
        if (is_suspect or storage.is_time_to_look()) and not self._lock.has_writer:
            yield Work(self.refresh)

    def _options(self, k: int, **settings: Unpack[SearchSettings]) -> SearchOptions:
        """Return the checked options of a search, with defaults filled in."""
        manifest, stages = self._storage.manifest, self._stages
        options = check_settings(**settings)
        fusion = options.get("fusion", self._fusion)
        weights: Mapping[str, float] = manifest.weights
        if "weights" in options:
            weights = check_stage_weights(options["weights"], list(manifest.weights))
        elif not getattr(fusion, "weighted", True):
            weights = dict.fromkeys(manifest.weights, 1.0)
        taking_part = [stage for stage in stages.finding if weights.get(stage.name, 0.0) > 0]
        if "bm25" in options:
            taking_part = [_reweighed(stage, options["bm25"]) for stage in taking_part]
        blends = self._blends(options.get("blend")) if stages.late or "blend" in options else {}
        k = check_count(k, "k")
        return SearchOptions(
            k=k,
            depth=max(k, options.get("depth", manifest.depth)),
            stages=taking_part,
            weights=[weights[stage.name] for stage in taking_part],
            fusion=fusion,
            late=[(stage, blends[stage.name]) for stage in stages.late if blends[stage.name]],
            spelling=options.get("spelling", True),
            query_syntax=options.get("query_syntax", False),
        )

    def _blends(self, blend: float | Mapping[str, float] | None) -> dict[str, float]:
        """Return the weight of each late-interaction stage, for a checked `blend`."""
        own = {stage.name: stage.stage.blend for stage in self._stages.late}
        if blend is None:
            return own
        if isinstance(blend, Mapping):
            if unknown := blend.keys() - own.keys():
                raise InvalidInputError(
                    f"blend names {sorted(unknown)}; the late-interaction stages are {list(own)}"
                )
            return own | dict(blend)
        if not own and blend > 0:
            raise InvalidInputError(
                f"blend={blend} needs token vectors, which this index does not keep: create it "
                "with late_interaction=True"
            )
        if len(own) > 1 and blend > 0:
            raise InvalidInputError(
                f"blend={blend} is one number for {len(own)} stages: give a mapping, as in {own}"
            )
        return dict.fromkeys(own, blend)

    async def asearch(
        self,
        queries: Sequence[str],
        k: int = 10,
        *,
        where: Where | None = None,
        vectors: ArrayLike | Mapping[str, Any] | None = None,
        **settings: Unpack[SearchSettings],
    ) -> list[list[Hit]]:
        """Return what `search` returns, while the event loop goes on.

        A search on a server awaits the server, and needs a thread only to encode queries that are
        new. Any other runs in a thread.
        """
        steps = self._searching(queries, k, where, vectors, settings)
        if self._storage.store.is_remote and self._stages.ask_store:
            return await arun(steps)
        return await asyncio.to_thread(run, steps)

    def tuned(
        self,
        *,
        depth: int | None = None,
        weights: Mapping[str, float] | None = None,
        fusion: str | Fusion | None = None,
        blend: float | Mapping[str, float] | None = None,
        bm25: BM25Parameters | None = None,
        spelling: bool | None = None,
        query_syntax: bool | None = None,
    ) -> TunedIndex:
        """Return this index as a `Retriever` whose every search has these options; see `search`.

        Raises:
            InvalidInputError: a value that is not valid.
        """
        options = check_settings(
            depth=depth,
            weights=weights,
            fusion=fusion,
            blend=blend,
            bm25=bm25,
            spelling=spelling,
            query_syntax=query_syntax,
        )
        self._options(1, **options)
        return TunedIndex(self, options)

    def scoped(self, where: Where, *, statistics: Statistics | None = None) -> ScopedIndex:
        """Return the part of this index that passes a filter, which each of its calls can narrow.

        What is outside is unknown to it, see `hybridge.index.ScopedIndex`.

        Args:
            where: the filter.
            statistics: ``"index"`` weighs words in BM25 as this index does, by their frequencies in
                all passages; ``"scope"`` by those of the passages inside. Then its answers are
                those of an index that holds nothing else, and the first search after a write
                counts the words inside: 5,000 abstracts take a tenth of a second with
                ``lexical="bm25s"``, and two seconds otherwise, where their texts are read. None
                stands for "index".

        Raises:
            InvalidInputError: a value that is not valid.

        >>> from hybridge import CallableEncoder
        >>> lengths = CallableEncoder(lambda texts: [[len(text)] for text in texts], identity="len")
        >>> with HybridIndex.create(encoder=lengths) as index:
        ...     index.add([Passage("a", "Bread", {"shop": 1}), Passage("b", "Bread", {"shop": 2})])
        ...     [hit.passage.id for hit in index.scoped({"shop": 2}).search(["bread"])[0]]
        2
        ['b']
        """
        scope, chosen = check_scope(where), check_statistics(statistics, "index")
        with self._lock.reading(scope):  # which warns of an unknown field, and indexes known ones
            return ScopedIndex(self, scope, chosen)

    def refresh(self) -> None:
        """Follow the writes of other processes since the index was opened or refreshed.

        An index that is open for reading only takes a new copy of its writer's state; one that is
        attached to a collection reads all passages again for BM25. Any other is always up to date.
        Searches go on meanwhile. On a server it also looks whether another index took the place of
        this one, which a search asks for every ten seconds.
        """
        with self._lock.turn():
            store = self._storage.current()
            if store is self._storage.store and not self._storage.is_shared:
                return
            try:
                renewed = [stage.renewed(store) for stage in self._stages]
            except BaseException:
                self._storage.discard(store)
                raise
            with self._lock.writing():
                self._storage.follow(store)
                self._fields.clear()
                for install in renewed:
                    install()

    def close(self) -> None:
        """Save derived data and release files and connections; closing again does nothing.

        In a forked child it does nothing either: the index is its parent's.
        """
        if self._lock.closed or self._lock.is_inherited:
            return
        with suppress(ClosedError), self._lock.turn(), self._lock.writing():
            self._lock.closed = True
            self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __copy__(self) -> Self:
        """Return this index: a copy is the same open index."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the index as its location, to open there for reading only.

        Raises:
            CopyError: it cannot be opened from elsewhere, or a stage's encoder, analyzer or
                synonyms are a function that cannot be pickled.
        """
        what = f"{self!r} cannot be pickled"
        if self._storage.address is None:
            raise CopyError(f"{what}: {self._storage.elsewhere}")
        stages = {name: self._stages.current(name) for name in self._stages.definitions}
        unnamed: dict[str, Any] = {}
        for name, stage in stages.items():
            opened = self._stages.opened[name]
            if isinstance(opened, OpenBM25) and opened.missing is not None:
                raise CopyError(
                    f"{what}, because its synonyms, those of the stage {name!r}, are the function "
                    f"{opened.missing!r} by now, which is not here: open it again with synonyms="
                )
            part = stage.nameless_part
            if part is None:
                continue
            unnamed[name] = part
            only = "analyzer" if stage.kind == BM25.kind else "encoder"
            for role, each in (part if isinstance(part, Mapping) else {only: part}).items():
                try:
                    pickle_nowhere(each)
                except Exception as error:  # any error of a user's object
                    raise CopyError(
                        f"{what}, because its {role} cannot ({error}), that of the stage "
                        f"{name!r}: {self._storage.elsewhere}"
                    ) from error
        text = self._stages.search_text
        texts = {name: stage.search_text for name, stage in self._stages.definitions.items()}
        for each in (text, *texts.values()):
            try:
                pickle_nowhere(each)
            except CopyError as error:
                raise CopyError(f"{what}: {error}") from error
        return _reopened, (type(self), dict(self._storage.address), unnamed, text, texts)

    def __repr__(self) -> str:
        suffix = ", read only" if self._storage.is_read_only else ""
        return f"{type(self).__name__}({self._storage.location}{suffix})"


class ScopedIndex(HybridIndex):
    """An index of which only the passages that pass a filter are there: `HybridIndex.scoped`.

    It searches, counts and explains as an index that holds these passages alone; each call's own
    filter can only narrow it. What is outside is unknown to it: its ids, fields and words, by which
    no query is corrected. With the statistics of the index, BM25's scores depend on how frequent
    words are outside, and on the average length there; with those of the scope nothing does.

    It only reads, follows what is written to the index, and is closed with it.

    Attributes:
        scope: the filter.
        statistics: of BM25: ``"index"`` or ``"scope"``.

    >>> from hybridge import CallableEncoder
    >>> letters = CallableEncoder(
    ...     lambda texts: [[text.count("a"), text.count("e")] for text in texts],
    ...     dimension=2, identity="letters",
    ... )
    >>> with HybridIndex.create(encoder=letters) as index:
    ...     index.add([Passage("1", "Bananas", {"at": "a"}), Passage("2", "Beets", {"at": "b"})])
    ...     shop = index.scoped({"at": "a"})
    ...     len(shop), shop.get(["2"]), [hit.passage.id for hit in shop.search(["beets"])[0]]
    2
    (1, [None], ['1'])
    """

    def __init__(self, index: HybridIndex, scope: Filter, statistics: Statistics) -> None:
        """Do not call this: `HybridIndex.scoped` checks the arguments."""
        self._index = index
        self.scope = scope
        self.statistics: Statistics = statistics
        self._storage = cast("Storage", ScopedStorage(index._storage, scope))
        self._lock = ScopedLock(index._lock, self._storage)
        self._writer = IndexWriter(self._storage, self._lock, index._stages)
        self._fusion = index._fusion
        self._fields = index._fields
        self._opened: OpenStages | None = None

    @property
    def _stages(self) -> OpenStages:  # type: ignore[override]
        """The stages over what is inside, opened anew where those of the index changed."""
        opened, current = self._opened, self._index._stages
        if opened is None or opened.version != current.version:
            over = scoped_stage(self._storage, self.scope, self.statistics)
            self._opened = opened = current.over(self._storage, over)
        return opened

    def scoped(self, where: Where, *, statistics: Statistics | None = None) -> ScopedIndex:
        """Return the part of this scope that passes a further filter.

        Args:
            where: the filter.
            statistics: None for those of this scope.

        Raises:
            InvalidInputError: a value that is not valid.
        """
        further, chosen = check_scope(where), check_statistics(statistics, self.statistics)
        with self._lock.reading(further):  # by the fields inside: a warning names no other
            return ScopedIndex(self._index, narrowed(self.scope, further), chosen)

    def fields(self) -> tuple[FieldSummary, ...]:
        """Return the fields of what is inside, as `HybridIndex.fields` does."""
        return self._fields_of(self.scope, self._index._writer.writes)

    def refresh(self) -> None:
        """Refresh the whole index."""
        self._index.refresh()

    def copy_to(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`, as all that writes: a copy is made of a whole index."""
        self._writer.validate(())
        raise AssertionError

    def reindex(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise `ReadOnlyError`."""
        self.copy_to()

    def _served(self) -> NoReturn:
        self.copy_to()

    def close(self) -> None:
        """Do nothing: other scopes need the index, which its owner closes."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _scoped_again, (self._index, self.scope, self.statistics)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._storage.location}, {self.scope.to_dict()})"


def _scoped_again(index: HybridIndex, scope: Filter, statistics: Statistics) -> ScopedIndex:
    return index.scoped(scope, statistics=statistics)


# The statuses of a server's answer to a query of other vectors than the collection has, or to one
# of a collection that is not there.
_REFUSALS = (400, 404)


def _reweighed(stage: OpenStage, parameters: BM25Parameters) -> OpenStage:
    return stage.reweighed(parameters) if isinstance(stage, OpenBM25) else stage


def _overrides(
    storage: Storage,
    stages: Sequence[Stage],
    encoder: EncoderLike,
    words: Any,
    late_interaction: Any,
) -> dict[str, Any]:
    """Return the caller's definitions, encoders, and analyzer or synonyms by stage."""
    overrides: dict[str, Any] = {}
    for stage in [stages] if isinstance(stages, Stage) else stages:
        if not isinstance(stage, Stage):
            raise InvalidInputError(
                f"stages must be a list of stages, as in [Dense(...)], not with {stage!r}"
            )
        overrides[stage.name] = stage
    short = {"dense": encoder, "bm25": words, "late-interaction": late_interaction}
    for kind, value in short.items():
        if value is None or value is False:
            continue
        name = next((each.name for each in storage.manifest.stages if each.kind == kind), None)
        if name is None:
            if kind == "late-interaction":
                raise InvalidInputError(
                    f"{storage.location} keeps no token vectors: late_interaction= is for "
                    "HybridIndex.create"
                )
            raise InvalidInputError(
                f"{storage.location} has no {kind} stage to open with {value!r}"
            )
        if name in overrides:
            raise InvalidInputError(
                f"the stage {name!r} is in stages= already: leave the other argument out"
            )
        overrides[name] = value
    return overrides


def _names(url: str | Sequence[str] | None) -> str | tuple[str, ...] | None:
    return url if url is None or isinstance(url, str) else tuple(url)


def _reopened(
    index: type[HybridIndex],
    address: Mapping[str, Any],
    overrides: Mapping[str, Any],
    text: SearchText,
    texts: Mapping[str, SearchText],
) -> HybridIndex:
    named: dict[str, Any] = {"path": None, "url": None, "collection": "hybridge", **address}
    path, url, collection = (named.pop(name) for name in ("path", "url", "collection"))
    storage = open_storage(
        path, Address(url, None, collection, cast(ConnectionOptions, named)), read_only=True
    )
    with _closed_on_failure(storage):
        restored = restored_stages(storage.manifest, overrides, storage.location, text, texts)
        return index(storage, restored, text)


@contextmanager
def _closed_on_failure(resource: Storage | Target) -> Iterator[None]:
    try:
        yield
    except BaseException:
        resource.close()
        raise


def _shut(storage: Storage, stages: OpenStages, process: int) -> None:
    if os.getpid() != process:  # a forked child: the index belongs to its parent
        return
    try:
        if not storage.is_read_only:
            for stage in stages:
                stage.save()
    finally:
        storage.close()
