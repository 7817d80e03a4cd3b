"""Trains the house embedding: a small network that gives an aligned face the vector that the teacher gives it.

python embedding.py train --faces DIR --teachers DIR --out runs/embedding
python embedding.py export --out runs/embedding
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import bank
import comparison
import lessons
import network
import views

# Pixels of the network's input. The teacher looks at 112; 80 cost a half and tell people apart as well at this size of
# network. Values are (x - 127.5) / 127.5, red-green-blue; `mean` and `deviation` in the manifest.
SIDE = 80


class Student(nn.Module):
    """From (n, 3, 80, 80) to (n, 128)."""

    def __init__(self, widths=(32, 96, 192), blocks=(1, 3, 1), neck=64):
        super().__init__()
        self.stem = nn.Sequential(network.convolution(3, 16, stride=2), network.stage(16, widths[0], blocks[0]))
        self.body = nn.Sequential(
            network.stage(widths[0], widths[1], blocks[1]), network.stage(widths[1], widths[2], blocks[2])
        )
        self.neck = network.convolution(widths[2], neck, side=1, active=False)
        self.head = nn.Linear(neck * (SIDE // 16) ** 2, 128)

    def forward(self, x):
        return self.head(self.neck(self.body(self.stem(x))).flatten(1))


def loss(found, wanted, others, temperature=0.07):
    """How far vectors are from the teacher's, in three ways: their direction; the batch's similarities to each other;
    and whom each face is taken for among many `others` (soft labels of the teacher)."""
    found = F.normalize(found.float())
    direction = 1 - (found * wanted).sum(1).mean()
    between = (found @ found.T - wanted @ wanted.T).square().mean() * len(found)
    everyone = torch.cat([wanted, others])
    teacher = F.softmax(wanted @ everyone.T / temperature, 1)
    whom = F.kl_div(F.log_softmax(found @ everyone.T / temperature, 1), teacher, reduction="batchmean")
    return direction + 0.1 * between + 0.2 * whom, direction


def train(args):
    lessons.seed(args.seed)
    torch.set_num_threads(args.threads)
    squares, vectors = bank.build(args.faces, args.teachers, args.out / "bank", args.imagined, args.seed)
    vectors = torch.from_numpy(vectors)
    student = Student().to(memory_format=torch.channels_last)
    lesson = lessons.Lessons(student, args.out, args.steps, rate=args.rate)
    draw = np.random.default_rng(args.seed + lesson.step)
    ready = comparison.Comparison(args.pairs, args.images, args.teachers, args.out, SIDE) if args.pairs else None
    started, first, sums = time.time(), lesson.step, []
    while lesson.step < args.steps:
        chosen = np.sort(draw.integers(len(vectors), size=args.batch))
        batch = views.views(squares[chosen], SIDE).contiguous(memory_format=torch.channels_last)
        others = vectors[draw.integers(len(vectors), size=2048)]
        student.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = student(batch)
        total, direction = loss(found, vectors[chosen], others)
        lesson.learn(total)
        sums.append(float(direction.detach()))
        note = f"distance {np.mean(sums[-100:]):.4f}"
        lessons.progress("learning", lesson.step - first, args.steps - first, started, note)
        if lesson.step % args.every == 0 or lesson.step == args.steps:
            figures = ready.figures(lesson.averaged) if ready else {}
            lesson.note(distance=float(np.mean(sums[-args.every :])), **figures)
            print(json.dumps(lesson.history[-1]), file=sys.stderr, flush=True)
    export(args)


def export(args):
    student = Student()
    state = torch.load(args.out / "checkpoint.pt", map_location="cpu")
    student.load_state_dict(state["averaged"])
    size = {
        "parameters": network.parameters(student),
        "multiply_adds": network.multiply_adds(student, (1, 3, SIDE, SIDE)),
    }
    network.export(student, torch.zeros(1, 3, SIDE, SIDE), args.out / "embedding.onnx", ["embedding"])
    failures = {}
    if args.pairs:
        failures = comparison.Comparison(args.pairs, args.images, args.teachers, args.out, SIDE).failures(student)
    report = {**size, "bytes": (args.out / "embedding.onnx").stat().st_size, "failures": failures}
    (args.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "export"], help="train goes on from a checkpoint, then exports")
    parser.add_argument(
        "--faces", type=Path, default="../../../shared/media/faces-train", help="photographs to learn on"
    )
    parser.add_argument("--teachers", type=Path, default="../../../shared/models", help="folder of the public models")
    parser.add_argument("--out", type=Path, default="runs/embedding", help="checkpoint, curve, network and report")
    parser.add_argument("--pairs", type=Path, help="list of pairs to measure with, never to learn from")
    parser.add_argument("--images", type=Path, help="folder of the pictures in that list")
    parser.add_argument("--steps", type=int, default=20000, help="steps of one batch each")
    parser.add_argument("--batch", type=int, default=64, help="faces a step")
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate at its height")
    parser.add_argument("--imagined", type=int, default=42000, help="faces of nobody, for the teacher to label")
    parser.add_argument("--every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument("--threads", type=int, default=1, help="threads of the training")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    {"train": train, "export": export}[args.what](args)


if __name__ == "__main__":
    main()
