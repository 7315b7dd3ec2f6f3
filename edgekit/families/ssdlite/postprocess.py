"""From codes and logits to boxes inside the file: in ordinary ops, or by TFLite's custom one.

Both answer with `boxes` `[1, n, 4]` (top, left, bottom, right, in shares of the input), `classes`
and `scores` `[1, n]`, best first, and `count` `[1]`: what lies behind the count is zero. They
compute in float, and only on the best candidates where the ops are ours.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras as keras

from edgekit.families.ssdlite import Config
from edgekit.tasks.anchors import CODE_SCALES, make_anchors
from edgekit.tasks.boxes import CANDIDATES

NAMES = ("boxes", "classes", "scores", "count")  # in the order of the custom op
_CUSTOM_OP = "TFLite_Detection_PostProcess"


def postprocess(layer: type[Any], config: Config) -> Any:
    """Return the network of one of the layers below: codes and logits to the four answers."""
    count = config.anchors.count
    codes = keras.layers.Input((count, 4), batch_size=1, name="codes")
    logits = keras.layers.Input((count, config.classes), batch_size=1, name="logits")
    answer = layer(config, name="postprocess")([codes, logits])
    return keras.Model([codes, logits], dict(zip(NAMES, answer, strict=True)), name="tail")


class Suppressed(keras.layers.Layer):  # type: ignore[misc]
    """The best pairs of anchor and class, decoded, and each class's greedily suppressed.

    One suppression does for all classes: each class's boxes are moved away from the others'.
    """

    def __init__(self, config: Config, **options: Any) -> None:
        super().__init__(**options)
        self.config = config

    def call(self, inputs: Any) -> Any:
        """Return boxes, classes, scores and their count from codes and logits of one picture."""
        codes, logits = inputs
        config = self.config
        anchors = make_anchors(config.anchors)
        candidates = min(CANDIDATES, len(anchors) * config.classes)
        best, pairs = tf.math.top_k(tf.reshape(logits, [-1]), candidates)
        classes = pairs % config.classes
        places = pairs // config.classes
        boxes = _decode(tf.gather(codes[0], places), tf.gather(tf.constant(anchors), places))
        scores = tf.sigmoid(best)
        # No decoded box of use lies further than that from the picture.
        clipped = tf.clip_by_value(boxes, -1.0, 2.0)
        apart = clipped + 4.0 * tf.cast(classes, tf.float32)[:, tf.newaxis]
        kept, count = tf.raw_ops.NonMaxSuppressionV4(
            boxes=apart,
            scores=scores,
            max_output_size=config.max_boxes,
            iou_threshold=config.max_overlap,
            score_threshold=config.min_score,
            pad_to_max_output_size=True,
        )
        there = tf.cast(tf.range(config.max_boxes) < count, tf.float32)
        found_boxes = tf.gather(clipped, kept) * there[:, tf.newaxis]
        found_classes = tf.cast(tf.gather(classes, kept), tf.float32) * there
        found_scores = tf.gather(scores, kept) * there
        return (
            found_boxes[tf.newaxis],
            found_classes[tf.newaxis],
            found_scores[tf.newaxis],
            tf.reshape(tf.cast(count, tf.float32), [1]),
        )


def _decode(codes: Any, anchors: Any) -> Any:
    """Return boxes `[n, 4]`, as `tasks.anchors.decode_boxes`."""
    parts = codes / tf.constant(CODE_SCALES)
    centre = parts[:, :2] * anchors[:, 2:] + anchors[:, :2]
    half = tf.exp(tf.minimum(parts[:, 2:], 4.0)) * anchors[:, 2:] / 2
    return tf.concat([centre - half, centre + half], axis=1)


class CustomOp(keras.layers.Layer):  # type: ignore[misc]
    """TFLite_Detection_PostProcess: a name for the converter, and the same answer in TensorFlow."""

    def __init__(self, config: Config, **options: Any) -> None:
        super().__init__(**options)
        self.config = config

    def call(self, inputs: Any) -> Any:
        """Return boxes, classes, scores and their count from codes and logits of one picture."""
        codes, logits = inputs
        anchors = tf.constant(make_anchors(self.config.anchors))
        suppressed = Suppressed(self.config)

        @tf.function(experimental_implements=_implements(self.config), autograph=False)  # type: ignore[untyped-decorator]
        def postprocess(codes: Any, scores: Any, anchors: Any) -> Any:
            inverse = tf.math.log(scores) - tf.math.log1p(-scores)
            return suppressed([codes, inverse])

        return postprocess(codes, tf.sigmoid(logits), anchors)


def _implements(config: Config) -> str:
    """Return the custom op with its attributes, as the converter reads them."""
    numbers = dict(zip(("y_scale", "x_scale", "h_scale", "w_scale"), CODE_SCALES, strict=True))
    numbers |= {"nms_score_threshold": config.min_score, "nms_iou_threshold": config.max_overlap}
    whole = {
        "max_detections": config.max_boxes,
        "max_classes_per_detection": 1,
        "num_classes": config.classes,
        "detections_per_class": config.max_boxes,
    }
    attributes = [f'attr {{ key: "{k}" value {{ f: {v} }} }}' for k, v in numbers.items()]
    attributes += [f'attr {{ key: "{k}" value {{ i: {v} }} }}' for k, v in whole.items()]
    attributes.append('attr { key: "use_regular_nms" value { b: true } }')
    return f'name: "{_CUSTOM_OP}" ' + " ".join(attributes)
