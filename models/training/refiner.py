"""The house refiner: looks again at each face that the detector proposes, and says whether it is one.

    python refiner.py train --faces DIR --teachers DIR --out runs/refiner
    python detector.py measure runs/detector/detector.onnx --refiner runs/refiner/refiner.onnx --pictures DIR

A detector sees a whole frame at once and has few multiplications for each place; what it is unsure of costs little to
look at again, turned upright and at one size (cascades: Viola and Jones 2001; Zhang and others 2016). It learns from faces
with the teacher's landmarks and from what the house detector proposes on drawn frames, with and without faces. It learns
to see where the landmarks are as well, which tells a face from a thing with two dots, but is not asked for them: on tight
photographs its teacher sees noses and mouths too high, and so does it.
"""

import argparse
import copy
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

import faces
import lessons
import network
import scenes
import teachers
import views

SIDE = 64
# Pixels between the eyes in the input: the face, and as much around it as tells it from a thing with two dots.
EYES = 24.0
# Where the five landmarks lie in the input when the proposal is exact; `template` in the pack's manifest.
TEMPLATE = (
    (faces.TEMPLATE - faces.TEMPLATE.mean(0)) * EYES / np.linalg.norm(faces.TEMPLATE[0] - faces.TEMPLATE[1]) + [32, 34]
).astype(np.float32)
MEAN, DEVIATION = 127.5, 127.5
# Samples a side for one pixel of the input where the face is larger than it: `samples_max` in the manifest.
SAMPLES_MAX = 4

# What the detector proposes on drawn frames is kept with a rim, so that it can be turned and shifted once more.
RIM = 12
KEPT = SIDE + 2 * RIM
FRAMES_A_SHARD = 500
# Scores from which a proposal is learnt from: lower than any that a pack looks at again.
PROPOSED_MIN = 0.12
# Overlap with a face from which a proposal is that face, and below which it is none.
SAME_MIN, OTHER_MAX = 0.5, 0.3


