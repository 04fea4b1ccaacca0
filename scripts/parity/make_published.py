"""Writes repositories of random weights in the format in which the real ones are published.

    node scripts/python.mjs scripts/parity/make_published.py OUT NAME...
    node scripts/python.mjs scripts/parity/make_published.py OUT htdemucs --members 1

For each NAME (see KINDS) the folder OUT/<repository> holds what the repository of that name on the
Hugging Face hub holds: `<name>.yaml`, and for each member `<signature>.safetensors` with its
`<signature>.json`. The repository of htdemucs_ft is HTDemucs-ft, that of mdx_extra Demucs-mdx_extra.
All networks have their full size: 84 MB for a member of htdemucs, 168 MB for one of mdx_extra. With
`--members N` only the first N members get their files.

The layout is that of tools/export_hf.py in the repository of demucs 4.1, the arguments are as
its training script gives them: all by name, the sources included.
"""

import argparse
import hashlib
import inspect
import json
import shutil
from fractions import Fraction
from pathlib import Path

import diffq
import make_models
import torch
import yaml
from demucs.hf import hf_repo_name
from demucs.pretrained import REMOTE_ROOT
from demucs.states import get_state
from make_models import CAC, HTDEMUCS, HYBRID_OLD, MAGNITUDE, SIX_STEM, SOURCES
from safetensors.torch import save_file
from torch import nn

KINDS = {
    "htdemucs": [HTDEMUCS],
    "htdemucs_ft": [HTDEMUCS] * 4,
    "htdemucs_6s": [SIX_STEM],
    "hdemucs_mmi": [CAC],
    "mdx_extra": [CAC, HYBRID_OLD, MAGNITUDE, CAC],
    "mdx_extra_q": [CAC, HYBRID_OLD, MAGNITUDE, CAC],
}
# What demucs' training configuration sets and the classes' defaults do not.
CONFIGURATION = {"multi_freqs": [], "multi_freqs_depth": 3, "dconv_init": 1e-3}
# The quantizer of demucs' training configuration.
QUANTIZER = {"min_size": 0.2, "group_size": 8}


def train_arguments(klass: type, arguments: dict, size: str) -> dict:
    """Every argument of the class by name, as a training run records them."""
    ht, h, _ = make_models.SIZES[size]
    parameters = inspect.signature(klass).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    own = ht if "t_layers" in defaults else h
    return {"sources": SOURCES, **defaults, **CONFIGURATION, **own, **arguments}


def _encode(value: object) -> object:
    if isinstance(value, Fraction):
        return {
            "_type": "fraction",
            "numerator": value.numerator,
            "denominator": value.denominator,
        }
    return str(value)


def _flatten(value: object, path: str, tensors: dict[str, torch.Tensor]) -> object:
    if isinstance(value, torch.Tensor):
        tensors[path] = value.contiguous()
        return {"_tensor": path}
    if isinstance(value, dict):
        return {"_dict": [[key, _flatten(v, f"{path}.{key}", tensors)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        items = [_flatten(v, f"{path}.{index}", tensors) for index, v in enumerate(value)]
        return {f"_{type(value).__name__}": items}
    if isinstance(value, type):
        return {"_class": f"{value.__module__}.{value.__qualname__}"}
    return value


def quantise(model: nn.Module, seed: int, options: dict) -> dict:
    """The state of the model under DiffQ, with bit counts as different as training makes them.

    Below 15 bits: diffq leaves such groups out when it packs, and restores them from chance.
    """
    quantizer = diffq.DiffQuantizer(model, **options)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in quantizer._qparams:
            parameter.logit.normal_(generator=generator).clamp_(max=3)
    state = get_state(model, quantizer)
    quantizer.detach()
    return state


def save_published(
    path: Path, klass: type, kwargs: dict, state: dict, args: tuple | list = ()
) -> None:
    """Writes one member, and beside it the description that is published with it."""
    metadata = {
        "klass": f"{klass.__module__}.{klass.__qualname__}",
        "args": json.dumps(args, default=_encode),
        "kwargs": json.dumps(kwargs, default=_encode),
    }
    tensors = state
    if state.get("__quantized"):
        tensors = {}
        metadata["structure"] = json.dumps(_flatten(state, "state", tensors))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=metadata)
    path.with_suffix(".json").write_text(json.dumps(metadata, indent=2))


def make_member(
    path: Path,
    klass: type,
    arguments: dict,
    quantizer: dict | None,
    seed: int,
    size: str = "full",
) -> None:
    """Writes a member of random weights, quantised where a quantizer's options are given."""
    kwargs = train_arguments(klass, arguments, size)
    torch.manual_seed(seed)
    model = klass(**kwargs)
    make_models.strengthen(model)
    if quantizer is None:
        state = get_state(model, None, half=True)
    else:
        state = quantise(model, seed, quantizer)
    save_published(path, klass, kwargs, state)


def make_repository(out: Path, name: str, members: int | None = None, size: str = "full") -> Path:
    """Writes the repository of the published model `name`; its folder."""
    folder = out / hf_repo_name(name)
    folder.mkdir(parents=True, exist_ok=True)
    bag = REMOTE_ROOT / f"{name}.yaml"
    shutil.copyfile(bag, folder / bag.name)
    signatures = yaml.safe_load(bag.read_text())["models"]
    quantizer = QUANTIZER if name.endswith("_q") else None
    for signature, (klass, arguments) in list(zip(signatures, KINDS[name], strict=True))[:members]:
        seed = int(hashlib.sha256(signature.encode()).hexdigest()[:8], 16)
        path = folder / f"{signature}.safetensors"
        make_member(path, klass, arguments, quantizer, seed, size)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="+", choices=list(KINDS))
    parser.add_argument("--members", type=int, help="write only the first N members of each bag")
    options = parser.parse_args()
    for name in options.names:
        print(make_repository(options.out, name, options.members))


if __name__ == "__main__":
    main()
