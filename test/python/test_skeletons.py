"""The graphs of the package, filled by the core with published weights, against demucs' own load of
the same files."""

import hashlib
import json
import subprocess
from pathlib import Path

import make_published
import oxboard
import pytest
import torch
from demucs.demucs import Demucs
from demucs.hf import load_safetensors_model
from demucs.states import get_state
from make_models import CAC, HTDEMUCS, HYBRID_OLD, MAGNITUDE, SIX_STEM
from oxboard_export import graph, serialize, skeletons
from oxboard_export.load import fixed_length
from oxboard_export.verify import agreement_db, noise

ASSEMBLE = """
import { assembleMember } from '%s';
const [weights, out] = process.argv.slice(1);
try {
  console.log(JSON.stringify(await assembleMember({ weights, out })));
} catch ({ code, message }) {
  console.log(JSON.stringify({ code, message }));
}
"""


def assemble(weights: Path, out: Path) -> dict:
    script = ASSEMBLE % (oxboard.ROOT / "dist" / "pull" / "assemble.js")
    command = ["node", "--input-type=module", "-e", script, str(weights), str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(autouse=True)
def every_core():
    """Here the networks have their full size."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


# Groups larger than the published ones, which take diffq itself minutes.
QUANTIZER = {**make_published.QUANTIZER, "group_size": 64}


@pytest.mark.parametrize(
    ("kind", "quantizer"),
    [
        pytest.param(HTDEMUCS, None, id="htdemucs"),
        pytest.param(SIX_STEM, None, id="htdemucs_6s"),
        pytest.param(CAC, None, id="hdemucs"),
        pytest.param(MAGNITUDE, None, id="magnitude"),
        pytest.param(HYBRID_OLD, None, id="hybrid_old"),
        pytest.param(MAGNITUDE, QUANTIZER, id="quantised"),
    ],
)
def test_a_published_file_gives_what_demucs_makes_of_it(
    kind: tuple[type, dict], quantizer: dict | None, tmp_path: Path
):
    weights, out = tmp_path / "weights.safetensors", tmp_path / "network.pt"
    make_published.make_member(weights, *kind, quantizer, seed=1)
    facts = assemble(weights, out)
    model = load_safetensors_model(weights).eval()
    segment = int(model.samplerate * model.segment)
    assert facts == {
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "sources": model.sources,
        "segment": segment,
        "minLength": segment if fixed_length(model) else 1,
        "sampleRate": 44100,
        "channels": 2,
    }

    network = serialize.load(out)
    assert graph.faults(network) == []
    filled = dict(network.named_parameters())
    state = model.state_dict()
    assert set(filled) == {name.replace(".", "__") for name in state}
    for name, expected in state.items():
        assert torch.equal(filled[name.replace(".", "__")], expected), name

    mix = noise(1, 2, segment if fixed_length(model) else 50_000, seed=2)
    with torch.no_grad():
        assert agreement_db(model(mix), network(mix)) >= 90


def test_networks_without_a_graph_are_refused_by_name(tmp_path: Path):
    weights = tmp_path / "weights.safetensors"
    sources = ["drums", "bass"]
    model = Demucs(sources, channels=4, depth=2)
    arguments = {"sources": sources, "channels": 4, "depth": 2}
    make_published.save_published(weights, Demucs, arguments, get_state(model, None))
    refusal = assemble(weights, tmp_path / "network.pt")
    assert refusal["code"] == "MODEL_ARCHITECTURE_UNKNOWN"
    assert "demucs.demucs.Demucs" in refusal["message"]


@pytest.mark.parametrize("name", list(skeletons.ARCHITECTURES))
def test_the_graphs_of_the_package_are_those_of_their_classes(name: str):
    """What the description says of a class must still be true of the installed one."""
    architecture = skeletons.ARCHITECTURES[name]
    description = json.loads((skeletons.FOLDER / f"{name}.json").read_text())
    klass = architecture.klass
    every = {**skeletons.signature(klass), **architecture.arguments}
    written = json.loads(json.dumps(every, default=skeletons.encode))
    assert description["klass"] == f"{klass.__module__}.{klass.__qualname__}"
    assert list(description["defaults"]) == list(skeletons.signature(klass))
    assert description["arguments"] == skeletons.telling(klass, written)
    network = serialize.load(skeletons.FOLDER / f"{name}.pt")
    assert graph.faults(network) == []
    shapes = {p["name"].replace(".", "__"): p["shape"] for p in description["parameters"]}
    assert {n: list(p.shape) for n, p in network.named_parameters()} == shapes
