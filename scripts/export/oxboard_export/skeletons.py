"""Writes the graph of each published network without its weights, for `oxboard models pull`.

    node scripts/python.mjs -m oxboard_export.skeletons [--out FOLDER] [ARCHITECTURE...]

For each architecture there is a TorchScript file, whose parameters are all views of one stored
zero, and a description beside it: which class and arguments it stands for, and which parameters
have to be filled in.
"""

import argparse
import hashlib
import inspect
import json
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from demucs import __version__ as demucs_version
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch import nn

from . import serialize
from .errors import ExportError
from .hybrid import make_traceable
from .load import fixed_length, unsupported
from .trace import trace
from .verify import Proof, noise

FOLDER = Path(__file__).resolve().parents[3] / "models" / "skeletons"
SOURCES = ["drums", "bass", "other", "vocals"]

# How a network of this class is made and trained, not what it computes from its weights.
TRAINING = {"dconv_init", "emb_smooth", "end_iters", "rescale", "wiener_residual"}
HT_TRAINING = {"t_dropout", "t_lr", "t_weight_decay"}


@dataclass(frozen=True)
class Architecture:
    klass: type
    arguments: dict


_HT = {"dconv_mode": 3, "segment": Fraction(39, 5)}
ARCHITECTURES = {
    "htdemucs_4": Architecture(HTDemucs, {"sources": SOURCES, "bottom_channels": 512, **_HT}),
    "htdemucs_6": Architecture(HTDemucs, {"sources": [*SOURCES, "guitar", "piano"], **_HT}),
    "hdemucs_complex": Architecture(HDemucs, {"sources": SOURCES}),
    "hdemucs_magnitude": Architecture(HDemucs, {"sources": SOURCES, "cac": False}),
    "hdemucs_magnitude_old": Architecture(
        HDemucs, {"sources": SOURCES, "cac": False, "hybrid_old": True}
    ),
}


def signature(klass: type) -> dict:
    """The arguments of the constructor in their order, each with its default or None."""
    parameters = inspect.signature(klass).parameters.values()
    return {p.name: None if p.default is p.empty else p.default for p in parameters}


def telling(klass: type, arguments: dict) -> dict:
    """Those of all `arguments` that change what the network computes from its weights."""
    silent = set(TRAINING)
    if arguments["cac"]:
        silent.add("wiener_iters")
    if not arguments["multi_freqs"]:
        silent.add("multi_freqs_depth")
    if klass is HDemucs:
        # Any length runs; the segment is advice to whoever cuts the song.
        silent.add("segment")
    else:
        silent |= HT_TRAINING
        if arguments["t_emb"] != "cape":
            silent |= {name for name in arguments if name.startswith("t_cape_")}
        if arguments["t_emb"] != "scaled":
            silent.add("t_max_positions")
        if not arguments["t_sparse_self_attn"] and not arguments["t_sparse_cross_attn"]:
            silent |= {"t_mask_type", "t_mask_random_seed", "t_sparse_attn_window"}
            silent |= {"t_global_window", "t_sparsity", "t_auto_sparsity"}
    return {name: value for name, value in arguments.items() if name not in silent}


def encode(value: object) -> object:
    """Fractions as the published files write them."""
    if isinstance(value, Fraction):
        numerator, denominator = value.as_integer_ratio()
        return {"_type": "fraction", "numerator": numerator, "denominator": denominator}
    raise TypeError(f"{value!r} cannot be written as JSON")


def _strip(network: torch.jit.ScriptModule) -> None:
    zero = torch.zeros(1)
    for parameter in network.parameters():
        parameter.data = zero.expand(parameter.shape)


def write_skeleton(folder: Path, name: str, model: nn.Module, arguments: dict) -> Path:
    """Writes `<name>.pt` and `<name>.json` for a model made with `arguments`; the former's path.

    The graph is compared with the model first, in a short run.
    """
    refusal = unsupported(model)
    if refusal:
        raise ExportError(f"{name} {refusal}")
    parameters = dict(model.named_parameters())
    if list(parameters) != list(model.state_dict()):
        raise ExportError(f"{name} has state beyond its parameters, which cannot be filled in")
    segment, fixed = int(model.samplerate * model.segment), fixed_length(model)
    length = segment if fixed else min(segment, 50 * model.hop_length)
    network, names = make_traceable(model, segment)
    traced = trace(network, names, noise(1, model.audio_channels, length, seed=0))
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch) / f"{name}.pt"
        serialize.save(traced, full)
        proof = Proof(model, full, lambda line: print(line, file=sys.stderr, flush=True))
        proof.check_graph()
        # Beyond the 200 steps at which the recurrent layers begin to cut frames.
        longest = min(segment, 250 * model.hop_length)
        cases = [(1, segment)] if fixed else [(1, 1), (1, length), (2, 1025), (1, longest)]
        _, shortest = proof.run(cases)
    _strip(traced)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.pt"
    serialize.save(traced, path)
    klass = type(model)
    every = {**signature(klass), **arguments}
    description = {
        "architecture": name,
        "klass": f"{klass.__module__}.{klass.__qualname__}",
        "arguments": telling(klass, every),
        "defaults": signature(klass),
        "sources": model.sources,
        "sampleRate": model.samplerate,
        "channels": model.audio_channels,
        "segment": segment,
        "minLength": shortest,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "torch": torch.__version__.split("+")[0],
        "origin": f"traced with demucs {demucs_version}",
        "parameters": [
            {"name": name, "shape": list(p.shape), "dtype": str(p.dtype).removeprefix("torch.")}
            for name, p in parameters.items()
        ],
    }
    path.with_suffix(".json").write_text(_text(description))
    return path


def _text(description: dict) -> str:
    """JSON with one parameter a line: a reader can compare two of them."""
    parameters = ",\n".join(f"    {json.dumps(p)}" for p in description["parameters"])
    rest = json.dumps({**description, "parameters": []}, indent=2, default=encode)
    return rest.replace('"parameters": []', f'"parameters": [\n{parameters}\n  ]') + "\n"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="oxboard_export.skeletons", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("architectures", nargs="*", default=list(ARCHITECTURES))
    options = parser.parse_args(arguments)
    torch.backends.mha.set_fastpath_enabled(False)
    for name in options.architectures:
        architecture = ARCHITECTURES[name]
        torch.manual_seed(0)
        model = architecture.klass(**architecture.arguments).eval()
        print(write_skeleton(options.out, name, model, architecture.arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
