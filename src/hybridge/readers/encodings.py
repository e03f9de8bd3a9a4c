"""Decoding bytes: by UTF-8, the byte order mark, or the most likely encoding."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

from ..passages import JSON
from .document import UnreadableError, load

__all__ = ["decode"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Western encodings with one byte a letter look alike: where nothing decides, it is cp1252, which
# the web standard takes for Latin-1 too.
_WESTERN = "cp1252"
_LATIN = {_WESTERN, "cp1250", "cp1254", "cp1257", "iso8859_2"}
_OTHERS = {
    *("cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
}
_SHIFT = b"\x1b$"
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # escape and form feed are in old texts


def decode(data: bytes, *, declared: str | None = None) -> tuple[str, Mapping[str, JSON]]:
    """Return the text, with Unix line ends, and its encoding as metadata unless it is UTF-8.

    Args:
        data: the bytes of a whole file.
        declared: the encoding that the file names, if any.

    Raises:
        UnreadableError: it is not text, or its encoding is not recognised.
        MissingExtraError: the extra `cli`, which brings charset-normalizer, is not installed.

    >>> decode("caf\u00e9".encode("utf-16"))
    ('caf\u00e9', {'encoding': 'utf-16'})
    """
    text, encoding = _decode(data, declared)
    if _CONTROLS.search(text):
        raise UnreadableError("a binary file")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text, {} if encoding in {"utf-8", "ascii"} else {"encoding": encoding}


def _decode(data: bytes, declared: str | None) -> tuple[str, str]:
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    japanese = "iso2022_jp" if _SHIFT in data else None  # which is valid UTF-8 too
    for name in (marked, declared, japanese, "utf-8"):
        if name is None:
            continue
        try:
            codec = codecs.lookup("utf-8-sig" if name == "utf-8" else name)
            return data.decode(codec.name), codec.name.removesuffix("-sig")
        except LookupError as error:
            raise UnreadableError(str(error)) from None
        except UnicodeError:
            continue
    if b"\0" in data:
        raise UnreadableError("a binary file")
    return _guess(data)


def _guess(data: bytes) -> tuple[str, str]:
    likely = load("charset_normalizer", "charset-normalizer", "cli")
    matches = likely.from_bytes(data, cp_isolation=sorted(_LATIN | _OTHERS))
    best = matches.best()
    if best is None:
        raise UnreadableError("neither UTF-8 nor another encoding that can be recognised")
    western = next((each for each in matches if _WESTERN in each.could_be_from_charset), None)
    is_western = western is not None and (
        best.encoding in _LATIN
        or (western.chaos, western.coherence) == (best.chaos, best.coherence)
    )
    encoding = _WESTERN if is_western else best.encoding
    return data.decode(encoding), encoding
