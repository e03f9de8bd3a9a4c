"""The catalogue: what fits, and in which order."""

from __future__ import annotations

from typing import get_args

import pytest

from hybridge.catalogue import (
    CATALOGUE,
    MEASURED,
    PUBLISHED_MEASURES,
    CatalogueKind,
    KnownModel,
    select,
)
from hybridge.encoders.packages import PACKAGED
from hybridge.encoders.prompts import KNOWN_PROMPTS
from hybridge.errors import InvalidInputError


def model(name: str, parameters: float, **fields: object) -> KnownModel:
    settings = {
        "kind": "bi-encoder",
        "dimension": 384,
        "tokens": 512,
        "languages": ("en",),
        "licence": "MIT",
        "runs": "graph",
    }
    return KnownModel(name=name, parameters=parameters, **settings | fields)  # type: ignore[arg-type]


SMALL = model("small", 20, published=0.40)
MIDDLE = model("middle", 40, published=0.504)
TIE = model("tie", 30, published=0.496)
LARGE = model("large", 300, published=0.55)
LONG = model("long", 45, published=0.60, tokens=8192, runs="torch")
WORLD = model("world", 100, languages=())
GERMAN = model("german", 25, languages=("de", "en"))
JUDGE = model("judge", 10, kind="cross-encoder", dimension=None)
ALL = [LARGE, SMALL, MIDDLE, TIE, LONG, WORLD, GERMAN, JUDGE]


def names(**options: object) -> list[str]:
    return [found.name for found in select(ALL, **options)]  # type: ignore[arg-type]


def test_each_need_has_its_order() -> None:
    bi_encoders = {"kind": "bi-encoder", "language": "english"}
    assert names(need="speed", **bi_encoders) == [
        *("small", "german", "tie", "middle", "long", "world", "large")
    ]
    assert names(need="quality", **bi_encoders)[:4] == ["long", "large", "middle", "tie"]
    assert names(need="length", **bi_encoders)[0] == "long"
    assert names(need="balanced", **bi_encoders) == [
        *("tie", "middle", "small", "german", "long", "large", "world")
    ]


@pytest.mark.parametrize("language", ["de", "German", "GERMAN"])
def test_a_language_by_name_or_code(language: str) -> None:
    assert set(names(language=language)) == {"german", "world"}
    assert names(language="swahili") == ["world"]


def test_a_size_is_that_of_the_precision_that_a_model_runs_in() -> None:
    assert (SMALL.megabytes("float32"), SMALL.megabytes("float16"), SMALL.smallest) == (80, 40, 20)
    assert LONG.smallest == 180
    assert set(names(max_megabytes=40)) == {"small", "middle", "tie", "german", "judge"}
    assert names(kind="sparse encoder") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "encoder"}, "kind must be one of bi-encoder, .* not 'encoder'"),
        ({"need": "cheap"}, "need must be one of balanced, .* not 'cheap'"),
        ({"language": "klingon"}, "no language 'klingon'"),
    ],
)
def test_an_unknown_choice_names_the_valid_ones(options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        select(**options)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"dtype must be one of .* not 'int4'"):
        SMALL.megabytes("int4")


def test_the_catalogue_agrees_with_what_else_is_known_of_its_models() -> None:
    assert CATALOGUE.keys() >= PACKAGED.keys()
    assert CATALOGUE.keys() >= {name for name, _ in MEASURED}
    assert PUBLISHED_MEASURES.keys() == set(get_args(CatalogueKind))
    assert {found.kind for found in CATALOGUE.values()} == PUBLISHED_MEASURES.keys()
    assert {name for name in CATALOGUE if "e5" in name or "BAAI/bge-s" in name} <= set(
        KNOWN_PROMPTS
    )
    for name, found in CATALOGUE.items():
        assert found.name == name
        assert (found.dimension is None) == (found.kind == "cross-encoder")
        assert found.published is None or 0 < found.published < 1
        assert all(found.reads(language) for language in found.languages)


def test_usage_is_python() -> None:
    for found in CATALOGUE.values():
        compile(found.usage, "usage", "eval")
        assert found.name in found.usage
