"""Sentences, and passages of a few sentences each: the small ones of "small to big".

A passage's vector stands for all that it says; that of a sentence for one thing. So sentences are
found, and what they are a part of is returned: `hybridge.results.ParentRetriever`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .arguments import check_count
from .passages import Passage, unique_passages

__all__ = ["children", "sentences"]

# A sentence ends at a terminator, with the quotes and brackets that close behind it, before a blank
# and what may begin one; at a terminator of Chinese or Japanese; or at the end of a paragraph.
_END = re.compile(
    r"""(?P<stop>(?<![.!?…])[.!?…][.!?…"'”’»)\]]*) (?=\s+["'“‘«(\[¿¡]* (?:[^\W_a-zß-ÿ] | \d))
    | [。！？][」』”’）]*
    | (?=\r?\n[ \t]*\r?\n)""",
    re.VERBOSE,
)
# What ends with a full stop in the middle of a sentence: initials, and what is written short before
# a name or a number.
_SHORT = re.compile(
    r"""(?:^|[\s(\["'])
    (?: [^\W\d_] | (?:[^\W\d_]\.)+[^\W\d_]
      | Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|Fig|Figs|Eq|Ref|Refs|Vol|No|Nos|pp|al|vs|cf|ca|approx|resp
      | Nr|Bd|Abb|bzw|vgl )\.$""",
    re.VERBOSE | re.IGNORECASE,
)
_LONGEST_SHORT = 12  # characters before a full stop that decide whether it ends a sentence


def sentences(text: str) -> list[tuple[int, str]]:
    """Return the sentences of a text, each with the position of its first character.

    Rules without a model: of English and of languages that write sentences like it, and of Chinese
    and Japanese. A title, say, is a sentence where a blank line follows it.

    >>> sentences("Aspirin, e.g. 100 mg, thins blood. Does Dr. Lee agree?")
    [(0, 'Aspirin, e.g. 100 mg, thins blood.'), (35, 'Does Dr. Lee agree?')]
    """
    found, start = [], 0
    for match in _END.finditer(text):
        before = text[max(start, match.start() - _LONGEST_SHORT) : match.start() + 1]
        if match["stop"] == "." and _SHORT.search(before):
            continue
        found.append((start, match.end()))
        start = match.end()
    found.append((start, len(text)))
    return [
        (begin + len(part) - len(part.lstrip()), part.strip())
        for begin, end in found
        if (part := text[begin:end]).strip()
    ]


def children(passages: Iterable[Passage], size: int = 1) -> Iterator[Passage]:
    """Yield passages of a few sentences each, which know of which passage they are a part.

    Each has the id ``parent#position``, the metadata of its parent, and beside them ``parent``, its
    parent's id, ``position`` among the children, and ``start_index``, its first character's
    position in the parent's text.

    Args:
        passages: the parents; a blank one has no children.
        size: sentences a child, from 1; the last child of a parent may have fewer.

    Raises:
        InvalidInputError: a size below 1, something that is no passage, or a repeated id.

    >>> for child in children([Passage("p1", "Cats sleep. Dogs bark.", {"year": 2020})]):
    ...     print(child.id, child.text, child.metadata)
    p1#0 Cats sleep. {'year': 2020, 'parent': 'p1', 'position': 0, 'start_index': 0}
    p1#1 Dogs bark. {'year': 2020, 'parent': 'p1', 'position': 1, 'start_index': 12}
    """
    check_count(size, "size")
    return _children(passages, size)


def _children(passages: Iterable[Passage], size: int) -> Iterator[Passage]:
    for passage in unique_passages(passages):
        found = sentences(passage.text)
        for position, first in enumerate(range(0, len(found), size)):
            start, _ = found[first]
            last, text = found[min(first + size, len(found)) - 1]
            yield Passage(
                f"{passage.id}#{position}",
                passage.text[start : last + len(text)],
                {
                    **passage.metadata,
                    "parent": passage.id,
                    "position": position,
                    "start_index": start,
                },
            )
