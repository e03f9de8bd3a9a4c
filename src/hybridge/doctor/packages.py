"""What Hybridge requires and what is installed, both as the distributions' own metadata say."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import TYPE_CHECKING

from .report import CORE, Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["examine_core", "examine_extras", "examine_imports"]

# Compiled, so that they may be installed and still not run here.
_COMPILED = ("numpy", "qdrant_edge", "Stemmer", "torch")

# They come with sentence-transformers and decide what works, so they are told like our own needs.
_BENEATH = {"torch", "transformers"}

_BRINGS = {
    "all": "everything that users can choose",
    "bench": "the benchmarks and their peers",
    "cli": "the command line and the readers of files",
    "colbert": "late interaction through RAGatouille",
    "collections": "judged collections by name, through ir_datasets",
    "dev": "the tests, the linter and the type checker",
    "docs": "building the documentation",
    "evaluation": "measuring, tuning and drawing",
    "files": "reading PDF, Office files and source code",
    "lemmas": "lemmatising analyzers",
    "notebooks": "running the notebooks",
    "numba": "compiled BM25",
    "offline": "the default bi-encoder as a package, for machines that reach no model hub",
}


@dataclass(frozen=True, slots=True)
class _Need:
    """One requirement of an installed distribution, and what is installed for it."""

    requirement: Requirement
    of: str
    installed: str | None

    @property
    def met(self) -> bool:
        from packaging.version import InvalidVersion

        if self.installed is None:
            return False
        try:
            return self.requirement.specifier.contains(self.installed, prereleases=True)
        except InvalidVersion:
            return False


def examine_core(distribution: str = "hybridge") -> Iterator[Finding]:
    """One finding for each package that is required, and for each one beneath that is broken.

    What the required packages require is looked at as well, down to the last: a library that is
    too new for another one stops the core as surely as a missing one.
    """
    from packaging.utils import canonicalize_name

    own = {canonicalize_name(each.name) for each in _required(distribution)}
    needs: dict[str, list[_Need]] = {}
    for need in _all_needs(distribution):
        needs.setdefault(canonicalize_name(need.requirement.name), []).append(need)
    for name in sorted(needs):
        broken = [need for need in needs[name] if not need.met]
        installed = needs[name][0].installed
        if broken:
            wanted = "; ".join(f"{need.of} wants {_wanted(need.requirement)}" for need in broken)
            yield Finding(
                CORE,
                name,
                "missing",
                f"{installed or 'not installed'}, but {wanted}",
                f"pip install '{_together(name, needs[name])}'",
            )
        elif name in own or name in _BENEATH:
            required = next((need for need in needs[name] if need.of == distribution), None)
            need = required or needs[name][0]
            yield Finding(
                CORE, name, "ok", f"{installed} ({need.of} wants {_wanted(need.requirement)})"
            )


def examine_imports() -> Iterator[Finding]:
    """That the compiled packages run on this machine: the first that does not raises."""
    for module in _COMPILED:
        import_module(module)
    yield Finding(CORE, "imports", "ok", ", ".join(_COMPILED))


def examine_extras(distribution: str = "hybridge") -> Iterator[Finding]:
    """One finding for each extra: what is installed of it and what is not."""
    always = set(_required(distribution))
    for extra in sorted(metadata.metadata(distribution).get_all("Provides-Extra") or ()):
        needs = [
            _Need(each, extra, _version(each.name))
            for each in _required(distribution, extra)
            if each not in always
        ]
        have = [f"{need.requirement.name} {need.installed}" for need in needs if need.met]
        lacking = [
            f"{_spelled(need.requirement)} (installed: {need.installed or 'none'})"
            for need in needs
            if not need.met
        ]
        told = [_BRINGS.get(extra, ""), "has " + ", ".join(have) if have else ""]
        if lacking:
            told.append("lacks " + ", ".join(lacking))
        yield Finding(
            "extras",
            extra,
            "missing" if lacking else "ok",
            "; ".join(filter(None, told)),
            f"pip install '{distribution}[{extra}]'" if lacking else "",
        )


def _all_needs(distribution: str) -> Iterator[_Need]:
    """The requirements of a distribution, of what it requires, and so on."""
    waiting, seen = deque([(distribution, "")]), {(distribution, "")}
    while waiting:
        of, extra = waiting.popleft()
        for requirement in _required(of, extra):
            need = _Need(requirement, of, _version(requirement.name))
            yield need
            for below in ("", *requirement.extras):
                if need.installed is not None and (requirement.name, below) not in seen:
                    seen.add((requirement.name, below))
                    waiting.append((requirement.name, below))


def _required(distribution: str, extra: str = "") -> list[Requirement]:
    """What an installed distribution requires on this machine, with one of its extras or none."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    for line in metadata.requires(distribution) or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # pip wrote such lines long ago, and passes over them today
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            found.append(requirement)
    return found


def _version(name: str) -> str | None:
    try:
        # None, whatever its annotation says, where only a part of the metadata is left.
        return metadata.version(name) or None
    except metadata.PackageNotFoundError:
        return None


def _wanted(requirement: Requirement) -> str:
    return str(requirement.specifier) or "any version"


def _spelled(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"


def _together(name: str, needs: list[_Need]) -> str:
    """One requirement that satisfies everyone who has one."""
    specifier = needs[0].requirement.specifier
    for need in needs[1:]:
        specifier &= need.requirement.specifier
    return f"{name}{specifier}"
