"""What pickle and the module copy make of models, functions and open indexes.

A model that was found by name or folder pickles as its settings and is loaded again where it is
needed. An object or function of the caller's goes along, if it can; if not, the refusal comes at
once and says what to do. Copies within one process share what is large or open.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from .errors import CopyError

__all__ = ["SharedInCopies", "check_parts", "check_picklable", "pickle_nowhere", "settings_of"]


class SharedInCopies:
    """An object whose copies within the process are the object itself, as for a function.

    >>> import copy
    >>> shared = SharedInCopies()
    >>> copy.copy(shared) is shared, copy.deepcopy(shared) is shared
    (True, True)
    """

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def settings_of(item: object) -> dict[str, Any]:
    """An object's attributes, but for what a `cached_property` has computed.

    >>> class Circle:
    ...     def __init__(self, radius):
    ...         self.radius = radius
    ...     @cached_property
    ...     def area(self):
    ...         return 3.14 * self.radius ** 2
    >>> circle = Circle(1)
    >>> circle.area, settings_of(circle)
    (3.14, {'radius': 1})
    """
    return {
        name: value
        for name, value in vars(item).items()
        if not isinstance(inspect.getattr_static(type(item), name, None), cached_property)
    }


def check_picklable(part: object, owner: str, remedy: str) -> None:
    """Check that an object of the caller's can be pickled, by whatever pickles now.

    Functions without a name of their own, like lambdas, can be pickled by cloudpickle alone.

    Args:
        part: a function, a model, a client.
        owner: names what holds it.
        remedy: what to do instead.

    Raises:
        CopyError: it cannot.

    >>> check_picklable(len, "the encoder 'lengths'", "give a function of a module")
    >>> check_picklable(lambda texts: texts, "the encoder", "give a function of a module")
    Traceback (most recent call last):
    ...
    hybridge.errors.CopyError: the encoder cannot be pickled: ...: give a function of a module
    """
    try:
        pickle_nowhere(part)
    except MemoryError:
        raise
    except CopyError as error:  # it says already what to do
        raise CopyError(f"{owner} cannot be pickled: {error}") from error
    except Exception as error:  # each object fails with an error of its own
        raise CopyError(f"{owner} cannot be pickled: {error}: {remedy}") from error


def check_parts(owner: object, parts: Mapping[str, object]) -> None:
    """Check that the attributes of an object can be pickled, whoever made what is in them.

    Args:
        owner: the object.
        parts: its attributes by their names.

    Raises:
        CopyError: one cannot.
    """
    for name, part in parts.items():
        check_picklable(
            part,
            f"this {type(owner).__name__}, because of its {name.strip('_')},",
            f"make the {type(owner).__name__} in the process that needs it",
        )


def pickle_nowhere(part: object) -> None:
    """Pickle an object by whatever pickles now, and drop the bytes: it fails if the object does.

    The module copy pickles nothing: for it nothing fails.
    """
    if pickler := _pickler():
        pickler(_Nowhere()).dump(part)


class _Nowhere:
    def write(self, data: Any) -> int:
        return len(data)


def _pickler() -> Any:
    """The class that pickles now: those of cloudpickle and dill, in Python, are on the stack."""
    for frame, _ in traceback.walk_stack(None):
        if frame.f_globals.get("__name__") == copy.__name__:
            return None
        found = frame.f_globals.get("Pickler")
        if hasattr(found, "dump") and found.__module__ not in ("_pickle", "pickle"):
            return found
    return pickle.Pickler
