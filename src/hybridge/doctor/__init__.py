"""An examination of this machine: what Hybridge finds of all it can use, and how to close gaps.

>>> from hybridge.doctor import examine
>>> {finding.area for finding in examine().findings} >= {"core", "extras", "models"}
True
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from ..vectors import ConnectionOptions
from .findings import CORE, Finding, Report, State
from .index import examine_index
from .machine import examine_compilers, examine_platform, examine_precision, examine_threads
from .models import examine_hub, examine_models
from .packages import examine_core, examine_extras, examine_imports
from .server import examine_server

__all__ = ["Finding", "Report", "State", "examine"]

_CHECKS: dict[str, tuple[Callable[[], Iterator[Finding]], ...]] = {
    "platform": (examine_platform,),
    CORE: (examine_core, examine_imports),
    "extras": (examine_extras,),
    "models": (examine_hub, examine_models),
    "compilers": (examine_compilers,),
    "threads": (examine_threads,),
    "precision": (examine_precision,),
}


def examine(
    index: str | Path | None = None,
    *,
    url: str | Sequence[str] | None = None,
    api_key: str | None = None,
    collection: str = "hybridge",
    **options: Unpack[ConnectionOptions],
) -> Report:
    """Look at everything, in a second or three, without a model or the network.

    It does not raise: a check that fails is a finding.

    Args:
        index: the folder of an index to look at too.
        url: a server to look at too, as for `HybridIndex.open`, as are the others.

    >>> examine().works
    True
    """
    checks_by_area = dict(_CHECKS)
    if index is not None:
        checks_by_area["index"] = (partial(examine_index, index),)
    if url is not None or options.get("client") is not None:
        server: dict[str, Any] = {
            "url": url,
            "api_key": api_key,
            "collection": collection,
            **options,
        }
        checks_by_area["server"] = (partial(examine_server, url, api_key, **options),)
        checks_by_area["index"] = (partial(examine_index, **server),)
    return Report(
        tuple(
            finding
            for area, checks in checks_by_area.items()
            for check in checks
            for finding in _findings(area, check)
        )
    )


def _findings(area: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    found = []
    try:
        for finding in check():
            found.append(finding)  # noqa: PERF402 - keep what was found before a failure
    except Exception as error:  # noqa: BLE001 - to show what is broken is its purpose
        function = check.func if isinstance(check, partial) else check
        name = getattr(function, "__name__", area).removeprefix("examine_")
        found.append(Finding(area, name, "missing", f"failed with {type(error).__name__}: {error}"))
    return found
