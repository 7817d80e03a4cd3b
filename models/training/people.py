"""Portraits of nobody, for the demo and for tests: a clean clone has no photographs of people and must have none.

Each portrait is a composite (`composite`) of 24 faces of different people of about one age, gender and origin. It is
given back the detail and light that averaging takes away (`visage`), and hair, clothes and a wall are painted (`hair`,
`studio`). The 24 do not smile, as people before a door do not; most photographs on the web do. No detail of it belongs
to one person: the script measures how well the embedding sees any of them in it, takes out whoever it sees too well,
and reports what is left.

    python3 people.py --faces ../../../shared/media/faces-train --teachers ../../../shared/models

The faces' names say age, gender and origin, as UTKFace has them (`30_1_2_….jpg`). Everything that takes long is kept
under `runs/people`; delete that folder to begin anew.
"""

import argparse
import csv
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

import composite
import faces
import lessons
import studio
import teachers

QUALITY = "aux/lightqnet_dm050.onnx"

# Faces in a composite, and how alike two of them may be: none may be a second picture of the same person.
GROUP = 24
SAME_PERSON = 0.38
# A face that the embedding sees in the composite more than this is taken out of it, and another taken in.
SEEN_MAX = 0.40
ATTEMPTS = 2
# How much stronger than in the mean each portrait has what is its own: of its shape, and of its shades.
STRONGER = (0.5, 0.4)
# Share of the faces that may be used, nearest to the mixture's direction, of which a group is chosen. A narrower one
# makes portraits differ more, and makes them more like single faces.
SHARE = 0.6
# Rows and columns of `small` that show the mouth, and the ridge's penalty, between a third and three times of which the
# area under the curve stays at 0.99 (five folds of the labelled faces).
MOUTH = (slice(34, 56), slice(8, 48))
RIDGE = 300.0
# Two portraits are two people for any threshold in use if they are less alike than this.
ALIKE_MAX = 0.30

QUALITY_OF_JPEG = 88
BYTES_MAX = 31_000


@dataclass
class Sitter:
    """Whose mean somebody is: gender 0 male, 1 female; origins 0 White, 1 Black, 2 Asian, 3 Indian, 4 other; ages."""

    name: str
    gender: int
    origins: tuple
    ages: tuple
    looks: studio.Looks
    seed: int = 1


@dataclass
class Survey:
    """What was measured of every face that may be used."""

    names: list
    age: np.ndarray
    gender: np.ndarray
    origin: np.ndarray
    landmarks: np.ndarray
    turn: np.ndarray
    sharp: np.ndarray
    quality: np.ndarray
    small: np.ndarray
    glasses: np.ndarray
    vectors: np.ndarray = field(repr=False)


def cast():
    """Who is made. Walls and clothes are calm; hair is painted, and says nothing of whose faces are in the mean."""
    looks, dark = studio.Looks, (36, 40, 48)
    return [
        Sitter("a", 1, (1,), (20, 40), looks("curls", "crew", (62, 58, 140), (138, 128, 146), None, 54, 2), 8),
        Sitter("b", 0, (0,), (22, 42), looks("short", "shirt", (150, 118, 92), (158, 142, 140), None, 66, 1), 20),
        Sitter("c", 1, (2,), (20, 42), looks("bob", "vee", (96, 92, 60), (132, 124, 136), (54, 62, 78), 54, 4), 2),
        Sitter("d", 0, (1,), (22, 48), looks("crop", "crew", (96, 80, 62), (148, 136, 140), dark, 68, 5), 1),
        Sitter("e", 1, (0,), (45, 62), looks("bob", "crew", (112, 72, 82), (150, 136, 144), (112, 130, 144), 56, 6), 2),
        Sitter("f", 1, (3, 4), (20, 42), looks("bun", "vee", (96, 70, 128), (140, 128, 138), dark, 54, 9), 10),
        Sitter(
            "g",
            0,
            (0,),
            (48, 62),
            looks("receding", "blazer", (84, 70, 62), (142, 130, 138), (142, 148, 152), 68, 10),
            4,
        ),
        Sitter("h", 0, (2,), (22, 50), looks("short", "blazer", (72, 58, 54), (136, 126, 136), dark, 66, 3), 1),
    ]


