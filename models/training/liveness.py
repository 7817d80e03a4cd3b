"""Trains the liveness network: does a camera see a person or a picture of one?

Two teachers look at the simulated captures of attacks.py, at the same captures distorted further, and at photographs as
they are. The student learns what they answer, what the first one sees where on its way there (maps of three sizes, some
numbers of each) and holds of the whole (its vector), and which captures were attacks. What a teacher sees in a small
place is the same before a simulated door and a real one, so its maps teach what its answers alone do not. The answers
are heads on one vector, so that they become a single linear layer in the end; what only served learning is left out.

    python liveness.py train --faces DIR --teachers DIR --out runs/liveness
    python liveness.py measure --model runs/liveness/liveness.onnx --nuaa DIR --photos DIR --teachers DIR
"""

import argparse
import json
import re
import time
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn import functional

import attacks
import faces
import intervals
import lessons
import network
import teachers

SIDE = 80
# The first teacher's reach: what it answers depends on the very pixels that the student sees.
CROP_SCALE = 2.7
LIVE = 1
MEAN, DEVIATION = 127.5, 64.0

FRAMES_A_SHARD = 500
VIEWS = 4
LOGIT_MAX = 7.0
# Of the first teacher's maps, places along a side, and numbers kept at each place by a fixed random projection.
MAPS = {20: 32, 10: 64, 5: 64}
# How loosely the crop's size and place are drawn about those of the terminal, so that the teacher is asked more.
REACH, PHOTOGRAPHS = 0.12, 0.2
UNKNOWN = len(attacks.KINDS)
# Said in every report, so that nobody takes the figures for better than they are.
SELECTED = (
    "No weight was learnt from recorded frames. The shift: on simulated captures of other people. The shares of the "
    "heads, the weights of losses, how many simulated attacks pass, when training ended, what the simulation shows: "
    "seen to do better on the NUAA frames, so the NUAA figures are flattering until other recordings confirm them."
)
# Simulated attacks that pass at 0.5: a door would rather ask a person again.
ATTACKS_PASSED = 0.1


