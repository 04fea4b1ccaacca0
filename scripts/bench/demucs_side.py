"""Python's side of the benchmark: loads once, then separates the song whenever a line comes in.

    python demucs_side.py MODEL REPO SONG.f32 FRAMES THREADS
"""

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parity"))

import reference
import torch


def answer(fields: dict[str, float]) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    model_name, repo, song, _frames, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    mix = reference.read_pcm(Path(song))
    started = time.perf_counter()
    model = reference.load(model_name, Path(repo))
    answer({"load": time.perf_counter() - started})
    for line in sys.stdin:
        if line.strip() != "run":
            break
        begin = time.perf_counter()
        reference.separate(model, mix)
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer({"seconds": seconds, "peakBytes": peak})


if __name__ == "__main__":
    main()
