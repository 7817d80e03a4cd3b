"""Faces for training: found, measured and aligned as the terminal does it.

Pictures are arrays of shape (height, width, 3), uint8, blue-green-red, as OpenCV reads them. Landmarks are arrays of
shape (5, 2) in pixels: the eye at the picture's left, the other eye, the nose, the mouth's corners left and right.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

# Where the five landmarks of an aligned face lie in a square of 112 pixels; `template` in every pack's manifest.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
SIDE = 112

STRIDES = (8, 16, 32)


@dataclass
class Face:
    """A found face: score 0 to 1, box (x, y, width, height) and landmarks in pixels of the picture."""

    score: float
    box: np.ndarray
    landmarks: np.ndarray


def digest(path):
    """What a picture is called in lists of judgements: the first 16 hexadecimal digits of its file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def pictures(folder):
    """Paths of the pictures in a folder, in an order that is the same everywhere."""
    found = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not found:
        raise SystemExit(f"no .jpg or .png in {folder}: name the folder of photographs with --faces DIR")
    return found


def read(path):
    """One picture; an error that names it if it is none."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"read {path}: no picture that OpenCV knows")
    return picture


def letterbox(picture, height, width):
    """The picture shrunk or grown into the top left of (height, width, 3), black elsewhere; and the scale."""
    scale = min(height / picture.shape[0], width / picture.shape[1])
    inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: inner[1], : inner[0]] = cv2.resize(picture, inner, interpolation=how)
    return canvas, scale


def decode(outputs, width, score_min):
    """Candidates of the twelve outputs of a detector (cls, obj, bbox, kps; each at strides 8, 16, 32) for an input of
    `width` pixels: arrays of scores (n), boxes (n, 4) and landmarks (n, 5, 2) in pixels of the input."""
    scores, boxes, points = [], [], []
    for grid, stride in enumerate(STRIDES):
        cls, obj, box, kps = (
            np.asarray(outputs[part * 3 + grid]).reshape(-1, k) for part, k in enumerate((1, 1, 4, 10))
        )
        score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))[:, 0]
        sure = np.flatnonzero(score >= score_min)
        corner = np.stack([sure % (width // stride), sure // (width // stride)], 1).astype(np.float32)
        size = np.exp(np.clip(box[sure, 2:], -10, 10)) * stride
        centre = (corner + box[sure, :2]) * stride
        scores.append(score[sure])
        boxes.append(np.concatenate([centre - size / 2, size], 1))
        points.append((kps[sure].reshape(-1, 5, 2) + corner[:, None]) * stride)
    return np.concatenate(scores), np.concatenate(boxes), np.concatenate(points)


def overlap(one, many):
    """Intersection over union of one box with many."""
    low = np.maximum(one[:2], many[:, :2])
    high = np.minimum(one[:2] + one[2:], many[:, :2] + many[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), 1)
    return shared / (np.prod(one[2:]) + np.prod(many[:, 2:], 1) - shared + 1e-9)


def merge(scores, boxes, points, overlap_max=0.3, blend_min=0.6):
    """Candidates reduced to faces, surest first: each at the mean place of those that cover it closely."""
    order = np.argsort(-scores, kind="stable")
    scores, boxes, points = scores[order], boxes[order], points[order]
    kept = []
    for i in range(len(scores)):
        if all(overlap(boxes[i], boxes[k : k + 1])[0] <= overlap_max for k in kept):
            kept.append(i)
    faces = []
    for i in kept:
        close = np.flatnonzero(overlap(boxes[i], boxes) >= blend_min)
        weight = scores[close] / scores[close].sum()
        box = (boxes[close] * weight[:, None]).sum(0)
        faces.append(Face(float(scores[i]), box, (points[close] * weight[:, None, None]).sum(0)))
    return faces


def similarity(source, target):
    """The turn, scale and shift (2, 3) that brings `source` points closest to `target` (Umeyama 1991, in closed form
    for the plane)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    s, t = source - source_mean, target - target_mean
    spread = (s**2).sum()
    if spread < 1e-6:
        raise ValueError("landmarks without extent")
    a = (s * t).sum() / spread
    b = (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum() / spread
    turn = np.array([[a, -b], [b, a]])
    return np.hstack([turn, (target_mean - turn @ source_mean)[:, None]]).astype(np.float32)


def align(picture, landmarks, margin=0, border=cv2.BORDER_CONSTANT):
    """The face in its standard place: a square of 112 + 2 `margin` pixels, black beyond the picture's border unless
    OpenCV's `border` says otherwise. Two samples a side where the face is larger than that."""
    to_square = similarity(np.asarray(landmarks, np.float32), TEMPLATE + margin)
    return sampled(picture, to_square, SIDE + 2 * margin, 2, border)


def sampled(picture, there, side, samples_max, border=cv2.BORDER_CONSTANT):
    """A square of `side` pixels into which the similarity `there` (2, 3) brings the picture; where that shrinks it, each
    pixel is the mean of up to `samples_max` samples a side."""
    fine = int(np.clip(round(1 / np.hypot(there[0, 0], there[1, 0])), 1, samples_max))
    finer = there * fine
    finer[:, 2] += (fine - 1) / 2
    square = cv2.warpAffine(picture, finer, (side * fine, side * fine), flags=cv2.INTER_LINEAR, borderMode=border)
    return square if fine == 1 else cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
