"""Further signatures: other names for the same subgraph, in both TFLite runtimes."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
import tensorflow as tf

from edgekit.errors import InputError
from edgekit.export.signatures import add_signatures
from edgekit.runtime.sandbox import open_isolated


@pytest.fixture(scope="module")
def content() -> bytes:
    class Two(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 3), tf.float32, name="x")])
        def serve(self, x):
            return {"double": 2.0 * x, "square": x * x}

    module = Two()
    function = module.serve.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()


@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_each_gives_its_outputs(content: bytes, tmp_path, runtime: str) -> None:
    pytest.importorskip(runtime.replace("-", "_").replace("litert", "ai_edge_litert"))
    named = add_signatures(content, {"twice": ("double",), "both": ("square", "double")})
    assert len(named) - len(content) < 600
    path = tmp_path / "two.tflite"
    path.write_bytes(named)
    x = np.array([[1, 2, -3]], np.float32)
    with closing(open_isolated(path, runtime=runtime)) as session:
        twice, both, default = (session({"x": x}, n) for n in ("twice", "both", "serving_default"))
    assert set(twice) == {"double"}
    assert set(both) == set(default) == {"double", "square"}
    np.testing.assert_array_equal(twice["double"], [[2, 4, -6]])
    np.testing.assert_array_equal(both["square"], [[1, 4, 9]])


def test_an_output_that_is_not_there_is_named(content: bytes) -> None:
    with pytest.raises(InputError, match=r"signature half: output.*halved"):
        add_signatures(content, {"half": ("halved",)})
    with pytest.raises(InputError):
        add_signatures(b"no model at all", {"half": ("double",)})
