"""ZIP archives of Office files and books, validated before one is unpacked."""

from __future__ import annotations

from io import BytesIO
from zipfile import BadZipFile, ZipFile

from .document import UnreadableError

__all__ = ["open_archive"]

_MAXIMUM = 512 * 2**20  # bytes unpacked: above any book with pictures, below a ZIP bomb
_OLE = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = 0x1


def open_archive(data: bytes) -> ZipFile:
    """Open an archive that can be unpacked.

    Raises:
        UnreadableError: it is no archive, is encrypted, or unpacks to too much.
    """
    if data.startswith(_OLE):  # the format of encrypted files, and of Office before 2007
        raise UnreadableError("encrypted, or written by Office before 2007")
    try:
        archive = ZipFile(BytesIO(data))
    except BadZipFile as error:
        raise UnreadableError(f"damaged ({error})") from error
    entries = archive.infolist()
    if any(entry.flag_bits & _ENCRYPTED for entry in entries):
        raise UnreadableError("encrypted")
    # No reader unpacks more of an entry than it declares.
    if (unpacked := sum(entry.file_size for entry in entries)) > _MAXIMUM:
        raise UnreadableError(
            f"too large: it unpacks to {unpacked / 2**20:,.0f} MiB, "
            f"and {_MAXIMUM / 2**20:,.0f} are the limit"
        )
    return archive
