"""Whatever goes wrong on the way, nothing that was acknowledged is lost."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from hybridge import Passage
from hybridge.errors import StoreError
from hybridge.vectors import DenseVectors, SparseVectors, StoreOptions, VectorQuery
from hybridge.vectors.client import ClientStore
from hybridge.vectors.collection import create
from hybridge.vectors.connection import connect
from hybridge.vectors.sending import Bounds
from hybridge.vectors.store import UnionSearch

from .double import FAULTS, Double

OPTIONS = StoreOptions({"dense": DenseVectors(2), "bm25": SparseVectors(idf=True)})
IDS = [f"p{n}" for n in range(40)]
DEADLINE = 1.0


@pytest.mark.parametrize("seed", range(12))
def test_no_acknowledged_write_is_lost(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridge.vectors.attempts._FIRST_PAUSE", 0.001)
    chance = random.Random(seed)
    # What each id may be now: texts, None where it may not be there.
    stored: dict[str, set[str | None]] = {name: {None} for name in IDS}
    messages: list[str] = []
    with Double(seed=seed) as double:
        patient = connect(double.url)
        create(patient, "beets", OPTIONS, {})
        patient.close()
        connection = connect(double.url, timeout=0.4, deadline=DEADLINE)
        store = ClientStore(connection, "beets", OPTIONS)
        monkeypatch.setattr(store, "_bounds", Bounds(points=5, at_once=3))
        double.stall = 1.0
        double.rates = dict.fromkeys(FAULTS, 0.03)
        for step in range(12):
            names = chance.sample(IDS, 20)
            wanted = f"text {step}" if chance.random() < 0.7 else None
            began = time.monotonic()
            try:
                if wanted is None:
                    store.delete([store.point(name) for name in names])
                else:
                    rows = {"dense": np.ones((20, 2), np.float32), "bm25": [([7], [1.0])] * 20}
                    store.upsert([Passage(name, wanted) for name in names], rows)
            except StoreError as error:
                messages.append(str(error))
                stored |= {name: {*stored[name], wanted} for name in names}
            else:
                stored |= {name: {wanted} for name in names}
            # Four rounds of requests, or the reading, the writing and the looking of a deletion.
            assert time.monotonic() - began < 4 * DEADLINE + 2
            try:
                [answer] = store.search([UnionSearch([VectorQuery("dense", [1.0, 0.0], 40)])])
            except StoreError:
                continue
            certain = {store.point(name) for name in IDS if None not in stored[name]}
            assert certain <= answer.tops[0].keys()
        double.rates = {}
        found = {
            each.id: each.text for each in store.get([store.point(name) for name in IDS]).values()
        }
        for name in IDS:
            assert found.get(name) in stored[name]
        assert all(double.url in message for message in messages)
        store.close()
