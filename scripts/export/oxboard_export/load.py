"""Reads a bag or a single model from demucs' local repository format, and refuses what an
archive cannot express."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import yaml
from demucs.apply import BagOfModels
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.repo import AnyModelRepo, BagOnlyRepo, LocalRepo, ModelLoadingError
from torch import nn

from .errors import ExportError


@dataclass(frozen=True)
class Member:
    signature: str
    file: Path
    model: HDemucs | HTDemucs
    weights: list[float]


@dataclass(frozen=True)
class Bag:
    name: str
    sources: list[str]
    sample_rate: int
    channels: int
    segment: int
    members: list[Member]


def load_bag(name: str, repo: Path) -> Bag:
    if not repo.is_dir():
        raise ExportError(f"{repo} is not a folder; --repo takes a folder of .th and .yaml files")
    try:
        model_repo = LocalRepo(repo)
        bag_repo = BagOnlyRepo(repo, model_repo)
        any_repo = AnyModelRepo(model_repo, bag_repo)
        if not any_repo.has_model(name):
            known = ", ".join(sorted(any_repo.list_model())) or "nothing"
            raise ExportError(
                f"{name} is neither a bag nor a signature in {repo}, which has {known}"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = any_repo.get_model(name)
    except ModelLoadingError as error:
        raise ExportError(str(error)) from error
    except ExportError:
        raise
    # Unpickling runs whatever the file holds, so it can raise anything.
    except Exception as error:
        raise ExportError(f"{name} in {repo} cannot be loaded: {_one_line(error)}") from error

    if isinstance(loaded, BagOfModels):
        signatures = yaml.safe_load((repo / f"{name}.yaml").read_text())["models"]
        bag = loaded
    else:
        signatures = [name]
        bag = BagOfModels([loaded])
    files = model_repo.list_model()
    members = [
        Member(str(signature), Path(files[signature]), model.eval(), [_plain(w) for w in weights])
        for signature, model, weights in zip(signatures, bag.models, bag.weights, strict=True)
    ]
    for member in members:
        _drop_quantizer(member.model)
        refusal = unsupported(member.model)
        if refusal:
            raise ExportError(f"{name}: member {member.signature} {refusal}")
    return Bag(
        name=name,
        sources=list(bag.sources),
        sample_rate=int(bag.samplerate),
        channels=int(bag.audio_channels),
        segment=_common_segment(name, members),
        members=members,
    )


def fixed_length(model: nn.Module) -> bool:
    return isinstance(model, HTDemucs)


def _drop_quantizer(model: nn.Module) -> None:
    """DiffQ leaves its bit counts behind as parameters that the network never uses."""
    for module in model.modules():
        for name in [n for n, _ in module.named_parameters(recurse=False) if n.endswith("_diffq")]:
            delattr(module, name)


def unsupported(model: nn.Module) -> str | None:
    """Why an archive cannot express the model, or None."""
    kind = type(model).__name__
    # A subclass may compute something else, so only the two classes themselves are taken.
    if type(model) not in (HDemucs, HTDemucs):
        return f"is a {kind}; only HTDemucs and HDemucs networks can be exported"
    if not model.cac and model.wiener_iters > 0:
        return f"has wiener_iters={model.wiener_iters}: Wiener filtering cannot be exported"
    if isinstance(model, HDemucs):
        if not model.hybrid:
            return "has hybrid=False, which cannot be exported"
        return None
    if not model.use_train_segment:
        return "has use_train_segment=False, which cannot be exported"
    transformer = model.crosstransformer
    if transformer is None:
        return None
    if transformer.sin_random_shift:
        return "has t_sin_random_shift, whose results are random, and cannot be exported"
    if any(layer.sparse for layer in [*transformer.layers, *transformer.layers_t]):
        return "uses sparse attention, which cannot be exported"
    return None


def _common_segment(name: str, members: list[Member]) -> int:
    segments = {m.signature: int(m.model.samplerate * m.model.segment) for m in members}
    if len(set(segments.values())) > 1:
        listing = ", ".join(f"{signature}: {samples}" for signature, samples in segments.items())
        raise ExportError(
            f"{name}: the members' segments differ ({listing} samples); an archive has one "
            "segment, give the bag a `segment`"
        )
    return next(iter(segments.values()))


def _plain(weight: float) -> float | int:
    """1 and not 1.0, as a person would write it into model.json."""
    return int(weight) if weight == int(weight) else weight


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
