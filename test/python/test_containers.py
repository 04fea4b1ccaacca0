"""What can be said of the containers where none can be built: see the README for what was built."""

import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = ("Dockerfile", "Dockerfile.cuda")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_has_nothing_to_say(name: str) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    found = subprocess.run([hadolint, ROOT / name], capture_output=True, text=True, check=False)
    assert (found.stdout + found.stderr, found.returncode) == ("", 0)


def test_the_two_differ_only_where_cuda_does() -> None:
    plain, cuda = (instructions(name) for name in DOCKERFILES)
    changes = [line for line in difflib.ndiff(plain, cuda) if line[0] in "+-"]
    assert changes == [
        "- RUN npm run build:native",
        "+ RUN npm run build:native -- --cuda",
        "+     NVIDIA_VISIBLE_DEVICES=all \\",
        "+     NVIDIA_DRIVER_CAPABILITIES=compute,utility \\",
    ]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_is_there_and_reaches_the_build(name: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text()
    for line in instructions(name):
        if not line.startswith("COPY ") or "--from=" in line:
            continue
        *sources, _ = line.split()[1:]
        for source in sources:
            assert (ROOT / source).exists(), source
            assert re.search(rf"^!{re.escape(source.split('/')[0])}(/|$)", ignored, re.M), source


def test_compose_builds_what_is_there_and_sets_variables_that_exist() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    known = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M))
    services = compose["services"]
    assert set(services) == {"api", "worker", "worker-gpu", "redis"}
    assert services["worker-gpu"]["profiles"] == ["gpu"]
    for name, service in services.items():
        assert set(service.get("environment", {})) <= known, name
        build = service.get("build")
        if build:
            file = build["dockerfile"] if isinstance(build, dict) else "Dockerfile"
            assert (ROOT / file).is_file(), name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"], name


def instructions(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]
