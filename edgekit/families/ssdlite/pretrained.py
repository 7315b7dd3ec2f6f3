"""Weights to start from: of the body alone, as ImageNet's, or of the whole network."""

from __future__ import annotations

from typing import Any

from edgekit.families.mobilenet_v2.layers import convolutions
from edgekit.families.mobilenet_v2.pretrained import URL, load_body
from edgekit.families.ssdlite import Config


def load_pretrained(
    network: Any, config: Config, weights: str, *, sha256: str | None = None, url: str = URL
) -> str:
    """Load "imagenet" or a file's weights into `network` and return the file's SHA-256.

    Raises:
        InputError: no such checkpoint, or names, shapes or the hash differ.
        SetupError: no network.
    """
    layers = convolutions(config.alpha)
    body = [name for c in layers for name in (c.name, c.norm)]
    return load_body(network, config.backbone, weights, head="class_0", body=body, sha256=sha256,
                     url=url)  # fmt: skip
