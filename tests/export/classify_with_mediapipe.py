"""Print MediaPipe's best class of a picture as JSON; runs in MediaPipe's own environment.

python classify_with_mediapipe.py MODEL PICTURE.npy
"""

from __future__ import annotations

import json
import sys

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

options = vision.ImageClassifierOptions(
    base_options=BaseOptions(model_asset_path=sys.argv[1]), max_results=1
)
with vision.ImageClassifier.create_from_options(options) as classifier:
    picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.load(sys.argv[2]))
    best = classifier.classify(picture).classifications[0].categories[0]
print(json.dumps({"index": best.index, "label": best.category_name, "score": best.score}))