def glasses(square):
    """How strong lines are at the bridge of the nose and below the eyes of an aligned face: rims of glasses."""
    grey = cv2.GaussianBlur(cv2.cvtColor(square, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), 0.8)
    steps = np.abs(np.diff(grey, axis=0))
    below = [steps[58:70, left : left + 18].max(0).mean() for left in (28, 66)]
    return (steps[44:60, 50:62].max(0).mean() + 0.7 * sum(below)) / (grey.std() + 5)


def small(square):
    """The face in half size, with mean 0 and deviation 1: to compare expressions."""
    grey = cv2.cvtColor(square, cv2.COLOR_BGR2GRAY).astype(np.float32)
    grey = cv2.resize(grey, (56, 56), interpolation=cv2.INTER_AREA)
    return ((grey - grey.mean()) / (grey.std() + 1e-3)).astype(np.float16)


def measured(path, detector, embedding, quality):
    """What `Survey` keeps of one picture; nothing where there is no sure, upright, coloured face of an adult."""
    words = path.name.split("_")
    if len(words) != 4 or not 20 <= int(words[0]) <= 62:
        return None
    picture = faces.read(path)
    found = [face for face in detector(picture) if face.score >= 0.88]
    if not found:
        return None
    points = max(found, key=lambda face: face.box[2]).landmarks.astype(np.float32)
    move = faces.similarity(points, faces.TEMPLATE)
    turned = points @ move[:, :2].T + move[:, 2]
    turn = abs(turned[2, 0] - turned[[0, 1, 3, 4], 0].mean())
    roll = np.degrees(np.arctan2(*(points[1] - points[0])[::-1]))
    coloured = np.abs(picture[..., 2].astype(float) - picture[..., 0]).mean()
    if turn > 4 or abs(roll) > 12 or coloured < 12:
        return None
    square = faces.align(picture, points)
    grey = cv2.cvtColor(square, cv2.COLOR_BGR2GRAY).astype(np.float32)
    sharp = cv2.Laplacian(grey, cv2.CV_32F).var() / (grey.var() + 1)
    tile = (cv2.resize(square, (96, 96)).astype(np.float32) - 128) / 128
    good = quality.run(None, {quality.get_inputs()[0].name: tile.transpose(2, 0, 1)[None]})[0]
    vector = embedding(square[None])[0]
    age, gender, origin = (int(word) for word in words[:3])
    return (
        path.name,
        age,
        gender,
        origin,
        points,
        turn,
        sharp,
        float(good.item()),
        small(square),
        glasses(square),
        vector,
    )


def survey(folder, teacher_folder, kept):
    """All faces of a folder, measured once and kept."""
    if not kept.is_file():
        detector = teachers.Detector(teacher_folder / teachers.DETECTOR)
        embedding = teachers.Embedding(teacher_folder / teachers.EMBEDDING)
        quality = teachers.session(teacher_folder / QUALITY)
        paths, rows, started = faces.pictures(folder), [], time.time()
        for done, path in enumerate(paths, 1):
            row = measured(path, detector, embedding, quality)
            if row:
                rows.append(row)
            lessons.progress("measuring", done, len(paths), started)
        if not rows:
            raise SystemExit(f"measure {folder}: no face with a name like 30_1_2_DATE.jpg and an age of 20 to 62 in it")
        np.savez(kept, *[np.array(column) for column in zip(*rows)])
    with np.load(kept) as columns:
        return Survey(*[columns[f"arr_{k}"] for k in range(len(columns.files))])


def labels_of(seen, folder, path):
    """What a person said of each face, from `path`: 1 it smiles, 0 it does not, -1 for those that were not looked at."""
    with open(path, newline="") as file:
        said = {row["picture"]: int(row["smiles"]) for row in csv.DictReader(file)}
    return np.array([said.get(faces.digest(folder / str(name)), -1) for name in seen.names])


