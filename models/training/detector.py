"""The house detector: finds faces and their five landmarks as YuNet does, with the same twelve outputs, for less.

    python detector.py train --faces DIR --teachers DIR --out runs/detector
    python detector.py measure runs/detector/detector.onnx --pictures DIR

trains on frames put together from small pictures of one face each (`scenes`), and measures against the teacher on
photographs that were not learned from. An interrupted training goes on where it was when started again.
"""

import argparse
import copy
import json
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

import faces
import intervals
import lessons
import network
import refiner
import scenes
import teachers

SHAPE = (1, 3, scenes.HEIGHT, scenes.WIDTH)
# Values of a cell: score, box, five points.
PARTS = (1, 4, 10)
# Face sizes (square root of the box's area, pixels) that each grid learns to find; the next grid takes over softly.
SIZES = ((0, 36), (30, 130), (95, 1000))
# How far from a face's middle a cell finds it, and how far it at least knows the place (share of the box).
CORE, RIM = 0.22, 0.34


class Detector(nn.Module):
    """A pyramid of three grids. Takes blue-green-red 0 to 255; gives a map of 15 values for each grid."""

    def __init__(self):
        super().__init__()
        self.scale = 1 / 64
        self.stem = nn.Sequential(network.convolution(3, 8, stride=2), network.convolution(8, 16, stride=2))
        self.near = nn.Sequential(network.convolution(16, 32, stride=2), network.convolution(32, 32))
        self.middle, self.far = network.stage(32, 64, 1), network.stage(64, 80, 1)
        self.far_down, self.middle_down = network.convolution(80, 64, 1), network.convolution(64, 32, 1)
        self.heads = nn.ModuleList(
            nn.Sequential(before, nn.Conv2d(channels, sum(PARTS), 1))
            for before, channels in (
                (nn.Identity(), 32), (network.convolution(64, 64), 64), (network.convolution(80, 64), 64)
            )
        )
        for head in self.heads:
            nn.init.normal_(head[1].weight, std=0.01)
            nn.init.zeros_(head[1].bias)
            # Few cells see a face: begin with a score of one in a hundred.
            nn.init.constant_(head[1].bias[:1], -4.6)

    def forward(self, picture):
        near = self.near(self.stem(picture * self.scale))
        middle = self.middle(near)
        far = self.far(middle)
        middle = middle + nn.functional.interpolate(self.far_down(far), scale_factor=2.0, mode="nearest")
        near = near + nn.functional.interpolate(self.middle_down(middle), scale_factor=2.0, mode="nearest")
        return [head(level) for head, level in zip(self.heads, (near, middle, far))]


class Port(nn.Module):
    """The network as the terminal runs it: normalisations folded in, and the twelve outputs of YuNet."""

    def __init__(self, detector):
        super().__init__()
        self.detector = network.folded(copy.deepcopy(detector).float())
        self.detector.stem[0][0].weight.data *= self.detector.scale
        self.detector.scale = 1.0

    def forward(self, picture):
        rows = [level.permute(0, 2, 3, 1).reshape(1, -1, sum(PARTS)) for level in self.detector(picture)]
        score, box, points = zip(*(row.split(PARTS, 2) for row in rows))
        score = [torch.sigmoid(x) for x in score]
        return [*score, *score, *box, *points]


NAMES = [f"{part}_{stride}" for part in ("cls", "obj", "bbox", "kps") for stride in faces.STRIDES]


def export(detector, path):
    """Writes the network as ONNX and answers the largest difference between ONNX Runtime and torch."""
    port = Port(detector).eval()
    picture = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, SHAPE).astype(np.float32))
    with torch.no_grad():
        expected = port(picture)
    network.write(port, picture, path, NAMES)
    got = teachers.session(path).run(None, {"input": picture.numpy()})
    return max(float(np.abs(a - b.numpy()).max()) for a, b in zip(got, expected))


# --- what the cells should say

