"""The exporter: what its archives hold, what it proves and what it refuses."""

import hashlib
import json
import zipfile
from pathlib import Path

import make_models
import oxboard_export.archive
import pytest
import reference
import torch
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from oxboard_export import graph, serialize
from oxboard_export.__main__ import main
from oxboard_export.hybrid import make_traceable
from oxboard_export.load import load_bag
from oxboard_export.trace import trace
from oxboard_export.verify import agreement_db, noise

TINY_H_SAMPLES = 3307


@pytest.fixture(scope="session")
def archives(tiny_repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models")
    for kind in make_models.KINDS:
        assert main([kind, "--repo", str(tiny_repo), "--out", str(out)]) == 0
    return out


def describe(archive: Path) -> dict:
    return json.loads((archive / "model.json").read_text())


@pytest.mark.parametrize("kind", list(make_models.KINDS))
def test_describes_the_bag(kind: str, archives: Path, tiny_repo: Path):
    archive = archives / kind
    description = describe(archive)
    bag = reference.load(kind, tiny_repo)
    assert description["name"] == kind
    assert description["sources"] == bag.sources
    assert (description["sampleRate"], description["channels"]) == (44100, 2)
    assert [member["weights"] for member in description["members"]] == bag.weights
    assert description["torch"] == torch.__version__.split("+")[0]
    fixed = kind.startswith("htdemucs")
    segment = description["segment"]
    assert segment == int(44100 * bag.models[0].segment)
    assert description["minLength"] == (segment if fixed else 1)
    for member in description["members"]:
        content = (archive / member["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == member["sha256"]
    assert {f.name for f in archive.iterdir()} == {
        "model.json",
        *(member["file"] for member in description["members"]),
    }


@pytest.mark.parametrize("kind", ["hdemucs_mmi", "hdemucs_magnitude", "hdemucs_old"])
@pytest.mark.parametrize(
    ("batch", "samples"), [(1, 7), (2, 61), (5, 1600), (1, 3199 + 17), (2, 5000), (1, 9999)]
)
def test_follows_the_length_and_the_batch(
    kind: str, batch: int, samples: int, archives: Path, tiny_repo: Path
):
    """Lengths and batches that the exporter's own proof does not try, longer than a segment too."""
    network = serialize.load(next((archives / kind).glob("*.pt")))
    mix = noise(batch, 2, samples, seed=samples)
    with torch.no_grad():
        expected = reference.load(kind, tiny_repo).models[0](mix)
        assert agreement_db(expected, network(mix)) >= 90


@pytest.mark.parametrize(
    "arguments",
    [
        {"multi_freqs": [0.25, 0.5]},
        {"multi_freqs": [0.5], "cac": False, "norm_starts": 3},
        {"cac": False, "wiener_iters": -1, "end_iters": -1},
        {"cac": False, "wiener_residual": True},
        {"freq_emb": 0, "dconv_mode": 3, "channels_time": 16},
        {"audio_channels": 1},
    ],
)
def test_other_constructor_arguments(arguments: dict, tmp_path: Path):
    # The first layers of these wide enough windows can be split into bands.
    wide = {"nfft": 256, "depth": 4, "norm_starts": 3, "dconv_lstm": 2, "dconv_attn": 2}
    model = make_models.build(HDemucs, "tiny", {**wide, "multi_freqs_depth": 1, **arguments}, 3)
    network, names = make_traceable(model, TINY_H_SAMPLES)
    example = noise(1, model.audio_channels, TINY_H_SAMPLES, seed=0)
    path = tmp_path / "network.pt"
    serialize.save(trace(network, names, example), path)
    loaded = serialize.load(path)
    assert graph.faults(loaded) == []
    for batch, samples in [(1, 500), (3, 14000)]:
        mix = noise(batch, model.audio_channels, samples, seed=samples)
        with torch.no_grad():
            assert agreement_db(model(mix), loaded(mix)) >= 90


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_finds_what_ties_a_graph_to_a_device(tiny_repo: Path):
    """demucs' own forward, traced as it is, has such ties: the check must see them."""
    model = reference.load("htdemucs", tiny_repo).models[0]
    traced = torch.jit.trace(model, noise(1, 2, 2001, seed=0), check_trace=False)
    assert "the device constant cpu" in graph.faults(traced)

    table = torch.arange(5.0)
    traced = torch.jit.trace(lambda x: x * table, torch.ones(5))
    assert graph.faults(traced) == ["a constant tensor of shape (5,)"]


@pytest.mark.parametrize("kind", list(make_models.KINDS))
def test_archives_are_free_of_ties_and_of_ballast(kind: str, archives: Path):
    for path in (archives / kind).glob("*.pt"):
        network = serialize.load(path)
        assert graph.faults(network) == []
        assert graph.excess_bytes(network, path) < 4096
        assert not any("_diffq" in name for name, _ in network.named_parameters())
        with zipfile.ZipFile(path) as archive:
            assert not any(name.endswith(".debug_pkl") for name in archive.namelist())
            assert {name.split("/")[0] for name in archive.namelist()} == {path.stem}


def test_weights_that_half_precision_holds_take_half_the_room(tmp_path: Path):
    layer = torch.nn.Linear(64, 64, bias=False)
    x = torch.randn(1, 64)
    layer.weight.data = layer.weight.data.half().float()
    with torch.no_grad():
        expected = layer(x)
        traced = torch.jit.trace(layer, x)
        serialize.save(traced, tmp_path / "half.pt", halve=True)
        assert torch.equal(layer(x), expected), "what is saved stays as it was"
        loaded = serialize.load(tmp_path / "half.pt")
        assert torch.equal(loaded(x), expected)
    assert (tmp_path / "half.pt").stat().st_size < 64 * 64 * 3

    layer.weight.data[0, 0] = 1 / 3
    serialize.save(traced, tmp_path / "full.pt", halve=True)
    assert (tmp_path / "full.pt").stat().st_size > 64 * 64 * 4
    assert torch.equal(serialize.load(tmp_path / "full.pt").weight, layer.weight)


def test_parameters_keep_the_names_of_demucs(archives: Path, tiny_repo: Path):
    for kind in ("htdemucs", "hdemucs_mmi"):
        network = serialize.load(next((archives / kind).glob("*.pt")))
        names = {name.replace("__", ".") for name, _ in network.named_parameters()}
        model = reference.load(kind, tiny_repo).models[0]
        assert names == {name for name, _ in model.named_parameters()}


def test_exports_a_single_signature(tiny_repo: Path, tmp_path: Path, capsys):
    signature = next(tiny_repo.glob("*.th")).stem.split("-")[0]
    assert main([signature, "--repo", str(tiny_repo), "--out", str(tmp_path)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["archive"] == str(tmp_path / signature)
    assert result["members"] == [signature]
    assert result["maxErrorDb"] <= -90


def test_replaces_an_older_archive(tiny_repo: Path, tmp_path: Path):
    old = tmp_path / "hdemucs_mmi"
    old.mkdir()
    (old / "stale.pt").write_text("old")
    assert main(["hdemucs_mmi", "--repo", str(tiny_repo), "--out", str(tmp_path)]) == 0
    assert not (old / "stale.pt").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["hdemucs_mmi"]


def refused(name: str, repo: Path, out: Path, capsys) -> str:
    """The one line of the refusal; nothing may be left in the folder of archives."""
    assert main([name, "--repo", str(repo), "--out", str(out)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert list(out.iterdir()) == [] if out.exists() else True
    last = captured.err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    return last


def save(repo: Path, signature: str, klass: type, **arguments) -> None:
    repo.mkdir(exist_ok=True)
    make_models.save_model(make_models.build(klass, "tiny", arguments, 1), repo, signature)


def test_refuses_other_classes(tmp_path: Path, capsys):
    repo = tmp_path / "repo"
    repo.mkdir()
    model = Demucs(make_models.SOURCES, channels=4, depth=2, dconv_mode=0, norm_starts=9)
    make_models.save_model(model, repo, "aaaa")
    message = refused("aaaa", repo, tmp_path / "out", capsys)
    assert "member aaaa is a Demucs; only HTDemucs and HDemucs" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cac": False, "wiener_iters": 1, "end_iters": 1}, "wiener_iters=1"),
        ({"hybrid": False}, "hybrid=False"),
    ],
)
def test_refuses_what_a_graph_cannot_hold(arguments: dict, words: str, tmp_path: Path, capsys):
    repo = tmp_path / "repo"
    save(repo, "aaaa", HDemucs, **arguments)
    assert words in refused("aaaa", repo, tmp_path / "out", capsys)


def test_refuses_members_of_different_segments(tmp_path: Path, capsys):
    repo = tmp_path / "repo"
    save(repo, "aaaa", HDemucs, segment=0.2)
    save(repo, "bbbb", HDemucs, segment=0.3)
    (repo / "pair.yaml").write_text("models: ['aaaa', 'bbbb']\n")
    message = refused("pair", repo, tmp_path / "out", capsys)
    assert "segments differ (aaaa: 8820, bbbb: 13230 samples)" in message


def test_the_bags_segment_overrides_its_members(tmp_path: Path):
    repo = tmp_path / "repo"
    save(repo, "aaaa", HDemucs, segment=0.2)
    save(repo, "bbbb", HDemucs, segment=0.3)
    (repo / "pair.yaml").write_text("models: ['aaaa', 'bbbb']\nsegment: 0.25\n")
    assert load_bag("pair", repo).segment == 11025


def test_refuses_what_is_not_there(tiny_repo: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    assert "neither a bag nor a signature" in refused("nothing", tiny_repo, out, capsys)
    assert "is not a folder" in refused("htdemucs", tmp_path / "missing", out, capsys)


def test_refuses_a_folder_that_cannot_be_written(tiny_repo: Path, tmp_path: Path, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "models"
    assert main(["htdemucs", "--repo", str(tiny_repo), "--out", str(out)]) == 1
    assert "cannot be written: Not a directory" in capsys.readouterr().err


def test_refuses_a_file_that_is_not_what_its_name_says(tmp_path: Path, capsys):
    repo = tmp_path / "repo"
    save(repo, "aaaa", HDemucs)
    (file,) = repo.glob("*.th")
    file.write_bytes(file.read_bytes() + b"x")
    assert "Invalid checksum" in refused("aaaa", repo, tmp_path / "out", capsys)
    file.unlink()
    (repo / "bbbb.th").write_bytes(b"not a model")
    assert "cannot be loaded" in refused("bbbb", repo, tmp_path / "out", capsys)


def test_refuses_a_network_that_computes_something_else(
    tiny_repo: Path, tmp_path: Path, capsys, monkeypatch
):
    def damaged(model, length):
        network, names = make_traceable(model, length)
        with torch.no_grad():
            network.tdecoder[-1].conv_tr.bias += 0.1
        return network, names

    monkeypatch.setattr(oxboard_export.archive, "make_traceable", damaged)
    message = refused("hdemucs_mmi", tiny_repo, tmp_path / "out", capsys)
    assert "dB of agreement with demucs" in message
