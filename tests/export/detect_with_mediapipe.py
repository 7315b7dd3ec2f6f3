"""Print MediaPipe's boxes in a picture as JSON; runs in MediaPipe's own environment.

python detect_with_mediapipe.py MODEL PICTURE.npy LEAST_SCORE
"""

from __future__ import annotations

import json
import sys

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

options = vision.ObjectDetectorOptions(
    base_options=BaseOptions(model_asset_path=sys.argv[1]), score_threshold=float(sys.argv[3])
)
with vision.ObjectDetector.create_from_options(options) as detector:
    picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.load(sys.argv[2]))
    found = detector.detect(picture).detections
rows = []
for detection in found:
    box, best = detection.bounding_box, detection.categories[0]
    edges = (box.origin_y, box.origin_x, box.origin_y + box.height, box.origin_x + box.width)
    rows.append({"label": best.category_name, "score": best.score, "box": edges})
print(json.dumps(rows))
