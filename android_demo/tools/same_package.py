"""Say whether two packages hold the same app: tools/same_package.py OURS GRADLES.

The same classes, facts that Android is told, and files, of which assets and libraries to the bit.
Left out is what Gradle's plugin adds to any app: BuildConfig, the libraries' R, debuggable.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ADDED = r"Ledgekit/demo/BuildConfig;|Lorg/tensorflow/lite/(api/)?R;|application-debuggable"
EXACT = ("assets/", "lib/")


def main() -> int:
    """Compare, and print what is the same or where they first differ."""
    ours, gradles = map(Path, sys.argv[1:])
    counts = []
    for what, read in (("classes", classes), ("facts", facts), ("files", files)):
        expected, got = (read(package) for package in (ours, gradles))
        different = expected ^ {name for name in got if not re.fullmatch(ADDED, name)}
        if different:
            print(
                f"{gradles}: got other {what}, expected those of {ours}:"
                f" look at {', '.join(sorted(different)[:3])}",
                file=sys.stderr,
            )
            return 1
        counts.append(f"{len(expected)} {what}")
    print(f"the same in {ours} and {gradles}: {', '.join(counts)}")
    return 0


def classes(package: Path) -> set[str]:
    """Return the names of the classes in its byte code."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(package) as file:
        dumped = said("dexdump", file.extract("classes.dex", folder))
    return set(re.findall(r"Class descriptor *: '(.*)'", dumped))


def facts(package: Path) -> set[str]:
    """Return what Android is told of it: names, versions, permissions, processors."""
    return set(said("aapt", "dump", "badging", str(package)).splitlines())


def files(package: Path) -> set[str]:
    """Return what is in it but signatures: resources by name, assets and libraries to the bit.

    Whether an asset is compressed belongs to it: models are not, so that they can be mapped.
    """
    with zipfile.ZipFile(package) as file:
        found = [entry for entry in file.infolist() if not entry.filename.startswith("META-INF/")]
    return {
        f"{entry.filename} {entry.compress_type} {entry.CRC:08x}"
        if entry.filename.startswith(EXACT)
        else entry.filename
        for entry in found
    }


def said(*argv: str) -> str:
    """Return what a tool prints."""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
