"""Pickling and copying of models, functions and open indexes.

A model loaded by name or folder pickles as its settings and loads again at its first use. Objects
and functions of the caller are pickled too; if that fails, the error comes at once, with a remedy.
Copies within one process share large and open objects.
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
    """An object whose copies within the process are the object itself, as with functions.

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
    """Return an object's attributes, without the values of its cached properties.

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
    """Validate that the pickler in use can pickle an object of the caller.

    Only cloudpickle can pickle functions without a name, like lambdas.

    Args:
        part: a function, a model, a client.
        owner: the name of its owner, for the message.
        remedy: what to do instead, for the message.

    Raises:
        CopyError: the object cannot be pickled.

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
    except CopyError as error:  # its message has the remedy
        raise CopyError(f"{owner} cannot be pickled: {error}") from error
    except Exception as error:  # objects raise errors of any class
        raise CopyError(f"{owner} cannot be pickled: {error}: {remedy}") from error


def check_parts(owner: object, parts: Mapping[str, object]) -> None:
    """Validate that the attributes of an object can be pickled.

    Args:
        owner: the object.
        parts: its attributes, name → value.

    Raises:
        CopyError: an attribute cannot be pickled.
    """
    for name, part in parts.items():
        check_picklable(
            part,
            f"this {type(owner).__name__}, because of its {name.strip('_')},",
            f"make the {type(owner).__name__} in the process that needs it",
        )


def pickle_nowhere(part: object) -> None:
    """Pickle an object with the pickler in use, and drop the bytes.

    Raises the pickler's error, if any. Under the module copy, which pickles nothing, do nothing.
    """
    if pickler := _pickler():
        pickler(_Nowhere()).dump(part)


class _Nowhere:
    def write(self, data: Any) -> int:
        return len(data)


def _pickler() -> Any:
    """Return the pickler class in use: that of cloudpickle or dill is on the stack."""
    for frame, _ in traceback.walk_stack(None):
        if frame.f_globals.get("__name__") == copy.__name__:
            return None
        found = frame.f_globals.get("Pickler")
        if hasattr(found, "dump") and found.__module__ not in ("_pickle", "pickle"):
            return found
    return pickle.Pickler
