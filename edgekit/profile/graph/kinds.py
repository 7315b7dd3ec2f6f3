"""The vocabulary: what each format calls an op, and which of its inputs hold weights."""

from __future__ import annotations

import re

# TFLite. What cannot be had by spelling the builtin's name in lower case.
TFLITE_KINDS = {
    "CONV_2D": "conv",
    "CONV_3D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise_conv",
    "CONV_3D_TRANSPOSE": "transpose_conv",
    "LSTM": "recurrent",
    "RNN": "recurrent",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "recurrent",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "recurrent",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "recurrent",
    "BIDIRECTIONAL_SEQUENCE_RNN": "recurrent",
}
# Custom operators whose work is known; any other is `custom:NAME` and has no rule.
TFLITE_CUSTOM = {"TFLite_Detection_PostProcess": "detection_postprocess"}
# Which inputs hold the weights, and where it is not the first, which one holds the data.
TFLITE_WEIGHTS: dict[str, tuple[int, ...]] = {
    "LSTM": (1, 2, 3, 4, 5, 6, 7, 8, 16),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (1, 2, 3, 4, 5, 6, 7, 8, 16),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (*range(1, 9), 16, *range(18, 26), 33),
    "RNN": (1, 2),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2),
    "BIDIRECTIONAL_SEQUENCE_RNN": (1, 2, 5, 6),
    "SVDF": (1, 2),
}
BASIC_LSTM = (2,)  # the LSTM builtin with five inputs: data, last output, weights, bias, last state
TFLITE_DATA = {"TRANSPOSE_CONV": 2, "CONV_3D_TRANSPOSE": 2}

# ONNX. What cannot be had by spelling the operator's name in snake case.
ONNX_KINDS = {
    "Conv": "conv",
    "ConvInteger": "conv",
    "QLinearConv": "conv",
    "com.microsoft.FusedConv": "conv",
    "ConvTranspose": "transpose_conv",
    "Gemm": "fully_connected",
    "MatMul": "batch_matmul",
    "MatMulInteger": "batch_matmul",
    "QLinearMatMul": "batch_matmul",
    "com.microsoft.FusedMatMul": "batch_matmul",
    "LSTM": "recurrent",
    "GRU": "recurrent",
    "RNN": "recurrent",
    "LRN": "lrn",
    "com.microsoft.QLinearAdd": "add",
    "com.microsoft.QLinearMul": "mul",
    "com.microsoft.QLinearConcat": "concat",
    "com.microsoft.QLinearSigmoid": "sigmoid",
    "com.microsoft.QLinearLeakyRelu": "leaky_relu",
    "com.microsoft.QLinearGlobalAveragePool": "global_average_pool",
    "com.microsoft.QLinearAveragePool": "average_pool",
    "com.microsoft.QLinearSoftmax": "softmax",
    "com.microsoft.Gelu": "gelu",
}
# Which inputs hold weights, biases and tables; whatever else is stored with an op is a setting.
ONNX_WEIGHTS = {
    "LSTM": (1, 2, 3, 7),
    "GRU": (1, 2, 3),
    "RNN": (1, 2, 3),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (3,),
    "Gather": (0,),
    "DequantizeLinear": (0,),
    "BatchNormalization": (1, 2, 3, 4),
}
ONNX_MATRICES = {"QLinearConv": (3,), "LSTM": (1, 2), "GRU": (1, 2), "RNN": (1, 2)}
ONNX_SETTINGS = {
    "Clip",
    "Resize",
    "Upsample",
    "Pad",
    "QuantizeLinear",
    "Dropout",
    "Range",
    "OneHot",
}

