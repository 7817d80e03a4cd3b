#!/usr/bin/env python3
"""Strangers for a search among people of LFW: the adults of a folder of faces, less those who are in LFW themselves.

UTKFace and LFW both hold well-known people. Everybody of UTKFace whom the recommended pack takes for somebody of LFW
(one picture enrolled, at a promise of 1e-3) was looked at beside the picture of LFW; in_lfw.csv lists those who are the
very person. Who was not surely the same is not in it, and counts as a false match.

    python3 strangers.py ../../../shared/media/faces-train strangers
"""

import argparse
import csv
from pathlib import Path

import faces

ADULT = 20
KNOWN = Path(__file__).resolve().parent / "in_lfw.csv"


def strangers(folder, known):
    """Paths of the adults of `folder`, whose files are named AGE_…, whose digests are not among `known`."""
    adults = (path for path in sorted(folder.iterdir()) if path.name.split("_")[0].isdigit())
    adults = (path for path in adults if int(path.name.split("_")[0]) >= ADULT)
    return [path for path in adults if faces.digest(path) not in known]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path, help="folder of face pictures named AGE_GENDER_ORIGIN_DATE.jpg")
    parser.add_argument("out", type=Path, help="folder for links to the strangers; made, must not be there")
    options = parser.parse_args()
    with open(KNOWN, newline="") as file:
        known = {row["picture"] for row in csv.DictReader(file)}
    found = strangers(options.faces, known)
    if not found:
        parser.error(f"{options.faces}: no picture of an adult with a name like 30_1_2_DATE.jpg")
    options.out.mkdir(parents=True)
    for path in found:
        (options.out / path.name).symlink_to(path.resolve())
    print(f"{len(found)} strangers in {options.out}")


if __name__ == "__main__":
    main()
