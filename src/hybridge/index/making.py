"""How an index comes to be: created, opened again, or attached to what others wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..analyzer import Analyzer, AnalyzerLike
from ..encoders import as_encoder
from ..errors import InvalidInputError
from ..fusion import Fusion
from ..lexical.parameters import BM25Parameters
from ..vectors.layouts import Layout
from ..vectors.options import HNSW, Distance, FieldKind, Quantization
from .attached import Attached, find_target
from .home import create_home, open_home
from .late import LateInteraction
from .lifecycle import Lifecycle
from .manifest import Lexical
from .opening import write_terms_anew
from .settings import EncoderLike, make_manifest, reopened_encoder, reopened_token_encoder

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

__all__ = ["Making"]


class Making(Lifecycle):
    """The constructors of `HybridIndex`."""

    @classmethod
    def create(
        cls,
        path: str | Path | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        collection: str = "hybridge",
        encoder: EncoderLike = None,
        lexical: Lexical | None = None,
        analyzer: AnalyzerLike = None,
        bm25: BM25Parameters | None = None,
        fusion: str | Fusion = "convex",
        weights: Mapping[str, float] | None = None,
        depth: int = 100,
        distance: Distance = "cosine",
        hnsw: HNSW | None = None,
        quantization: Quantization | None = None,
        filter_fields: Mapping[str, FieldKind] | None = None,
        late_interaction: Any = None,
        overwrite: bool = False,
    ) -> Self:
        """A new, empty index.

        Args:
            path: a missing or empty folder for an embedded index; without `path` and `url`, a
                temporary one that goes when the index is closed.
            url: a Qdrant server, or ``":memory:"`` for qdrant-client's engine in this process.
            api_key: the key a protected server asks for.
            collection: the collection's name on the server.
            encoder: a model's name or path, an `Encoder`, a SentenceTransformer, or None for the
                default model.
            lexical: ``"bm25s"`` keeps BM25 in arrays beside the store, fastest for a corpus that
                stays; ``"qdrant"`` keeps it in the store, for one that changes or is shared. None
                chooses ``"qdrant"`` on a server and ``"bm25s"`` elsewhere.
            analyzer: an `Analyzer`, a language, or a function from a text to its terms; None
                stands for English.
            bm25: `hybridge.lexical.BM25Parameters`: variant, k1 and b; None for lucene, 1.2, 0.75.
            fusion: a method's name or object, see `hybridge.fusion`.
            weights: one weight a stage, ``{"bm25": 0.5, "dense": 0.5}`` by default.
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
                search then judges its candidates; see `hybridge.index.LateInteraction` for other
                models and settings, of which it takes an encoder or the whole.
            overwrite: replace an index that is there already; nothing else is ever overwritten.

        Raises:
            InvalidInputError: an argument is not valid, or excludes another.
            IndexExistsError: there is something at this place already.
            ModelNotFoundError: the encoder's model is neither on disk nor reachable.
        """
        served = url is not None and url != ":memory:"
        if served and lexical == "bm25s":
            raise InvalidInputError(
                "lexical='bm25s' keeps BM25 in this process, where it cannot follow what others "
                "write to the server: use lexical='qdrant'"
            )
        chosen = Analyzer.of(analyzer)
        opened = as_encoder(encoder)
        late = LateInteraction.of(late_interaction)
        token_encoder = late.token_encoder(opened) if late is not None else None
        manifest = make_manifest(
            opened,
            chosen,
            lexical=lexical if lexical is not None else "qdrant" if served else "bm25s",
            bm25=bm25,
            fusion=fusion,
            weights=weights,
            depth=depth,
            distance=distance,
            hnsw=hnsw,
            quantization=quantization,
            late=late,
            token_encoder=token_encoder,
            filter_fields=filter_fields,
        )
        home = create_home(path, url, api_key, collection, manifest, overwrite=overwrite)
        try:
            return cls(home, opened, chosen, token_encoder)
        except BaseException:
            home.close()
            raise

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        collection: str = "hybridge",
        encoder: EncoderLike = None,
        analyzer: AnalyzerLike = None,
        late_interaction: Any = None,
        read_only: bool | None = None,
        reanalyze: bool = False,
    ) -> Self:
        """The index that `create` made at this place; arguments as for `create`.

        One process at a time opens a folder for writing, any number for reading only, beside it or
        on a medium that is read-only. A reader works on a private copy of the state at the moment
        of opening, which takes the size of the folder in temporary files; `refresh` follows the
        writer.

        Args:
            encoder: None loads the model the index was made with; where that was an object that
                has no name, it must be given again.
            analyzer: None for the one the index was made with; a function must be given again.
            late_interaction: None loads the encoder of tokens that the index was made with; where
                that was an object that has no name, it must be given again. Of a `LateInteraction`
                only its encoder counts.
            read_only: True opens for reading only, False for writing. None tries to open for
                writing, and where another process has the index open or the folder cannot be
                written to, opens for reading only and logs it; see `is_read_only`.
            reanalyze: with ``lexical="qdrant"`` on a server, write the terms of all passages anew
                if another release of the stemmer or the like wrote them, which is refused
                otherwise. Close the index everywhere else first. An index in a folder does it by
                itself.

        Raises:
            IndexNotFoundError: there is no index at this place.
            IndexLockedError: it is open for writing already, and ``read_only=False``.
            ReadOnlyError: the folder cannot be written to, and ``read_only=False``.
            CorruptIndexError: its files are damaged, or no index's.
            EncoderMismatchError: it was made with another encoder or analyzer, or its terms on a
                server by another release of what the analyzer depends on.
        """
        home = open_home(path, url, api_key, collection, read_only=read_only)
        try:
            opened = reopened_encoder(home.manifest, encoder, home.place)
            tokens = reopened_token_encoder(home.manifest, late_interaction, opened, home.place)
            chosen = Analyzer.from_config(home.manifest.analyzer, analyzer)
            if reanalyze:
                write_terms_anew(home, chosen)
            return cls(home, opened, chosen, tokens)
        except BaseException:
            home.close()
            raise

    @classmethod
    def attach(
        cls,
        client_or_url: QdrantClient | str,
        collection: str,
        *,
        layout: Layout,
        encoder: EncoderLike,
        api_key: str | None = None,
        analyzer: AnalyzerLike = None,
        bm25: BM25Parameters | None = None,
        fusion: str | Fusion = "convex",
        weights: Mapping[str, float] | None = None,
        depth: int = 100,
        writable: bool = False,
    ) -> Self:
        """An index over a Qdrant collection that LangChain, LlamaIndex or others wrote.

        Nothing is written to it, no payload index either. Its texts are read once, for BM25, which
        lives in this process; what others add later is found by meaning at once, and by BM25 after
        `refresh`. A passage's id is the point's, as a string.

        Args:
            client_or_url: a `QdrantClient`, which stays the caller's to close, or a server's url.
            collection: the collection's name.
            layout: how passages lie in it: a `hybridge.vectors.PayloadLayout`, an adapter's
                layout, or one of your own.
            encoder: the one that the collection was written with, as for `create`.
            api_key: the key a protected server asks for, with a url.
            analyzer: as for `create`, as are `bm25`, `fusion`, `weights` and `depth`.
            writable: let `add` and `delete` change the collection, in its own layout. An added
                passage's id must be a UUID or a whole number, and it has no sparse vector.

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
        chosen = Analyzer.of(analyzer)
        target = find_target(client_or_url, collection, layout, api_key)
        try:
            opened = as_encoder(encoder)
            target.check_encoder(opened)
            manifest = make_manifest(
                opened,
                chosen,
                lexical="bm25s",
                bm25=bm25,
                fusion=fusion,
                weights=weights,
                depth=depth,
                distance=target.vector.distance,
                hnsw=None,
                quantization=None,
                late=None,
                token_encoder=None,
            )
            return cls(Attached(target, manifest, writable=writable), opened, chosen)
        except BaseException:
            target.close()
            raise
