"""The folder of a training: one call at a time writes there, and what the disk refuses is named."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import HybridgeError

__all__ = ["check_free", "working_in"]

_DISK = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "EIO")
    if hasattr(errno, name)
}


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Hold a folder while the block trains in it.

    The system gives the folder free when the process ends, however that comes about.

    Args:
        folder: made if it is not there.

    Raises:
        HybridgeError: another process or thread holds it, or it cannot be written to.
    """
    lock = FileLock(folder / "lock", timeout=0, thread_local=False)
    with _named_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise HybridgeError(
                f"another call trains in {str(folder)!r}, in this process or another one: wait "
                "for its end, or give another folder"
            ) from None
        try:
            yield
        finally:
            lock.release()


def check_free(folder: Path, needed: int, work: str) -> None:
    """Raise if a disk has no room for what is to be written to a folder.

    Args:
        folder: made if it is not there.
        needed: bytes.
        work: that writes them, as "training".

    Raises:
        HybridgeError: it has not; the message names the bytes.
    """
    with _named_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    if free < needed:
        raise HybridgeError(
            f"{work} takes {needed / 2**20:,.0f} MiB in {str(folder)!r}, and {free / 2**20:,.0f} "
            "MiB are free: make room, or give another folder"
        )


@contextmanager
def _named_disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not _is_of_disk(error):
            raise
        raise HybridgeError(
            f"{str(folder)!r} cannot be written to: {error}. Make room there, and repeat the call: "
            "it goes on where it stopped"
        ) from error


def _is_of_disk(error: Exception) -> bool:
    """Return whether the disk failed, also by an error of torch or safetensors."""
    from safetensors import SafetensorError

    if isinstance(error, OSError):
        return error.errno in _DISK
    is_torch = isinstance(error, RuntimeError) and "inline_container" in str(error)
    return is_torch or isinstance(error, SafetensorError)
