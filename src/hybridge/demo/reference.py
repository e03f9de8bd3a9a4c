"""What the demo works on: the Python Language Reference, which every CPython carries.

The interpreter's own `help()` reads it from `pydoc_data.topics`: real text, with no download.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import HybridgeError
from ..passages import Passage
from ..splitting import headings_unmarked, split_text

__all__ = ["QUESTIONS", "language_reference"]

# Asked in words that are not the reference's own, so that neither half finds every answer first.
QUESTIONS = (
    "How can I save memory when I have many instances of a class?",
    "Why is my class attribute shared between all instances?",
    "Is the finally block executed after a return?",
    "When does the else block after a loop run?",
    "How do I make an object callable like a function?",
)


def language_reference() -> Iterator[Passage]:
    """The passages of the reference that this Python carries, each of its sections once.

    Raises:
        HybridgeError: this Python was packaged without it.

    >>> passage = next(language_reference())
    >>> passage.id, passage.metadata["title"]
    ('assert#0', 'The "assert" statement')
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise HybridgeError(
            "this Python was packaged without its language reference, the module pydoc_data: "
            "run the demo with another Python"
        ) from error
    # Many topics are sections of larger ones, printed under another kind of line.
    bodies = {name: headings_unmarked(text) for name, text in topics.items()}
    for name, text in sorted(topics.items()):
        _, _, body = bodies[name].partition("\n")
        if not any(body in other for other_name, other in bodies.items() if other_name != name):
            yield from split_text(text, source=name, markup="rst")
