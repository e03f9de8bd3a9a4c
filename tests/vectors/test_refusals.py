"""Messages about what servers really answered (1.18.3), and about what lies before them."""

from __future__ import annotations

import json
import re

import pytest

from hybridge.vectors.connection import Request
from hybridge.vectors.refusals import Failure, refused, unreachable, unreadable

SERVER = "https://qdrant.example.org:443"
QUERY = ("POST", "/collections/beets/points/query")
BATCH = ("POST", "/collections/beets/points/query/batch")
UPSERT = ("PUT", "/collections/beets/points")
INDEX = ("PUT", "/collections/beets/index")
LIST = ("GET", "/collections")

# Method and path, status, the whole answer of a server, and a part of the cure.
RECORDED = [
    (
        ("GET", "/collections/none"),
        404,
        "Not found: Collection `none` doesn't exist!",
        "collection= and the server's address, or make it with HybridIndex.create",
    ),
    (
        UPSERT,
        400,
        "Wrong input: Vector dimension error: expected dim: 8, got 2 for vector 'dense'",
        "made for vectors of 8 numbers: use the encoder",
    ),
    (
        UPSERT,
        400,
        "Wrong input: Not existing vector name error: no",
        "open the index again",
    ),
    (
        UPSERT,
        400,
        "Format error in JSON body: value x y is not a valid point ID, valid values are either an "
        "unsigned integer or a UUID",
        "a whole number or a UUID",
    ),
    (
        ("GET", "/collections/a%2Fb/exists"),
        422,
        "Validation error in path parameters: [collection_name: collection name cannot contain "
        '"/" char]',
        "choose a collection= of 1 to 255 characters without a slash",
    ),
    (
        ("GET", f"/collections/{'x' * 300}/exists"),
        422,
        f'Validation error in path parameters: [collection_name: value "{"x" * 300}" invalid, must '
        "be from 1 to 255 characters]",
        "choose a collection= of 1 to 255 characters",
    ),
    (
        BATCH,
        400,
        "Format error in JSON body: Expected some form of condition, which can be a field "
        'condition (like {"key": ..., "match": ... }), or some other mentioned in the '
        "documentation: https://qdrant.tech/documentation/concepts/filtering/#filtering-conditions "
        "at line 1 column 205",
        "$text_match before 1.20: update it",
    ),
    (
        ("PUT", "/collections/turbo"),
        400,
        "Format error in JSON body: data did not match any variant of untagged enum VectorsConfig "
        "at line 1 column 70",
        "turbo8 of token vectors before 1.20: update it",
    ),
    (
        UPSERT,
        422,
        "Validation error in JSON body: [points[0].vector.?.data: Total size of all vectors "
        "(1049600) must be less than 1048576]",
        "token vectors of 1048576 numbers or more: split it",
    ),
    (
        QUERY,
        400,
        "Bad request: Request is forbidden on 'dense' because global vector indexing is disabled "
        "(hnsw_config.m = 0). Help: Use tenant-specific filter, enable global vector indexing or "
        "enable strict mode `search_allow_exact` option",
        "strict mode refuses exact search: create the index with hnsw=HNSW()",
    ),
    (
        QUERY,
        400,
        'Bad request: Limit exceeded 3 > 2 for "limit". Help: Reduce the "limit" parameter to or '
        "below 2.",
        "strict mode allows 2 results a search: search with a smaller k and depth",
    ),
    (
        QUERY,
        400,
        'Bad request: Limit exceeded 256 > 64 for "hnsw_ef". Help: Reduce the "hnsw_ef" parameter '
        "to or below 64.",
        "hnsw=HNSW(ef=64), or have search_max_hnsw_ef raised",
    ),
    (
        QUERY,
        400,
        'Bad request: Limit exceeded 3 > 2 for "oversampling". Help: Reduce the "oversampling" '
        "parameter to or below 2.",
        "without quantization=, or have search_max_oversampling raised",
    ),
    (
        UPSERT,
        400,
        'Bad request: Limit exceeded 3 > 2 for "upsert limit". Help: Reduce the "upsert limit" '
        "parameter to or below 2.",
        "strict mode allows 2 points a request",
    ),
    (
        QUERY,
        400,
        "Bad request: Filter condition limit reached (2 > 1). Help: Reduce the amount of "
        "conditions of your filter.",
        "fewer conditions, or have filter_max_conditions raised",
    ),
    (
        QUERY,
        400,
        "Bad request: Condition size limit reached (3 > 2). Help: Reduce the size of your "
        "condition.",
        "fewer values a condition, or have condition_max_size raised",
    ),
    (
        QUERY,
        400,
        'Bad request: Index required but not found for "metadata.none" of one of the following '
        "types: [float, integer]. Help: Create an index for this key or use a different filter.",
        "filter_fields={'none': 'float'}), or have the field 'metadata.none' indexed as float or "
        "integer",
    ),
    (
        BATCH,
        400,
        'Bad request: Index required but not found for "metadata.year" of one of the following '
        "types: [keyword]. Help: Create an index for this key or use a different filter.",
        "filter_fields={'year': 'keyword'})",
    ),
    (
        UPSERT,
        400,
        "Bad request: Disk usage is at 73% of total capacity, exceeding the configured limit of "
        "1%. Help: Reduce disk usage (e.g. delete points or drop collections) or raise "
        "`max_disk_usage_percent` in strict mode.",
        "delete passages or collections, or have max_disk_usage_percent raised",
    ),
    (
        INDEX,
        400,
        "Bad request: Collection already has the maximum number of payload indices (3). Help: "
        "Please delete an existing index before creating a new one.",
        "an index dropped or max_payload_index_count raised",
    ),
    (
        QUERY,
        429,
        "Rate limiting exceeded: Read rate limit exceeded: Operation requires 1 tokens but only "
        "0.0 were available. Retry after 60s",
        "wait longer with deadline=",
    ),
    (
        UPSERT,
        429,
        "Rate limiting exceeded: Write rate limit exceeded: Operation requires 1 tokens but only "
        "0.0 were available. Retry after 60s",
        "read_rate_limit or write_rate_limit raised",
    ),
    (LIST, 401, "Must provide an API key or an Authorization bearer token", "give its key as api_"),
    (LIST, 401, "Invalid API key or JWT", "another server's key, or mistyped"),
    (
        UPSERT,
        403,
        "Forbidden: Global manage access is required",
        "for reading only: open the index with read_only=True",
    ),
    (
        UPSERT,
        403,
        "Forbidden: Write access to collection beets is required",
        "may only read this collection: open the index with read_only=True",
    ),
    (
        ("PATCH", "/collections/beets"),
        403,
        "Forbidden: Global access is required",
        "needs one for the whole server",
    ),
    (
        QUERY,
        403,
        "Forbidden: Access to collection beets is required",
        "the key is for other collections",
    ),
    (QUERY, 403, "ExpiredSignature", "the key has expired"),
    # From the measurements beside the recording.
    (
        UPSERT,
        400,
        "JSON payload (48049202 bytes) is larger than allowed (limit: 33554432 bytes).",
        "takes 33554432 bytes a request: shorten the passages, or raise max_request_size_mb",
    ),
    (
        UPSERT,
        429,
        "Rate limiting exceeded: Write rate limit exceeded: request larger than than rate limiter "
        "capacity, please try to split your request",
        "larger than the rate limit allows at all",
    ),
    (
        QUERY,
        500,
        "Service internal error: 1 of 1 read operations failed:\n  Service internal error: Tonic "
        'status error: status: Unavailable, message: "error trying to connect: tcp connect error: '
        'Connection refused (os error 111)"',
        "a node of the cluster does not answer: start it again; an index with replicas",
    ),
]


