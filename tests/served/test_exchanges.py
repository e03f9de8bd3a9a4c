"""What a real server answered, asked of the double again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .double import Double
from .keys import Access

# Exchanges that the double answers otherwise, by their place in the file, and why.
DIFFERENT = {
    89: "the server no longer had points that no recorded request deletes",
}

STRICT = {
    "enabled": True,
    "unindexed_filtering_retrieve": False,
    "unindexed_filtering_update": False,
    "max_payload_index_count": 3,
}
KEYS = {
    "full": Access(),
    "read-only key": Access("r"),
    "collection key r": Access("r", "beets"),
    "collection key rw": Access("rw", "beets"),
    "collection key prw": Access("prw", "beets"),
    "expired key": Access(is_expired=True),
    "key of another collection": Access("rw", "carrots"),
}


@pytest.fixture(scope="module")
def exchanges() -> list[dict[str, Any]]:
    folder = os.environ.get("HYBRIDGE_DATASETS")
    if not folder:
        pytest.skip("HYBRIDGE_DATASETS is not set")
    path = Path(folder).parent / "served" / "exchanges.jsonl"
    if not path.is_file():
        pytest.skip(f"there are no recorded exchanges at {path}")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def replayed(exchanges: list[dict[str, Any]]) -> Iterator[tuple[int, Any, Any]]:
    """Yield of each exchange its place, what was recorded and what the double answers."""
    with (
        Double() as plain,
        Double(strict=STRICT, keys=KEYS) as strict,
        httpx.Client(base_url=plain.url) as to_plain,
        httpx.Client(base_url=strict.url) as to_strict,
    ):
        wrong = iter([{}, {"api-key": "wrong"}])
        for place, exchange in enumerate(exchanges):
            client, headers = to_plain, {}
            if exchange["server"] != "plain":
                client = to_strict
                step = exchange["step"]
                key = step if step in KEYS else "full"
                headers = next(wrong) if step == "no key, wrong key" else {"api-key": key}
            answer = client.request(
                exchange["method"], exchange["path"], json=asked(exchange), headers=headers
            )
            yield (
                place,
                seen(exchange["status"], exchange["headers"], exchange["response"]),
                seen(answer.status_code, answer.headers, body_of(answer)),
            )


def asked(exchange: dict[str, Any]) -> Any:
    request = exchange["request"]
    if isinstance(request, str):  # one that was cut: 8,200 vectors of 128 numbers
        assert exchange["step"] == "multivector too large"
        return {"points": [{"id": 1, "vector": {"tokens": [[0.1] * 128] * 8200}}]}
    return request


def body_of(answer: httpx.Response) -> Any:
    kind = answer.headers.get("content-type", "")
    return answer.json() if kind == "application/json" else answer.text


def seen(status: int, headers: Any, body: Any) -> Any:
    kept = {name: headers[name] for name in ("content-type", "retry-after") if name in headers}
    return status, kept, plain_of(body)


# Times, and what the server counts for itself.
_OWN = {"time", "commit", "operation_id", "peer_id", "indexed_vectors_count"}


def plain_of(value: Any) -> Any:
    """Return an answer without what differs from run to run, scores rounded, ties by id."""
    match value:
        case {"id": _, "score": float(score), **rest}:
            rest.pop("version")
            return {"id": value["id"], "score": round(score, 5), **plain_of(rest)}
        case dict():
            kept = {key: plain_of(each) for key, each in value.items() if key not in _OWN}
            if isinstance(kept.get("points"), list):
                kept["points"].sort(key=lambda point: (-point.get("score", 0), point["id"]))
            return kept
        case list():
            return list(map(plain_of, value))
        case str():
            return re.sub(r" at line 1 column \d+$", "", value)
    return value


def test_the_recorded_exchanges_are_answered_as_they_were(
    exchanges: list[dict[str, Any]],
) -> None:
    different = {}
    for place, recorded, answered in replayed(exchanges):
        if recorded != answered:
            different[place] = (recorded, answered)
    assert different.keys() == DIFFERENT.keys(), different
    assert len(DIFFERENT) <= len(exchanges) // 10