# Column and row, stride, and range of face sizes of each of the 1,680 cells.
GRIDS = [np.mgrid[: SHAPE[2] // s, : SHAPE[3] // s][::-1].reshape(2, -1).T for s in faces.STRIDES]
CELLS = np.concatenate(GRIDS).astype(np.float32)
STRIDE = np.repeat(faces.STRIDES, [len(grid) for grid in GRIDS]).astype(np.float32)
LOW, HIGH = np.repeat(SIZES, [len(grid) for grid in GRIDS], axis=0).T


def targets(boxes, points):
    """For each of the 1,680 cells: score (1 face, 0 none, -1 either is right), the size of its face (0: has none), and
    box and points (14) as the network shall give them."""
    score, size, values = np.zeros(len(CELLS)), np.zeros(len(CELLS)), np.zeros((len(CELLS), 14))
    closest = np.full(len(CELLS), RIM)
    centres = (CELLS + 0.5) * STRIDE[:, None]
    for box, landmarks in zip(boxes, points):
        middle, face = box[:2] + box[2:] / 2, np.sqrt(box[2] * box[3])
        away = (np.abs(centres - middle) / box[2:]).max(1)
        fits = (face >= LOW) & (face < HIGH)
        # A small face may lie between the cells' centres: then the nearest cell of the grid has it.
        nearest = np.abs(centres - middle).max(1) <= STRIDE * 0.5
        near = (face >= LOW * 0.75) & (face < HIGH * 1.33) & ((away < closest) | (nearest & fits))
        closest[near] = away[near]
        score[near] = np.where(fits & ((away < CORE) | nearest), 1.0, -1.0)[near]
        size[near] = face
        s, cell = STRIDE[near, None], CELLS[near]
        values[near, :2] = middle / s - cell
        values[near, 2:4] = np.log(box[2:] / s)
        values[near, 4:] = (landmarks.reshape(1, 10) / s) - np.tile(cell, 5)
    return score, size, values


def loss_of(maps, score, size, values):
    """The distance of what the network says about a batch from what it should say."""
    said = torch.cat([level.float().flatten(2).transpose(1, 2) for level in maps], 1)
    logit, face = said[..., 0], score > 0.5
    many = face.sum().clamp(min=8)
    cross = nn.functional.binary_cross_entropy_with_logits(logit, face.float(), reduction="none")
    # Cells that are right about having no face by far are many and have little to learn. One that sees a face where there
    # is none counts double: a face that is missed comes again with the next frame.
    ease = torch.where(face, torch.ones_like(logit), 2 * logit.detach().sigmoid().sqrt())
    known = size > 0
    shrink = (torch.from_numpy(STRIDE) / size.clamp(min=1.0)).masked_fill(~known, 0.0)[..., None]
    away = (said[..., 1:] - values).abs()
    place, extent, points = away[..., :2] * shrink, away[..., 2:4] * known[..., None], away[..., 4:] * shrink
    count = known.sum().clamp(min=8)
    parts = {
        "score": (cross * ease * (score > -0.5)).sum() / many,
        "box": (8 * place.sum() + extent.sum()) / count,
        "points": 4 * points.sum() / count,
    }
    return sum(parts.values()), {name: float(part.detach()) for name, part in parts.items()}


class Batches:
    """Batches of frames (n, 3, 256, 320) and what the cells should say about them. Each frame is drawn once and seen
    twice: the second time in the mirror, some batches later. Drawing costs as much as learning."""

    def __init__(self, source, size, later=16):
        self.source, self.size, self.later, self.past, self.again = source, size, later, [], False

    def __call__(self):
        self.again = not self.again and len(self.past) >= self.later
        if self.again:
            scenes_seen = [mirrored(*scene) for scene in self.past.pop(0)]
        else:
            scenes_seen = [self.source.frame() for _ in range(self.size)]
            self.past.append(scenes_seen)
        rows = [targets(boxes, points) for _, boxes, points in scenes_seen]
        score, size, values = (torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*rows))
        # As the frames lie in memory, channels last, convolutions are quickest.
        pictures = torch.from_numpy(np.stack([frame for frame, _, _ in scenes_seen])).permute(0, 3, 1, 2)
        return pictures.float(), score, size, values


def mirrored(frame, boxes, points):
    wide = frame.shape[1]
    boxes = np.concatenate([wide - boxes[:, :1] - boxes[:, 2:3], boxes[:, 1:]], 1)
    # A pixel's number names its middle, so the last one is where the first was.
    points = (points * [-1, 1] + [wide - 1, 0])[:, scenes.SWAPPED]
    return np.ascontiguousarray(frame[:, ::-1]), boxes, points


def train(options):
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    lessons.seed(options.seed)
    teacher = teachers.Detector(options.teachers / teachers.DETECTOR)
    chips = scenes.labelled(options.faces, teacher, options.out / "labels.npz")
    net = Detector().to(memory_format=torch.channels_last)
    course = lessons.Lessons(net, options.out, options.steps, options.rate)
    # Another seed after each break, so that no frame comes twice.
    batches = Batches(scenes.Scenes(chips, [options.seed, course.step]), options.batch)
    started, first, sums, noted = time.time(), course.step, {}, course.step
    net.train()
    while course.step < options.steps:
        pictures, *wanted = batches()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            maps = net(pictures)
        loss, parts = loss_of(maps, *wanted)
        course.learn(loss)
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value
        done = course.step - first
        note = " ".join(f"{name} {value:.3f}" for name, value in parts.items())
        lessons.progress("learning", done, options.steps - first, started, note)
        if course.step % options.every == 0 or course.step == options.steps:
            course.note(**{name: round(value / (course.step - noted), 4) for name, value in sums.items()})
            sums, noted = {}, course.step
            finish(course, options)
    report = finish(course, options)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


def finish(course, options):
    """The averaged network as ONNX, put in place whole; what there is to say about it."""
    part, path = options.out / "detector.part.onnx", options.out / "detector.onnx"
    averaged = copy.deepcopy(course.averaged).to(memory_format=torch.contiguous_format)
    difference = export(averaged, part)
    os.replace(part, path)
    return {
        "command": "python detector.py " + " ".join(sys.argv[1:]),
        "steps": course.step,
        "parameters": network.parameters(averaged),
        "multiply_adds": network.multiply_adds(averaged, SHAPE),
        "bytes": path.stat().st_size,
        "engine_difference": difference,
    }


# --- measuring


def wilson(hits, total):
    """Share and its 95 % interval."""
    if not total:
        return {"n": 0}
    low, high = intervals.wilson(hits, total)
    share = hits / total
    return {"share": round(share, 5), "from": round(low, 5), "to": round(high, 5), "hits": int(hits), "n": int(total)}


def central(found, picture):
    """The face nearest the middle; None if there is none."""
    middle = np.array(picture.shape[1::-1]) / 2
    return min(found, key=lambda f: np.linalg.norm(f.box[:2] + f.box[2:] / 2 - middle)) if found else None


def match(face, found, overlap_min=0.5):
    """The found face that covers `face` best, if it covers enough."""
    if not found:
        return None
    overlaps = faces.overlap(face.box, np.stack([f.box for f in found]))
    return found[int(overlaps.argmax())] if overlaps.max() >= overlap_min else None


# How a picture is shown again, to learn where the teacher sees a face on average: scale, mirrored, and where (share of
# the room that is left).
LOOKS = (
    (0.9, False, 0.2), (0.9, True, 0.7), (0.75, False, 0.5), (0.75, True, 0.3), (0.62, False, 0.8), (0.62, True, 0.4)
)


class Steady:
    """A teacher that looks several times, at other sizes, and says the median: its single look errs by about 4 % of
    the distance of the eyes."""

    def __init__(self, teacher):
        self.teacher = teacher

    def __call__(self, picture):
        face, seen = central(self.teacher(picture), picture), []
        for scale, flip, at in LOOKS if face else ():
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            corner = ((np.array(picture.shape[1::-1]) - small.shape[1::-1]) * at).astype(int)
            canvas = np.full_like(picture, 110)
            canvas[corner[1] :, corner[0] :][: small.shape[0], : small.shape[1]] = small[:, ::-1] if flip else small
            for other in self.teacher(canvas):
                box, points = other.box - [*corner, 0, 0], other.landmarks - corner
                if flip:
                    box[0] = small.shape[1] - box[0] - box[2]
                    points = (points * [-1, 1] + [small.shape[1] - 1, 0])[scenes.SWAPPED]
                if faces.overlap(face.box, box[None] / scale)[0] > 0.4:
                    seen.append((box / scale, points / scale))
        if len(seen) < 4:
            return []
        return [faces.Face(face.score, *(np.median(part, axis=0) for part in zip(*seen)))]


def agreement(student, teacher, pictures):
    """How often and how exactly the student sees the face that the teacher sees nearest the middle."""
    total, scores, errors, shifts, ious = 0, [], [], [], []
    for path in pictures:
        picture = faces.read(path)
        face = central(teacher(picture), picture)
        if face is None:
            continue
        total += 1
        same = match(face, student(picture))
        if same is not None:
            eyes = np.linalg.norm(face.landmarks[0] - face.landmarks[1])
            away = (same.landmarks - face.landmarks) / eyes
            scores.append(same.score)
            errors.append(np.linalg.norm(away, axis=1).mean())
            shifts.append(away)
            ious.append(faces.overlap(face.box, same.box[None])[0])
    errors = np.array(errors)
    return {
        "found": wilson(len(errors), total),
        "score_quantiles_1_5_50": np.quantile(scores, [0.01, 0.05, 0.5]).round(3).tolist(),
        "overlap_mean": round(float(np.mean(ious)), 4),
        "landmark_error_over_eye_distance": {
            "mean": round(float(errors.mean()), 5),
            "median": round(float(np.median(errors)), 5),
            "p95": round(float(np.quantile(errors, 0.95)), 5),
            "within_0.05": wilson((errors <= 0.05).sum(), len(errors)),
            "within_0.10": wilson((errors <= 0.10).sum(), len(errors)),
            "bias_xy": np.mean(shifts, 0).round(4).tolist(),
        },
    }


def painted(picture, found, draw):
    """The picture with its faces painted over: smooth from the rim inwards, with some grain."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    for face in found:
        x, y, w, h = face.box
        cv2.ellipse(mask, ((x + w / 2, y + h / 2), (w * 1.35, h * 1.3), 0), 255, -1)
    small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    holes = cv2.dilate(cv2.resize(mask, small.shape[1::-1]), np.ones((3, 3), np.uint8))
    filled = cv2.resize(cv2.inpaint(small, (holes > 0).astype(np.uint8), 3, cv2.INPAINT_TELEA), picture.shape[1::-1])
    filled = (filled + draw.normal(0, 4, picture.shape)).clip(0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur(mask, (0, 0), 2)[..., None] / 255.0
    return (picture * (1 - soft) + filled * soft).astype(np.uint8)


# Smallest scores for which false faces are counted.
LIMITS = (0.6, 0.7, 0.8, 0.9)


def false_faces(detectors, frames):
    """Of each detector, the share of frames without a face in which it sees one, for several smallest scores."""
    tops = []
    for frame in frames:
        tops.append([max((face.score for face in detector(frame)), default=0.0) for detector in detectors])
    return [
        {str(limit): wilson(sum(top[at] >= limit for top in tops), len(tops)) for limit in LIMITS}
        for at in range(len(detectors))
    ]


def empty_pictures(pictures, teacher):
    """Photographs with every face painted over that the teacher as much as suspects."""
    wary, draw = copy.copy(teacher), np.random.default_rng(1)
    wary.score_min = 0.2
    for path in pictures:
        picture = faces.read(path)
        yield painted(picture, wary(picture), draw)


def by_size(detectors, teacher, pictures, distances):
    """Share of faces found in frames of 640 x 480, by the distance of the eyes in them."""
    draw, rows = np.random.default_rng(2), []
    known = []
    for path in pictures:
        picture = faces.read(path)
        face = central(teacher(picture), picture)
        if face is not None:
            known.append((path, face))
    for distance in distances:
        hits = [0] * len(detectors)
        for path, face in known:
            scale = distance / np.linalg.norm(face.landmarks[0] - face.landmarks[1])
            picture = cv2.resize(faces.read(path), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            picture = picture[:480, :640]
            corner = [int(draw.integers(0, 641 - picture.shape[1])), int(draw.integers(0, 481 - picture.shape[0]))]
            frame = np.full((480, 640, 3), 110, np.uint8)
            frame[corner[1] :, corner[0] :][: picture.shape[0], : picture.shape[1]] = picture
            there = faces.Face(1.0, face.box * scale + [*corner, 0, 0], face.landmarks)
            for at, detector in enumerate(detectors):
                hits[at] += match(there, detector(frame), 0.4) is not None
        rows.append({"eye_distance": distance, **{
            name: wilson(hit, len(known)) for name, hit in zip(("student", "teacher"), hits)}})
    return rows


def measure(options):
    cv2.setNumThreads(1)

    def student_from(score_min):
        """The detector alone, or its proposals looked at again; what scores less is no face."""
        if not options.refiner:
            return teachers.Detector(options.model, score_min)
        return refiner.Refined(teachers.Detector(options.model, options.proposal_min), options.refiner, score_min)

    student = student_from(options.score_min)
    teacher = teachers.Detector(options.teachers / teachers.DETECTOR, 0.6)
    pictures = sorted(options.pictures.rglob("*.jpg"))[:: options.every]
    report = {"command": "python detector.py " + " ".join(sys.argv[1:]), "score_min": options.score_min}

    def note(name, figures):
        """Figures are written as they come: a full measurement takes many minutes."""
        report[name] = figures
        print(f"{name}: {json.dumps(figures)}", flush=True)
        if options.out:
            options.out.write_text(json.dumps(report, indent=1) + "\n")

    both = [student_from(LIMITS[0]), teachers.Detector(options.teachers / teachers.DETECTOR, LIMITS[0])]
    if options.faces:
        chips = scenes.labelled(options.faces, teacher, (options.out or options.model).parent / "labels.npz")
        source = scenes.Scenes(chips, 999_983)
        frames = (source.frame(empty=True)[0] for _ in range(options.frames))
        note("false_faces_drawn", dict(zip(("student", "teacher"), false_faces(both, frames))))
    for folder in options.empty or ():
        empty = sorted(folder.rglob("*.jpg"))[:: options.every]
        rates = false_faces(both, empty_pictures(empty, teacher))
        note(f"false_faces_{folder.name}", dict(zip(("student", "teacher"), rates)))
    if options.empty_only:
        return
    note("agreement", agreement(student, teacher, pictures))
    note("student_to_median_of_teacher", agreement(student, Steady(teacher), pictures[::4]))
    note("teacher_to_median_of_teacher", agreement(teacher, Steady(teacher), pictures[::4]))
    few = pictures[:: max(1, len(pictures) // 400)]
    note("by_size", by_size((student, teacher), teacher, few, options.distances))


def main():
    shared = Path("../../../shared")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("train", help="from a folder of faces to detector.onnx, history.json and report.json")
    verb.add_argument("--faces", type=Path, default=shared / "media/faces-train",
                      help="pictures of 200 x 200 pixels, mostly one face each")
    verb.add_argument("--teachers", type=Path, default=shared / "models", help=f"folder of {teachers.DETECTOR}")
    verb.add_argument("--out", type=Path, default=Path("runs/detector"), help="goes on with what is in it already")
    verb.add_argument("--steps", type=int, default=8000, help="batches to learn from")
    verb.add_argument("--batch", type=int, default=32, help="frames in a batch")
    verb.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    verb.add_argument("--every", type=int, default=250, help="steps between checkpoints")
    verb.add_argument("--seed", type=int, default=1)
    verb.set_defaults(run=train)
    verb = verbs.add_parser("measure", help="against the teacher, on photographs that were not learned from")
    verb.add_argument("model", type=Path)
    verb.add_argument("--pictures", type=Path, default=shared / "media/lfw-dev", help="one face in the middle of each")
    verb.add_argument("--every", type=int, default=1, help="take each nth picture only")
    verb.add_argument("--teachers", type=Path, default=shared / "models", help=f"folder of {teachers.DETECTOR}")
    verb.add_argument("--empty", type=Path, nargs="*",
                      help="folders of photographs, for false faces: their faces are painted over")
    verb.add_argument("--empty-only", action="store_true", help="count false faces and nothing else")
    verb.add_argument("--faces", type=Path, help="the faces of the training, for drawn frames without a face")
    verb.add_argument("--frames", type=int, default=3000, help="drawn frames without a face")
    verb.add_argument("--refiner", type=Path, help="network that looks again at what the detector proposes")
    verb.add_argument("--proposal-min", type=float, default=0.3, help="smallest score of a proposal, with --refiner")
    verb.add_argument("--score-min", type=float, default=0.6, help="smallest score of a face")
    verb.add_argument("--distances", type=int, nargs="*", default=[42, 21, 17, 13, 10])
    verb.add_argument("--out", type=Path, help="file for the figures, as JSON")
    verb.set_defaults(run=measure)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
