"""The files for containers: what they run, as whom, and who can reach it. No image is built."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hybridge.cli.serve import serve

FOLDER = Path(__file__).parents[2] / "containers"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
LINES = (FOLDER / "Containerfile").read_text("utf-8").replace("\\\n", "").splitlines()


def instructions(name: str) -> list[str]:
    return [line.partition(" ")[2] for line in LINES if line.startswith(f"{name} ")]


def exec_form(text: str) -> list[str]:
    return yaml.safe_load(text)


def test_base_images_are_pinned():
    images = [line.split()[0] for line in instructions("FROM")]
    images += [service["image"] for service in COMPOSE["services"].values() if "image" in service]
    assert len(images) == 3
    for image in images:
        assert re.fullmatch(r"docker\.io/[\w/]+:v?\d+\.\d+\.\d+(-[\w-]+)?", image), image


def test_each_service_runs_as_a_user_without_rights():
    assert instructions("USER") == ["10001"]
    assert LINES.index("USER 10001") < next(
        number for number, line in enumerate(LINES) if line.startswith("ENTRYPOINT")
    )
    for service in COMPOSE["services"].values():
        assert int(service["user"].partition(":")[0]) > 0
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert "privileged" not in service


def test_this_machine_alone_reaches_the_ports():
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service.get("network_mode") is None


def test_health_is_looked_at():
    [check] = instructions("HEALTHCHECK")
    command = exec_form(check.partition("CMD ")[2])
    compile(command[2], "health", "exec")
    assert "/health/ready" in command[2]
    assert COMPOSE["services"]["qdrant"]["healthcheck"]["test"][0] == "CMD"
    waits = COMPOSE["services"]["hybridge"]["depends_on"]
    assert waits == {"qdrant": {"condition": "service_healthy"}}


def test_keys_come_from_the_environment_and_must_be_there():
    text = (FOLDER / "compose.yaml").read_text("utf-8")
    values = re.findall(r"^\s+\w*KEYS?: (.+)$", text, re.MULTILINE)
    assert len(values) == 3
    assert all(re.fullmatch(r"\$\{\w+:\?.+\}", value) for value in values)


@pytest.mark.parametrize("command", [None, COMPOSE["services"]["hybridge"]["command"]])
def test_the_command_is_one_that_exists_and_refuses_to_serve_without_a_key(command, monkeypatch):
    monkeypatch.delenv("HYBRIDGE_API_KEYS", raising=False)
    [entry], [default] = map(instructions, ("ENTRYPOINT", "CMD"))
    program, name, *arguments = exec_form(entry)
    assert (program, name) == ("hybridge", "serve")
    arguments += command or exec_form(default)
    result = CliRunner().invoke(serve, arguments)
    assert "HYBRIDGE_API_KEYS" in str(result.exception), shlex.join(arguments)


def test_what_is_copied_is_there():
    for line in instructions("COPY"):
        *sources, _ = [part for part in line.split() if not part.startswith("--from")]
        if "--from" not in line:
            assert all((FOLDER.parent / source).exists() for source in sources)
    build = COMPOSE["services"]["hybridge"]["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).resolve() == FOLDER / "Containerfile"
