"""schemathesis against the running service: what its OpenAPI document promises, it keeps.

Every response has a documented status, type and shape, and none is a 5xx, whatever is sent, and what
needs an API key is refused without it. Streams that last as long as a job are left out; they have tests
of their own.
"""

import json
import os
import socket
import subprocess
import time
import traceback
import urllib.request
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

ROOT = Path(__file__).resolve().parents[2]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
]
KEY = "key-of-the-test-4f1c0d5e7a"
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}
PATIENCE = 60
EXAMPLES = 60

# The parts of an upload are bytes.
schemathesis.serializer.alias(
    "application/offset+octet-stream", "application/octet-stream"
)


@dataclass
class Service:
    url: str
    #: Of a job that is completed.
    job_id: str
    song: bytes


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url: str) -> dict:
    request = urllib.request.Request(url, headers=AUTHORIZATION)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)


def until(condition, process: subprocess.Popen):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended"
        try:
            if (found := condition()) is not None:
                return found
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("it did not come true in time")


def song(path: Path) -> bytes:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(range(200)) * 1000)
    return path.read_bytes()


def post(url: str, content: bytes) -> str:
    boundary = "boundary-of-a-test"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="song.wav"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    content_type = f"multipart/form-data; boundary={boundary}"
    headers = {"Content-Type": content_type} | AUTHORIZATION
    request = urllib.request.Request(f"{url}/api/v1/stemify", body, headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)["job_id"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", str(folder)),
        "ENVIRONMENT": "production",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "OBSERVABILITY_PROMETHEUS_PORT": str(free_port()),
        "DATA_DIR": str(folder / "data"),
        "DEMUCS_MODELS_PATH": str(ROOT / "test/fixtures/models"),
        "DEMUCS_DEFAULT_MODEL": "toy",
        "DEMUCS_DEVICE": "cpu",
        "API_RATE_LIMIT": "1000000",
        "API_KEYS": f"{KEY},key-of-another-8b2e6d",
        "WEBHOOK_SECRET": "secret-of-the-test-1c9a3e5b7d",
    }
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        ["node", str(ROOT / "dist/bin/cli.js"), "serve"],
        cwd=folder,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"

    def ready():
        return get(f"{url}/api/v1/health/ready")

    def completed():
        return (
            True
            if get(f"{url}/api/v1/jobs/{job_id}")["status"] == "completed"
            else None
        )

    try:
        until(ready, process)
        content = song(folder / "song.wav")
        job_id = post(url, content)
        until(completed, process)
        yield Service(url, job_id, content)
        assert ready()["status"] == "ready", "it does not survive what was sent"
        told = (folder / "log").read_text()
        assert KEY not in told
        events = [json.loads(line) for line in told.splitlines()]
        crashes = [
            event
            for event in events
            if event["event"] in ("process_ended", "process_crashed")
        ]
        assert crashes == []
    finally:
        process.terminate()
        process.wait(PATIENCE)
        log.close()


@pytest.fixture(scope="module")
def operations(service: Service) -> list[schemathesis.schemas.APIOperation]:
    schema = schemathesis.openapi.from_url(f"{service.url}/api/v1/openapi.json")

    def often(value: object) -> bool:
        """Half of all values, the same ones in each run."""
        return sum(str(value).encode()) % 2 == 0

    @schema.hook
    def map_path_parameters(context, path_parameters):
        """Many are of a job that is there; what removes jobs gets others."""
        given_here = dict(path_parameters or {})
        if context.operation.method.upper() != "DELETE" and often(given_here.get("id")):
            known = {"id": service.job_id, "stem": "vocals"}
            given_here |= {name: known[name] for name in given_here if name in known}
        return given_here or path_parameters

    @schema.hook
    def map_body(context, body):
        """Many songs are songs, with a model that is there."""
        if isinstance(body, dict) and often(body):
            return body | {"file": service.song, "model": "toy"}
        return body

    kept = schema.exclude(path_regex=r"/(events|ws)$")
    return [operation.ok() for operation in kept.get_all_operations()]


@st.composite
def judged(
    draw: st.DrawFn, cases: st.SearchStrategy, unjudged: list[str]
) -> schemathesis.Case:
    """Cases that schemathesis can judge: the files that it makes are none of the types that its
    validator knows, which it asks about some forms that are to be wrong."""
    try:
        return draw(cases)
    except ValueError as error:
        if "'Binary'" not in str(error):
            raise
        unjudged.append(str(error))
        reject()


@pytest.mark.parametrize(
    "mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value
)
def test_what_is_documented_holds(
    operations, mode: schemathesis.GenerationMode
) -> None:
    assert len(operations) > 10
    failures, unjudged = [], []
    for operation in operations:

        @given(case=judged(operation.as_strategy(generation_mode=mode), unjudged))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(
                checks=CHECKS, headers=AUTHORIZATION, timeout=PATIENCE
            )

        try:
            holds()
        except Unsatisfiable:
            # Nothing can be wrong about an operation without parameters.
            continue
        except FailureGroup as failure:
            failures.append("".join(traceback.format_exception_only(failure)))
    assert not failures, "\n".join(failures)
    assert len(unjudged) < EXAMPLES // 2
