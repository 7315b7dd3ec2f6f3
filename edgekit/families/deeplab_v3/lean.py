"""The head as files hold it: the same function with fewer multiply-adds.

Two things of the network that is trained are work for nothing once it is:

- The body's last projection has no activation, and of the small head only 1x1 convolutions and a
  mean over the picture read it: of two matrices one after the other a file needs the product.
  (With 3x3 branches the projection is read by others as well, and in narrow bodies the product is
  larger than both.)
- The picture's mean is the same at every place, and the projection behind the branches sums over
  them: its part is added, not spread over the map and multiplied at every place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tf_keras as keras

from edgekit.families.deeplab_v3 import HEAD_CHANNELS

layers = keras.layers
_PROJECTION = "block_16_project"


@dataclass(frozen=True, eq=False)
class Affine:
    """What a 1x1 convolution does, with the batch norm behind it: x -> x kernel + bias."""

    kernel: npt.NDArray[np.float64]  # [in, out]
    bias: npt.NDArray[np.float64]  # [out]

    def after(self, first: Affine) -> Affine:
        """Return what both do, `first` first."""
        return Affine(first.kernel @ self.kernel, first.bias @ self.kernel + self.bias)

    def layer(self, x: Any, name: str) -> Any:
        """Return a 1x1 convolution of `x`."""
        made = layers.Conv2D(len(self.bias), 1, name=name)
        answer = made(x)
        made.set_weights([self.kernel[np.newaxis, np.newaxis], self.bias])
        return answer


def lean(network: Any) -> Any:
    """Return a network of `build` that answers the same with less work, its weights copied.

    A fake-quantized copy is returned as it is: its ranges are those of the tensors that it has.
    """
    named = {layer.name: layer for layer in network.layers}
    if _PROJECTION not in named:
        return network
    first, pooled, joined = (affine(named, name) for name in
                             ("aspp0", "image_pooling", "concat_projection"))  # fmt: skip
    x = named["image_mean"].input
    branches = list(named["branches"].input)[2:]
    projection = affine(named, _PROJECTION)
    if not branches and _pays(projection):
        x = named[_PROJECTION].input
        first, pooled = first.after(projection), pooled.after(projection)
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="image_mean")(x)
    mean = layers.ReLU(name="image_pooling_relu")(pooled.layer(mean, "image_pooling"))
    maps = [layers.ReLU(name="aspp0_relu")(first.layer(x, "aspp0")), *branches]
    of_mean, of_maps = np.split(joined.kernel, [HEAD_CHANNELS])
    x = layers.Concatenate(name="branches")(maps) if branches else maps[0]
    x = Affine(of_maps, joined.bias).layer(x, "concat_projection")
    mean = Affine(of_mean, 0 * joined.bias).layer(mean, "image_projection")
    x = layers.Add(name="image_added")([x, mean])
    x = layers.ReLU(name="concat_projection_relu")(x)
    last = network.layers[-1]
    again = type(last).from_config(last.get_config())
    answer = again(x)
    again.set_weights(last.get_weights())
    return keras.Model(network.input, answer, name=network.name)


def affine(named: dict[str, Any], name: str) -> Affine:
    """Return a 1x1 convolution of the network with its batch norm."""
    (kernel,) = named[name].get_weights()
    norm = named[f"{name}_BN"]
    gamma, beta, mean, variance = (w.astype(np.float64) for w in norm.get_weights())
    gain = gamma / np.sqrt(variance + norm.epsilon)
    return Affine(kernel[0, 0].astype(np.float64) * gain, beta - mean * gain)


def _pays(projection: Affine) -> bool:
    """Whether the product with what follows is less work at a place than one after the other."""
    wide, narrow = projection.kernel.shape
    return wide * HEAD_CHANNELS < wide * narrow + narrow * HEAD_CHANNELS
