"""Python's side of the benchmark: loads once, then does what the lines that come in say: "run"
separates the song, "flops" counts the operations of one segment, "sgemm" measures how many the
machine does at best.

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
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def answer(fields: dict[str, float]) -> None:
    print(json.dumps(fields), flush=True)


def flops(model) -> int:
    """Of one segment through one network; two for each multiplication with its sum. The counter
    sees neither torch's fused attention, which is therefore left out here, nor LSTMs."""
    network = model.models[0]
    segment = torch.zeros(1, 2, int(network.samplerate * network.segment))
    torch.backends.mha.set_fastpath_enabled(False)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        network(segment)
    return counter.get_total_flops()


def sgemm(size: int = 3000, rounds: int = 5) -> float:
    """The best of some products of large matrices, in operations per second."""
    a, b = torch.randn(2, size, size)
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - begin)
    return 2 * size**3 / min(times)


def run(model, mix: torch.Tensor) -> dict[str, float]:
    begin = time.perf_counter()
    reference.separate(model, mix)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peakBytes": peak}


def main() -> None:
    model_name, repo, song, _frames, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    mix = reference.read_pcm(Path(song))
    started = time.perf_counter()
    model = reference.load(model_name, Path(repo))
    answer({"load": time.perf_counter() - started})
    commands = {
        "run": lambda: run(model, mix),
        "flops": lambda: {"flops": flops(model)},
        "sgemm": lambda: {"flopsPerSecond": sgemm()},
    }
    for line in sys.stdin:
        answer(commands[line.strip()]())


if __name__ == "__main__":
    main()
