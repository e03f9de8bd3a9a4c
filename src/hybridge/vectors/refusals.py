"""What a server's refusals mean, and what can be done about them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote

from ..errors import StoreError
from .request import Request

__all__ = ["Failure", "refused", "unreachable", "unreadable"]

_GRPC = 6334
_KEPT = 500  # characters of an answer that is no answer of Qdrant


@dataclass(frozen=True)
class Failure:
    """One attempt at a request that failed.

    Args:
        message: the request that failed, the reason and the remedy.
        status: of the answer; None without one.
        reason: the server's own text, whole.
        is_passing: another attempt may succeed.
        is_of_node: another node of the cluster may answer.
        is_sent: the server may have done what it was sent.
        retry_after: seconds that the server wants to be left alone.
    """

    message: str
    status: int | None = None
    reason: str = ""
    is_passing: bool = False
    is_of_node: bool = False
    is_sent: bool = True
    retry_after: float | None = None

    def error(self, note: str = "") -> StoreError:
        """Return what is raised.

        Args:
            note: put after the message.
        """
        return StoreError(f"{self.message}{note}", status=self.status, reason=self.reason)


def refused(
    request: Request, location: str, status: int, headers: Mapping[str, str], body: bytes
) -> Failure:
    """Return what an answer means that is not the one hoped for.

    Args:
        request: the one that failed.
        location: of the server, without secrets.
        status: of the answer.
        headers: of the answer.
        body: of the answer.

    >>> body = b'{"status": {"error": "Not found: Collection `beets` doesn\\'t exist!"}}'
    >>> count = Request("count", "POST", "/collections/beets/points/count")
    >>> print(refused(count, "http://localhost:6333", 404, {}, body).message)
    Qdrant at http://localhost:6333 could not count (collection 'beets'): it answered 404, \
"Not found: Collection `beets` doesn't exist!": check collection= and the server's address, or \
make it with HybridIndex.create
    """
    reason = _reason(body)
    is_passing = status in _PASSING or (status == 500 and bool(re.search(_NODE_IS_AWAY, reason)))
    if status == 429 and re.search(_NEVER_FITS, reason):
        is_passing = False
    cure = _cure(status, reason, headers)
    quoted = f'it answered {status}, "{reason}"' if reason else f"it answered {status}"
    return Failure(
        f"{_who(request, location)}: {quoted}: {cure}",
        status,
        reason,
        is_passing=is_passing,
        is_of_node=is_passing and status != 429,
        is_sent=status != 429,
        retry_after=_seconds(headers.get("retry-after")),
    )


def unreachable(request: Request, location: str, kind: str, reason: str, port: int) -> Failure:
    """Return what it means that there is no answer.

    Args:
        request: the one that failed.
        location: of the server, without secrets.
        kind: the name of httpx's error, for example "ConnectError".
        reason: that error's text.
        port: of the server.
    """
    cause, cure = next(
        (
            (cause, cure)
            for of_kind, pattern, cause, cure in _SILENCES
            if re.search(of_kind, kind) and re.search(pattern, reason)
        ),
        (reason or kind, "see the server's log, and what lies between it and here"),
    )
    if port == _GRPC:
        cure = f"port {_GRPC} speaks gRPC: give the port of the REST API, usually 6333"
    is_secret = kind == "LocalProtocolError"  # its text may be a header, such as the key
    quoted = "" if is_secret or not reason or reason == cause else f" ({reason})"
    return Failure(
        f"{_who(request, location)}: {cause}{quoted}: {cure}",
        reason="" if is_secret else reason,
        is_passing=kind in _PASSING_KINDS and not re.search(_FOREIGN, reason),
        is_of_node=True,
        is_sent=kind not in _UNSENT,
    )


def unreadable(request: Request, location: str, body: bytes, *, is_json: bool = False) -> Failure:
    """Return what it means that an answer is not JSON, or not as Qdrant answers."""
    shown = body[:_KEPT].decode(errors="replace").strip()
    is_cut = not is_json and (shown.startswith("{") or not shown)
    return Failure(
        f"{_who(request, location)}: its answer is {'cut short' if is_cut else 'not of Qdrant'}, "
        f'"{shown}": check the address, and what lies between it and here',
        is_passing=is_cut,
        is_of_node=True,
    )


def _who(request: Request, location: str) -> str:
    found = re.match(r"/collections/([^/]+)", request.path)
    where = f" (collection {unquote(found[1])!r})" if found else ""
    return f"Qdrant at {location} could not {request.action}{where}"


def _reason(body: bytes) -> str:
    """Return the server's own text, whole; the beginning of a page that is not of Qdrant."""
    try:
        return str(json.loads(body)["status"]["error"])
    except (ValueError, KeyError, TypeError):
        text = body.decode(errors="replace").strip()
        return text if len(text) <= _KEPT else f"{text[:_KEPT]}…"


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after or "")) or None
    except ValueError:  # a date, which proxies send: their clock is not ours
        return None


