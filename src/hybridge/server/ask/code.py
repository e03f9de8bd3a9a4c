"""The Python code of a setting: for Hybridge alone, for LangChain and for LlamaIndex."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...colbert import ColBERTReranker
from ...cross_encoder import CrossEncoderReranker
from ...index.single_stage import LateReranker
from ...protocols import Reranker
from ..options import Options
from ..service import Service

__all__ = ["FRAMEWORKS", "code"]

FRAMEWORKS: Mapping[str, str] = {
    "core": "Hybridge",
    "langchain": "LangChain",
    "llama_index": "LlamaIndex",
}
"""The frameworks that there is code for, and their names for readers."""

# Options of `HybridIndex.search`; with any other set, a retriever is made around the index.
_SEARCH = {
    "weights": "weights",
    "fusion": "fusion",
    "depth": "depth",
    "late_interaction_weight": "blend",
    "spelling": "spelling",
    "query_syntax": "query_syntax",
}


def code(service: Service, question: str, options: Options, framework: str = "core") -> str:
    """Return the code that finds what the page shows.

    Args:
        service: the index and the rerankers.
        question: what is searched for.
        options: the setting.
        framework: one of `FRAMEWORKS`.

    >>> from hybridge import CallableEncoder, HybridIndex
    >>> ones = CallableEncoder(lambda texts: [[1.0] for _ in texts], identity="ones")
    >>> with HybridIndex.create(encoder=ones) as index:
    ...     print(code(Service(index, name="docs"), "how?", Options(k=3, fusion="rrf")))
    from hybridge import HybridIndex
    <BLANKLINE>
    index = HybridIndex.open("docs")
    [hits] = index.search(["how?"], k=3, fusion="rrf")
    for hit in hits:
        print(hit.score, hit.passage.id, hit.passage.text)
    <BLANKLINE>
    """
    return {"core": _core, "langchain": _langchain, "llama_index": _llama_index}[framework](
        service, question, options
    )


def _core(service: Service, question: str, options: Options) -> str:
    chosen = _chosen(options)
    call = {"k": options.k} | ({} if options.where is None else {"where": options.where})
    if chosen.keys() <= _SEARCH.keys():
        arguments = call | {_SEARCH[name]: value for name, value in chosen.items()}
        imports, made = [], ""
        search = _call("[hits] = index.search", [f"[{_text(question)}]"], arguments)
    else:
        imports = ["from hybridge.interop import configured"]
        made = _call("retriever = configured", ["index"], chosen, service.rerankers)
        search = _call("[hits] = retriever.search", [f"[{_text(question)}]"], call)
    shown = "for hit in hits:\n    print(hit.score, hit.passage.id, hit.passage.text)\n"
    return _program(service, options, imports, made + search + shown)


def _langchain(service: Service, question: str, options: Options) -> str:
    arguments = {"k": options.k} | _filter("filter", options) | _chosen(options)
    made = _call("retriever = HybridgeRetriever", ["retriever=index"], arguments, service.rerankers)
    shown = (
        f"documents = retriever.invoke({_text(question)})\n"
        "for document in documents:\n    print(document.id, document.page_content)\n"
    )
    imports = ["from langchain_hybridge import HybridgeRetriever"]
    return _program(service, options, imports, made + shown)


def _llama_index(service: Service, question: str, options: Options) -> str:
    arguments = {"similarity_top_k": options.k} | _filter("filters", options) | _chosen(options)
    made = _call("retriever = HybridgeRetriever", ["index"], arguments, service.rerankers)
    shown = (
        f"nodes = retriever.retrieve({_text(question)})\n"
        "for node in nodes:\n    print(node.score, node.node_id, node.text)\n"
    )
    imports = ["from llama_index.retrievers.hybridge import HybridgeRetriever"]
    return _program(service, options, imports, made + shown)


def _filter(name: str, options: Options) -> dict[str, Any]:
    return {} if options.where is None else {name: options.where}


def _chosen(options: Options) -> dict[str, Any]:
    """Return the options that are set, but those of a call: keywords of `configured`."""
    chosen = options.model_dump(exclude={"k", "where"}, exclude_defaults=True)
    rerank = chosen.pop("rerank", None)
    return chosen if rerank is None else {"rerankers": rerank, **chosen}


def _program(service: Service, options: Options, imports: Iterable[str], rest: str) -> str:
    parts = [service.rerankers[name] for name in options.rerank]
    names = {
        "CrossEncoderReranker": any(isinstance(each, CrossEncoderReranker) for each in parts),
        "ColBERTReranker": any(isinstance(each, ColBERTReranker) for each in parts),
    }
    core = ", ".join([*sorted(name for name, used in names.items() if used), "HybridIndex"])
    lines = [f"from hybridge import {core}", *imports, ""]
    if "rerankers[" in rest:
        lines.append("# rerankers: by their names, as the server was given them")
    return "\n".join([*lines, f"index = {_opened(service)}", rest])


def _opened(service: Service) -> str:
    """Return the call that opens the index: no key is in it."""
    address = service.index._storage.address or {"path": service.name}
    if "path" in address:
        return f"HybridIndex.open({_text(str(address['path']))})"
    shown = {name: address[name] for name in ("url", "collection") if address.get(name)}
    return _call("HybridIndex.open", [], shown).rstrip()


def _call(
    head: str,
    positional: Iterable[str],
    keywords: Mapping[str, Any],
    rerankers: Mapping[str, Reranker] | None = None,
) -> str:
    """Return a call on one line, or on one for each argument where that is too long."""
    arguments = [*positional]
    for name, value in keywords.items():
        if name == "rerankers":
            made = ", ".join(_reranker(each, (rerankers or {})[each]) for each in value)
            arguments.append(f"rerankers=[{made}]")
        else:
            arguments.append(f"{name}={_literal(value)}")
    line = f"{head}({', '.join(arguments)})\n"
    if len(line) <= 80:
        return line
    return f"{head}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")\n"


def _reranker(name: str, reranker: Reranker) -> str:
    if isinstance(reranker, LateReranker):
        return "index.late_interaction"
    if isinstance(reranker, CrossEncoderReranker) and reranker.model_name != "object":
        return f"CrossEncoderReranker({_text(reranker.model_name)})"
    if isinstance(reranker, ColBERTReranker):
        return f"ColBERTReranker({_colbert(reranker)})"
    return f"rerankers[{_text(name)}]"


def _colbert(reranker: ColBERTReranker) -> str:
    model = getattr(reranker.encoder, "model_name", None)
    return _text(model) if isinstance(model, str) else ""


def _text(value: str) -> str:
    """Return a text as Python writes it, in double quotes where it can."""
    shown = repr(value)
    return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in value else shown


def _literal(value: Any) -> str:
    match value:
        case str():
            return _text(value)
        case dict():
            items = (f"{_text(key)}: {_literal(each)}" for key, each in value.items())
            return f"{{{', '.join(items)}}}"
        case list():
            return f"[{', '.join(map(_literal, value))}]"
        case _:
            return repr(value)