# Keras: layer class -> kind; a class that is missing here keeps its name, which then has no rule.
KERAS_KINDS = {
    "Conv1D": "conv", "Conv2D": "conv", "Conv3D": "conv",
    "Conv1DTranspose": "transpose_conv", "Conv2DTranspose": "transpose_conv",
    "Conv3DTranspose": "transpose_conv",
    "DepthwiseConv1D": "depthwise_conv", "DepthwiseConv2D": "depthwise_conv",
    "Dense": "fully_connected", "EinsumDense": "einsum",
    "LSTM": "recurrent", "GRU": "recurrent", "SimpleRNN": "recurrent",
    "Dot": "batch_matmul", "Matmul": "batch_matmul", "BatchMatMulV2": "batch_matmul",
    "matmul": "batch_matmul", "linalg.matmul": "batch_matmul",
    "Add": "add", "Subtract": "sub", "Multiply": "mul", "Average": "mean", "Divide": "div",
    "TrueDivide": "div", "Mean": "mean", "Maximum": "maximum", "Minimum": "minimum",
    "Concatenate": "concatenation", "Embedding": "embedding", "Flatten": "reshape",
    "Reshape": "reshape", "Permute": "permute", "RepeatVector": "tile", "Masking": "activation",
    "Cropping1D": "cropping", "Cropping2D": "cropping", "ZeroPadding1D": "padding",
    "ZeroPadding2D": "padding", "ZeroPadding3D": "padding", "UpSampling1D": "upsampling",
    "UpSampling2D": "upsampling", "UpSampling3D": "upsampling", "Resizing": "resize",
    "Rescaling": "rescaling", "Normalization": "normalization", "CenterCrop": "cropping",
    "BatchNormalization": "normalization", "SyncBatchNormalization": "normalization",
    "LayerNormalization": "normalization", "GroupNormalization": "normalization",
    "UnitNormalization": "normalization", "RMSNormalization": "normalization",
    "Activation": "activation", "ReLU": "activation", "LeakyReLU": "activation",
    "PReLU": "activation", "ELU": "activation", "Softmax": "softmax",
    "ThresholdedReLU": "activation", "Dropout": "noise", "SpatialDropout1D": "noise",
    "SpatialDropout2D": "noise", "SpatialDropout3D": "noise", "GaussianNoise": "noise",
    "GaussianDropout": "noise", "AlphaDropout": "noise", "ActivityRegularization": "noise",
    "QuantizeLayer": "quantize", "Identity": "identity", "GetItem": "slice",
    "SlicingOpLambda": "slice", "Cast": "cast", "Transpose": "transpose", "Squeeze": "squeeze",
    "ExpandDims": "expand_dims", "Relu": "activation", "Relu6": "activation",
    "Sigmoid": "activation", "Tanh": "activation", "Silu": "activation",
    "HardSigmoid": "activation", "HardSwish": "activation", "Exp": "exp", "Log": "log",
    "Sqrt": "sqrt", "Square": "square", "Negative": "neg", "Power": "pow", "Sum": "sum",
}  # fmt: skip
# The functions that tf_keras wraps as TFOpLambda, by the last part of their symbol.
KERAS_FUNCTIONS = {
    "add": "add", "__operators__.add": "add", "subtract": "sub", "multiply": "mul",
    "divide": "div", "truediv": "div", "reshape": "reshape", "transpose": "transpose",
    "concat": "concatenation", "cast": "cast", "relu": "activation", "relu6": "activation",
    "sigmoid": "activation", "tanh": "activation", "softmax": "softmax", "reduce_mean": "mean",
    "reduce_sum": "sum", "reduce_max": "max", "squeeze": "squeeze", "expand_dims": "expand_dims",
    "resize": "resize", "resize_bilinear": "resize", "pad": "pad", "square": "square",
    "sqrt": "sqrt", "exp": "exp", "argmax": "arg_max", "matmul": "batch_matmul",
    "clip_by_value": "clip", "maximum": "maximum", "minimum": "minimum", "pow": "pow",
    "stack": "pack", "split": "split", "identity": "identity", "image.resize": "resize",
}  # fmt: skip


def snake_case(name: str) -> str:
    """`GlobalAveragePool` is `global_average_pool`, `PRelu` is `prelu`, `ArgMax` is `arg_max`."""
    spelled = {"PRelu": "prelu", "Celu": "celu", "Elu": "elu", "LpPool": "lp_pool",
               "GlobalLpPool": "global_lp_pool", "LpNormalization": "lp_normalization",
               "GatherND": "gather_nd", "ScatterND": "scatter_nd", "IsNaN": "is_nan",
               "IsInf": "is_inf", "RMSNormalization": "rms_normalization", "And": "and",
               "ReduceL1": "reduce_l1", "ReduceL2": "reduce_l2"}  # fmt: skip
    return spelled.get(name) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