def _cure(status: int, reason: str, headers: Mapping[str, str]) -> str:
    for pattern, cure in _CURES:
        if found := re.search(pattern, reason):
            return cure if isinstance(cure, str) else cure(found)
    if 300 <= status < 400:
        return f"it sends to {headers.get('location', 'another address')!r}: give the address there"
    return _BY_STATUS.get(status, "see the server's log")


def _index(found: re.Match[str]) -> str:
    """Name the field without an index, and the call that makes one."""
    path, types = found["field"], re.findall(r"\w+", found["types"])
    field = path.removeprefix("metadata.")
    kind = next((_KINDS[each] for each in types if each in _KINDS), None)
    declared = f"declare it, HybridIndex.create(..., filter_fields={{{field!r}: {kind!r}}}), or "
    return (
        f"strict mode refuses filters on fields without a payload index: {declared if kind else ''}"
        f"have the field {path!r} indexed as {' or '.join(types)} by a key with manage access"
    )


_KINDS = {
    "keyword": "keyword",
    "uuid": "keyword",
    "float": "float",
    "integer": "float",
    "datetime": "datetime",
    "bool": "bool",
}

_NEVER_FITS = r"larger than (?:than )?rate limiter capacity"
_NODE_IS_AWAY = (
    r"tcp connect error|transport error|error trying to connect|status: (?:Unavailable|Cancelled)|"
    r"not have enough active replicas|[Tt]imeout|timed out"
)

_Cure: TypeAlias = str | Callable[[re.Match[str]], str]

# What a server's text means: the first that fits.
_CURES: list[tuple[str, _Cure]] = [
    # Keys
    (r"Must provide an API key", "give its key as api_key="),
    (r"Invalid API key or JWT", "api_key= is another server's key, or mistyped"),
    (r"ExpiredSignature", "the key has expired: have a new one made"),
    (
        r"Global manage access is required",
        "the key is for reading only: open the index with read_only=True, or give a key with "
        "manage access",
    ),
    (
        r"Write access to collection (?P<name>.+) is required",
        "the key may only read this collection: open the index with read_only=True, or give a key "
        "that may write to it",
    ),
    (
        r"Global access is required",
        "the key is for collections alone, and this needs one for the whole server",
    ),
    (r"Access to collection (?P<name>.+) is required", "the key is for other collections"),
    # Names and versions
    (
        r"Collection `.*` doesn't exist",
        "check collection= and the server's address, or make it with HybridIndex.create",
    ),
    (
        r"path parameters: \[collection_name",
        "choose a collection= of 1 to 255 characters without a slash",
    ),
    (
        r"Not existing vector name error",
        "the collection has no vectors of this name: open the index again, in case another client "
        "changed its stages, or correct the names of an attached collection",
    ),
    (
        r"expected dim: (?P<dimension>\d+)",
        lambda found: (
            f"the collection is made for vectors of {found['dimension']} numbers: use the encoder "
            "that it was made with, or make another collection"
        ),
    ),
    (r"is not a valid point ID", "the id of a point is a whole number or a UUID"),
    (
        r"Expected some form of condition",
        "the server is too old for a condition of the filter, such as $text_match before 1.20: "
        "update it, or filter in another way",
    ),
    (
        r"did not match any variant of untagged enum",
        "the server is too old for an option, such as the datatypes turbo4 and turbo8 of token "
        "vectors before 1.20: update it, or choose another",
    ),
    # Sizes
    (
        r"Total size of all vectors \(\d+\) must be less than (?P<most>\d+)",
        lambda found: (
            f"a passage has token vectors of {found['most']} numbers or more: split it into "
            "shorter ones"
        ),
    ),
    (
        r"larger than allowed \(limit: (?P<most>\d+) bytes\)",
        lambda found: (
            f"the server takes {found['most']} bytes a request: shorten the passages, or raise "
            "max_request_size_mb in its configuration"
        ),
    ),
    # Strict mode
    (
        r"search_allow_exact|Exact search",
        "strict mode refuses exact search: create the index with hnsw=HNSW(), or have "
        "search_allow_exact set to true",
    ),
    (
        r'Limit exceeded \d+ > (?P<most>\d+) for "limit"',
        lambda found: (
            f"strict mode allows {found['most']} results a search: search with a smaller k and "
            "depth, or have max_query_limit raised"
        ),
    ),
    (
        r'Limit exceeded \d+ > (?P<most>\d+) for "hnsw_ef"',
        lambda found: (
            f"strict mode allows an ef of {found['most']}: create the index with "
            f"hnsw=HNSW(ef={found['most']}), or have search_max_hnsw_ef raised"
        ),
    ),
    (
        r'Limit exceeded .+ for "oversampling"',
        "strict mode allows less oversampling than quantized vectors need: create the index "
        "without quantization=, or have search_max_oversampling raised",
    ),
    (
        r'Limit exceeded \d+ > (?P<most>\d+) for "upsert limit"',
        lambda found: (
            f"strict mode allows {found['most']} points a request: open the index again, which "
            "reads the limits anew, or have upsert_max_batchsize raised"
        ),
    ),
    (
        r"Filter condition limit reached",
        "filter by fewer conditions, or have filter_max_conditions raised",
    ),
    (
        r"Condition size limit reached",
        "filter by fewer values a condition, or have condition_max_size raised",
    ),
    (
        r'Index required but not found for "(?P<field>.+)" of one of the following types: '
        r"\[(?P<types>.*?)\]",
        _index,
    ),
    (
        r"maximum number of payload indices",
        "filter by fields that are indexed, or have an index dropped or max_payload_index_count "
        "raised",
    ),
    (r"Disk usage is at", "delete passages or collections, or have max_disk_usage_percent raised"),
    (
        _NEVER_FITS,
        "the request is larger than the rate limit allows at all: send fewer queries or passages "
        "at once, or have read_rate_limit or write_rate_limit raised",
    ),
    (
        r"[Rr]ate limit",
        "send less, wait longer with deadline=, or have read_rate_limit or write_rate_limit raised",
    ),
    # Nodes and proxies
    (
        r"(?i)HTTP request (?:was sent )?to (?:an )?HTTPS",
        "this port speaks TLS: begin the address with https://",
    ),
    (
        _NODE_IS_AWAY,
        "a node of the cluster does not answer: start it again; an index with replicas, "
        "replication_factor=2, answers without it",
    ),
]