@pytest.mark.parametrize(("asked", "status", "text", "cure"), RECORDED)
def test_a_refusal_names_all_that_helps(
    asked: tuple[str, str], status: int, text: str, cure: str
) -> None:
    method, path = asked
    # Refusals of keys come as bare text.
    body = text if status == 401 or " " not in text else json.dumps({"status": {"error": text}})
    failure = refused(Request("do it", method, path), SERVER, status, {}, body.encode())
    who, _, rest = failure.message.partition(": it answered ")
    names = re.findall(r"/collections/([^/]+)", path)
    where = f" (collection {names[0].replace('%2F', '/')!r})" if names else ""
    assert who == f"Qdrant at {SERVER} could not do it{where}"
    said, _, remedy = rest.partition(f'{status}, "{text}": ')
    assert said == ""
    assert cure in remedy
    error = failure.error()
    assert (error.status, error.reason, str(error)) == (status, text, failure.message)


def kind(failure: Failure) -> tuple[bool, bool, bool]:
    return failure.is_passing, failure.is_of_node, failure.is_sent


@pytest.mark.parametrize(("asked", "status", "text", "cure"), RECORDED)
def test_what_passes(asked: tuple[str, str], status: int, text: str, cure: str) -> None:
    failure = refused(Request("do it", *asked), SERVER, status, {}, text.encode())
    passes = status == 500 or (status == 429 and "Retry after" in text)
    assert kind(failure) == (passes, status == 500, status != 429)


