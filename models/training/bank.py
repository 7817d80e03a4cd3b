"""Faces with what the teacher says about them, kept on disk so that the teacher is asked once.

Fourteen thousand faces are few for an embedding, and the teacher can label faces of people who do not exist: two
aligned faces blended, or one half of each, or one face pulled out of shape. Each is a new identity to learn from.
"""

import sys
import time

import cv2
import numpy as np

import faces
import lessons
import teachers

# Pixels around the aligned face, so that a view may turn and shift without running out of picture.
MARGIN = 8
SIDE = faces.SIDE + 2 * MARGIN


def covered(picture, landmarks):
    """An aligned face with a fourth channel, 255 where the picture reaches. Beyond it the picture is mirrored: crops
    for training are tight, and a black frame around every face would be learnt as a part of faces."""
    colours = faces.align(picture, landmarks, MARGIN, cv2.BORDER_REFLECT_101)
    reach = faces.align(np.full(picture.shape[:2], 255, np.uint8), landmarks, MARGIN)
    return np.dstack([colours, reach])


def aligned(folder, teacher_folder):
    """All faces of a folder that the teacher finds, as `covered` gives them: (n, 128, 128, 4) uint8."""
    detector = teachers.Detector(teacher_folder / teachers.DETECTOR)
    paths, squares, started = faces.pictures(folder), [], time.time()
    for done, path in enumerate(paths, 1):
        picture = faces.read(path)
        found = detector(picture)
        if found:
            middle = np.array(picture.shape[1::-1]) / 2
            face = min(found, key=lambda f: np.linalg.norm(f.box[:2] + f.box[2:] / 2 - middle))
            squares.append(covered(picture, face.landmarks))
        lessons.progress("finding", done, len(paths), started)
    print(f"{len(squares)} of {len(paths)} faces found", file=sys.stderr)
    return np.stack(squares)


def _noise_mask(draw):
    """A smooth mask, 0 to 1, that gives one person the upper, lower, left or right part of a face, or anything
    between, with a soft border."""
    angle, shift = draw.uniform(0, 2 * np.pi), draw.normal(0, 12)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    edge = np.cos(angle) * x + np.sin(angle) * y - shift
    return (1 / (1 + np.exp(-edge / draw.uniform(3, 12))))[..., None]


def _toned(face, like):
    """`face` with the mean and spread of each colour of `like`, so that a blend has no seam of colour."""
    a, b = face.astype(np.float32), like.astype(np.float32)
    low, high = (a.mean((0, 1)), a.std((0, 1)) + 1), (b.mean((0, 1)), b.std((0, 1)) + 1)
    return (a - low[0]) * (high[1] / low[1]).clip(0.5, 2) + high[0]


def _warped(face, draw):
    """`face` pulled out of shape by up to some pixels, smoothly: longer nose, narrower jaw, wider eyes."""
    field = draw.normal(0, draw.uniform(2, 5), (2, 5, 5)).astype(np.float32)
    dx, dy = (cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for part in field)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    return cv2.remap(face, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def imagined(squares, draw):
    """A person who does not exist, made of one or two of the aligned faces: (128, 128, 4) uint8."""
    one, two = squares[draw.integers(len(squares), size=2)]
    kind = draw.integers(3)
    if kind == 0:
        return _warped(one, draw)
    share = np.float32(draw.uniform(0.35, 0.65)) if kind == 1 else _noise_mask(draw)
    mixed = one[..., :3] * (1 - share) + _toned(two[..., :3], one[..., :3]) * share
    return np.dstack([mixed.clip(0, 255).astype(np.uint8), np.minimum(one[..., 3], two[..., 3])])


def build(folder, teacher_folder, bank_folder, count, seed):
    """Squares (n, 128, 128, 4) uint8 and the teacher's unit vectors (n, 128) for the faces of a folder, then `count`
    imagined ones; made once, then read from disk. The vector of a real face is that of it and its mirror image."""
    bank_folder.mkdir(parents=True, exist_ok=True)
    paths = bank_folder / "squares.npy", bank_folder / "vectors.npy"
    if not paths[1].is_file():
        real, draw, started = aligned(folder, teacher_folder), np.random.default_rng(seed), time.time()
        teacher = teachers.Embedding(teacher_folder / teachers.EMBEDDING)
        total = len(real) + count
        squares = np.lib.format.open_memmap(paths[0], "w+", np.uint8, (total, SIDE, SIDE, 4))
        vectors = np.empty((total, 128), np.float32)
        inner = slice(MARGIN, MARGIN + faces.SIDE)
        for at in range(total):
            squares[at] = real[at] if at < len(real) else imagined(real, draw)
            face = squares[at, inner, inner, :3]
            vectors[at] = teacher([face, face[:, ::-1]] if at < len(real) else [face]).sum(0)
            lessons.progress("labelling", at + 1, total, started)
        squares.flush()
        np.save(paths[1], vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return np.load(paths[0], mmap_mode="r"), np.load(paths[1])
