"""Training that can be ended and gone on with at any time.

A checkpoint holds everything that the next step depends on, so a run that was interrupted takes the
same steps as one that was not.
"""

import copy
import json
import math
import os
import queue
import signal
import threading
import time
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from . import evaluate, network, pool
from .audio import SAMPLE_RATE
from .draw import generator
from .losses import LOSSES, sdr, spectral
from .mixes import Mixer
from .optimiser import Optimiser
from .song import SOURCES


@dataclass(frozen=True)
class Settings:
    """steps: in all, over every session; decay_steps: the last of them, in which the learning rate
    falls to zero; seconds: length of an example; loss: one of LOSSES; spectral: weight of the
    spectral loss added to it; minutes between checkpoints and between validations. The schedule
    counts steps and not time, so that a busy machine trains later and not less."""

    pool: Path
    validation: Path | None
    out: Path
    steps: int = 12000
    decay_steps: int = 4000
    rate: float = 1.5e-3
    warm_up: int = 200
    seconds: float = 2.0
    batch: int = 2
    loss: str = "sdr"
    spectral: float = 0.0
    clip: float = 0.25
    checkpoint_minutes: float = 5.0
    validation_minutes: float = 15.0
    validation_songs: int = 4
    threads: int = 2
    seed: int = 1
    init_from: Path | None = None


