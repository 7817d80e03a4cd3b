"""How well an embedding tells people apart, on pictures that nothing was learnt from. A quick look during training;
what a pack states is measured by `doorctl evaluate pairs` with the whole pipeline."""

import csv
from pathlib import Path

import cv2
import numpy as np
import torch

import faces
import teachers


class Comparison:
    """The pictures of a list of pairs, aligned once with the teacher's landmarks."""

    def __init__(self, pairs, images, teacher_folder, cache, side):
        with open(pairs, newline="") as lines:
            rows = [(row["image_a"], row["image_b"], row["same_person"] == "1") for row in csv.DictReader(lines)]
        names = sorted({name for row in rows for name in row[:2]})
        place = {name: at for at, name in enumerate(names)}
        self.pairs = np.array([(place[a], place[b]) for a, b, _ in rows])
        self.same = np.array([same for _, _, same in rows])
        stored = Path(cache) / "measured.npy"
        if not stored.is_file():
            detector = teachers.Detector(teacher_folder / teachers.DETECTOR)
            np.save(stored, np.stack([_square(detector, faces.read(Path(images) / name)) for name in names]))
        shrunk = [cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA) for square in np.load(stored)]
        self.squares, self.names = np.stack(shrunk), names

    def figures(self, network):
        """Accuracy (best threshold of each tenth, taken from the other nine), FNMR at FMR 1e-2 and 1e-3."""
        return figures(self.scores(network), self.same)

    def failures(self, network, count=5):
        """The genuine pairs with the lowest scores and the impostors with the highest, by name."""
        scores = self.scores(network)
        order = np.argsort(scores)
        told = {"one person": order[self.same[order]][:count], "two people": order[~self.same[order]][::-1][:count]}
        name = lambda at, side: self.names[self.pairs[at, side]]
        return {kind: [(name(at, 0), name(at, 1), float(scores[at])) for at in rows] for kind, rows in told.items()}

    def scores(self, network):
        """The comparison score of each pair of the list."""
        network.eval()
        rows = []
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            for part in np.array_split(self.squares, len(self.squares) // 64):
                batch = (
                    torch.from_numpy(np.ascontiguousarray(part[..., ::-1])).permute(0, 3, 1, 2).float() / 127.5 - 1
                )
                rows.append(network(batch).float())
        vectors = torch.nn.functional.normalize(torch.cat(rows)).numpy()
        return (vectors[self.pairs[:, 0]] * vectors[self.pairs[:, 1]]).sum(1)


def figures(scores, same):
    """Accuracy in ten folds, and the share of genuine pairs below the score that 1 % and 0.1 % of impostors reach."""
    folds = np.arange(len(scores)) % 10
    right = []
    for fold in range(10):
        rest = folds != fold
        order = np.argsort(scores[rest])
        ordered, genuine = scores[rest][order], same[rest][order]
        # Cut below position k: the impostors before it and the genuine pairs from it on are right.
        correct = (
            np.concatenate([[0], np.cumsum(~genuine)]) + genuine.sum() - np.concatenate([[0], np.cumsum(genuine)])
        )
        best = int(correct.argmax())
        cut = ordered[max(best - 1, 0) : best + 1].mean()
        right.append(((scores[~rest] >= cut) == same[~rest]).mean())
    impostors = np.sort(scores[~same])[::-1]
    missed = {rate: float((scores[same] <= impostors[int(rate * len(impostors))]).mean()) for rate in (1e-2, 1e-3)}
    return {"accuracy": float(np.mean(right)), "fnmr_1e-2": missed[1e-2], "fnmr_1e-3": missed[1e-3]}


def _square(detector, picture):
    found = detector(picture)
    middle = np.array(picture.shape[1::-1]) / 2
    if not found:
        return picture[69:181, 69:181]
    face = min(found, key=lambda f: np.linalg.norm(f.box[:2] + f.box[2:] / 2 - middle))
    return faces.align(picture, face.landmarks)