def at_rest(squares, said):
    """Which of the faces (n, 56, 56) do not smile: a ridge regression of what was said of some on their mouths, both
    sides of which are averaged, since light is uneven and a smile is not."""
    known = np.flatnonzero(said >= 0)
    if not (np.any(said == 0) and np.any(said == 1)):
        raise SystemExit("the labels name no face that smiles, or none at rest: are they those of these faces?")
    mouths = squares.astype(np.float32)[:, *MOUTH]
    mouths = ((mouths + mouths[:, :, ::-1]) / 2).reshape(len(squares), -1)
    mouths -= mouths[known].mean(0)
    wanted = 2.0 * said[known] - 1
    rows = mouths[known]
    weights = np.linalg.solve(rows.T @ rows + RIDGE * np.eye(rows.shape[1]), rows.T @ (wanted - wanted.mean()))
    return mouths @ weights + wanted.mean() < 0


def pool(seen, sitter, resting):
    """Indices of the faces that may be in a sitter's mean: at rest, frontal, sharp, even, without glasses; of those the
    limits leave too few, they are drawn wider."""
    of_cohort = resting & (seen.gender == sitter.gender) & np.isin(seen.origin, sitter.origins)
    of_cohort &= (seen.age >= sitter.ages[0]) & (seen.age <= sitter.ages[1])
    for turn, least in ((2.2, 0.3), (3.0, 0.2), (4.0, 0.1)):
        sure = (seen.sharp > np.quantile(seen.sharp, least)) & (seen.quality > np.quantile(seen.quality, least))
        found = np.flatnonzero(of_cohort & sure & (seen.turn < turn))
        if len(found) >= 110:
            break
    if len(found) < 3 * GROUP:
        raise SystemExit(
            f"portrait {sitter.name}: {len(found)} frontal faces at rest of its ages and origin, {3 * GROUP} needed"
        )
    squares = seen.small[found].astype(np.float32)
    uneven = ((squares - squares[:, :, ::-1]) ** 2).mean((1, 2))
    rims = seen.glasses[found]
    return found[(rims < np.quantile(rims, 0.7)) & (uneven < np.quantile(uneven, 0.8))]


def mixture(vectors, draw):
    """A direction of the embedding that a portrait is mixed towards: the mean of thirty faces that resemble one
    another, drawn at random."""
    founder = draw.integers(len(vectors))
    mean = vectors[np.argsort(-(vectors @ vectors[founder]))[1:31]].mean(0)
    return mean / np.linalg.norm(mean)


def group(seen, found, direction, without):
    """The faces of one composite: near the mixture's direction, different people, and with like expressions."""
    vectors, kept = seen.vectors[found], []
    for i in np.argsort(-(vectors @ direction)):
        if found[i] not in without and all(vectors[i] @ vectors[k] < SAME_PERSON for k in kept):
            kept.append(i)
        if len(kept) == max(int(1.8 * GROUP), int(SHARE * len(found))):
            break
    kept = np.array(kept)
    weight = np.ones((56, 56), np.float32)
    weight[20:32, 8:48], weight[40:52, 14:42] = 2, 3
    squares, used = seen.small[found].astype(np.float32), kept
    for _ in range(4):
        away = ((squares[kept] - squares[used].mean(0)) ** 2 * weight).mean((1, 2))
        used = kept[np.argsort(away)[:GROUP]]
    return found[used]


def window_vector(made, embedding):
    """The embedding of a composite's window."""
    return embedding(faces.align(made.mean.clip(0, 255).astype(np.uint8), composite.template())[None])[0]


def made_of(seen, folder, found, direction, embedding):
    """The composite of a sitter, and the indices of its faces; whoever is seen in it too well is taken out."""
    without = set()
    for _ in range(ATTEMPTS):
        used = group(seen, found, direction, without)
        pictures = [faces.read(folder / str(seen.names[i])) for i in used]
        made = composite.composite(pictures, seen.landmarks[used])
        alike = seen.vectors[used] @ window_vector(made, embedding)
        known = used[alike > SEEN_MAX]
        if not len(known):
            break
        without.update(known.tolist())
    return made, used


def kept_composite(path, make):
    """A composite from disk, made where it is not there."""
    if not path.is_file():
        made, used = make()
        np.savez_compressed(
            path, mean=made.mean, spread=made.spread, single=made.single.round().astype(np.uint8), used=used
        )
    with np.load(path) as kept:
        return composite.Composite(kept["mean"], kept["spread"], kept["single"].astype(np.float32)), kept["used"]


