"""Scripts without spaces between words: their runs are cut into clusters and pairs of clusters."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import pairwise

__all__ = ["UNSPACED", "pairs"]

# The syllables of Tibetan end with a tsheg; its letters come without one.
_TIBETAN = "\u0f00\u0f18\u0f19\u0f35\u0f37\u0f39\u0f3e-\u0f84\u0f86-\u0fbc\u0fc6"
_TSHEG = "\u0f0b\u0f0c"
# Letters and marks, no digits. Line_Break=SA of UAX #14 (Unicode Line Breaking Algorithm), of the
# scripts that its classes AK and AS hold those in use, Yi (ID), and Tibetan.
_OTHERS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0ebd\u0ec0-\u0ec6\u0ec8-\u0ece\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1050-\u108f\u109a-\u109d"  # Burmese, Mon, Karen, Shan
    "\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa76\uaa7a-\uaa7f"
    "\u1780-\u17d3\u17d7\u17dc\u17dd"  # Khmer
    "\u1950-\u196d\u1970-\u1974"  # Tai Le (Dehong Dai)
    "\u1980-\u19ab\u19b0-\u19c9"  # New Tai Lue (Xishuangbanna Dai)
    "\u1a20-\u1a5e\u1a60-\u1a7c\u1a7f\u1aa7"  # Tai Tham
    "\uaa80-\uaac2\uaadb-\uaadd"  # Tai Viet
    "\U00011700-\U0001171a\U0001171d-\U0001172b\U00011740-\U00011746"  # Ahom
    "\u1b00-\u1b4c"  # Balinese
    "\ua980-\ua9c0"  # Javanese
    "\u1bc0-\u1bf3"  # Batak
    "\uaa00-\uaa36\uaa40-\uaa4d"  # Cham
    "\ua000-\ua48c"  # Yi
)
# For use inside the brackets of a character class.
UNSPACED = _OTHERS + _TIBETAN + _TSHEG

# What looks the same however it is typed: "ae" as "e" twice, and "am" before or after a tone.
_E_TWICE = re.compile("([\u0e40\u0ec0])\\1")
_TONE_AFTER_AM = re.compile("([\u0e4d\u0ecd])([\u0e48-\u0e4b\u0ec8-\u0ecb])")


def pairs(run: str) -> list[str]:
    """Return the clusters of a run, then every pair of neighbours.

    A cluster is a letter with its marks; in Tibetan, a syllable. Pairs are specific, and clusters
    match a query of one cluster: so any part of a text finds it, wherever its words begin. Thai and
    Lao vowels of two characters get one order.

    Args:
        run: text in NFKC whose characters are all in `UNSPACED`.

    >>> pairs("ปลา"), pairs("བོད་ཡིག་")
    (['ป', 'ล', 'า', 'ปล', 'ลา'], ['བོད', 'ཡིག', 'བོད་ཡིག'])
    """
    run = _E_TWICE.sub(lambda twice: chr(ord(twice[1]) + 1), _TONE_AFTER_AM.sub(r"\2\1", run))
    clusters = _clusters().findall(run)
    return [*clusters, *(_joined(*pair) for pair in pairwise(clusters))]


def _joined(first: str, second: str) -> str:
    # Without its tsheg, a pair of syllables could be one other syllable.
    between = "\u0f0b" if _is_tibetan(first) and _is_tibetan(second) else ""
    return first + between + second


_is_tibetan = re.compile(f"[{_TIBETAN}]").match


@cache
def _clusters() -> re.Pattern[str]:
    others = [c for c in map(chr, range(0x20000)) if re.match(f"[{_OTHERS}]", c)]
    marks = "".join(c for c in others if unicodedata.category(c)[0] == "M")
    return re.compile(rf"[{_TIBETAN}]+|(?![{marks}])[{_OTHERS}][{marks}]*")
