"""The making of the embedded model, in small: songs, training, evaluation, export."""

import json
import os
import signal
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from oxboard_train import evaluate, heldout, network, pool
from oxboard_train.__main__ import main
from oxboard_train.assets import EVALUATION, SPLITS, TRAINING
from oxboard_train.audio import SAMPLE_RATE
from oxboard_train.draw import generator
from oxboard_train.install import install
from oxboard_train.kits import NAMES, SynthesisedKit
from oxboard_train.losses import l1, negative_sdr, sdr, spectral
from oxboard_train.mixes import Mixer
from oxboard_train.song import SOURCES, Song, compose
from oxboard_train.soundfonts import Note
from oxboard_train.synthesiser import draw_patch, sub_patch, synthesise
from oxboard_train.trainer import Settings, Trainer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sounds() -> None:
    """The smallest split's packages, about 60 MB; the others have gigabytes."""
    install([EVALUATION])


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voices")


def noise_song(seed: int, split: str, seconds: float = 1.5) -> Song:
    """Stems that differ in spectrum and level, made without any asset."""
    rng = generator(seed, "noise")
    x = rng.standard_normal((len(SOURCES), int(seconds * SAMPLE_RATE), 2)).astype(np.float32)
    x[1:] = np.cumsum(x[1:], axis=1) / 100
    return Song(0.1 * x, {"seed": seed, "split": split})


@pytest.fixture(scope="session")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pools")
    for split in ("training", "validation"):
        for seed in range(3):
            pool.write(folder / split, noise_song(seed, split))
    return folder


def test_splits_share_neither_sounds_nor_seeds():
    names = list(SPLITS)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert not SPLITS[one].sources() & SPLITS[other].sources()
            seeds = SPLITS[one].seeds, SPLITS[other].seeds
            assert max(s.start for s in seeds) >= min(s.stop for s in seeds)


def test_the_reserved_sounds_are_those_that_were_named():
    """As the issue lists them: a change of this list would make figures incomparable."""
    assert {Path(source).name for source in EVALUATION.sources()} == {
        "TimGM6mb.sf2",
        "The Black Pearl 1.0",
        "rumpf_kit_z01_h2",
        "VariBreaks",
        "flite-slt",
        "festival-czech_dita",
        "festival-hy_fi_mv_diphone",
        "espeak-en-us+f5",
        "espeak-en-gb+m7",
    }
    # Other forms of the same speakers and kits.
    elsewhere = " ".join(TRAINING.sources() | SPLITS["validation"].sources()).lower()
    for name in ("slt", "dita", "fi_mv", "pearl", "timgm", "+f5", "gb+m7", "varibreaks", "rumpf"):
        assert name not in elsewhere


def test_same_seed_same_song(sounds: None, voices: Path, tmp_path: Path):
    """In another order and from other caches too."""
    seeds = [900_101, 900_102]
    first = {seed: compose(seed, EVALUATION, 4, voices) for seed in seeds}
    again = {seed: compose(seed, EVALUATION, 4, tmp_path / "voices") for seed in reversed(seeds)}
    for seed in seeds:
        assert np.array_equal(first[seed].stems, again[seed].stems)
        assert first[seed].about == again[seed].about
        assert first[seed].stems.shape == (4, 4 * SAMPLE_RATE, 2)
    assert not np.array_equal(first[seeds[0]].stems, first[seeds[1]].stems)
    # A stem may rest for some bars, but not in every song.
    peaks = [np.abs(song.stems).max(axis=(1, 2)) for song in first.values()]
    assert np.all(np.max(peaks, axis=0) > 0.01)


def test_a_seed_of_another_split_is_refused(voices: Path):
    with pytest.raises(ValueError, match="1 is not a seed of the evaluation split"):
        compose(1, EVALUATION, 4, voices)


