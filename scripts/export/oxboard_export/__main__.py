import argparse
import json
import os
import sys
from pathlib import Path

import torch

from .errors import ExportError


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="oxboard_export",
        description="Export a Demucs bag or model to a TorchScript archive. "
        "Model files execute code when they are loaded: use trusted ones only.",
    )
    parser.add_argument("name", help="a bag (NAME.yaml) or a model's signature in --repo")
    parser.add_argument("--repo", type=Path, required=True, help="folder of .th and .yaml files")
    parser.add_argument("--out", type=Path, required=True, help="folder of archives to write to")
    return parser.parse_args(arguments)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    # Deferred, so that wrong usage is answered without the seconds that demucs takes to load.
    from .archive import write_archive
    from .load import load_bag

    torch.backends.mha.set_fastpath_enabled(False)
    try:
        bag = load_bag(options.name, options.repo)
        result = write_archive(bag, options.out, _log)
    except ExportError as error:
        _log(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("OXBOARD_DEBUG"):
            raise
        kind = type(error).__name__
        _log(f"error: {options.name}: {kind}: {error} (OXBOARD_DEBUG=1 shows where)")
        return 1
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
