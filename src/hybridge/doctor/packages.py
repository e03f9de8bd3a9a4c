"""What Hybridge requires and what is installed, as the distributions' metadata say.

Conflicts among other packages are `pip check`'s to find.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module, metadata
from typing import TYPE_CHECKING

from .findings import CORE, Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["examine_core", "examine_extras", "examine_imports"]

# Compiled or beneath the encoders, so that they may be installed and still not run here.
_ENGINES = {
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "qdrant_edge": "qdrant-edge-py",
    "Stemmer": "PyStemmer",
    "tokenizers": "tokenizers",
}

# What extras are for; those of developers are left out.
_EXTRAS = {
    "adapt": "training models on your own questions",
    "cli": "the command line and the readers of files",
    "colbert": "late interaction through RAGatouille",
    "collections": "judged collections by name, through ir_datasets",
    "evaluation": "measuring, tuning and drawing",
    "export": "models of any architecture, converted for ONNX Runtime",
    "files": "reading PDF, Office files and source code",
    "lemmas": "lemmatising analyzers",
    "local-llm": "a small language model on this machine",
    "mcp": "tools for agents, by the Model Context Protocol",
    "numba": "compiled BM25",
    "offline": "models as a package, for machines that reach no model hub",
    "serve": "pages and an API over an index",
    "telemetry": "spans of OpenTelemetry",
    "torch": "models by torch: on a GPU, or where ONNX Runtime cannot run them",
}


def examine_core(distribution: str = "hybridge") -> Iterator[Finding]:
    """Compare each required package with what is installed of it."""
    for requirement in sorted(_required(distribution), key=lambda each: each.name.lower()):
        installed = _version(requirement.name)
        needs = f"{distribution} needs {requirement.specifier or 'any version'}"
        if _is_met(requirement, installed):
            yield Finding(CORE, requirement.name, "ok", f"{installed} ({needs})")
        else:
            detail = f"{installed or 'not installed'}, but {needs}"
            remedy = f"pip install '{_spelled(requirement)}'"
            yield Finding(CORE, requirement.name, "missing", detail, remedy)


def examine_imports() -> Iterator[Finding]:
    """Import the engines, for they may be installed and not run here; the first failure raises."""
    for module in _ENGINES:
        import_module(module)
    versions = ", ".join(f"{name} {_version(name)}" for name in _ENGINES.values())
    yield Finding(CORE, "imports", "ok", versions)


def examine_extras(distribution: str = "hybridge") -> Iterator[Finding]:
    """List what is installed of each extra, and what is not."""
    always = _required(distribution)
    for extra, purpose in _EXTRAS.items():
        has, lacks = [], []
        for requirement in _required(distribution, extra):
            installed = _version(requirement.name)
            if requirement in always:
                continue
            if _is_met(requirement, installed):
                has.append(f"{requirement.name} {installed}")
            else:
                lacks.append(f"{_spelled(requirement)} (installed: {installed or 'none'})")
        parts = {"has": has, "lacks": lacks}
        listed = [f"{verb} {', '.join(names)}" for verb, names in parts.items() if names]
        yield Finding(
            "extras",
            extra,
            "missing" if lacks else "ok",
            "; ".join([purpose, *listed]),
            f"pip install '{distribution}[{extra}]'" if lacks else "",
        )


def _required(distribution: str, extra: str = "") -> list[Requirement]:
    """Return what an installed distribution requires on this machine, with an extra or without."""
    from packaging.requirements import Requirement

    requirements = map(Requirement, metadata.requires(distribution) or ())
    return [
        each
        for each in requirements
        if each.marker is None or each.marker.evaluate({"extra": extra})
    ]


def _is_met(requirement: Requirement, installed: str | None) -> bool:
    from packaging.version import InvalidVersion

    try:
        return bool(installed) and requirement.specifier.contains(str(installed), prereleases=True)
    except InvalidVersion:
        return False


def _version(name: str) -> str | None:
    try:
        # None, whatever its annotation says, where only a part of the metadata is left.
        return metadata.version(name) or None
    except metadata.PackageNotFoundError:
        return None


def _spelled(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"
