"""Pydantic's classes are made of fields: a signature of them, as for classes with `__init__`."""

from __future__ import annotations

from typing import Any

import griffe

_OWN = griffe.Parameter("self", kind=griffe.ParameterKind.positional_only)


class FieldSignatures(griffe.Extension):
    """Gives a class that documents `Args:` and has no `__init__` one of its annotated fields."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Add what Pydantic adds when the class is made."""
        documented = cls.docstring is not None and "Args:" in cls.docstring.value
        if not documented or cls.decorators or "__init__" in cls.all_members:
            return
        fields = [
            griffe.Parameter(
                name,
                annotation=field.annotation,
                kind=griffe.ParameterKind.keyword_only,
                default=_default(field.value),
            )
            for name, field in cls.all_members.items()
            if field.is_attribute and field.annotation is not None and not name.startswith("_")
        ]
        init = griffe.Function("__init__", parameters=griffe.Parameters(_OWN, *fields), parent=cls)
        cls.set_member("__init__", init)


def _default(value: str | griffe.Expr | None) -> str | griffe.Expr | None:
    if not isinstance(value, griffe.ExprCall) or str(value.function) != "Field":
        return value
    words = [word for word in value.arguments if isinstance(word, griffe.ExprKeyword)]
    given = {word.name: word.value for word in words}
    factory = given.get("default_factory")
    return given.get("default") if factory is None else f"{factory}()"
