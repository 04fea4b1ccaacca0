"""Command line: python -m oxboard_train COMMAND. README.md says in which order."""

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
WORK = ROOT / ".train"
OXBOARD = ["node", str(ROOT / "dist" / "bin" / "cli.js")]
SPLITS = ["training", "validation", "evaluation"]


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="oxboard_train")
    commands = parser.add_subparsers(dest="command", required=True)

    install = commands.add_parser("install", help="install the Debian packages with the sounds")
    install.add_argument("splits", nargs="*", choices=SPLITS, default=SPLITS)

    render = commands.add_parser("render", help="compose and render songs")
    render.add_argument("split", choices=SPLITS[:2])
    render.add_argument("--songs", type=int, required=True, help="how many")
    render.add_argument("--first-seed", type=int, help="(the split's first)")
    render.add_argument("--seconds", type=float, default=20)
    render.add_argument("--out", type=Path, help="folder of the pool (.train/SPLIT)")
    render.add_argument("--voices", type=Path, default=WORK / "voices", help="analysed speech")
    render.add_argument("--workers", type=int, default=1)

    train = commands.add_parser(
        "train", help="train, going on from the last checkpoint; SIGTERM or Ctrl-C ends it"
    )
    train.add_argument("--out", type=Path, default=WORK / "run", help="checkpoint and log.jsonl")
    train.add_argument("--pool", type=Path, default=WORK / "training")
    train.add_argument("--validation", type=Path, default=WORK / "validation")
    train.add_argument("--steps", type=int, help="of training in all, over every session")
    train.add_argument("--decay-steps", type=int, help="the last of them, to a rate of zero")
    train.add_argument("--rate", type=float, help="learning rate")
    train.add_argument("--seconds", type=float, help="length of an example")
    train.add_argument("--batch", type=int, help="examples per step")
    train.add_argument("--loss", choices=["l1", "sdr"], help="what is minimised (sdr)")
    train.add_argument("--spectral", type=float, help="weight of the spectral loss")
    train.add_argument("--threads", type=int)
    train.add_argument("--init-from", type=Path, help="begin with these weights, .pt of any kind")

    evaluate = commands.add_parser("evaluate", help="SDR on the validation songs")
    evaluate.add_argument("--weights", type=Path, default=WORK / "run" / "checkpoint.pt")
    evaluate.add_argument("--validation", type=Path, default=WORK / "validation")

    export = commands.add_parser("export", help="write the archive oxboard-mini")
    export.add_argument("--weights", type=Path, default=WORK / "run" / "checkpoint.pt")
    export.add_argument("--models-dir", type=Path, default=ROOT / "models")
    export.add_argument("--origin", default="scripts/train of oxboard-demucs, synthetic music")

    heldout = commands.add_parser("heldout", help="the final figures, through oxboard separate")
    heldout.add_argument("--model", default="oxboard-mini")
    heldout.add_argument("--work", type=Path, default=WORK / "heldout")
    heldout.add_argument("--workers", type=int, default=1)

    picture = commands.add_parser("picture", help="spectrograms of a real song and its stems")
    picture.add_argument("song", type=Path)
    picture.add_argument("--model", default="oxboard-mini")
    picture.add_argument("--start", type=float, default=0)
    picture.add_argument("--seconds", type=float, default=30)
    picture.add_argument("--out", type=Path, default=ROOT / "docs" / "oxboard-mini.png")

    example = commands.add_parser("example", help="write the repository's example song anew")
    example.add_argument("--seed", type=int, default=1_000_129)
    example.add_argument("--out", type=Path, default=ROOT / "scripts" / "example")
    return parser.parse_args(arguments)


def _install(options: argparse.Namespace) -> None:
    from . import assets
    from .install import install

    install([assets.SPLITS[name] for name in options.splits])


def _render(options: argparse.Namespace) -> None:
    from . import assets, pool

    split = assets.SPLITS[options.split]
    lacking = assets.missing(split)
    if lacking:
        raise SystemExit(f"not here: {', '.join(lacking)}\nrun: python -m oxboard_train install")
    first = options.first_seed or split.seeds.start
    failed = pool.render(
        options.split,
        range(first, first + options.songs),
        options.seconds,
        options.out or WORK / options.split,
        options.voices,
        options.workers,
        _log,
    )
    if failed:
        raise SystemExit(f"not rendered: the songs {failed}")


def _train(options: argparse.Namespace) -> None:
    from .trainer import Settings, Trainer

    given = {k: v for k, v in vars(options).items() if v is not None and k != "command"}
    Trainer(Settings(**given)).run()


def _evaluate(options: argparse.Namespace) -> None:
    from . import evaluate, network, pool
    from .audio import SAMPLE_RATE

    model = network.complete(network.weights_of(options.weights))
    songs = pool.songs(options.validation, "validation")
    frames = int(network.SEGMENT * SAMPLE_RATE)
    result = {
        "songs": len(songs),
        "mixture": evaluate.summary(evaluate.mixture_scores(songs)),
        "model": evaluate.summary(evaluate.scores(model, songs, frames)),
    }
    print(json.dumps(result))


def _export(options: argparse.Namespace) -> None:
    from .export import export

    print(json.dumps(export(options.weights, options.models_dir, options.origin, _log)))


def _heldout(options: argparse.Namespace) -> None:
    from . import heldout

    songs = options.work / "songs"
    heldout.render(songs, WORK / "voices", options.workers, _log)
    rows = heldout.measure(songs, options.work / "work", OXBOARD, options.model)
    print(heldout.table(rows, options.model))


def _picture(options: argparse.Namespace) -> None:
    from .picture import draw

    work, where = WORK / "picture", (options.start, options.seconds)
    print(json.dumps(draw(OXBOARD, options.song, options.model, *where, work, options.out)))


def _example(options: argparse.Namespace) -> None:
    from .example import write

    print(json.dumps(write(options.seed, options.out, WORK / "voices")))


def _with_settings_for_speed() -> None:
    """glibc reads these when a process starts, so it starts again with them: memory is kept between
    steps."""
    wanted = {
        "MALLOC_MMAP_THRESHOLD_": str(2**30),
        "MALLOC_TRIM_THRESHOLD_": str(2**31),
    }
    if not wanted.keys() <= os.environ.keys():
        os.execve(sys.executable, sys.orig_argv, {**wanted, **os.environ})


COMMANDS = {
    "install": _install,
    "render": _render,
    "train": _train,
    "evaluate": _evaluate,
    "export": _export,
    "heldout": _heldout,
    "picture": _picture,
    "example": _example,
}


def main(arguments: list[str]) -> None:
    options = _parse(arguments)
    COMMANDS[options.command](options)


if __name__ == "__main__":
    if "train" in sys.argv[1:2]:
        _with_settings_for_speed()
    main(sys.argv[1:])