class Liveness(nn.Module):
    """80 x 80 pixels to probabilities (attack, live)."""

    def __init__(self, widths=(24, 48, 80, 112), vector=128):
        super().__init__()
        self.body = nn.Sequential(
            network.convolution(3, widths[0], stride=2),
            *(network.stage(a, b, 1) for a, b in zip(widths, widths[1:])),
        )
        self.narrow = network.convolution(widths[-1], 32, side=1)
        # Where in the crop something lies matters: hands below, edges around.
        self.vector = nn.Linear(32 * (SIDE // 2 ** len(widths)) ** 2, vector)
        # Logits: as the first teacher, as the second, and by what the simulation knows.
        self.heads = nn.Linear(vector, 3)
        self.maps = nn.ModuleList(nn.Conv2d(width, MAPS[side], 1) for width, side in zip(widths[1:], MAPS))
        self.likeness = nn.Linear(vector, 128)

    def learn(self, x):
        """Logits (n, 3), the teacher's vector (n, 128), and its maps as far as they are kept (n, numbers, side, side)."""
        seen, maps = self.body[0](x), []
        for stage, told in zip(self.body[1:], self.maps):
            seen = stage(seen)
            maps.append(told(seen))
        vector = self.vector(functional.dropout(self.narrow(seen).flatten(1), 0.1, self.training))
        return self.heads(vector), self.likeness(vector), maps


class Judge(nn.Module):
    """The network as it is exported: the heads' weighted sum and a shift, as two probabilities."""

    def __init__(self, trained, weights, shift):
        super().__init__()
        self.body = nn.Sequential(trained.body, trained.narrow)
        # Heads on a vector on the map: linear all the way, so one layer says the same.
        with torch.no_grad():
            head = torch.tensor(weights) @ trained.heads.weight
            row, bias = head @ trained.vector.weight, head @ trained.vector.bias
            bias += torch.tensor(weights) @ trained.heads.bias + shift
            self.answer = nn.Linear(len(row), 2)
            self.answer.weight.copy_(torch.stack([-row / 2, row / 2]))
            self.answer.bias.copy_(torch.stack([-bias / 2, bias / 2]))

    def forward(self, x):
        return torch.softmax(self.answer(self.body(x).flatten(1)), 1)


# --- what the terminal does with a frame ------------------------------------------------------------------------------


def span(centre, length, side):
    """A span of `length` about `centre`, moved into 0..side, on whole pixels: its start and its end."""
    start = min(max(centre - length / 2, 0), max(side - 1 - length, 0))
    return int(np.floor(start)), int(min(np.floor(start + length), side - 1)) + 1


def crop_of(frame, box, scale, side):
    """The face's box times `scale` about its centre, less where the frame is too small for that, moved inside the
    frame and stretched to a square of `side` pixels."""
    height, width = frame.shape[:2]
    across, down = max(box[2], 1), max(box[3], 1)
    scale = min(scale, (width - 1) / across, (height - 1) / down)
    left, right = span(box[0] + box[2] / 2, across * scale, width)
    top, bottom = span(box[1] + box[3] / 2, down * scale, height)
    return cv2.resize(frame[top:bottom, left:right], (side, side), interpolation=cv2.INTER_LINEAR)


# --- the bank: what the teachers say of simulated captures ------------------------------------------------------------


class Teacher:
    """One liveness teacher: the logit of life of a crop, the vector that it answers from, and what it saw where."""

    def __init__(self, path):
        model = onnx.load(str(path)) if Path(path).is_file() else teachers.session(path)
        answer = [node for node in model.graph.node if node.op_type in ("MatMul", "Gemm")][-1]
        sizes = {value.name: value.type.tensor_type.shape.dim[-1].dim_value
                 for value in onnx.shape_inference.infer_shapes(model).graph.value_info}
        # The sums at the end of residual blocks: the last of each size holds all that goes on from there.
        sums = {sizes.get(node.output[0]): node.output[0] for node in model.graph.node if node.op_type == "Add"}
        for name in (answer.input[0], *(sums[side] for side in MAPS)):
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        self.projections = {}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        model = model.SerializeToString()
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name

    def __call__(self, crop):
        asked = {self.name: crop.transpose(2, 0, 1)[None].astype(np.float32)}
        answer, vector, *maps = self.session.run(None, asked)
        p = np.clip(answer[0].astype(np.float64), 1e-9, 1)
        logit = np.log(p[LIVE] / (p.sum() - p[LIVE]))
        return logit, vector[0], [self.projected(seen[0]) for seen in maps]

    def projected(self, seen):
        deep, side = seen.shape[:2]
        if side not in self.projections:
            draw = np.random.default_rng(side)
            self.projections[side] = draw.normal(0, deep**-0.5, (MAPS[side], deep)).astype(np.float32)
        return self.projections[side] @ seen.reshape(deep, -1)


def distorted(draw, crop, other):
    """A crop changed so that it shows a teacher something new; and whether a piece of `other` covers a part of it."""
    zoom, shift = draw.uniform(0.85, 1.2), draw.normal(0, 3, 2)
    middle = (SIDE - 1) / 2
    matrix = np.array([[zoom, 0, middle - zoom * middle + shift[0]], [0, zoom, middle - zoom * middle + shift[1]]])
    crop = cv2.warpAffine(crop, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    patched = attacks.chance(draw, 0.3)
    if patched:
        (top, left), (down, across) = draw.integers(0, SIDE - 8, 2), draw.integers(8, SIDE, 2)
        crop[top : top + down, left : left + across] = other[top : top + down, left : left + across]
    crop = attacks.toned(draw, crop, (0.6, 1.6), (0, 30), (180, 330), 0.06)
    crop = attacks.coloured(crop, draw.uniform(0.3, 1.5))
    if attacks.chance(draw, 0.5):
        crop = attacks.blurred(crop, draw.uniform(0.3, 1.3))
    else:
        crop = cv2.addWeighted(crop, 2, attacks.blurred(crop, 1.0), -1, 0)
    if attacks.chance(draw, 0.5):
        crop = attacks.added(crop, draw.normal(0, abs(draw.normal(0, 8)), crop.shape))
    return crop, patched


def whole_head(box):
    """The box of a face whose forehead the photograph cuts off, as the detector finds it where there is hair above."""
    x, y, width, height = box
    return np.array([x, y - 0.12 * height, width * 1.03, height * 1.15])


def jittered(draw, face):
    """A box as another detector might find it."""
    grown = face[2:] * np.exp(draw.normal(0, 0.05))
    return np.concatenate([face[:2] + (face[2:] - grown) / 2 + grown * draw.normal(0, 0.03, 2), grown])


def loosely(draw, box, sides):
    """A box that is larger or smaller and a little elsewhere: another crop of the same scene."""
    grown = np.array(box[2:]) * np.exp(draw.normal(0, REACH))
    return np.concatenate([np.array(box[:2]) + (np.array(box[2:]) - grown) / 2 + draw.normal(0, 0.06, 2) * sides, grown])


def shard(seed, number, paths, studio, detector, judges):
    """Views of FRAMES_A_SHARD captures with the teachers' answers: a dict of arrays. Each person is taken once live
    and once as an attack, and some photographs are shown as they are: nobody says what they are worth."""
    draw = np.random.default_rng([seed, number])
    rows, crops = [], []

    def show(picture, kind, known, distant=np.nan):
        near, vector, maps = judges[0](picture)
        crops.append(picture)
        rows.append((kind, near, distant, known, vector, *maps))

    while len(rows) < FRAMES_A_SHARD * VIEWS:
        chip = faces.read(paths[draw.integers(len(paths))])
        found = detector(chip)
        if not found:
            continue
        largest = max(found, key=lambda face: face.box[2]).box
        if attacks.chance(draw, PHOTOGRAPHS):
            for view in range(VIEWS):
                picture = crop_of(chip, loosely(draw, largest, largest[2:]), CROP_SCALE * draw.uniform(0.3, 1), SIDE)
                show(distorted(draw, picture, crops[draw.integers(len(crops))])[0] if view and crops else picture, UNKNOWN, 0.0)
        for kind in (attacks.LIVE, attacks.PRINT if attacks.chance(draw, 0.6) else attacks.SCREEN):
            frame, face = studio.capture(draw, kind, chip, whole_head(largest))
            face = jittered(draw, np.array(face))
            show(crop_of(frame, face, CROP_SCALE, SIDE), kind, 1.0,
                 judges[1](crop_of(frame, face, teachers.LIVENESS[1][1], SIDE))[0])
            for _ in range(VIEWS - 1):
                crop = crop_of(frame, loosely(draw, face, face[2:]), CROP_SCALE, SIDE)
                picture, patched = distorted(draw, crop, crops[draw.integers(len(crops))])
                show(picture, kind, 0.0 if patched else 1.0)
    kind, near, distant, known, vector, *maps = zip(*rows)
    return {
        "crops": np.stack(crops),
        "kind": np.array(kind, np.uint8),
        "near": np.array(near, np.float32),
        "distant": np.array(distant, np.float32),
        "known": np.array(known, np.float32),
        "vector": np.stack(vector).astype(np.float16),
        **{f"map_{side}": np.stack(seen).astype(np.float16) for side, seen in zip(MAPS, maps)},
    }


def bank(options):
    """The shards of training and, of other people, the shard of validation; made once, then read."""
    options.bank.mkdir(parents=True, exist_ok=True)
    paths = faces.pictures(options.faces)
    apart = set(range(0, len(paths), 20))
    groups = [[p for i, p in enumerate(paths) if i in apart], [p for i, p in enumerate(paths) if i not in apart]]
    count, tools, started, parts = options.frames // FRAMES_A_SHARD + 1, None, time.time(), []
    for number in range(count):
        path = options.bank / f"shard_{number:03}.npz"
        if not path.is_file():
            own = groups[min(number, 1)]
            if tools is None:
                draw = np.random.default_rng(options.seed)
                studio = attacks.Studio(draw, lambda d: (faces.read(groups[1][d.integers(len(groups[1]))]), None))
                judges = [Teacher(options.teachers / name) for name, _ in teachers.LIVENESS]
                tools = studio, teachers.Detector(options.teachers / teachers.DETECTOR), judges
            part = path.with_suffix(".part.npz")
            np.savez(part, **shard(options.seed, number, own, *tools))
            part.rename(path)
        parts.append(dict(np.load(path)))
        lessons.progress("bank", number + 1, count, started)
    # Each number of a map with mean 0 and deviation 1, so that all count the same.
    for name in (f"map_{side}" for side in MAPS):
        some = np.concatenate([part[name][::29] for part in parts]).astype(np.float32)
        mean, deviation = some.mean((0, 2)), some.std((0, 2)) + 1e-3
        for part in parts:
            part[name] = ((part[name] - mean[:, None]) / deviation[:, None]).astype(np.float16)
    other, joined = parts.pop(0), {}
    for name in other:
        joined[name] = np.concatenate([part.pop(name) for part in parts])
    return joined, other


# --- figures ----------------------------------------------------------------------------------------------------------


def equal_errors(live, attack):
    """The rate at which as many live are refused as attacks pass, and the threshold where that is."""
    live, attack = np.asarray(live), np.asarray(attack)
    edges = np.unique(np.concatenate([live, attack]))
    edges = np.concatenate([edges[:1] - 1, (edges[1:] + edges[:-1]) / 2, edges[-1:] + 1])
    refused = np.searchsorted(np.sort(live), edges) / len(live)
    passed = 1 - np.searchsorted(np.sort(attack), edges) / len(attack)
    at = np.argmin(np.abs(refused - passed))
    return float((refused[at] + passed[at]) / 2), float(edges[at])


def rates(live, attack):
    """Error rates of the scores of presentations, each with its count and its interval."""
    eer, threshold = equal_errors(live, attack)
    figures = {"live": len(live), "attacks": len(attack), "eer": eer, "eer_threshold": threshold}
    figures["eer_interval"] = intervals.wilson(eer * min(len(live), len(attack)), min(len(live), len(attack)))
    for at in (0.5, 0.6):
        wrong = {"bpcer": int(np.sum(np.array(live) < at)), "apcer": int(np.sum(np.array(attack) >= at))}
        for (name, errors), trials in zip(wrong.items(), (len(live), len(attack))):
            figures[f"{name}_{at}"] = {"errors": errors, "rate": errors / trials, "interval": intervals.wilson(errors, trials)}
    figures["live_tenths"] = np.histogram(live, 10, (0, 1))[0].tolist()
    figures["attack_tenths"] = np.histogram(attack, 10, (0, 1))[0].tolist()
    return figures


def windows(scores, length=3):
    """Means of consecutive scores; what is left over at the end counts nowhere."""
    return [float(np.mean(scores[i : i + length])) for i in range(0, len(scores) - length + 1, length)]


class Asked:
    """A liveness network as the terminal asks it: the probability of life of the face `box` in `frame`."""

    def __init__(self, path, scale, mean=0.0, deviation=1.0):
        self.session, self.scale, self.mean, self.deviation = teachers.session(path), scale, mean, deviation
        port = self.session.get_inputs()[0]
        self.name, self.side = port.name, port.shape[2]

    def __call__(self, frame, box):
        crop = crop_of(frame, box, self.scale, self.side).transpose(2, 0, 1)[None].astype(np.float32)
        return float(self.session.run(None, {self.name: (crop - self.mean) / self.deviation})[0][0, LIVE])

    def milliseconds(self, times=200):
        """The median processor time of an answer, one thread: waiting for a busy machine does not count."""
        x = np.random.default_rng(0).integers(0, 256, (1, 3, self.side, self.side)).astype(np.float32)
        x, passed = {self.name: (x - self.mean) / self.deviation}, []
        for _ in range(times):
            began = time.process_time()
            self.session.run(None, x)
            passed.append(time.process_time() - began)
        return float(np.median(passed) * 1e3)


def in_time(path):
    """Sorts names by the values of the numbers in them."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def presented(folder, detector, asked):
    """For each person of live/ and print/: the answers (frames, networks) for the largest face of each frame."""
    answers = {}
    for kind in ("live", "print"):
        people = sorted(path for path in (Path(folder) / kind).iterdir() if path.is_dir())
        for person in people:
            rows = []
            for path in sorted(faces.pictures(person), key=in_time):
                frame = faces.read(path)
                found = detector(frame)
                if found:
                    face = max(found, key=lambda face: face.box[2] * face.box[3])
                    rows.append([ask(frame, face.box) for ask in asked])
            answers[kind, person.name] = np.array(rows).reshape(-1, len(asked))
    return answers


def told(options, model):
    """The figures of a network beside its teachers' on recorded frames that nobody has learnt from."""
    detector = teachers.Detector(options.teachers / teachers.DETECTOR)
    asked = [Asked(model, CROP_SCALE, MEAN, DEVIATION)]
    asked += [Asked(options.teachers / name, scale) for name, scale in teachers.LIVENESS]
    report = {}
    if options.nuaa:
        answers = presented(options.nuaa, detector, asked)
        columns = {"house": lambda a: a[:, 0], "first teacher": lambda a: a[:, 1], "second teacher": lambda a: a[:, 2]}
        columns["both teachers"] = lambda a: a[:, 1:].mean(1)
        for name, column in columns.items():
            scores = {key: column(rows) for key, rows in answers.items()}
            kinds = [[v for (kind, _), v in scores.items() if kind == wanted] for wanted in ("live", "print")]
            people = {}
            for (kind, person), v in scores.items():
                people.setdefault(person, {})[kind] = round(float(np.mean(v)), 3)
            report[name] = {
                "frames": rates(*(np.concatenate(kind) for kind in kinds)),
                "windows of 3": rates(*([score for v in kind for score in windows(v)] for kind in kinds)),
                "mean by person": people,
            }
    report["milliseconds"] = dict(zip(("house", "first teacher", "second teacher"), (a.milliseconds() for a in asked)))
    if options.photos:
        report["photographs"] = photographs(options.photos, detector, asked)
    return report


def photographs(folder, detector, asked):
    """For information: what the networks say of single photographs."""
    answers = {}
    for path in faces.pictures(folder):
        picture = faces.read(path)
        found = detector(picture)
        if found:
            face = max(found, key=lambda face: face.box[2] * face.box[3])
            answers[path.name] = [round(ask(picture, face.box), 3) for ask in asked]
    return answers


def measure(options):
    report = told(options, options.model)
    for name in ("house", "first teacher", "second teacher", "both teachers"):
        for unit in ("frames", "windows of 3"):
            if name in report:
                r = report[name][unit]
                wrong = "  ".join(f"{rate.upper()} at {at}: {r[f'{rate}_{at}']['rate']:.1%} of {r[of]}"
                                  for at in (0.5, 0.6) for rate, of in (("apcer", "attacks"), ("bpcer", "live")))
                low, high = r["eer_interval"]
                eer = f"EER {r['eer']:.1%} ({low:.1%} to {high:.1%}) at {r['eer_threshold']:.3f}"
                print(f"{name:15} {unit:13} {eer}  {wrong}")
                print(f"{'':29} live {r['live_tenths']}  print {r['attack_tenths']}")
        if name in report:
            print(f"{'':15} by person {report[name]['mean by person']}")
    spent = report["milliseconds"]
    print("milliseconds", {name: round(value, 3) for name, value in spent.items()},
          f"house / both teachers {spent['house'] / (spent['first teacher'] + spent['second teacher']):.2f}")
    for name, answers in report.get("photographs", {}).items():
        print(f"{name:48} house, first, second: {answers}")
    if options.report:
        options.report.write_text(json.dumps(report, indent=1) + "\n")


# --- training -------------------------------------------------------------------------------------------------------


def tensor(crops):
    """Crops (n, 80, 80, 3) uint8 as the network's input."""
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - MEAN) / DEVIATION


def batch(draw, data, size):
    """Crops and what is to be learnt from them; half of them in the mirror, and with them the teacher's maps."""
    at = draw.integers(0, len(data["kind"]), size)
    drawn, half = {name: values[at] for name, values in data.items()}, size // 2
    drawn["crops"][:half] = drawn["crops"][:half, :, ::-1].copy()
    for side, numbers in MAPS.items():
        places = drawn[f"map_{side}"].reshape(size, numbers, side, side)
        places[:half] = places[:half, :, :, ::-1].copy()
    return tensor(drawn.pop("crops")), {name: torch.from_numpy(values) for name, values in drawn.items()}


def loss_of(student, x, target):
    with torch.autocast("cpu", torch.bfloat16):
        logits, likeness, maps = student.learn(x)
    logits = logits.float()
    near = functional.smooth_l1_loss(logits[:, 0], target["near"].clamp(-LOGIT_MAX, LOGIT_MAX))
    asked = ~torch.isnan(target["distant"])
    far = functional.smooth_l1_loss(logits[asked, 1], target["distant"][asked].clamp(-LOGIT_MAX, LOGIT_MAX))
    life = (target["kind"] == attacks.LIVE).float() * 0.94 + 0.03
    truth = functional.binary_cross_entropy_with_logits(logits[:, 2], life, weight=target["known"])
    alike = (1 - functional.cosine_similarity(likeness.float(), target["vector"].float())).mean()
    seen = sum(functional.smooth_l1_loss(told.float().flatten(2), target[f"map_{side}"].float())
               for side, told in zip(MAPS, maps))
    return 0.5 * near + 0.25 * far + truth + 2 * alike + 3 * seen, (near, far, truth, alike, seen)


def logits_of(student, crops):
    student.eval()
    with torch.no_grad():
        return np.concatenate([student.learn(tensor(crops[i : i + 250]))[0].numpy() for i in range(0, len(crops), 250)])


def validate(student, data, weights):
    """How the student does on simulated captures of people it has not seen, first views only: its agreement with the
    teachers and its error rate against the simulation's truth; and the shift that lets ATTACKS_PASSED pass at 0.5."""
    own = ~np.isnan(data["distant"])
    logits, kind = logits_of(student, data["crops"][own]), data["kind"][own]
    summed = logits @ np.array(weights, np.float32)
    teacher = (data["near"][own] + data["distant"][own]) / 2
    rate, _ = equal_errors(summed[kind == attacks.LIVE], summed[kind != attacks.LIVE])
    shift = -float(np.quantile(summed[kind != attacks.LIVE], 1 - ATTACKS_PASSED))
    refused = float(np.mean(summed[kind == attacks.LIVE] + shift < 0))
    teachers_rate, _ = equal_errors(teacher[kind == attacks.LIVE], teacher[kind != attacks.LIVE])
    agree = [float(np.corrcoef(logits[:, i], data[name][own].clip(-LOGIT_MAX, LOGIT_MAX))[0, 1])
             for i, name in enumerate(("near", "distant"))]
    return {"eer": rate, "teachers_eer": teachers_rate, "bpcer": refused, "like_near": agree[0],
            "like_distant": agree[1]}, shift


def train(options):
    lessons.seed(options.seed)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    data, other = bank(options)
    # Channels last: an eighth quicker on processors.
    student = Liveness().to(memory_format=torch.channels_last)
    course = lessons.Lessons(student, options.out, options.steps, options.rate, average=0.998)
    draw, started, passed = np.random.default_rng([options.seed, course.step]), time.time(), []
    while course.step < options.steps:
        student.train()
        loss, parts = loss_of(student, *batch(draw, data, options.batch))
        course.learn(loss)
        passed.append([float(part.detach()) for part in parts])
        if course.step % options.every == 0 or course.step == options.steps:
            figures, _ = validate(course.averaged, other, options.weights)
            means = dict(zip(("near", "far", "truth", "alike", "seen"), np.mean(passed, 0).tolist()))
            course.note(**means, **figures)
            print(json.dumps(course.history[-1]), flush=True)
            passed = []
        lessons.progress("learning", course.step, options.steps, started)
    figures, shift = validate(course.averaged, other, options.weights)
    export(options, course.averaged, shift, figures, len(data["kind"]))


def export(options, trained, shift, figures, views):
    judge = network.folded(Judge(trained, options.weights, shift))
    path = options.out / "liveness.onnx"
    example = torch.zeros(1, 3, SIDE, SIDE)
    network.write(judge, example, path, ["prob"])
    report = {
        "input": {"shape": [1, 3, SIDE, SIDE], "colour": "bgr", "mean": [MEAN] * 3, "deviation": [DEVIATION] * 3},
        "crop_scale": CROP_SCALE,
        "live_output": LIVE,
        "parameters": network.parameters(judge),
        "multiply_adds": network.multiply_adds(judge, (1, 3, SIDE, SIDE)),
        "bytes": path.stat().st_size,
        "seed": options.seed,
        "steps": options.steps,
        "batch": options.batch,
        "views": views,
        "simulated": figures,
        "selected": SELECTED,
    }
    if options.nuaa or options.photos:
        report["measured"] = told(options, path)
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(dest="task", required=True)
    here = tasks.add_parser("train", help="from a folder of faces to an ONNX file and a report")
    here.add_argument("--faces", type=Path, default=Path("../../../shared/media/faces-train"), metavar="DIR",
                      help="photographs of faces, 200 x 200 pixels each (default %(default)s)")
    here.add_argument("--out", type=Path, default=Path("runs/liveness"), metavar="DIR",
                      help="where the network, its report, the learning curve and checkpoints go (default %(default)s)")
    here.add_argument("--bank", type=Path, metavar="DIR", help="where captures are kept (default OUT/bank)")
    here.add_argument("--frames", type=int, default=36000, metavar="N",
                      help="simulated captures to learn from, each seen in four views; a thousand take 0.3 GB of memory "
                           "(default %(default)s)")
    here.add_argument("--steps", type=int, default=4500, metavar="N", help="batches to learn (default %(default)s)")
    here.add_argument("--batch", type=int, default=96, metavar="N", help="views in a batch (default %(default)s)")
    here.add_argument("--rate", type=float, default=2e-3, metavar="R", help="highest rate of learning (default 2e-3)")
    here.add_argument("--every", type=int, default=250, metavar="N",
                      help="steps between two measurements and checkpoints (default %(default)s)")
    here.add_argument("--weights", type=float, nargs=3, default=(0.0, 0.0, 1.0), metavar="W",
                      help="shares of the heads in the answer: first teacher, second, truth (default %(default)s)")
    here.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed, the same data (default 1)")
    here.add_argument("--threads", type=int, default=1, metavar="N", help="of the processor (default 1)")
    return parser, tasks, here


def main():
    parser, tasks, here = arguments()
    look = tasks.add_parser("measure", help="a network beside its teachers on recorded frames")
    look.add_argument("--model", type=Path, default=Path("runs/liveness/liveness.onnx"), metavar="FILE",
                      help="the network to measure (default %(default)s)")
    look.add_argument("--report", type=Path, metavar="FILE", help="write all figures to this file")
    for task in (here, look):
        task.add_argument("--teachers", type=Path, default=Path("../../../shared/models"), metavar="DIR",
                          help="the public models to learn from and compare with (default %(default)s)")
        task.add_argument("--nuaa", type=Path, metavar="DIR",
                          help="frames to measure with: live/PERSON/ and print/PERSON/; never learnt from")
        task.add_argument("--photos", type=Path, metavar="DIR", help="photographs to look at; never learnt from")
    options = parser.parse_args()
    if options.task == "train":
        options.bank = options.bank or options.out / "bank"
        train(options)
    else:
        measure(options)


if __name__ == "__main__":
    main()
