"""The corpus of the demo: the Python Language Reference, which every CPython contains.

The interpreter's `help()` reads it from `pydoc_data.topics`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import HybridgeError
from ..passages import Passage
from ..splitting import headings_unmarked, split_text

__all__ = ["QUESTIONS", "language_reference"]

# Their words differ from the reference's, so that no single stage ranks every answer first.
QUESTIONS = (
    "How can I save memory when I have many instances of a class?",
    "Why is my class attribute shared between all instances?",
    "Is the finally block executed after a return?",
    "When does the else block after a loop run?",
    "How do I make an object callable like a function?",
)


def language_reference() -> Iterator[Passage]:
    """Yield the passages of this Python's reference, each section once.

    Raises:
        HybridgeError: this Python comes without it.

    >>> passage = next(language_reference())
    >>> passage.id, passage.metadata["title"]
    ('assert#0', 'The "assert" statement')
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise HybridgeError(
            "this Python comes without its language reference, the module pydoc_data: run the demo "
            "with another Python"
        ) from error
    # Many topics repeat sections of larger ones, under another kind of heading.
    bodies = {name: headings_unmarked(text) for name, text in topics.items()}
    for name, text in sorted(topics.items()):
        _, _, body = bodies[name].partition("\n")
        if not any(body in other for other_name, other in bodies.items() if other_name != name):
            yield from split_text(text, source=name, markup="rst")
