"""Weights to start from: of the body alone, as ImageNet's, or of the whole network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.families.mobilenet_v2.layers import convolutions
from edgekit.families.mobilenet_v2.pretrained import URL, assign, check_hash, fetch, read_layer
from edgekit.families.ssdlite import Config
from edgekit.files import file_sha256


def load_pretrained(
    network: Any, config: Config, weights: str, *, sha256: str | None = None, url: str = URL
) -> str:
    """Load "imagenet" or a file's weights into `network` and return the file's SHA-256.

    A file that knows no predictor, as keras.applications', gives the body its weights: every layer
    of it must be there. Of any other every layer must be.

    Raises:
        InputError: no such checkpoint, or names, shapes or the hash differ.
        SetupError: no network.
    """
    if weights == "imagenet":
        path = fetch(config.backbone, sha256=sha256, url=url)
    else:
        path = Path(weights)
        if not path.is_file():
            raise InputError(f"{weights}: not found", expected='"imagenet" or a weights file')
        check_hash(path, sha256)
    names = [layer.name for layer in network.layers if layer.weights]
    if not read_layer(path, "class_0"):
        names = [name for c in convolutions(config.alpha) for name in (c.name, c.norm)]
    assign(network, {name: read_layer(path, name) for name in names}, path)
    return file_sha256(path)
