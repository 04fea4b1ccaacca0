"""Unpacks the C++ half of a torch wheel or of a libtorch archive.

unpack.py [--cuda] ARCHIVE FOLDER

With --cuda the archive may be a CUDA build, or one of the NVIDIA packages that belong beside it.

Prints "<bytes done> <bytes in all>" lines. The rest of a wheel (Python code, its bindings, tests)
is of no use here and takes as much room again.
"""

import re
import sys
import zipfile

WANTED = re.compile(
    r"""(torch|libtorch)/(lib|include|share)/
      | torch\.libs/
      | torch/version\.py$
      | nvidia/.*\.so(\.[0-9.]+)?$
      | libtorch/build-version$""",
    re.VERBOSE,
)
UNWANTED = re.compile(
    r"""/lib/libtorch_python | /lib/libtorch_global_deps | /lib/libshm | /lib/lib\w+_test\.
      | /lib/libbackend_with_compiler | /lib/libaoti_custom_ops | \.a$""",
    re.VERBOSE,
)


def main() -> None:
    *options, archive, folder = sys.argv[1:]
    with zipfile.ZipFile(archive) as package:
        entries = package.infolist()
        # Without the NVIDIA packages beside it, not even its CPU half can be loaded.
        cuda = any("/lib/libtorch_cuda." in entry.filename for entry in entries)
        if cuda and "--cuda" not in options:
            sys.exit("a CUDA build, of no use without its NVIDIA packages")
        entries = [
            entry
            for entry in entries
            if WANTED.match(entry.filename) and not UNWANTED.search(entry.filename)
        ]
        total = sum(entry.file_size for entry in entries)
        done = 0
        for entry in entries:
            package.extract(entry, folder)
            done += entry.file_size
            print(done, total, flush=entry.file_size > 1_000_000)


main()
