"""What is installed on this machine, what is missing, and what is known not to work together."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata

from edgekit.errors import SetupError

BASE = "base"
# The versions that were tested together; constraints.txt pins the rest.
TESTED: dict[str, str] = {
    "click": "8.5.1", "rich": "15.0.0", "numpy": "1.26.4",
    "ai-edge-litert": "2.3.0", "tflite-runtime": "2.14.0",
    "onnx": "1.23.2", "onnxruntime": "1.32.0", "tf2onnx": "1.17.0",
    "tensorflow": "2.21.0", "tf-keras": "2.21.0", "tensorflow-model-optimization": "0.8.1",
    "h5py": "3.14.0", "pillow": "13.0.0", "pooch": "1.9.0", "scikit-learn": "1.9.1",
    "scipy": "1.17.1", "threadpoolctl": "3.8.0", "safetensors": "0.8.0",
    "tensorboard": "2.21.0", "pycocotools": "2.0.11", "jinja2": "3.1.6",
    "matplotlib": "3.11.2", "anndata": "0.12.19", "gymnasium": "1.4.0",
    "mujoco": "4.0.0", "imageio": "2.38.1",
}  # fmt: skip
if sys.version_info < (3, 11):
    TESTED |= {
        "onnxruntime": "1.23.2", "pillow": "12.3.0", "scikit-learn": "1.7.2",
        "scipy": "1.15.3",
        "matplotlib": "3.10.9", "anndata": "0.11.4",
    }  # fmt: skip


@dataclass(frozen=True)
class Package:
    """A distribution that edgekit or one of its extras needs."""

    name: str
    version: str | None  # installed
    tested: str | None


@dataclass(frozen=True)
class Extra:
    """A set of packages that is installed together."""

    name: str
    packages: tuple[Package, ...]

    @property
    def missing(self) -> list[str]:
        """The names of what is not installed."""
        return [p.name for p in self.packages if p.version is None]

    @property
    def remedy(self) -> str:
        """The line that installs what is missing, empty where nothing is."""
        if not self.missing:
            return ""
        return "pip install " + ("edgekit" if self.name == BASE else f"'edgekit[{self.name}]'")


def find_extras() -> list[Extra]:
    """Return the base and every extra with what is installed of it; imports none of it.

    Raises:
        SetupError: edgekit itself runs without having been installed.
    """
    try:
        requirements = metadata.requires("edgekit") or []
    except metadata.PackageNotFoundError:
        raise SetupError("edgekit is not installed", do="run: pip install edgekit") from None
    return parse_extras(requirements, installed())


def parse_extras(requirements: Iterable[str], versions: Mapping[str, str]) -> list[Extra]:
    """Return the extras that a distribution's `Requires-Dist` lines describe.

    Args:
        requirements: as `jinja2>=3.1; extra == "report"`.
        versions: installed version by normalised name.
    """
    extras: dict[str, dict[str, Package]] = {}
    for line in requirements:
        match = re.match(r"[A-Za-z0-9._-]+", line)
        name = normalise(match.group()) if match else ""
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", line)
        if name in ("", "edgekit") or not _for_this_python(line):
            continue
        package = Package(name, versions.get(name), TESTED.get(name))
        extras.setdefault(extra.group(1) if extra else BASE, {})[name] = package
    return [Extra(name, tuple(packages.values())) for name, packages in extras.items()]


def installed() -> dict[str, str]:
    """Return the version of every installed distribution by normalised name."""
    return {
        normalise(d.metadata["Name"]): d.version for d in metadata.distributions() if d.metadata
    }


def find_traps(versions: Mapping[str, str]) -> list[str]:
    """Return what is installed and known not to work together, each with its remedy."""
    numpy_major = int(versions.get("numpy", "0").split(".")[0])
    traps = [
        ("tflite-runtime" in versions and numpy_major >= 2,
         f"tflite-runtime with numpy {versions.get('numpy')}: every Interpreter fails; "
         "run: pip install 'numpy<2'"),
        ({"ai-edge-litert", "ai-edge-litert-nightly"} <= set(versions),
         "ai-edge-litert-nightly writes into the same folder as ai-edge-litert; run: "
         "pip uninstall ai-edge-litert-nightly && pip install --force-reinstall ai-edge-litert"),
        ({"tensorflow", "tensorflow-cpu"} <= set(versions),
         "tensorflow-cpu writes into the same folder as tensorflow; run: "
         "pip uninstall tensorflow-cpu && pip install --force-reinstall tensorflow"),
        (not (3, 10) <= sys.version_info[:2] <= (3, 12),
         f"Python {sys.version_info[0]}.{sys.version_info[1]}: tested are 3.10 to 3.12"),
    ]  # fmt: skip
    return [text for holds, text in traps if holds]


def normalise(name: str) -> str:
    """Return a distribution's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _for_this_python(requirement: str) -> bool:
    """Evaluate the one kind of environment marker that setup.cfg uses."""
    bound = re.search(r"python_version\s*<\s*['\"](\d+)\.(\d+)['\"]", requirement)
    return not bound or sys.version_info[:2] < (int(bound.group(1)), int(bound.group(2)))
