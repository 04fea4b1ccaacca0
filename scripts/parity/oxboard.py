"""Our side of a comparison: the oxboard command, and PCM in and out of the files it takes."""

import json
import os
import subprocess
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / "dist" / "bin" / "cli.js"
ADDON = ROOT / "build" / "Release" / "oxboard.node"


def oxboard(*arguments: str | Path, threads: int | None = None, quiet: bool = False) -> str:
    """Runs the command and returns its stdout."""
    command = ["node", str(CLI), *map(str, arguments)]
    # A model folder or default set for the machine must not decide what is compared.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DEMUCS_")}
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    errors = subprocess.PIPE if quiet else None
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True
    )
    if done.returncode != 0:
        raise OxboardError(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr or ''}")
    return done.stdout


class OxboardError(RuntimeError):
    """The command failed."""


def export(name: str, repo: Path, models_dir: Path, threads: int | None = None) -> None:
    oxboard("models", "export", name, "--repo", repo, "--models-dir", models_dir, threads=threads)


def separate(
    inputs: list[Path],
    model: str,
    models_dir: Path,
    out: Path,
    options: dict[str, object],
    threads: int | None = None,
) -> list[dict]:
    """One JSON result per input. The stems are exactly what the engine gave: float, unclipped."""
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    if threads:
        flags += ["--threads", str(threads)]
    output = oxboard(
        *("separate", *inputs, "--model", model, "--models-dir", models_dir, "--out", out),
        *("--clip-mode", "none", "--format", "wav", "--bit-depth", "32f", "--json"),
        *flags,
        quiet=True,
    )
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def write_wav(path: Path, pcm: Tensor, rate: int = 44100) -> None:
    """32-bit float, so that both sides see the same numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = ["-f", "f32le", "-ar", str(rate), "-ac", str(pcm.shape[0]), "-i", "pipe:0"]
    command = ["ffmpeg", "-v", "error", "-y", *raw, "-c:a", "pcm_f32le", str(path)]
    data = pcm.t().contiguous().numpy().astype("<f4").tobytes()
    subprocess.run(command, input=data, check=True)


def read_wav(path: Path, channels: int = 2) -> Tensor:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "f32le", "pipe:1"]
    raw = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return torch.frombuffer(bytearray(raw), dtype=torch.float32).view(-1, channels).t()