def test_synthesised_instruments_sound_at_their_pitch():
    notes = [Note(0.0, 0.5, 57, 100)]
    for role in ("bass", "pad", "lead", "pluck", "keys"):
        for seed in range(12):
            rng = generator(seed, role)
            patch = sub_patch(rng) if role == "bass" and seed == 0 else draw_patch(rng, role)
            x = synthesise(rng, patch, notes, SAMPLE_RATE)
            assert np.all(np.isfinite(x)) and 1e-4 < np.abs(x).max() < 4, (role, seed, patch)
            assert np.abs(x[: SAMPLE_RATE // 2]).max() > np.abs(x[-100:]).max()
    kit = SynthesisedKit(generator(1, "kit"))
    for name in NAMES:
        x = kit.sample(name)
        assert np.all(np.isfinite(x)) and np.abs(x).max() > 0.01, name


def test_mixes_sum_from_stems_and_repeat(pools: Path):
    mixer = Mixer(pools / "training", "training", 10_000)
    batch = mixer.batch(generator(3, "batch"), 4)
    assert batch.shape == (4, 4, 2, 10_000) and batch.dtype == np.float32
    assert np.array_equal(batch, mixer.batch(generator(3, "batch"), 4))
    assert not np.array_equal(batch, mixer.batch(generator(4, "batch"), 4))


def settings(pools: Path, out: Path, **values) -> Settings:
    common = {"seconds": 0.5, "warm_up": 2, "batch": 1, "threads": 1, "decay_steps": 2}
    return Settings(
        pool=pools / "training", validation=pools / "validation", out=out, **{**common, **values}
    )


@pytest.fixture(scope="session")
def trained(pools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    Trainer(settings(pools, out, steps=3)).run()
    return out / "checkpoint.pt"


def test_a_resumed_run_takes_the_same_steps(trained: Path, pools: Path, tmp_path: Path):
    for ends_at in (1, 3):
        first_part = Trainer(settings(pools, tmp_path, steps=3))
        first_part.run(until=ends_at)
    whole, parts = (torch.load(f) for f in (trained, tmp_path / "checkpoint.pt"))
    assert whole["step"] == parts["step"] == 3
    for kind in ("model", "ema"):
        for name, weight in whole[kind].items():
            assert torch.equal(weight, parts[kind][name]), (kind, name)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [e["step"] for e in log if e["event"] == "end"] == [1, 3]


def test_sigterm_ends_training_with_a_checkpoint(pools: Path, tmp_path: Path):
    trainer = Trainer(settings(pools, tmp_path, steps=10_000))
    timer = threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    trainer.run()
    timer.cancel()
    assert torch.load(tmp_path / "checkpoint.pt")["step"] == trainer.step > 0
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_songs_of_another_split_are_refused(pools: Path, tmp_path: Path):
    pool.write(tmp_path / "pool", noise_song(1, "training"))
    pool.write(tmp_path / "pool", noise_song(2, "evaluation"))
    with pytest.raises(ValueError, match="has songs of evaluation; only training may be used"):
        Trainer(replace(settings(pools, tmp_path / "run"), pool=tmp_path / "pool"))


def test_segments_join_to_the_whole():
    mix = torch.randn(2, 50_000)
    for frames in (9_999, 10_000, 60_000):
        same = evaluate.separate(
            lambda x: torch.stack([x, -x, 2 * x, 0 * x], dim=1), mix - mix.mean(), frames
        )
        torch.testing.assert_close(same[0], mix - mix.mean(), atol=1e-4, rtol=0)
        torch.testing.assert_close(same[2], 2 * same[0], atol=1e-4, rtol=0)


def test_losses_and_sdr():
    target = torch.randn(1, 4, 2, 8192)
    for loss in (l1, negative_sdr, spectral):
        right, near, wrong = (loss(x * target, target) for x in (1.0, 0.9, 0.0))
        assert right < near < wrong, loss
    assert l1(target, target) == spectral(target, target) == 0
    # A faint stem counts as much as a loud one; what is fainter than the floor does not.
    faint, loud = (negative_sdr(0.5 * x, x) for x in (0.5 * target, target))
    assert abs(faint - loud) < 0.01 < abs(l1(0.25 * target, 0.5 * target) - l1(0.5 * target, target))
    assert abs(negative_sdr(0 * target, 1e-3 * target)) < 1e-4
    assert torch.allclose(sdr(target, 0.9 * target), torch.tensor(20.0), atol=1e-3)
    assert torch.allclose(sdr(target, 0 * target), torch.tensor(0.0), atol=1e-3)


def test_evaluates_and_exports(trained: Path, pools: Path, tmp_path: Path, capfd, monkeypatch):
    # The real segment takes the exporter's proof a minute on a slow core.
    monkeypatch.setattr(network, "SEGMENT", Fraction(1))
    assert not torch.load(trained)["ema"].keys() >= network.build().state_dict().keys()
    main(["evaluate", "--weights", str(trained), "--validation", str(pools / "validation")])
    result = json.loads(capfd.readouterr().out)
    assert result["songs"] == 3 and set(result["model"]) == {*SOURCES, "mean"}

    main(["export", "--weights", str(trained), "--models-dir", str(tmp_path)])
    exported = json.loads(capfd.readouterr().out)
    assert exported["maxErrorDb"] <= -90
    archive = tmp_path / "oxboard-mini"
    description = json.loads((archive / "model.json").read_text())
    assert description["sources"] == SOURCES
    assert description["license"]["name"] == "MIT"
    assert "synthetic music" in description["notice"]
    network_file = archive / description["members"][0]["file"]
    assert network_file.stat().st_size < 8_000_000

    # A lost checkpoint is no loss: training goes on from the archive.
    weights = torch.load(trained)["ema"]
    fresh = Trainer(settings(pools, tmp_path / "run", steps=1, init_from=network_file))
    for name, value in fresh.model.state_dict().items():
        assert torch.equal(value, weights[name].half().float()), name


def test_measures_through_the_command(tmp_path: Path, monkeypatch):
    for seed in (900_001, 900_002):
        pool.write(tmp_path / "songs", noise_song(seed, "evaluation"))
    command = ["node", str(ROOT / "dist" / "bin" / "cli.js")]
    monkeypatch.setenv("DEMUCS_MODELS_PATH", str(ROOT / "test" / "fixtures" / "models"))
    rows = heldout.measure(tmp_path / "songs", tmp_path / "work", command, "toy")
    assert all(row.shape == (2, 4) and np.all(np.isfinite(row)) for row in rows.values())
    assert np.all(rows["oracle"] > rows["mixture"] + 1)
    assert heldout.table(rows, "toy").count("\n") == 4