def judged(picture, used, seen, detector, embedding):
    """What the teachers say of a portrait and how much of its faces they see in it."""
    found = detector(picture)
    if not found:
        return None, {"score": 0.0}
    face = max(found, key=lambda face: face.score)
    vector = embedding(faces.align(picture, face.landmarks)[None])[0]
    alike = np.sort(seen.vectors[used] @ vector)[::-1]
    figures = {
        "faces": len(used),
        "score": face.score,
        "width": float(face.box[2]),
        "ingredient_max": float(alike[0]),
        "ingredient_second": float(alike[1]),
        "ingredient_mean": float(alike.mean()),
        "any_face_max": float((seen.vectors @ vector).max()),
    }
    return vector, {name: round(value, 3) for name, value in figures.items()}


def written(path, picture):
    """The portrait as a JPEG of at most BYTES_MAX."""
    for quality in range(QUALITY_OF_JPEG, 40, -4):
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
        if packed.size <= BYTES_MAX:
            break
    path.write_bytes(packed.tobytes())
    return packed.size


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Takes about ten minutes on one core.")
    parser.add_argument(
        "--faces",
        type=Path,
        default=Path("../../../shared/media/faces-train"),
        help="folder of face pictures named AGE_GENDER_ORIGIN_DATE.jpg (default: %(default)s)",
    )
    parser.add_argument(
        "--teachers",
        type=Path,
        default=Path("../../../shared/models"),
        help="folder of the public models that find and compare faces (default: %(default)s)",
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/people"), help="what is kept between runs (default: %(default)s)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("../people"),
        help="where the portraits are written (default: %(default)s)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        default=Path("../tests/models/smile_faces.csv"),
        help="which of the faces smile and which do not, judged by eye (default: %(default)s)",
    )
    parser.add_argument("--only", default="", metavar="NAMES", help="make these only, such as `ach`")
    return parser.parse_args()


def main():
    options = arguments()
    for folder in (options.runs, options.out):
        folder.mkdir(parents=True, exist_ok=True)
    seen = survey(options.faces, options.teachers, options.runs / "survey.npz")
    resting = at_rest(seen.small, labels_of(seen, options.faces, options.labels))
    embedding = teachers.Embedding(options.teachers / teachers.EMBEDDING)
    detector = teachers.Detector(options.teachers / teachers.DETECTOR)
    made, used = [], []
    for done, sitter in enumerate(cast(), 1):
        found = pool(seen, sitter, resting)
        direction = mixture(seen.vectors[found], np.random.default_rng(sitter.seed))
        path = options.runs / f"composite-{sitter.name}.npz"
        one, group_of_one = kept_composite(path, lambda: made_of(seen, options.faces, found, direction, embedding))
        made.append(one)
        used.append(group_of_one)
        print(f"composite {done} of {len(cast())}: {path}", file=sys.stderr)
    report, vectors = {}, {}
    for sitter, one, of in zip(cast(), composite.exaggerated(made, *STRONGER), used):
        if options.only and sitter.name not in options.only:
            continue
        picture = studio.portrait(one, sitter.looks)
        size = written(options.out / f"nobody-{sitter.name}.jpg", picture)
        vectors[sitter.name], report[sitter.name] = judged(picture, of, seen, detector, embedding)
        report[sitter.name]["bytes"] = size
        print(sitter.name, report[sitter.name], flush=True)
    names = [name for name in vectors if vectors[name] is not None]
    pairs = {f"{a}{b}": round(float(vectors[a] @ vectors[b]), 3) for i, a in enumerate(names) for b in names[:i]}
    (options.runs / "report.json").write_text(json.dumps({"portraits": report, "pairs": pairs}, indent=1) + "\n")
    near = {pair: value for pair, value in pairs.items() if value >= ALIKE_MAX}
    if near:
        print(
            f"too much alike (limit {ALIKE_MAX}): {near}; give one of each pair another seed in `cast`", file=sys.stderr
        )


if __name__ == "__main__":
    main()