@pytest.mark.parametrize(
    ("status", "headers", "body", "cure", "passes"),
    [
        (301, {"location": "https://there/"}, "", "it sends to 'https://there/'", False),
        (307, {}, "", "it sends to 'another address'", False),
        (
            400,
            {},
            "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
            "begin the address with https://",
            False,
        ),
        (
            400,
            {},
            "Client sent an HTTP request to an HTTPS server.",
            "begin the address with https://",
            False,
        ),
        (
            400,
            {},
            '{"status": {"error": "what?"}}',
            "version of the server supports the request",
            False,
        ),
        (403, {}, "<html>no</html>", "give a key that may do this", False),
        (404, {}, "<html>not here</html>", "check host, port and path of the address", False),
        (405, {}, "", "check host, port and path of the address", False),
        (407, {}, "", "HTTP_PROXY", False),
        (408, {}, "", "send less at once", True),
        (413, {}, "<html>413 Request Entity Too Large</html>", "raise its limit", False),
        (418, {}, "", "see the server's log", False),
        (429, {"retry-after": "3"}, "", "send less at once", True),
        (500, {}, '{"status": {"error": "task 7 panicked"}}', "see the server's log", False),
        (
            500,
            {},
            '{"status": {"error": "The replica set for shard 1 on peer 1 does not have enough '
            'active replicas"}}',
            "a node of the cluster does not answer",
            True,
        ),
        (502, {}, "<html>Bad Gateway</html>", "the proxy there does not reach", True),
        (503, {}, "", "does not take requests yet", True),
        (504, {}, "", "too slow for the proxy", True),
    ],
)
def test_what_else_lies_at_an_address(
    status: int, headers: dict[str, str], body: str, cure: str, passes: bool
) -> None:
    request = Request("search", *QUERY)
    failure = refused(request, SERVER, status, headers, body.encode())
    assert failure.message.startswith(f"Qdrant at {SERVER} could not search (collection 'beets'): ")
    assert f"it answered {status}" in failure.message
    assert cure in failure.message
    assert failure.is_passing is passes


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("60", 60.0), ("0", None), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("", None)],
)
def test_the_rest_that_a_server_wants(header: str, seconds: float | None) -> None:
    request = Request("search", *QUERY)
    assert refused(request, SERVER, 429, {"retry-after": header}, b"").retry_after == seconds


def test_a_page_of_a_proxy_is_cut_and_a_server_is_not() -> None:
    request = Request("search", *QUERY)
    page = refused(request, SERVER, 502, {}, b"<p>" + b"x" * 10_000)
    assert len(page.message) < 1_000
    text = "x" * 10_000
    body = json.dumps({"status": {"error": text}}).encode()
    assert text in refused(request, SERVER, 400, {}, body).message


