"""Installs the Debian packages that hold a split's sounds and speech synthesisers."""

import os
import subprocess

from .assets import Split

# Reads the recordings that libsndfile cannot.
TOOLS = ["ffmpeg"]


def packages(splits: list[Split]) -> list[str]:
    return sorted({*TOOLS, *(package for split in splits for package in split.packages)})


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${Status}", package]
    done = subprocess.run(query, capture_output=True, text=True)
    return done.stdout.endswith("ok installed")


def install(splits: list[Split]) -> None:
    """By apt-get as root; otherwise SystemExit with the command to run."""
    wanted = [package for package in packages(splits) if not _installed(package)]
    if not wanted:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *wanted]
    if os.geteuid() != 0:
        raise SystemExit(f"These packages are needed; run: sudo {' '.join(command)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update"], check=True, env=environment)
    subprocess.run(command, check=True, env=environment)
