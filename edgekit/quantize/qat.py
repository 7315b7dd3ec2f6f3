"""Quantization-aware training by tfmot: 8-bit weights per channel, 8-bit activations."""

from __future__ import annotations

from typing import Any

import tensorflow_model_optimization as tfmot

from edgekit.errors import InputError


def quantize_aware(network: Any) -> Any:
    """Return a copy of the float `network` with fake quantization in it, its weights included.

    The scheme is tfmot's 8-bit default (Jacob et al., arXiv:1712.05877, section 3): symmetric
    weights, one scale a channel; activations with moving ranges. Rebuild it from weights alone:
    apply this to the float network again and load them.

    Raises:
        InputError: a layer that tfmot cannot quantize; the line names it.
    """
    try:
        return tfmot.quantization.keras.quantize_model(network)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{network.name}: cannot be trained quantization-aware", got=str(error)[:200]
        ) from None
