"""The BM25 variant and its constants, validated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from ..errors import InvalidInputError
from ..passages import JSON

__all__ = ["BM25Parameters", "Method", "check_bm25"]

Method: TypeAlias = Literal["lucene", "robertson", "atire", "bm25l", "bm25+"]


@dataclass(frozen=True, slots=True)
class BM25Parameters:
    """A variant of BM25 with its constants.

    The variants are those of Kamphuis et al. 2020, "Which BM25 Do You Mean?"
    (doi:10.1007/978-3-030-45442-5_4), as bm25s computes them.

    Args:
        method: ``"lucene"``, ``"robertson"``, ``"atire"``, ``"bm25l"`` or ``"bm25+"``.
        k1: saturation of a term's frequency, above 0; the lower, the less repetitions count.
        b: normalisation by the passage's length, from 0 (none) to 1.
        delta: the minimum weight of a single occurrence, in bm25l and bm25+ alone; 0 or more.
        idf_method: the variant of the inverse document frequency; None for `method`'s.

    Raises:
        InvalidInputError: a value outside its range.

    >>> BM25Parameters("bm25+", delta=1.0).b
    0.75
    """

    method: str = "lucene"
    k1: float = 1.2
    b: float = 0.75
    delta: float = 0.5
    idf_method: str | None = None

    def __post_init__(self) -> None:
        methods = get_args(Method)
        for name in ("method", "idf_method"):
            value = getattr(self, name)
            if value not in methods and not (name == "idf_method" and value is None):
                raise InvalidInputError(
                    f"{name} must be one of {', '.join(methods)}, not {value!r}"
                )
        for name in ("k1", "b", "delta"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InvalidInputError(f"{name} must be a number, not {value!r}")
        if not 0 < self.k1 < math.inf:
            raise InvalidInputError(f"k1 must be above 0 and finite, not {self.k1}")
        if not 0 <= self.b <= 1:
            raise InvalidInputError(f"b must be from 0 to 1, not {self.b}")
        if not 0 <= self.delta < math.inf:
            raise InvalidInputError(f"delta must be 0 or more and finite, not {self.delta}")

    def to_config(self) -> dict[str, JSON]:
        """Return the parameters as JSON.

        >>> BM25Parameters.from_config(BM25Parameters(k1=0.9).to_config()).k1
        0.9
        """
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BM25Parameters:
        """Return the parameters that `to_config` returned.

        Raises:
            InvalidInputError: an unknown name, or a value outside its range.
        """
        try:
            return cls(**config)
        except TypeError as error:
            raise InvalidInputError(f"no BM25 parameters: {config!r}: {error}") from None


def check_bm25(value: object) -> BM25Parameters:
    """Return `value`; raise if it is not `BM25Parameters`.

    Raises:
        InvalidInputError: it is something else.

    >>> check_bm25(BM25Parameters(b=0.5)).b
    0.5
    """
    if not isinstance(value, BM25Parameters):
        raise InvalidInputError(f"bm25 must be BM25Parameters(k1=...), not {value!r}")
    return value