class Trainer:
    def __init__(self, settings: Settings):
        self.settings = settings
        settings.out.mkdir(parents=True, exist_ok=True)
        # Before the first parallel work: threads inherit it.
        torch.set_flush_denormal(True)
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        frames = int(settings.seconds * SAMPLE_RATE)
        self._mixer = Mixer(settings.pool, "training", frames)
        segment = Fraction(frames, SAMPLE_RATE)
        self.model = network.trimmed(network.build(segment)).train()
        if settings.init_from and not self._checkpoint.exists():
            self.model.load_state_dict(network.weights_of(settings.init_from))
        self.ema = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimiser = Optimiser(self.model, settings.rate)
        self.step, self.hours = 0, 0.0
        self._ending = False
        if self._checkpoint.exists():
            self._load()

    @property
    def _checkpoint(self) -> Path:
        return self.settings.out / "checkpoint.pt"

    def run(self, until: int | None = None) -> None:
        """Trains up to step `until`, by default the last, or until SIGTERM or SIGINT; in each case
        what was reached is in the checkpoint."""

        def end(*_) -> None:
            self._ending = True

        numbers = (signal.SIGTERM, signal.SIGINT)
        before = [signal.signal(number, end) for number in numbers]
        try:
            self._run(self.settings.steps if until is None else until)
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _run(self, until: int) -> None:
        s = self.settings
        self._log(event="start", songs=self._mixer.rescan(), settings=_plain(s))
        batches = _Prefetch(self._draw, self.step)
        last_save = last_validation = last_log = time.monotonic()
        recent: list[tuple[float, float, Tensor]] = []
        while not self._ending and self.step < until:
            began = time.monotonic()
            recent.append(self._train_step(batches.next()))
            now = time.monotonic()
            # A step that takes many minutes is a machine that slept.
            self.hours += min(now - began, 300) / 3600
            if len(recent) == 50 or now - last_log > 120:
                self._log_recent(recent, now - last_log)
                recent, last_log = [], now
            if now - last_save > s.checkpoint_minutes * 60:
                self._save()
                last_save = now
            if s.validation and now - last_validation > s.validation_minutes * 60:
                self._save()
                self.validate()
                last_save = last_validation = last_log = time.monotonic()
        batches.end()
        self._save()
        self._log(event="end")

    def validate(self) -> dict[str, float]:
        """Mean SDR of the averaged weights on songs of the validation split; empty while none is
        rendered."""
        songs = pool.songs(self.settings.validation, "validation")
        songs = songs[: self.settings.validation_songs]
        if not songs:
            return {}
        frames = int(self.settings.seconds * SAMPLE_RATE)
        result = evaluate.summary(evaluate.scores(self.ema, songs, frames))
        self._log(event="validation", songs=len(songs), sdr=result)
        return result

    def rate_now(self) -> float:
        """Learning rate of the next step: a warm-up, then constant, in the end half a cosine."""
        s = self.settings
        warm = min(1.0, (self.step + 1) / s.warm_up)
        left = min(1.0, max(0, s.steps - self.step) / max(s.decay_steps, 1))
        return s.rate * warm * (0.5 - 0.5 * math.cos(math.pi * left))

    def _draw(self, step: int) -> Tensor:
        if step % 100 == 99:
            self._mixer.rescan()
        # A generator per step: the examples after a resume are those of an uninterrupted run.
        rng = generator(self.settings.seed * 1_000_003 + step, "batch")
        return torch.from_numpy(self._mixer.batch(rng, self.settings.batch))

    def _train_step(self, stems: Tensor) -> tuple[float, float, Tensor]:
        mix = stems.sum(1)
        mean = mix.mean((1, 2), keepdim=True)
        deviation = mix.std((1, 2), keepdim=True) + 1e-4
        mix, stems = (mix - mean) / deviation, stems / deviation[:, None]
        estimate = self.model(mix)
        value = LOSSES[self.settings.loss](estimate, stems)
        if self.settings.spectral:
            value = value + self.settings.spectral * spectral(estimate, stems)
        self.model.zero_grad(set_to_none=True)
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        if torch.isfinite(norm):
            self.optimiser.step(self.rate_now())
        self.step += 1
        keep = min(0.998, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for average, weight in zip(self.ema.parameters(), self.model.parameters(), strict=True):
                average.lerp_(weight, 1 - keep)
            quality = sdr(stems, estimate).clamp(-10, 30).mean(0)
        return value.item(), float(norm), quality

    def _save(self) -> None:
        content = {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "step": self.step,
            "hours": self.hours,
            "config": network.CONFIG,
        }
        partial = self._checkpoint.with_suffix(".partial")
        torch.save(content, partial)
        os.replace(partial, self._checkpoint)

    def _load(self) -> None:
        content = torch.load(self._checkpoint, weights_only=True)
        if content["config"] != network.CONFIG:
            raise ValueError(f"{self._checkpoint} is of another network than this code describes")
        self.model.load_state_dict(content["model"])
        self.ema.load_state_dict(content["ema"])
        self.optimiser.load_state_dict(content["optimiser"])
        torch.set_rng_state(content["random"])
        self.step, self.hours = content["step"], content["hours"]

    def _log_recent(self, recent: list[tuple[float, float, Tensor]], seconds: float) -> None:
        values, norms, quality = zip(*recent, strict=True)
        self._log(
            event="train",
            loss=round(sum(values) / len(values), 4),
            norm=round(sum(norms) / len(norms), 3),
            rate=round(self.rate_now(), 6),
            sdr={
                n: round(float(q), 2)
                for n, q in zip(SOURCES, sum(quality) / len(quality), strict=True)
            },
            speed=round(len(recent) * self.settings.batch * self.settings.seconds / seconds, 2),
        )

    def _log(self, **entry) -> None:
        stamp = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        line = json.dumps({**stamp, "step": self.step, "hours": round(self.hours, 3), **entry})
        with (self.settings.out / "log.jsonl").open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)


class _Prefetch:
    """Makes the next examples while the network works on these."""

    def __init__(self, draw, step: int):
        self._queue: queue.Queue[Tensor | Exception] = queue.Queue(4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(draw, step), daemon=True)
        self._thread.start()

    def _work(self, draw, step: int) -> None:
        while not self._stop.is_set():
            try:
                item = draw(step)
            except Exception as error:
                item = error
            while not self._stop.is_set():
                try:
                    self._queue.put(item, timeout=0.5)
                    break
                except queue.Full:
                    continue
            step += 1

    def next(self) -> Tensor:
        item = self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def _plain(settings: Settings) -> dict:
    return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(settings).items()}
