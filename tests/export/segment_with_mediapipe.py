"""Save MediaPipe's mask of a picture; runs in MediaPipe's own environment.

python segment_with_mediapipe.py MODEL PICTURE.npy MASK.npy
"""

from __future__ import annotations

import sys

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

options = vision.ImageSegmenterOptions(
    base_options=BaseOptions(model_asset_path=sys.argv[1]),
    output_category_mask=True,
    output_confidence_masks=False,
)
with vision.ImageSegmenter.create_from_options(options) as segmenter:
    picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.load(sys.argv[2]))
    found = segmenter.segment(picture)
    print(segmenter.labels)
np.save(sys.argv[3], found.category_mask.numpy_view())
