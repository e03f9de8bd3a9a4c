"""Counts and durations of requests, as text that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict

__all__ = ["Metrics"]

# Seconds: from a search with cached vectors to one with a reranker on a busy machine.
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class Metrics:
    """The requests of a server; one event loop counts them.

    Attributes:
        in_flight: how many are being answered.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(_BOUNDS) + 1))

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            route: the path's template, so that there are few.
            method: of the request.
            status: of the answer.
            seconds: that it took.
        """
        self._requests[route, method if method in _METHODS else "other", status] += 1
        self._seconds[route] += seconds
        self._buckets[route][bisect_left(_BOUNDS, seconds)] += 1

    def text(self) -> str:
        r"""Return the figures in Prometheus's format.

        >>> metrics = Metrics()
        >>> metrics.count("/api/search", "POST", 200, 0.02)
        >>> print(*metrics.text().splitlines()[:2], sep="\n")
        # TYPE hybridge_requests_total counter
        hybridge_requests_total{route="/api/search",method="POST",status="200"} 1
        """
        lines = ["# TYPE hybridge_requests_total counter"]
        for (route, method, status), number in sorted(self._requests.items()):
            labels = f'route="{route}",method="{method}",status="{status}"'
            lines.append(f"hybridge_requests_total{{{labels}}} {number}")
        errors = sum(n for (*_, status), n in self._requests.items() if status >= 500)
        lines += ["# TYPE hybridge_errors_total counter", f"hybridge_errors_total {errors}"]
        lines.append("# TYPE hybridge_request_seconds histogram")
        for route, buckets in sorted(self._buckets.items()):
            total = 0
            for bound, number in zip((*_BOUNDS, "+Inf"), buckets, strict=True):
                total += number
                labels = f'route="{route}",le="{bound}"'
                lines.append(f"hybridge_request_seconds_bucket{{{labels}}} {total}")
            seconds = self._seconds[route]
            lines.append(f'hybridge_request_seconds_sum{{route="{route}"}} {seconds:.6f}')
            lines.append(f'hybridge_request_seconds_count{{route="{route}"}} {total}')
        lines.append("# TYPE hybridge_requests_in_flight gauge")
        lines.append(f"hybridge_requests_in_flight {self.in_flight}")
        return "\n".join(lines) + "\n"
