"""Adapts an index and applies the model, in forks of one process, each killed at a given moment.

Started as a program: each line of the input is a job in JSON, and its answer is a line with the
status of the fork, whose report is in ``report.json`` beside the index.

Moments are the calls of what takes long, and every step that changes a file.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import random
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hybridge import BM25, Dense, HybridIndex, Passage, SentenceTransformerEncoder
from hybridge.adaptation import Adaptation, TrainingSettings, adapt
from hybridge.encoders import query_cache
from hybridge.errors import EncoderMismatchError

# What forks would import, each of them for itself.
IMPORTED = [
    "accelerate",
    "bm25s",
    "datasets",
    "hybridge.adaptation.hooks",
    "hybridge.encoders.blob_file",
    "hybridge.vectors.edge",
    "ir_measures",
    "pytrec_eval",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

RANDOM = np.random.default_rng(0)
TOPICS = [RANDOM.choice(30, 3, replace=False).tolist() for _ in range(40)]
PASSAGES = [
    Passage(f"d{i}", " ".join(f"p{word}" for word in words)) for i, words in enumerate(TOPICS)
]
QUERIES = {
    f"{i}-{j}": " ".join(f"q{word}" for word in RANDOM.permutation(words)[:2])
    for i, words in enumerate(TOPICS)
    for j in range(2)
}
QRELS = {query: {f"d{query.split('-')[0]}": 1} for query in QUERIES}
SETTINGS = TrainingSettings(
    steps=12, batch_size=16, learning_rate=5e-3, max_tokens=None, validations=3, patience=3
)


def opened(folder: Path, model: Path, adapted: Path) -> tuple[HybridIndex, bool]:
    """Open an index with the model of its stage; return whether the adapted one was applied."""

    for each in (model, adapted):
        encoder = SentenceTransformerEncoder(each, backend="torch", device="cpu")
        with suppress(EncoderMismatchError):
            index = HybridIndex.open(folder, encoder=encoder)
            return index, each == adapted or "adapted" in index.stages
    raise AssertionError("the index has another model")


def seen(index: HybridIndex) -> Any:
    """Return all that can be seen of an index, as JSON."""
    queries = list(QUERIES.values())[:12]
    query_cache.clear()  # other batches give other last digits
    found = {"hybrid": index.search(queries, 20)}
    found |= {name: stage.search(queries, 20) for name, stage in index.stages.items()}
    hits = {
        name: [[(hit.passage.id, hit.score) for hit in each] for each in lists]
        for name, lists in found.items()
    }
    state = [sorted((each.id, each.text) for each in index), dict(index.defaults["weights"]), hits]
    return json.loads(json.dumps(state))


def figures(adaptation: Adaptation) -> Any:
    """Return what was measured, as JSON, without the time it took."""
    training = adaptation.training
    found = {
        **adaptation.to_config(),
        "curve": [(point.step, point.loss, point.score) for point in training.curve],
        "shares": list(training.shares.items()),
        "model": (adaptation.folder / "model" / "model.safetensors").read_bytes().hex(),
    }
    del found["seconds"]
    return json.loads(json.dumps(found))


def watch(root: Path, kill: str | None) -> tuple[list[str], list[str]]:
    """Return growing lists: of moments, at the first of which of this name the process is killed,
    and of what is written outside of the folder or asked of the network.
    """
    from hybridge.adaptation import hooks, procedure, target
    from hybridge.encoders import CachedEncoder
    from hybridge.vectors.edge import EdgeStore

    moments: list[str] = []
    outside: list[str] = []
    phase = "start"

    def moment(what: str) -> None:
        moments.append(f"{phase}: {what}")
        if moments[-1] == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo"):
            outside.append(event)
        changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir")
        writes = event == "open" and isinstance(args[2], int) and args[2] & WRITING
        if (changes or writes) and isinstance(args[0], str | os.PathLike):
            path = Path(os.fspath(args[0]))
            if root in path.parents:
                moment(f"{event} {path.relative_to(root)}")
            elif path.is_absolute():  # else in a folder that is being deleted
                outside.append(f"{event} {path}")

    def watched(owner: Any, name: str, *, enters: str | None = None) -> None:
        call: Callable[..., Any] = getattr(owner, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal phase
            if enters:
                phase = enters
            steps = f" {args[2].global_step}" if name == "on_step_end" else ""
            moment(f"{name}{steps}")
            return call(*args, **kwargs)

        setattr(owner, name, wrapper)

    watched(procedure, "mine", enters="mining")
    watched(procedure, "train", enters="training")
    watched(procedure, "_best_share", enters="averaging")
    watched(procedure, "save_training", enters="saving")
    watched(target._StageTarget, "compare", enters="comparing")
    watched(Adaptation, "apply", enters="applying")
    watched(HybridIndex, "search")
    watched(hooks.Clock, "on_step_end")
    watched(CachedEncoder, "encode_passages")
    watched(EdgeStore, "set_vectors")
    watched(EdgeStore, "flush")
    sys.addaudithook(hook)
    return moments, outside


def settings_of_process() -> dict[str, Any]:
    """Return what a library must leave as it is."""
    import torch
    import transformers

    loggers = [logging.root, *map(logging.getLogger, ("transformers", "sentence_transformers"))]
    return {
        "generators": [
            str(random.getstate()),
            str(np.random.get_state()),
            torch.get_rng_state().tolist(),
        ],
        "threads": torch.get_num_threads(),
        "loggers": [(each.level, each.disabled, len(each.handlers)) for each in loggers],
        "verbosity": transformers.logging.get_verbosity(),
        "warnings": list(map(str, warnings.filters)),
        "environment": dict(os.environ),
        "gradients": torch.is_grad_enabled(),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "folder": os.getcwd(),
    }


def work(job: dict[str, Any]) -> Any:
    """Adapt an index and apply the model; return what there was before, in between and after."""
    root, model, name = Path(job["root"]), Path(job["model"]), job.get("name")
    folder, adapted = root / "index", root / "adapted"
    if not folder.exists():
        encoder = SentenceTransformerEncoder(model, backend="torch", device="cpu")
        with HybridIndex.create(folder, stages=[BM25(), Dense(encoder)]) as index:
            index.add(PASSAGES)
    report: dict[str, Any] = {}
    index, is_adapted = opened(folder, model, adapted / "model")
    with index:
        report["before"] = seen(index)
        (root / "before.json").write_text(json.dumps(report["before"]))
        if not is_adapted:
            settings = settings_of_process()
            report["moments"], report["outside"] = watch(root, job.get("kill"))
            adaptation = adapt(index, QUERIES, QRELS, adapted, settings=SETTINGS)
            report["figures"] = figures(adaptation)
            adaptation.apply(index, name=name)
            changed = settings_of_process()
            report["changed"] = [each for each in settings if settings[each] != changed[each]]
            report |= {each: list(report[each]) for each in ("moments", "outside")}
    index, _ = opened(folder, model, adapted / "model")
    with index:
        report["after"] = seen(index)
    return report


def main() -> None:
    """Do the jobs of the input, one after the other."""
    for name in IMPORTED:
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                report = Path(job["root"], "report.json")
                report.unlink(missing_ok=True)
                report.write_text(json.dumps(work(job)))
                status = 0
            except Exception:
                traceback.print_exc()
                raise
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
