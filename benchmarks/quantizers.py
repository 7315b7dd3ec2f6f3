"""Other tools' quantizers: each makes an 8-bit file of a float one, from the same pictures.

Every program is told the float file, a .npy of pictures `[N, H, W, C]` as the network takes them,
and where to write. Each has an environment of its own, made once. Settings are the tool's own
defaults, or what its documentation names for accuracy; weights are per channel in all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers import environment, run

AI_EDGE = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import algorithm_manager, quantizer, recipe
told = json.loads(sys.argv[1])
tool = quantizer.Quantizer(told["model"])
algorithm = algorithm_manager.AlgorithmName[told["algorithm"]]
tool.load_quantization_recipe(recipe.static_wi8_ai8(algorithm))
((signature, names),) = Interpreter(told["model"]).get_signature_list().items()
examples = [{names["inputs"][0]: one[None]} for one in np.load(told["pictures"])]
made = tool.quantize(tool.calibrate({signature: examples}))
made.export_model(told["made"], overwrite=True)
print(json.dumps({}))
"""

NNCF = """
import json, sys
import numpy as np, nncf, onnx
from nncf.quantization.advanced_parameters import OverflowFix
from nncf.quantization.range_estimator import RangeEstimatorParametersSet
told = json.loads(sys.argv[1])
model = onnx.load(told["model"])
name = model.graph.input[0].name
pictures = np.load(told["pictures"]).transpose(0, 3, 1, 2)
further = {}
if told["accurate"]:
    further["activations_range_estimator_params"] = RangeEstimatorParametersSet.MINMAX
made = nncf.quantize(
    model, nncf.Dataset([{name: one[None]} for one in pictures]), subset_size=len(pictures),
    preset=nncf.QuantizationPreset.MIXED, fast_bias_correction=not told["accurate"],
    advanced_parameters=nncf.AdvancedQuantizationParameters(
        overflow_fix=OverflowFix.DISABLE, disable_channel_alignment=False, **further))
onnx.save(made, told["made"])
print(json.dumps({}))
"""

ONNX_RUNTIME = """
import json, sys
import numpy as np, onnx
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process
told = json.loads(sys.argv[1])
prepared = told["made"] + ".prepared"
quant_pre_process(told["model"], prepared, skip_symbolic_shape=True)
name = onnx.load(told["model"]).graph.input[0].name
pictures = iter(np.load(told["pictures"]).transpose(0, 3, 1, 2))

class Reader(quantization.CalibrationDataReader):
    def get_next(self):
        one = next(pictures, None)
        return None if one is None else {name: one[None]}

quantization.quantize_static(
    prepared, told["made"], Reader(), per_channel=True,
    calibrate_method=quantization.CalibrationMethod[told["method"]],
    activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8)
print(json.dumps({}))
"""


@dataclass(frozen=True)
class Quantizer:
    """One tool with one setting."""

    name: str  # of its environment
    packages: tuple[str, ...]  # what is in it, pinned
    setting: str  # as the table says it
    format: str  # tflite or onnx, of what it reads and writes
    program: str
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return how the table calls it."""
        return f"{self.packages[0].replace('==', ' ')}, {self.setting}"

    def __call__(self, model: Path, pictures: Path, made: Path) -> None:
        """Write the 8-bit file.

        Raises:
            RuntimeError: the tool fails.
        """
        told = {"model": str(model), "pictures": str(pictures), "made": str(made), **self.told}
        run(environment(self.name, *self.packages), self.program, json.dumps(told))


_AI_EDGE = ("ai-edge-quantizer", ("ai-edge-quantizer==0.10.0",))
_NNCF = ("nncf", ("nncf==3.4.0", "onnx==1.21.0", "onnxruntime==1.27.0"))
_ONNX_RUNTIME = ("onnxruntime", ("onnxruntime==1.32.0", "onnx==1.23.2"))

QUANTIZERS = (
    Quantizer(*_AI_EDGE, "min-max", "tflite", AI_EDGE, {"algorithm": "MIN_MAX_UNIFORM_QUANT"}),
    Quantizer(*_AI_EDGE, "OCTAV", "tflite", AI_EDGE, {"algorithm": "OCTAV"}),
    Quantizer(*_ONNX_RUNTIME, "min-max", "onnx", ONNX_RUNTIME, {"method": "MinMax"}),
    Quantizer(*_ONNX_RUNTIME, "percentile", "onnx", ONNX_RUNTIME, {"method": "Percentile"}),
    Quantizer(*_NNCF, "defaults, channels aligned", "onnx", NNCF, {"accurate": False}),
    Quantizer(*_NNCF, "min-max, accurate bias correction, channels aligned", "onnx", NNCF,
              {"accurate": True}),
)  # fmt: skip