class Refiner(nn.Module):
    """64 x 64 pixels to a logit of being a face and five points, as moves from the template in eye distances."""

    def __init__(self, widths=(16, 32, 64, 96), vector=160):
        super().__init__()
        self.body = nn.Sequential(
            network.convolution(3, widths[0], stride=2),
            *(network.stage(a, b, 1) for a, b in zip(widths, widths[1:])),
            network.convolution(widths[-1], 64, side=1),
        )
        self.vector = nn.Sequential(nn.Linear(64 * (SIDE // 2 ** len(widths)) ** 2, vector), nn.LeakyReLU(0.1))
        self.answer = nn.Linear(vector, 11)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def forward(self, x):
        return self.answer(self.vector(self.body(x).flatten(1)))


class Port(nn.Module):
    """The network as the terminal runs it: a probability. What only served learning is left out."""

    def __init__(self, trained):
        super().__init__()
        trained = copy.deepcopy(trained).float()
        self.body, self.vector = trained.body, trained.vector
        self.answer = nn.Linear(trained.answer.in_features, 1)
        with torch.no_grad():
            self.answer.weight.copy_(trained.answer.weight[:1])
            self.answer.bias.copy_(trained.answer.bias[:1])

    def forward(self, x):
        return torch.sigmoid(self.answer(self.vector(self.body(x).flatten(1))))


def cropped(picture, landmarks, rim=0, border=cv2.BORDER_CONSTANT):
    """The face upright in a square of 64 pixels and a rim, as the terminal puts it there, and the map (2, 3) that did so.
    Fails with ValueError where the landmarks have no extent."""
    there = faces.similarity(np.asarray(landmarks, np.float32), TEMPLATE + rim)
    return faces.sampled(picture, there, SIDE + 2 * rim, SAMPLES_MAX, border), there


def moved(points, place):
    return points @ place[:, :2].T + place[:, 2]


# --- what is learnt from


def proposed(finder, scene, frames, empty):
    """What the detector proposes on drawn frames: squares (n, KEPT, KEPT, 3), whether each is a face, and its points in
    the square."""
    squares, faces_there, places = [], [], []
    for at in range(frames):
        frame, boxes, points = scene.frame(empty=at % 10 < 10 * empty)
        for found in finder(frame):
            overlaps = faces.overlap(found.box, boxes) if len(boxes) else np.zeros(1)
            if OTHER_MAX <= overlaps.max() < SAME_MIN:
                continue
            try:
                square, there = cropped(frame, found.landmarks, RIM)
            except ValueError:
                continue
            is_face = overlaps.max() >= SAME_MIN
            squares.append(square)
            faces_there.append(is_face)
            places.append(moved(points[overlaps.argmax()], there) if is_face else TEMPLATE + RIM)
    return np.array(squares, np.uint8).reshape(-1, KEPT, KEPT, 3), np.array(faces_there), np.array(places, np.float32)


def bank(options, chips):
    """All proposals of all shards; made once, then read."""
    options.bank.mkdir(parents=True, exist_ok=True)
    finder, started, parts = teachers.Detector(options.detector, PROPOSED_MIN), time.time(), []
    count = options.frames // FRAMES_A_SHARD
    for number in range(count):
        path = options.bank / f"shard_{number:03}.npz"
        if not path.is_file():
            scene = scenes.Scenes(chips, [options.seed, 77, number])
            squares, is_face, points = proposed(finder, scene, FRAMES_A_SHARD, options.empty)
            part = path.with_suffix(".part.npz")
            np.savez_compressed(part, squares=squares, is_face=is_face, points=points)
            part.rename(path)
        parts.append(dict(np.load(path)))
        lessons.progress("proposals", number + 1, count, started)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def shaken(draw, points, eyes, loosely=1.0):
    """Landmarks as a hasty detector gives them: turned, grown and shifted together, and each for itself."""
    angle, grown = draw.normal(0, 0.09 * loosely), np.exp(draw.normal(0, 0.07 * loosely))
    turn = grown * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = points.mean(0)
    together = (points - middle) @ turn.T + middle + draw.normal(0, 0.05 * loosely, 2) * eyes
    return together + draw.normal(0, 0.05 * loosely, (5, 2)) * eyes


def stretched(draw, picture, points):
    """The picture longer or wider and a little aslant: the proportions of the faces that are learnt from are those of
    many children, and must not be taken for everybody's."""
    slant, longer = draw.normal(0, 0.05), np.exp(draw.normal(0, 0.1))
    place = np.array([[1, slant, 0], [0, longer, 0]])
    # The middle stays in the middle.
    middle = np.array(picture.shape[1::-1]) / 2
    place[:, 2] = middle - place[:, :2] @ middle
    return cv2.warpAffine(picture, place, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), moved(points, place)


class Lesson:
    """Batches: half of the pictures are faces of chips, the others what the detector proposed, as many faces as not."""

    def __init__(self, chips, bank, seed, size):
        self.chips, self.bank, self.size, self.draw = chips, bank, size, np.random.default_rng(seed)
        self.right, self.wrong = (np.flatnonzero(bank["is_face"] == wanted) for wanted in (True, False))

    def __call__(self):
        quarter = self.size // 4
        rows = [self.chip() for _ in range(self.size - 2 * quarter)]
        rows += [self.proposal(self.right) for _ in range(quarter)] + [self.proposal(self.wrong) for _ in range(quarter)]
        squares, is_face, points = zip(*rows)
        pictures = torch.from_numpy(np.stack(squares)[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
        moves = (np.stack(points) - TEMPLATE).reshape(-1, 10) / EYES
        return (
            views.seen(pictures),
            torch.tensor(is_face).float(),
            torch.from_numpy(moves.astype(np.float32)),
        )

    def mirrored(self, picture, points):
        if self.draw.random() < 0.5:
            return picture, points
        # The teacher's points count from a picture's edge, not from the middle of its first pixel.
        return picture[:, ::-1], (points * [-1, 1] + [picture.shape[1], 0])[scenes.SWAPPED]

    def chip(self):
        at = self.draw.integers(len(self.chips.pictures))
        eyes = np.linalg.norm(self.chips.landmarks[at][0] - self.chips.landmarks[at][1])
        # Small in the picture as often as large: a chip is decoded at half its side where that is enough.
        reduced = 2 if eyes > 2 * EYES and self.draw.random() < 0.5 else 1
        picture, points = self.chips.picture(at, reduced), self.chips.landmarks[at] / reduced
        picture, points = stretched(self.draw, *self.mirrored(picture, points))
        border = cv2.BORDER_REPLICATE if self.draw.random() < 0.6 else cv2.BORDER_CONSTANT
        square, there = cropped(np.ascontiguousarray(picture), shaken(self.draw, points, eyes / reduced), border=border)
        return square, True, moved(points, there)

    def proposal(self, among):
        at = among[self.draw.integers(len(among))]
        # Half of the drawn faces are in the mirror already.
        picture, points = stretched(self.draw, self.bank["squares"][at], self.bank["points"][at])
        square, there = cropped(picture, shaken(self.draw, TEMPLATE + RIM, EYES, 0.5))
        return square, bool(self.bank["is_face"][at]), moved(points, there)


def loss_of(said, is_face, moves):
    said = said.float()
    face = functional.binary_cross_entropy_with_logits(said[:, 0], is_face * 0.98 + 0.01)
    away = (said[:, 1:] - moves).reshape(-1, 5, 2).norm(dim=2)
    points = (functional.smooth_l1_loss(away, torch.zeros_like(away), beta=0.02, reduction="none") * is_face[:, None]).mean()
    with torch.no_grad():
        error = (away * is_face[:, None]).sum() / (5 * is_face.sum().clamp(min=1))
    return face + 20 * points, {"face": float(face.detach()), "points": float(error)}


def train(options):
    lessons.seed(options.seed)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    teacher = teachers.Detector(options.teachers / teachers.DETECTOR)
    chips = scenes.labelled(options.faces, teacher, options.out / "labels.npz", scenes.VIEWS_AT_DOORS)
    proposals = bank(options, chips)
    print(f"{int(proposals['is_face'].sum())} proposals show a face, {int((~proposals['is_face']).sum())} none", file=sys.stderr)
    net = Refiner().to(memory_format=torch.channels_last)
    course = lessons.Lessons(net, options.out, options.steps, options.rate)
    lesson = Lesson(chips, proposals, [options.seed, course.step], options.batch)
    started, first, sums = time.time(), course.step, []
    net.train()
    while course.step < options.steps:
        pictures, *wanted = lesson()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            said = net(pictures.contiguous(memory_format=torch.channels_last))
        loss, parts = loss_of(said, *wanted)
        course.learn(loss)
        sums.append(parts)
        note = " ".join(f"{name} {value:.4f}" for name, value in parts.items())
        lessons.progress("learning", course.step - first, options.steps - first, started, note)
        if course.step % options.every == 0 or course.step == options.steps:
            course.note(**{name: round(float(np.mean([row[name] for row in sums])), 5) for name in sums[0]})
            sums = []
    report = export(course, options)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


def export(course, options):
    averaged = copy.deepcopy(course.averaged).to(memory_format=torch.contiguous_format)
    path = options.out / "refiner.onnx"
    port = Port(averaged)
    network.export(port, torch.zeros(1, 3, SIDE, SIDE), path, ["face"])
    return {
        "command": "python refiner.py " + " ".join(sys.argv[1:]),
        "steps": course.step,
        "template": TEMPLATE.round(4).tolist(),
        "parameters": network.parameters(port),
        "multiply_adds": network.multiply_adds(port, (1, 3, SIDE, SIDE)),
        "bytes": path.stat().st_size,
    }


# --- measuring


class Refined:
    """The house detector with the second look, as the terminal runs them."""

    def __init__(self, finder, path, score_min=0.5):
        self.finder, self.session, self.score_min = finder, teachers.session(path), score_min

    def __call__(self, picture):
        found = []
        for face in self.finder(picture):
            try:
                square, _ = cropped(picture, face.landmarks)
            except ValueError:
                continue
            x = (square[..., ::-1].astype(np.float32) - MEAN) / DEVIATION
            (score,), = self.session.run(None, {"input": x.transpose(2, 0, 1)[None]})[0]
            if score >= self.score_min:
                found.append(faces.Face(float(score), face.box, face.landmarks))
        return found


def main():
    shared = Path("../../../shared")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("train", help="from a folder of faces to refiner.onnx, history.json and report.json")
    verb.add_argument("--faces", type=Path, default=shared / "media/faces-train",
                      help="pictures of 200 x 200 pixels, mostly one face each")
    verb.add_argument("--teachers", type=Path, default=shared / "models", help=f"folder of {teachers.DETECTOR}")
    verb.add_argument("--detector", type=Path, default=Path("../packs/house/detector.onnx"),
                      help="the house detector, whose proposals are learnt from")
    verb.add_argument("--out", type=Path, default=Path("runs/refiner"), help="goes on with what is in it already")
    verb.add_argument("--bank", type=Path, help="where proposals are kept (default OUT/bank)")
    verb.add_argument("--frames", type=int, default=15000, help="drawn frames to collect proposals from")
    verb.add_argument("--empty", type=float, default=0.6, help="share of them without faces, in tenths")
    verb.add_argument("--steps", type=int, default=5000, help="batches to learn from")
    verb.add_argument("--batch", type=int, default=96, help="pictures in a batch")
    verb.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    verb.add_argument("--every", type=int, default=500, help="steps between checkpoints")
    verb.add_argument("--seed", type=int, default=1)
    verb.set_defaults(run=train)
    options = parser.parse_args()
    if options.run is train:
        options.bank = options.bank or options.out / "bank"
    options.run(options)


if __name__ == "__main__":
    main()
