"""What a `ColBERTRetriever` is made with, and how its file of passages tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CorruptIndexError, EncoderMismatchError, InvalidInputError
from .encoder import RAGatouilleTokenEncoder

__all__ = ["FORMAT", "ModelLike", "Settings"]

FORMAT = 1
_MODEL = "colbert-ir/colbertv2.0"
_BITS = (1, 2, 4)

ModelLike = str | Path | RAGatouilleTokenEncoder | None


@dataclass(frozen=True)
class Settings:
    """The model, and how finely its vectors are kept.

    Args:
        encoder: makes the token vectors.
        bits: bits of a coordinate in the index.
    """

    encoder: RAGatouilleTokenEncoder
    bits: int

    @classmethod
    def checked(cls, model: ModelLike, bits: int, **given: Any) -> Settings:
        """What a user asks for.

        Args:
            model: as `ColBERTRetriever.create` takes it.
            bits: likewise.
            given: arguments of the encoder; None stands for its own default.

        Raises:
            InvalidInputError: the bits do not fit, or an encoder that is made already is told how
                to be made.
        """
        encoder = _encoder(_MODEL if model is None else model, given)
        if type(bits) is not int or bits not in _BITS:
            raise InvalidInputError(f"bits must be one of {_BITS}, not {bits!r}")
        if encoder.dimension % (8 * bits):
            raise InvalidInputError(
                f"vectors of {encoder.dimension} coordinates cannot be packed by {bits} bits each: "
                f"their number must be a multiple of {8 * bits}"
            )
        return cls(encoder, bits)

    @classmethod
    def reopened(
        cls, header: Mapping[str, Any], place: str, model: ModelLike, device: str | None
    ) -> Settings:
        """What `header` told.

        Args:
            header: of the file of passages.
            place: where it is, for people.
            model: where the model is now; None for where it was.
            device: torch's name of a device for it.

        Raises:
            CorruptIndexError: another format, or something is missing.
            EncoderMismatchError: another model.
        """
        if header.get("plaid") != FORMAT:
            raise CorruptIndexError(
                f"{place} has format {header.get('plaid')!r}; this version of hybridge reads "
                f"{FORMAT}: open it with the version that wrote it, or index again"
            )
        try:
            config, identity, bits = (header[name] for name in ("model", "encoder", "bits"))
        except KeyError as error:
            raise CorruptIndexError(f"{place} does not say its {error}: index again") from error
        if isinstance(model, RAGatouilleTokenEncoder):
            encoder = _encoder(model, {"device": device})
        else:
            again = {name: value for name, value in config.items() if name != "engine"}
            if model is not None:
                again["model"] = model
            encoder = RAGatouilleTokenEncoder(**again, device=device)
        if encoder.identity != identity:
            raise EncoderMismatchError(
                f"{place} was made with the model {identity!r}, not {encoder.identity!r}: open it "
                "with that one, or make a new one with this"
            )
        return cls(encoder, bits)

    def header(self) -> dict[str, Any]:
        """What `reopened` needs, as JSON."""
        return {
            "plaid": FORMAT,
            "encoder": self.encoder.identity,
            "model": self.encoder.to_config(),
            "bits": self.bits,
        }


def _encoder(
    model: str | Path | RAGatouilleTokenEncoder, settings: Mapping[str, Any]
) -> RAGatouilleTokenEncoder:
    given = {name: value for name, value in settings.items() if value is not None}
    if not isinstance(model, RAGatouilleTokenEncoder):
        return RAGatouilleTokenEncoder(model, **given)
    if given:
        raise InvalidInputError(
            f"{' and '.join(given)} belong to the RAGatouilleTokenEncoder that was given: set them "
            "there"
        )
    return model