_BY_STATUS = {
    400: "see whether the version of the server supports the request, and its log",
    401: "give its key as api_key=",
    403: "give a key that may do this as api_key=",
    404: "no Qdrant answers there: check host, port and path of the address",
    405: "no Qdrant answers there: check host, port and path of the address",
    407: "a proxy wants a user and password: see HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
    408: "the server or the way there was too slow: send less at once, or raise timeout=",
    413: "a proxy in front of the server takes no request of this size: raise its limit",
    429: "send less at once, or wait longer with deadline=",
    502: "the proxy there does not reach the server: see whether it runs",
    503: "the server does not take requests yet, or a proxy does not reach it: see whether it runs",
    504: "the server was too slow for the proxy there: see whether it runs",
}

_PASSING = {408, 429, 502, 503, 504}
# Errors of httpx before anything was sent, and all after which another attempt may succeed.
_UNSENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}
_PASSING_KINDS = {
    *_UNSENT,
    "ReadError",
    "ReadTimeout",
    "WriteError",
    "WriteTimeout",
    "CloseError",
    "RemoteProtocolError",
}
# What no other attempt changes: another protocol, a certificate that is not trusted, a proxy that
# wants a password.
_FOREIGN = (
    r"(?i)illegal|^407|WRONG_VERSION|RECORD_LAYER|UNKNOWN_PROTOCOL|CERTIFICATE_VERIFY|HANDSHAKE_FAILURE|"
    r"UNSUPPORTED_PROTOCOL|TLSV1"
)

# Error of httpx, its text, what it means, what to do: the first that fits.
_SILENCES = [
    (
        "RuntimeError",
        "(?:client has been|loop is) closed",
        "the client of Qdrant was closed",
        "make another one, and open the index with it",
    ),
    (
        "Connect",
        r"(?i)WRONG_VERSION|RECORD_LAYER|UNKNOWN_PROTOCOL|http request",
        "it does not speak TLS there",
        "begin the address with http://, or give the port that speaks TLS",
    ),
    (
        "Connect",
        r"CERTIFICATE_VERIFY_FAILED",
        "its certificate is not trusted",
        "give verify= the file of the authority that signed it, and the host's name as it is in "
        "the certificate",
    ),
    (
        "Connect",
        r"(?i)name or service not known|nodename nor servname|getaddrinfo|name resolution|"
        r"no address associated",
        "no host has this name",
        "check the host of the address, and the network",
    ),
    (
        "ConnectError",
        r"(?i)refused|all connection attempts failed",
        "nothing listens there",
        "start the server, or correct host and port of the address",
    ),
    (
        "ConnectTimeout",
        "",
        "no host answers there",
        "check the host of the address, and what firewalls lie between",
    ),
    (
        "PoolTimeout",
        "",
        "all connections are in use",
        "send fewer requests at once, or wait longer with deadline=",
    ),
    (
        "Timeout",
        "",
        "no answer came in time",
        "see whether the server is overloaded, or raise timeout= and deadline=",
    ),
    (
        "ProxyError",
        "",
        "the proxy on the way refused",
        "see HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
    ),
    (
        "LocalProtocolError",
        "",
        "a header is not one that HTTP allows",
        "see headers= and api_key=, and whether a line break ends them",
    ),
    (
        "RemoteProtocolError",
        r"(?i)illegal",
        "it does not speak HTTP there",
        "give the port of the REST API, usually 6333, not that of gRPC; a port that speaks TLS "
        "needs https://",
    ),
    (
        "ReadError|WriteError|CloseError|RemoteProtocolError",
        "",
        "the connection broke off",
        "see whether the server runs, and speaks HTTP there: a port that speaks TLS needs https://",
    ),
]
