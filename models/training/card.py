"""Writes the text of the house pack's card, runs/card.md, and the picture of its learning curves, from what the trainings
and measurements left under runs/. `house.sh` makes all of these files, and has `doorctl evaluate card` put the reports of
`doorctl evaluate` where the text has their marks. Reports and curves of the trainings are kept beside the card, so that
who trains one network anew needs not train the others.

    python card.py --runs runs --out ../packs/house
"""

import argparse
import json
from pathlib import Path
from string import Template

import matplotlib

matplotlib.use("svg")
# The same curves give the same file.
matplotlib.rcParams.update({"svg.hashsalt": "doorward", "font.size": 8, "svg.fonttype": "none"})
from matplotlib import pyplot

TEXT = Path(__file__).with_name("card.md")
RECORDS = "trainings.json"
# The trainings, and which parts of each curve are drawn (by default the first four).
TRAININGS = {"detector": ["score", "box", "points"], "refiner": None, "embedding": ["distance"], "liveness": None}


def percent(value):
    return f"{100 * value:.2f} %" if value < 0.1 else f"{100 * value:.1f} %"


def interval(low_high):
    low, high = low_high
    return f"{percent(low)[:-2]} to {percent(high)}"


def share(counted):
    """`{share, from, to, hits, n}` in words."""
    return f"{percent(counted['share'])} ({interval((counted['from'], counted['to']))}; {counted['hits']} of {counted['n']})"


def model(report):
    return f"{report['parameters']:,} | {report['multiply_adds'] / 1e6:.0f} M | {report['bytes'] / 1e3:,.0f} kB"


def detection(found):
    """Rows about the detector."""
    agreement = found["agreement"]
    off = agreement["landmark_error_over_eye_distance"]
    sizes = "\n".join(
        f"| {row['eye_distance']} | {share(row['student'])} | {percent(row['teacher']['share'])} |"
        for row in found["by_size"]
    )
    empty = "\n".join(
        f"| {key.removeprefix('false_faces_')} | {score} | {share(ours)} | {percent(rates['teacher'][score]['share'])} |"
        for key, rates in found.items()
        if key.startswith("false_faces_")
        for score, ours in rates["student"].items()
    )
    return {
        "found": share(agreement["found"]),
        "landmarks": f"mean {percent(off['mean'])}, median {percent(off['median'])}, 95th percentile {percent(off['p95'])}",
        "within": share(off["within_0.05"]),
        "sizes": sizes,
        "empty": empty,
        "score_min": f"{found['score_min']}",
        **{name: percent(found[f"{name}_to_median_of_teacher"]["landmark_error_over_eye_distance"]["mean"])
           for name in ("student", "teacher")},
    }


def worst(failures):
    """The pairs that the embedding is most wrong about, by their files' names."""
    rows = [f"| {kind} | {a} | {b} | {score:.2f} |" for kind, pairs in failures.items() for a, b, score in pairs]
    return "\n".join(rows)


def trainings(runs, out):
    """Report and learning curve of each training: what it left under runs/, or else what the pack's record says."""
    path = out / RECORDS
    known = json.loads(path.read_text()) if path.is_file() else {}
    for name in TRAININGS:
        for part in ("report", "history"):
            left = runs / name / f"{part}.json"
            if left.is_file():
                known.setdefault(name, {})[part] = json.loads(left.read_text())
            elif part not in known.get(name, {}):
                raise SystemExit(f"read {left}: no such file, and {path} has no {part} of it; train {name} first")
    path.write_text(json.dumps(known, separators=(",", ":")) + "\n")
    return known


def curves(known, path):
    """The learning curves side by side, each against its steps."""
    figure, places = pyplot.subplots(1, len(TRAININGS), figsize=(11.5, 2.6))
    for place, (name, keys) in zip(places, TRAININGS.items()):
        rows = known[name]["history"]
        for key in keys or [k for k, v in rows[-1].items() if k != "step" and isinstance(v, float)][:4]:
            points = [(row["step"], row[key]) for row in rows if key in row]
            place.locator_params(axis="x", nbins=5)
            place.plot(*zip(*points), label=key.replace("_", " "), linewidth=1.2)
        place.set_title(name)
        place.set_xlabel("steps")
        place.set_ylim(bottom=0)
        place.grid(alpha=0.3)
        place.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default="runs", help="folder with the reports")
    parser.add_argument("--out", type=Path, default="../packs/house", help="folder of the pack")
    args = parser.parse_args()
    read = lambda name: json.loads((args.runs / name).read_text())
    known = trainings(args.runs, args.out)
    parts = {name: record["report"] for name, record in known.items()}
    pairs, found = read("pairs.json"), read("detector/measured.json")
    windows = read("liveness/measured.json")["house"]["windows of 3"]
    curves(known, args.out / "learning.svg")
    words = {
        **{name: model(part) for name, part in parts.items()},
        "genuine": f"{pairs['genuine_comparisons']:,}",
        "impostors": f"{pairs['impostor_comparisons']:,}",
        "everyone": f"{pairs['all_impostors']['impostor_comparisons']:,}",
        "speed": (args.runs / "speed.txt").read_text().rstrip(),
        "worst": worst(parts["embedding"]["failures"]),
        "accuracy": percent(pairs["accuracy"]),
        "fnmr": percent(pairs["fnmr_at_fmr_1e-2"]),
        "eer": f"{percent(windows['eer'])} ({interval(windows['eer_interval'])})",
        **detection(found),
    }
    (args.runs / "card.md").write_text(Template(TEXT.read_text()).substitute(words))


if __name__ == "__main__":
    main()
