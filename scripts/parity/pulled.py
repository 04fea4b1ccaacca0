"""Models pulled by the command from an HTTP server, against demucs' own load of the same files.

    node scripts/python.mjs scripts/parity/pulled.py REPOSITORIES [NAME...]

REPOSITORIES is a folder as make_published.py writes it. The server offers it as Hugging Face would,
but ignores Range. Of each model the pull's time and peak memory are told, and how far the stems of a
second of audio agree.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

import cases
import make_published
import oxboard
import torch
from demucs.apply import BagOfModels
from demucs.hf import get_hf_model
from oxboard_export.verify import REQUIRED_DB

RESOLVE = "/resolve/main/"


class _Handler(SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        """From owner/repository/resolve/main/file to repository/file."""
        _owner, _, repository = path.partition(RESOLVE)[0].strip("/").rpartition("/")
        return super().translate_path(f"/{repository}/{path.partition(RESOLVE)[2]}")

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def serve(repositories: Path) -> Iterator[str]:
    """Its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=repositories))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def load(name: str, repositories: Path) -> BagOfModels:
    """What demucs makes of the files, but for where it gets them."""

    def local(repository: str, file: str) -> str:
        return str(repositories / repository.split("/")[1] / file)

    with patch("huggingface_hub.hf_hub_download", local):
        return get_hf_model(name).eval()


@dataclass(frozen=True)
class Pulled:
    name: str
    seconds: float
    peak_bytes: int
    agreement: float  # of the worst stem, in dB


# A process counts what its parent held when it was made: a small one has to stand between.
MEASURE = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def pull(name: str, source: str, models_dir: Path) -> tuple[float, int]:
    """Time in seconds and peak memory in bytes of the command."""
    arguments = ["models", "pull", name, "--source", source, "--models-dir", str(models_dir)]
    command = [sys.executable, "-c", MEASURE, "node", str(oxboard.CLI), *arguments]
    began = time.monotonic()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise oxboard.OxboardError(done.stderr)
    return time.monotonic() - began, int(done.stdout) * 1024


def compare(name: str, repositories: Path, work: Path) -> Pulled:
    models_dir = work / "models"
    with serve(repositories) as source:
        seconds, peak = pull(name, source, models_dir)
    model = load(name, repositories)
    segment = int(model.models[0].samplerate * model.models[0].segment)
    one_second = cases.standard_cases(segment, (0.25,), ("1 s",))
    outcomes = list(cases.compare(name, model, models_dir, work / "audio", one_second))
    shutil.rmtree(models_dir)
    return Pulled(name, seconds, peak, min(outcome.worst for outcome in outcomes))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("repositories", type=Path)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(make_published.KINDS)}")
    options = parser.parse_args()
    torch.backends.mha.set_fastpath_enabled(False)
    low = False
    for name in options.names or make_published.KINDS:
        with tempfile.TemporaryDirectory(dir=options.repositories) as work:
            pulled = compare(name, options.repositories, Path(work))
        peak = f"{pulled.peak_bytes / 1e6:5.0f} MB at most"
        print(f"{name:12} {pulled.seconds:6.1f} s, {peak}, {pulled.agreement:6.1f} dB", flush=True)
        low = low or pulled.agreement < REQUIRED_DB
    return int(low)


if __name__ == "__main__":
    raise SystemExit(main())
