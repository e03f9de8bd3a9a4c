"""The model behind token vectors, found now and loaded once."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..copying import SharedInCopies, check_picklable, settings_of
from ..encoders import DEFAULT_MODEL, SentenceTransformerEncoder
from ..encoders.identity import folder_digest, model_digest
from ..encoders.kinds import kind_of
from ..encoders.loading import LOADING, Dtype, load_as, settle_threads
from ..encoders.resolution import ModelSource, resolve
from ..errors import InvalidInputError, ModelNotFoundError
from ..forking import ForkSafeLock, cached_property
from ..passages import JSON
from .limits import set_limits
from .training_free import training_free

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

__all__ = ["TokenModel"]


class TokenModel(SharedInCopies):
    """A late-interaction model, or a bi-encoder that runs as one.

    Arguments and errors are those of `MultiVectorTokenEncoder`.

    >>> TokenModel("all-MiniLM-L6-v2").identity.split()[:2]
    ['training-free', 'sentence-transformers/all-MiniLM-L6-v2']
    """

    def __init__(
        self,
        model: object = None,
        *,
        query_length: int | None = None,
        passage_length: int | None = None,
        device: str | None = None,
        dtype: Dtype = "float32",
    ) -> None:
        self._query_length = query_length
        self._passage_length = passage_length
        self._device = device
        self._dtype = dtype
        # One of the three is set: where the model is, a bi-encoder, or the model itself.
        self._origin: ModelSource | None = None
        self._encoder: SentenceTransformerEncoder | None = None
        self._model: MultiVectorEncoder | None = None
        self._lock = ForkSafeLock()
        if model is None or isinstance(model, str | Path):
            self._origin = resolve(DEFAULT_MODEL if model is None else model)
        else:
            self._set_object(model)

    def _set_object(self, model: object) -> None:
        from sentence_transformers import MultiVectorEncoder, SentenceTransformer

        settings: dict[str, object] = {
            "device": self._device,
            "dtype": None if self._dtype == "float32" else self._dtype,
        }
        if isinstance(model, SentenceTransformer):
            self._encoder = SentenceTransformerEncoder(model)
        elif isinstance(model, SentenceTransformerEncoder):
            self._encoder = model
        elif isinstance(model, MultiVectorEncoder):
            self._model = model
            settings |= {"query_length": self._query_length, "passage_length": self._passage_length}
        else:
            raise InvalidInputError(
                "model must be a name on the hub, a folder, a MultiVectorEncoder, a "
                f"SentenceTransformer or a token encoder, not {type(model).__name__}"
            )
        if refused := [name for name, value in settings.items() if value is not None]:
            raise InvalidInputError(
                f"{' and '.join(refused)} belong to the {type(model).__name__} object: "
                "set them there"
            )

    @cached_property
    def identity(self) -> str:
        """Its name on the hub, or a digest of its content; the lengths are not part of it."""
        if (encoder := self._bi_encoder) is not None:
            return f"training-free {encoder.identity}"
        if self._origin is not None:
            return self._origin.name or f"folder:{folder_digest(self._origin.fetch())}"
        view: Any = copy.copy(self.loaded())  # shares the weights with the caller's object
        view.truncate_dim = None
        return f"object:{model_digest(view)} {json.dumps(view.prompts, ensure_ascii=False)}"

    def to_config(self) -> JSON:
        """Return the name, folder or settings of the model; None for an object."""
        if self._origin is not None:
            return self._origin.name or str(self._origin.fetch().absolute())
        return None if self._encoder is None else self._encoder.to_config()

    def shares(self, encoder: object) -> bool:
        """Return whether its weights and its lengths are those of this bi-encoder."""
        limits = (self._query_length, self._passage_length)
        return self._encoder is encoder and limits == (None, None)

    def __getstate__(self) -> dict[str, Any]:
        if self._origin is not None or self._encoder is not None:
            return settings_of(self) | {"_model": None}
        check_picklable(
            self._model,
            "a token encoder",
            "make it of the model's name or folder, or make it in the process that needs it",
        )
        return settings_of(self)

    def loaded(self) -> MultiVectorEncoder:
        """Return the model in memory, loaded once for all threads.

        Raises:
            InvalidInputError: it cannot read texts of these lengths.
            ModelNotFoundError: the files are not those of a model.
        """
        settle_threads()
        if self._model is None:
            with self._lock:
                if self._model is None:
                    self._model = self._load()
        return self._model

    @cached_property
    def _bi_encoder(self) -> SentenceTransformerEncoder | None:
        """Return the bi-encoder to run training-free; None for a late-interaction model."""
        if self._origin is None:
            return self._encoder
        folder = self._origin.fetch()
        if kind_of(folder).kind == "late-interaction model":
            return None
        return SentenceTransformerEncoder(
            self._origin.name or folder, device=self._device, dtype=self._dtype
        )

    def _load(self) -> MultiVectorEncoder:
        from sentence_transformers import MultiVectorEncoder

        if (encoder := self._bi_encoder) is not None:
            model = training_free(encoder)
        else:
            assert self._origin is not None
            try:
                with LOADING:
                    model = load_as(
                        MultiVectorEncoder, self._origin, device=self._device, dtype=self._dtype
                    )
            except ModelNotFoundError as error:
                if not isinstance(error.__cause__, KeyError):
                    raise
                raise ModelNotFoundError(
                    f"the checkpoint in {str(self._origin.fetch())!r} has no weights "
                    f"{error.__cause__}: is it a ColBERT checkpoint?"
                ) from error
        set_limits(model[0], self._query_length, self._passage_length)
        return model
