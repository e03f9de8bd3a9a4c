"""Random faults while passages are added, deleted and searched: nothing acknowledged is lost.

12 runs, or as many as HYBRIDGE_FAULT_RUNS says.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic, sleep

import numpy as np
import pytest

from hybridge import CallableEncoder, HybridIndex, Passage
from hybridge.errors import StoreError

from .double import FAULTS, Double

RUNS = int(os.environ.get("HYBRIDGE_FAULT_RUNS", "12"))
DEADLINE = 1.0  # seconds of a request; a call sends a handful, one after another
REQUESTS = 12
WORDS = ["beet", "wheat", "rye", "oat", "bean", "pea", "leek", "kale"]
RATES = {"429": 0.03, "stall": 0.02} | dict.fromkeys(set(FAULTS) - {"429", "stall"}, 0.03)


def encoder() -> CallableEncoder:
    return CallableEncoder(
        lambda texts: np.array([[float(text.count(w)) + 0.1 for w in WORDS] for text in texts]),
        dimension=len(WORDS),
        identity="words",
    )


@dataclass
class Expected:
    """The states in which a passage may be: its texts, None for a passage that is not there."""

    states: dict[str, set[str | None]] = field(default_factory=dict)

    def acknowledged(self, texts: dict[str, str | None]) -> None:
        self.states |= {name: {text} for name, text in texts.items()}

    def uncertain(self, texts: dict[str, str | None]) -> None:
        for name, text in texts.items():
            self.states[name] = self.states.get(name, {None}) | {text}


def texts(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(2, 6)))


def one_step(
    index: HybridIndex, chance: random.Random, expected: Expected, messages: list[str]
) -> None:
    """Add, delete or search; what fails must be a `StoreError`."""
    verb = chance.choice(["add", "add", "delete", "search", "search"])
    names = [f"p{chance.randrange(30)}" for _ in range(chance.randint(1, 8))]
    wanted: dict[str, str | None] = {
        name: texts(chance) if verb == "add" else None for name in names
    }
    begin = monotonic()
    try:
        if verb == "add":
            index.add([Passage(name, text or "") for name, text in wanted.items()])
        elif verb == "delete":
            index.delete(list(wanted))
        else:
            assert len(index.search([texts(chance)], 5)) == 1
    except StoreError as error:
        messages.append(str(error))
        if verb != "search":
            expected.uncertain(wanted)
    else:
        if verb != "search":
            expected.acknowledged(wanted)
    assert monotonic() - begin < REQUESTS * DEADLINE


@pytest.mark.parametrize("seed", range(RUNS))
def test_no_acknowledged_passage_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    expected = Expected()
    messages: list[str] = []
    with Double(seed=seed, nodes=chance.choice([1, 1, 2])) as double:
        double.stall = 0.6
        urls = double.urls
        HybridIndex.create(encoder=encoder(), url=urls, collection="beets").close()
        with HybridIndex.open(
            encoder=encoder(), url=urls, collection="beets", timeout=0.4, deadline=DEADLINE
        ) as index:
            double.rates = RATES
            for _ in range(6):
                restarting = _restart(double, chance) if chance.random() < 0.2 else None
                one_step(index, chance, expected, messages)
                if restarting is not None:
                    restarting.join()
        double.rates = {}
        assert all("http://127.0.0.1:" in message for message in messages)
        # With time to answer: what is looked for now is no late answer of a busy machine.
        with HybridIndex.open(encoder=encoder(), url=urls, collection="beets") as index:
            for name, states in expected.states.items():
                [found] = index.get([name])
                assert (None if found is None else found.text) in states
            # What was cut off is completed by a repeat.
            again: dict[str, str | None] = {name: texts(chance) for name in expected.states}
            index.add([Passage(name, text or "") for name, text in again.items()])
            found_texts = {p.id: p.text for p in index.get(list(again)) if p is not None}
            assert found_texts == again
            for name, text in again.items():
                hits = index.search([text or ""], len(again))[0]
                assert name in [hit.passage.id for hit in hits]


def _restart(double: Double, chance: random.Random) -> Thread:
    """Kill a node in the middle of what comes, and start it again."""
    node = chance.randrange(len(double.urls))
    pauses = chance.uniform(0, 0.05), chance.uniform(0.05, 0.3)

    def run() -> None:
        sleep(pauses[0])
        double.kill(node)
        sleep(pauses[1])
        double.restart(node)

    thread = Thread(target=run)
    thread.start()
    return thread
