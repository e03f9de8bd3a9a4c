"""The OpenAPI document, and requests that schemathesis makes of it: none is an unforeseen one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from hybridge import CallableEncoder, HybridIndex
from hybridge.server import Guards, Keys, create_app

from .conftest import PASSAGES, letters

KEY = "correct-horse-battery-staple"
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def schema() -> Iterator[schemathesis.BaseSchema]:
    encoder = CallableEncoder(letters, dimension=5, identity="letters")
    with HybridIndex.create(encoder=encoder) as index:
        index.add(PASSAGES)
        hosts = frozenset({"testserver", "localhost"})  # schemathesis's names for it
        app = create_app(index, allow_writes=True, guards=Guards(Keys([KEY]), hosts))
        yield schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=HEADERS)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
def test_no_request_finds_what_the_document_does_not_say(schema, mode):
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == 16
    if mode is GenerationMode.NEGATIVE:  # of what has a body that can be wrong
        operations = [each for each in operations if len(each.body)]
        assert len(operations) == 6
    for operation in operations:

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=25,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case):
            # Not all that is valid can be told in a document: names of stages, filters.
            case.call_and_validate(headers=HEADERS, excluded_checks=[positive_data_acceptance])

        check()


def test_each_route_documents_its_errors(client):
    document = client.get("/api/openapi.json").json()
    paths = document["paths"]
    assert {"/api/search", "/api/passages/{passage_id}", "/api/jobs/{job_id}/events"} < set(paths)
    for path, operations in paths.items():
        for operation in operations.values():
            assert operation["summary"]
            assert {"400", "403", "404", "409", "413", "503"} <= set(operation["responses"]), path
            assert not {"422", "4XX", "default"} & set(operation["responses"])
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert "security" not in document
