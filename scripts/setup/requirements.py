"""Prints the NVIDIA packages that a torch wheel asks for: requirements.py WHEEL."""

import re
import sys
import zipfile


def main() -> None:
    with zipfile.ZipFile(sys.argv[1]) as package:
        name = next(n for n in package.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = package.read(name).decode()
    # Not cuda-bindings and triton, which serve torch's Python half.
    print(*re.findall(r"^Requires-Dist: ((?:nvidia-|cuda-toolkit).*)$", metadata, re.M), sep="\n")


main()
