"""A user's own .keras or .h5 file, loaded by the Keras that wrote it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras as keras3
import tensorflow_model_optimization as tfmot
import tf_keras

from edgekit.errors import EdgekitError, InputError, SetupError
from edgekit.export.source import Source
from edgekit.files import file_sha256
from edgekit.sources.keras_config import OWN_CODE
from edgekit.sources.keras_quantized import without_quantization
from edgekit.sources.screening import KerasFile, screen
from edgekit.sources.weights import check_finite, keras_weights

_QUANTIZED = {"QuantizeWrapper", "QuantizeWrapperV2", "QuantizeLayer"}
# What a Keras says, the newer one first, of a class or function that nobody has defined.
_LACKING = re.compile(
    r"'class_name': 'function', 'config': '(\w+)'.*Unknown activation function"
    r"|(?:Could not locate (?:class|function) |Unknown [a-z ]+: |Cannot deserialize object of type "
    r"|Received: layer=)['`]?([\w>]+)"
)
_PRUNED, _CLUSTERED = "PruneLowMagnitude", "ClusterWeights"


def load(path: Path, *, trust: bool = False) -> Source:
    """Screen `path` and return its model, not compiled.

    Args:
        path: a .keras, .h5 or .hdf5 file of Keras 2 or 3.
        trust: run the code that it holds.

    Raises:
        InputError: damaged, holding code without `trust`, or with weights that are no numbers.
        SetupError: Keras 3 is set to another backend than TensorFlow.
    """
    file = screen(path, trust=trust)
    try:
        model = (
            _load_tf_keras(file, trust) if file.writer == "tf_keras" else _load_keras3(file, trust)
        )
    except (EdgekitError, MemoryError):
        raise
    except Exception as error:
        # Whatever a Keras raises on a file, it is the file that is wrong, and its line that helps.
        what, told = f"{path}: Keras cannot load it", " ".join(str(error).split())
        if lacking := _LACKING.search(told):
            raise InputError(
                what, got=f"no code for {lacking[1] or lacking[2]}", do=OWN_CODE
            ) from None
        raise InputError(
            f"{what} (written by Keras {file.keras_version})",
            got=f"{type(error).__name__}: {told}"[:300],
            do=_remedy(file),
        ) from None
    check_finite(keras_weights(model), path)
    source = Source(
        name=path.stem,
        model=model,
        kind=file.writer,
        provenance={
            "source": str(path),
            "sha256": file_sha256(path),
            "keras_version": file.keras_version,
            "trusted": trust,
        },
    )
    return without_quantization(source)


def _load_tf_keras(file: KerasFile, trust: bool) -> Any:
    """Return the model, without what tfmot put around layers to prune or cluster them."""
    with (
        tfmot.quantization.keras.quantize_scope(),
        tfmot.sparsity.keras.prune_scope(),
        tfmot.clustering.keras.cluster_scope(),
    ):
        model = tf_keras.models.load_model(str(file.path), compile=False, safe_mode=not trust)
        if _PRUNED in file.classes:
            model = tfmot.sparsity.keras.strip_pruning(model)
        if _CLUSTERED in file.classes:
            model = tfmot.clustering.keras.strip_clustering(model)
    return model


def _load_keras3(file: KerasFile, trust: bool) -> Any:
    if (backend := keras3.backend.backend()) != "tensorflow":
        raise SetupError(
            "Keras 3 runs on another backend",
            got=backend,
            expected="tensorflow",
            do="set KERAS_BACKEND=tensorflow",
        )
    return keras3.models.load_model(str(file.path), compile=False, safe_mode=not trust)


def _remedy(file: KerasFile) -> str:
    if file.classes & _QUANTIZED and file.container == "zip":
        return "Keras 2 does not read back a quantization-aware .keras: save it as .h5"
    if file.writer == "keras3" and file.container == "hdf5":
        return "save it as .keras: Keras 3 does not read back every .h5 of its own"
    return "save it again with a newer Keras, or give module:function"