UNREACHABLE = [
    ("ConnectError", "[Errno 111] Connection refused", "nothing listens there", True),
    ("ConnectError", "All connection attempts failed", "nothing listens there", True),
    ("ConnectError", "[Errno -2] Name or service not known", "no host has this name", True),
    ("ConnectError", "[Errno -3] Temporary failure in name resolution", "no host has this", True),
    (
        "ConnectError",
        "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1016)",
        "does not speak TLS there .*begin the address with http://",
        False,
    ),
    (
        "ConnectError",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate",
        "its certificate is not trusted .*verify=",
        False,
    ),
    ("ConnectTimeout", "timed out", "no host answers there .*firewalls", True),
    ("PoolTimeout", "", "all connections are in use", True),
    ("ReadTimeout", "timed out", "no answer came in time .*raise timeout= and deadline=", True),
    ("WriteTimeout", "timed out", "no answer came in time", True),
    ("ReadError", "[Errno 104] Connection reset by peer", "the connection broke off", True),
    ("WriteError", "[Errno 32] Broken pipe", "the connection broke off", True),
    (
        "RemoteProtocolError",
        "Server disconnected without sending a response.",
        "the connection broke off .*a port that speaks TLS needs https://",
        True,
    ),
    (
        "RemoteProtocolError",
        r"illegal status line: bytearray(b'\x00\x00\x12\x04')",
        "it does not speak HTTP there .*not that of gRPC.*https://",
        False,
    ),
    ("ProxyError", "407 Proxy Authentication Required", "the proxy on the way .*NO_PROXY", False),
    (
        "RuntimeError",
        "Cannot send a request, as the client has been closed.",
        "the client of Qdrant was closed",
        False,
    ),
    ("ValueError", "Synchronous token provider is not set.", "Synchronous token provider", False),
]


@pytest.mark.parametrize(("error", "text", "message", "passes"), UNREACHABLE)
def test_silence_has_a_cause_and_a_cure(error: str, text: str, message: str, passes: bool) -> None:
    failure = unreachable(Request("search", *QUERY), SERVER, error, text, 443)
    expected = rf"Qdrant at {SERVER} could not search \(collection 'beets'\): .*{message}"
    assert re.match(expected, failure.message)
    assert text in failure.message
    assert (failure.is_passing, failure.reason, failure.status) == (passes, text, None)


@pytest.mark.parametrize(
    ("error", "is_sent"),
    [
        ("ConnectError", False),
        ("ConnectTimeout", False),
        ("PoolTimeout", False),
        ("ReadError", True),
        ("ReadTimeout", True),
        ("WriteTimeout", True),
        ("RemoteProtocolError", True),
    ],
)
def test_what_was_surely_not_sent(error: str, is_sent: bool) -> None:
    assert unreachable(Request("search", *QUERY), SERVER, error, "", 443).is_sent is is_sent


def test_the_port_of_grpc_is_named_whatever_happens_there() -> None:
    failure = unreachable(Request("search", *QUERY), SERVER, "ReadError", "reset", 6334)
    assert "port 6334 speaks gRPC: give the port of the REST API, usually 6333" in failure.message


def test_a_header_that_cannot_be_sent_stays_secret() -> None:
    text = "Illegal header value b'secret\\n'"
    failure = unreachable(Request("search", *QUERY), SERVER, "LocalProtocolError", text, 443)
    assert "api_key=" in failure.message
    assert "secret" not in failure.message + failure.reason


@pytest.mark.parametrize(
    ("body", "message", "passes"),
    [
        (b'{"result": [', r"is cut short, \"{\"result\": \[\"", True),
        (b"", "is cut short", True),
        (b"<html>Welcome</html>", 'is not of Qdrant, "<html>Welcome</html>"', False),
    ],
)
def test_an_answer_that_is_none(body: bytes, message: str, passes: bool) -> None:
    failure = unreadable(Request("search", *QUERY), SERVER, body)
    assert re.search(message, failure.message)
    assert failure.is_passing is passes
