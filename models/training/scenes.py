"""Frames for training a detector, put together from small pictures of one face each.

Nobody has to draw boxes: a public detector finds the face of each chip in several sizes and in the mirror, the median
of what it says is the label, and whatever is then done to the chip is done to the label. Backgrounds, heads, hands
and things that look like faces but are none are drawn or cut from the rims of chips.
"""

import sys
import time
from dataclasses import dataclass

import cv2
import numpy as np

import faces
import lessons

HEIGHT, WIDTH = 256, 320
CHIP = 200
# The landmarks of a mirrored face, in the order of an unmirrored one.
SWAPPED = [1, 0, 2, 4, 3]
# Sides in pixels at which the teacher looks at a chip, and whether in the mirror: at any size, or as large as people are
# before a door (28 to 44 pixels between the eyes). It sees mouths a little higher in large faces.
VIEWS = ((220, False), (150, False), (150, True), (120, True), (104, False))
VIEWS_AT_DOORS = ((118, False), (112, True), (104, False), (96, True), (88, False), (76, True))
# Views that must agree on a face, and how far (mean distance to the median over the distance of the eyes).
VIEWS_MIN, SPREAD_MAX = 4, 0.12


@dataclass
class Chips:
    """Pictures as JPEG bytes, and for each the box (x, y, w, h) and landmarks (5, 2) in pixels of the chip."""

    pictures: list
    boxes: np.ndarray
    landmarks: np.ndarray

    def picture(self, at, reduced=1):
        """One chip, or half, a quarter or an eighth of its side: the decoder shrinks at no cost."""
        how = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
        return cv2.imdecode(np.frombuffer(self.pictures[at], np.uint8), how[reduced])

    @staticmethod
    def reduction(scale):
        """How far a chip may be shrunk before it is drawn at `scale`."""
        return 4 if scale <= 0.25 else 2 if scale <= 0.5 else 1


def _look(teacher, chips, side, mirrored):
    """What the teacher finds on chips put beside each other in one frame: a list of faces per chip, in chip pixels."""
    columns, found = WIDTH // side, [[] for _ in chips]
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    step = np.array([WIDTH // columns, HEIGHT // (HEIGHT // side)])
    corners = [np.array([at % columns, at // columns]) * step + (step - side) // 2 for at in range(len(chips))]
    for chip, (x, y) in zip(chips, corners):
        shrunk = cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA if side < CHIP else cv2.INTER_LINEAR)
        frame[y : y + side, x : x + side] = shrunk[:, ::-1] if mirrored else shrunk
    for face in teacher(frame):
        middle = face.box[:2] + face.box[2:] / 2
        for at, corner in enumerate(corners):
            if ((middle >= corner) & (middle < corner + side)).all():
                box, points = face.box - [*corner, 0, 0], face.landmarks - corner
                if mirrored:
                    box[0] = side - box[0] - box[2]
                    points = (points * [-1, 1] + [side, 0])[SWAPPED]
                found[at].append((box * CHIP / side, points * CHIP / side))
    return found


def labelled(folder, teacher, cache, looks=VIEWS):
    """The chips of a folder on which the teacher sees one face, the same from every look; asked once, then cached."""
    paths = faces.pictures(folder)
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        seen, started, group = [[] for _ in paths], time.time(), 12
        for at in range(0, len(paths), group):
            pictures = [cv2.resize(faces.read(path), (CHIP, CHIP)) for path in paths[at : at + group]]
            for side, mirrored in looks:
                many = (WIDTH // side) * (HEIGHT // side)
                for first in range(0, len(pictures), many):
                    for i, found in enumerate(_look(teacher, pictures[first : first + many], side, mirrored)):
                        seen[at + first + i].append(found)
            lessons.progress("finding", min(at + group, len(paths)), len(paths), started)
        kept, labels = [], []
        for at, views in enumerate(seen):
            single = [np.vstack([found[0][0].reshape(2, 2), found[0][1]]) for found in views if len(found) == 1]
            if len(single) < VIEWS_MIN or any(len(found) > 1 for found in views):
                continue
            label = np.median(single, axis=0)
            spread = np.linalg.norm(np.array(single)[:, 2:] - label[2:], axis=2).mean()
            if spread <= SPREAD_MAX * np.linalg.norm(label[2] - label[3]):
                kept.append(at)
                labels.append(label)
        if not kept:
            raise SystemExit(f"label {folder}: no sure face on {len(paths)} pictures; --faces needs one face on each")
        np.savez(cache, names=[paths[at].name for at in kept], labels=np.array(labels, np.float32))
        print(f"{len(kept)} of {len(paths)} chips have one sure face", file=sys.stderr)
    known = np.load(cache)
    pictures = [(folder / name).read_bytes() for name in known["names"]]
    return Chips(pictures, known["labels"][:, :2].reshape(-1, 4), known["labels"][:, 2:])


# Frames as they come from a letterbox: the part of the frame that holds a picture (width, height), and its share.
AREAS = (((320, 256), 0.3), ((320, 240), 0.35), ((256, 256), 0.2), ((192, 256), 0.15))
FACE_MIN, FACE_MAX = 13, 230


def _coarse(draw, rows, columns, channels=3):
    """A smooth random field of the frame's size, 0 to 1."""
    field = draw.random((rows, columns, channels), np.float32)
    return cv2.resize(field, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def _colour(draw):
    """Any colour, greyish more often than not."""
    colour = draw.integers(0, 256, 3)
    return (colour.mean() + (colour - colour.mean()) * draw.random() ** 1.5).tolist()


def _skin(draw):
    """A colour that skin may have, blue-green-red."""
    light = draw.uniform(60, 240)
    return (light * np.array([draw.uniform(0.45, 0.75), draw.uniform(0.6, 0.8), 1.0])).tolist()


class Backdrops:
    """Pictures without faces, as large as a frame: a pool that is slowly replaced, since making one takes longer than
    the frame it stands behind."""

    def __init__(self, chips, draw, size=400):
        self.chips, self.draw = chips, draw
        self.pool = [self._make() for _ in range(size)]

    def __call__(self):
        at = self.draw.integers(len(self.pool))
        if self.draw.random() < 0.1:
            self.pool[at] = self._make()
        picture = self.pool[at]
        if self.draw.random() < 0.5:
            picture = picture[:, ::-1]
        if self.draw.random() < 0.5:
            top, left = self.draw.integers(0, 100), self.draw.integers(0, 120)
            picture = cv2.resize(picture[top : top + 156, left : left + 200], (WIDTH, HEIGHT))
        return np.ascontiguousarray(picture)

    def _make(self):
        kinds = (self._cloud, self._rims, self._rims, self._shuffled, self._room, self._room)
        picture = kinds[self.draw.integers(len(kinds))]()
        if self.draw.random() < 0.4:
            other = kinds[self.draw.integers(len(kinds))]()
            share = np.clip(_coarse(self.draw, *self.draw.integers(2, 7, 2), 1) * 6 - 2.5, 0, 1)
            picture = cv2.blendLinear(picture, other, share, 1 - share)
        return picture

    def _cloud(self):
        """Noise of several grain sizes, as in most photographs: half the strength at half the size."""
        total, strength = np.zeros((HEIGHT, WIDTH, 3), np.float32), 1.0
        grey, fall = self.draw.random() < 0.5, self.draw.uniform(0.4, 0.9)
        for rows in (2, 4, 8, 16, 32, 64, 128):
            field = _coarse(self.draw, rows, rows * 5 // 4, 1 if grey else 3).reshape(HEIGHT, WIDTH, -1)
            total += (field - 0.5) * strength
            strength *= fall
        return (total * self.draw.uniform(40, 220) + _colour(self.draw)).clip(0, 255).astype(np.uint8)

    def rim(self):
        """A corner of a chip: hair, clothes, walls, trees; at most the rim of a cheek."""
        chip = self.chips.picture(self.draw.integers(len(self.chips.pictures)))
        side = self.draw.integers(24, 64)
        patch = chip[:side] if self.draw.random() < 0.7 else chip[-side:]
        return patch[:, :side] if self.draw.random() < 0.5 else patch[:, -side:]

    def _rims(self):
        """One corner of a chip over the whole frame, or many beside and over each other."""
        picture = cv2.resize(self.rim(), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        for _ in range(self.draw.choice([0, 4, 30, 80])):
            side = self.draw.integers(16, 120, 2)
            x, y = self.draw.integers(-8, WIDTH - 8), self.draw.integers(-8, HEIGHT - 8)
            place = picture[max(y, 0) : y + side[1], max(x, 0) : x + side[0]]
            place[:] = cv2.resize(self.rim(), place.shape[1::-1])
        return picture

    def _shuffled(self):
        """Pieces of chips, too small to be a face, in random order."""
        side = int(self.draw.choice([16, 32, 64]))
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for y in range(0, HEIGHT, side):
            for x in range(0, WIDTH, side):
                chip = self.chips.picture(self.draw.integers(len(self.chips.pictures)), 2)
                cut = self.draw.integers(10, 40)
                top, left = self.draw.integers(0, len(chip) - cut, 2)
                picture[y : y + side, x : x + side] = cv2.resize(chip[top : top + cut, left : left + cut], (side, side))
        return cv2.GaussianBlur(picture, (0, 0), self.draw.uniform(0.5, 8))

    def _room(self):
        """Walls, doors, windows, lamps, blinds: rectangles and lines on a ground that changes slowly."""
        draw, ground = self.draw, _coarse(self.draw, 2, 2) * self.draw.uniform(10, 120)
        picture = (ground + np.array(_colour(draw)) * 0.6).clip(0, 255).astype(np.uint8)
        for _ in range(draw.integers(2, 25)):
            a, b = (draw.integers(-40, 360, 2).tolist() for _ in range(2))
            kind = draw.integers(5)
            thick = int(draw.choice([-1, 1, 2, 4, 9]))
            if kind < 2:
                cv2.rectangle(picture, a, b, _colour(draw), thick)
            elif kind == 2:
                cv2.line(picture, a, b, _colour(draw), abs(thick), cv2.LINE_AA)
            elif kind == 3:
                cv2.circle(picture, a, int(draw.integers(3, 70)), _colour(draw), thick, cv2.LINE_AA)
            else:
                step, colour = int(draw.integers(5, 40)), _colour(draw)
                for x in range(a[0], a[0] + step * int(draw.integers(3, 20)), step):
                    cv2.line(picture, (x, a[1]), (x + int(draw.integers(-4, 4)), b[1]), colour, max(1, thick // 2))
        return cv2.GaussianBlur(picture, (0, 0), draw.uniform(0.3, 3))


def _paste(frame, picture, mask, place):
    """`picture` under the affine `place` over `frame`, as far as `mask` (any size, 0 to 1) shows it."""
    high, wide = picture.shape[:2]
    corners = np.array([[0, 0, 1], [wide, 0, 1], [0, high, 1], [wide, high, 1]]) @ place.T
    low = np.clip(np.floor(corners.min(0)).astype(int), 0, (WIDTH, HEIGHT))
    top = np.clip(np.ceil(corners.max(0)).astype(int) + 1, 0, (WIDTH, HEIGHT))
    if (top - low < 2).any():
        return
    moved = place.copy()
    moved[:, 2] -= low
    size = (top - low).tolist()
    warped = cv2.warpAffine(picture, moved, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved[:, :2] *= np.array([wide / mask.shape[1], high / mask.shape[0]])
    share = cv2.warpAffine(mask, moved, size, flags=cv2.INTER_LINEAR)
    target = frame[low[1] : top[1], low[0] : top[0]]
    target[:] = cv2.blendLinear(warped, np.ascontiguousarray(target), share, 1 - share)


# Where a mask of 50 x 50 has its pixels, in pixels of the chip.
MASK = 50
# How much is shown around a face, in boxes: 0 the whole chip; from CONTINUED on also what may lie beyond its border.
CONTINUED = 1.5
ROOMS = ((0, 0), (0.95, CONTINUED), (CONTINUED, 2.3))
GRID = np.mgrid[:MASK, :MASK].astype(np.float32)[::-1] * (CHIP / MASK) + CHIP / MASK / 2


def _shared(one, other):
    """Area that two boxes share."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    return np.clip(high - low, 0, None).prod()


def _mask(box, draw, room):
    """A soft mask around a face: from close about it (room 1) to hair and collar (1.5)."""
    middle, half = box[:2] + box[2:] / 2, box[2:] / 2 * room
    power = draw.uniform(2, 5)
    x, y = np.abs(GRID - middle[:, None, None]) / half[:, None, None]
    return np.clip((1 - (x**power + y**power) ** (1 / power)) / draw.uniform(0.06, 0.25) + 0.5, 0, 1)


@dataclass
class Guest:
    """A chip on its way into a frame: shrunk by `reduced`, with its face's box and landmarks in pixels of the whole
    chip, the affine that brings these into the frame, how that turns and mirrors, and how much is shown around the
    face (0: the whole chip)."""

    chip: np.ndarray
    reduced: int
    box: np.ndarray
    landmarks: np.ndarray
    place: np.ndarray
    angle: float
    flip: float
    room: float

    def box_in_frame(self):
        """Upright around the turned oval that fills the chip's box."""
        middle = self.place[:, :2] @ (self.box[:2] + self.box[2:] / 2) + self.place[:, 2]
        size = np.linalg.norm(self.place[:, :2], axis=0) * self.box[2:]
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        size = np.hypot([size[0] * cos, size[0] * sin], [size[1] * sin, size[1] * cos])
        return np.concatenate([middle - size / 2, size])

    def place_of_chip(self):
        """The affine for the shrunk chip, whose first pixel is the mean of several."""
        place = self.place.copy()
        place[:, 2] += place[:, :2] @ np.full(2, (self.reduced - 1) / 2)
        place[:, :2] *= self.reduced
        return place

    def points_in_frame(self):
        points = self.landmarks @ self.place[:, :2].T + self.place[:, 2]
        return points[SWAPPED] if self.flip < 0 else points


class Scenes:
    """Frames without end: `frame()` gives a picture (256, 320, 3), boxes (n, 4), landmarks (n, 5, 2)."""

    def __init__(self, chips, seed, backdrops=400):
        self.chips, self.draw = chips, np.random.default_rng(seed)
        self.backdrops = Backdrops(chips, self.draw, backdrops)
        noise = self.draw.normal(0, 1, (HEIGHT * 2, WIDTH * 2, 3))
        self.noise = noise.astype(np.float32)

    def frame(self, empty=None):
        """One frame; a fifth are without faces, or all (`empty`) or none (`empty=False`)."""
        draw, frame = self.draw, self.backdrops()
        area = AREAS[draw.choice(len(AREAS), p=[share for _, share in AREAS])][0]
        empty = draw.random() < 0.2 if empty is None else empty
        taken, guests, boxes, points = [], [], [], []
        for _ in range(0 if empty else draw.choice([1, 2, 3, 4, 7], p=[0.3, 0.2, 0.2, 0.2, 0.1])):
            place = self._room_for(area, taken)
            if place is not None:
                guests.append(self._guest(*place))
        for _ in range(draw.choice([0, 1, 2, 4], p=[0.4, 0.3, 0.2, 0.1]) + 2 * empty):
            place = self._room_for(area, taken)
            if place is not None:
                self._decoy(frame, *place)
        # Those with wide surroundings first, and only where these hide nobody who is there already.
        guests = sorted(guests, key=lambda guest: -guest.room)
        for at, guest in enumerate(guests):
            grown = guest.box_in_frame()
            grown = np.concatenate([grown[:2] - 0.5 * (guest.room - 1) * grown[2:], guest.room * grown[2:]])
            if guest.room >= CONTINUED and any(_shared(grown, other.box_in_frame()) > 0 for other in guests[:at]):
                guest.room = CONTINUED - 0.4
        guests = sorted(guests, key=lambda guest: -guest.room)
        # All shoulders before all faces, so that nobody's shoulders hide a face that is a label.
        for guest in guests:
            if guest.room and draw.random() < (0.75 if guest.room < CONTINUED else 0.4):
                self._head(frame, guest)
        for guest in guests:
            self._face(frame, guest)
            boxes.append(guest.box_in_frame())
            points.append(guest.points_in_frame())
        if len(boxes) == 1 and draw.random() < 0.3:
            self._cover(frame, boxes[0])
        frame = self._toned(frame)
        frame[area[1] :] = 0
        frame[:, area[0] :] = 0
        return frame, np.array(boxes, np.float32).reshape(-1, 4), np.array(points, np.float32).reshape(-1, 5, 2)

    def _room_for(self, area, taken):
        """A middle and width for a face that covers little of those already there; None if none is found soon."""
        for _ in range(8):
            width = np.exp(np.log(FACE_MIN) + np.log(min(FACE_MAX, area[0]) / FACE_MIN) * self.draw.random() ** 0.8)
            size = np.array([width, 1.25 * width])
            inset = np.minimum(size * self.draw.choice([0.3, 0.5]), np.array(area) / 2 - 1)
            middle = self.draw.uniform(inset, area - inset)
            box = np.concatenate([middle - size / 2, size])
            if not any(_shared(box, other) > 0.1 * min(size.prod(), other[2] * other[3]) for other in taken):
                taken.append(box)
                return middle, width
        return None

    def _turned(self, box, middle, width):
        """The affine that puts a chip's face at `middle` with `width`, turned a little and perhaps mirrored."""
        angle = np.clip(self.draw.normal(0, np.radians(10)), -0.5, 0.5)
        scale, flip = width / box[2], self.draw.choice([-1.0, 1.0])
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        turn = np.array([[cos, -sin], [sin, cos]]) * [flip, self.draw.uniform(0.93, 1.07)]
        return np.hstack([turn, (middle - turn @ (box[:2] + box[2:] / 2))[:, None]]), angle, flip

    def _guest(self, middle, width, room=None):
        at = self.draw.integers(len(self.chips.pictures))
        box, landmarks = self.chips.boxes[at], self.chips.landmarks[at]
        place, angle, flip = self._turned(box, middle, width)
        reduced = self.chips.reduction(width / box[2])
        chip = self.chips.picture(at, reduced)
        if self.draw.random() < 0.3:
            chip = cv2.convertScaleAbs(chip, alpha=self.draw.uniform(0.5, 1.2), beta=self.draw.uniform(-20, 40))
        if room is None:
            room = self.draw.uniform(*ROOMS[self.draw.choice(3, p=[0.15, 0.4, 0.45])])
        return Guest(chip, reduced, box, landmarks, place, angle, flip, room)

    def _face(self, frame, guest):
        draw = self.draw
        if guest.room == 0:
            _paste(frame, guest.chip, np.ones((MASK, MASK), np.float32), guest.place_of_chip())
        elif guest.room < CONTINUED:
            _paste(frame, guest.chip, _mask(guest.box, draw, guest.room), guest.place_of_chip())
        else:
            self._continued(frame, guest)
        if draw.random() < 0.12:
            self._worn(frame, guest.place, guest.landmarks)

    def _continued(self, frame, guest):
        """A face whose hair, neck and surroundings go on beyond the chip's border and fade into the frame: a border
        around each face would be easier to learn than faces."""
        chip, rim = guest.chip, len(guest.chip) // 2
        # First a little in the mirror, too little for another eye, then streaks.
        above, beside = (int(part) for part in rim * self.draw.uniform(0, [0.4, 0.2]))
        wide = cv2.copyMakeBorder(chip, above, 0, beside, beside, cv2.BORDER_REFLECT_101)
        wide = cv2.copyMakeBorder(wide, rim - above, rim, rim - beside, rim - beside, cv2.BORDER_REPLICATE)
        if self.draw.random() < 0.7:
            inner = wide[rim:-rim, rim:-rim].copy()
            wide = cv2.blur(wide, (max(1, rim // 10), max(1, rim // 10)))
            wide[rim:-rim, rim:-rim] = inner
        place = guest.place_of_chip()
        place[:, 2] -= place[:, :2] @ np.full(2, rim)
        # The mask is that of a chip, so the face's box is half as large in it.
        box = (guest.box + np.array([CHIP / 2, CHIP / 2, 0, 0], np.float32)) / 2
        _paste(frame, wide, _mask(box, self.draw, guest.room), place)

    def _head(self, frame, guest):
        """Hair, neck and shoulders behind a face, in the chip's own colours or others."""
        draw, chip, small, box, place = self.draw, guest.chip, guest.reduced, guest.box, guest.place
        middle, half = box[:2] + box[2:] / 2, box[2:] / 2

        def blob(centre, radii, colour, cut=(0, 360)):
            arc = np.array(cv2.ellipse2Poly((0, 0), (1000, 1000), 0, *cut, 10)) / 1000 * radii + centre
            cv2.fillPoly(frame, [np.round(arc @ place[:, :2].T + place[:, 2]).astype(np.int32)], colour)

        side = chip[len(chip) // 3 : len(chip) // 2, len(chip) // 3 : len(chip) * 2 // 3].mean((0, 1)).tolist()
        hair = chip[: 12 // small + 1].mean((0, 1)).tolist() if draw.random() < 0.5 else _colour(draw)
        cloth = chip[-8 // small :].mean((0, 1)).tolist() if draw.random() < 0.3 else _colour(draw)
        if draw.random() < 0.8:
            neck = middle + half * [0, draw.uniform(1.0, 1.3)]
            blob(neck, half * [draw.uniform(0.45, 0.7), 0.8], [value * 0.85 for value in side])
            shoulders = half * [draw.uniform(1.8, 2.8), draw.uniform(1, 1.4)]
            blob(middle + half * [0, draw.uniform(2.2, 2.7)], shoulders, cloth)
        long = draw.uniform(0.9, 2.0) if draw.random() < 0.3 else 0.0
        if long:
            blob(middle + half * [0, 0.4 * long], half * [draw.uniform(1.1, 1.4), 1.0 + 0.4 * long], hair)
        spread = half * guest.room * [draw.uniform(0.95, 1.2), draw.uniform(1.0, 1.25)]
        blob(middle - half * [0, draw.uniform(0, 0.3)], spread, hair if draw.random() < 0.8 else side)
        # Neither cloth nor hair ends as sharply as a polygon.
        reach = np.linalg.norm(place[:, :2], axis=0).max() * half.max() * 2
        low = np.clip(place[:, :2] @ middle + place[:, 2] - reach, 0, (WIDTH, HEIGHT)).astype(int)
        top = np.clip(low + 2 * reach, 0, (WIDTH, HEIGHT)).astype(int)
        if draw.random() < 0.7 and (top > low).all():
            part = frame[low[1] : top[1], low[0] : top[0]]
            part[:] = cv2.GaussianBlur(part, (0, 0), 0.3 + reach * draw.uniform(0.005, 0.03))

    def _worn(self, frame, place, landmarks):
        """Dark glasses, or a mask over mouth and nose."""
        left, right, nose, *mouth = landmarks
        across = (right - left) * self.draw.uniform(0.3, 0.55)
        down = (np.mean(mouth, 0) - (left + right) / 2) * self.draw.uniform(0.15, 0.35)
        if self.draw.random() < 0.5:
            shape = [left - across - down, right + across - down, right + across + down, left - across + down]
        else:
            shape = [left - across + down * 2, right + across + down * 2, mouth[1] + across + down * 2]
            shape.append(mouth[0] - across + down * 2)
        colour = _colour(self.draw) if self.draw.random() < 0.6 else [20, 20, 20]
        cv2.fillPoly(frame, [np.round(shape @ place[:, :2].T + place[:, 2]).astype(np.int32)], colour)

    def _cover(self, frame, box):
        """Something before the rim of a face: an arm, a phone, a door's edge."""
        draw = self.draw
        angle = draw.uniform(0, 2 * np.pi)
        aside = np.array([np.cos(angle), np.sin(angle)])
        near = box[:2] + box[2:] / 2 + aside * box[2:] * draw.uniform(0.3, 0.5)
        corners = [near + aside[::-1] * [1, -1] * box[2:] * draw.uniform(0.2, 0.9)]
        corners.append(near - aside[::-1] * [1, -1] * box[2:] * draw.uniform(0.2, 0.9))
        corners += [corner + aside * box[2:] * draw.uniform(0.2, 1.5) for corner in corners[::-1]]
        colour = _skin(draw) if draw.random() < 0.4 else _colour(draw)
        cv2.fillPoly(frame, [np.round(corners).astype(np.int32)], colour)

    def _decoy(self, frame, middle, width):
        """Something that has much of a face and is none."""
        draw, guest = self.draw, self._guest(middle, width, self.draw.uniform(0.9, 1.3))
        box, place = guest.box, guest.place_of_chip()
        kind = draw.integers(6)
        if kind == 0:
            tiles = int(draw.integers(3, 7))
            side = len(guest.chip) // tiles
            cut = guest.chip[: side * tiles, : side * tiles].reshape(tiles, side, tiles, side, 3).swapaxes(1, 2)
            mixed = draw.permutation(cut.reshape(-1, side, side, 3)).reshape(cut.shape).swapaxes(1, 2)
            _paste(frame, mixed.reshape(side * tiles, side * tiles, 3), _mask(box, draw, draw.uniform(1, 1.5)), place)
        elif kind == 1:
            whole = len(guest.chip)
            cut = int(whole * draw.uniform(0.15, 0.37))
            top, left = draw.integers(0, whole - cut, 2)
            part = cv2.resize(guest.chip[top : top + cut, left : left + cut], (whole, whole))
            _paste(frame, part, _mask(box, draw, draw.uniform(1, 1.5)), place)
        elif kind == 2:
            self._head(frame, guest)
        elif kind == 3:
            rim = cv2.resize(self.backdrops.rim(), guest.chip.shape[:2])
            self._head(frame, guest)
            _paste(frame, rim, _mask(box, draw, draw.uniform(1, 1.5)), place)
        elif kind == 4:
            self._hand(frame, middle, width)
        else:
            self._blobs(frame, middle, width)

    def _hand(self, frame, middle, width):
        draw, colour = self.draw, _skin(self.draw)
        start, palm, centre = draw.uniform(0, 2 * np.pi), max(2, int(width * 0.3)), middle.astype(int).tolist()
        cv2.circle(frame, centre, palm, colour, -1, cv2.LINE_AA)
        for finger in range(5):
            angle = start + finger * draw.uniform(0.25, 0.45)
            tip = middle + np.array([np.cos(angle), np.sin(angle)]) * width * draw.uniform(0.5, 0.9)
            shade = [value * draw.uniform(0.85, 1.1) for value in colour]
            cv2.line(frame, centre, tip.astype(int).tolist(), shade, max(1, palm // 2), cv2.LINE_AA)

    def _blobs(self, frame, middle, width):
        """A skin-coloured oval with dark spots, anywhere but where eyes, nose and mouth are."""
        draw, colour = self.draw, _skin(self.draw) if self.draw.random() < 0.7 else _colour(self.draw)
        half = np.array([width / 2, width * draw.uniform(0.4, 0.8)])
        cv2.ellipse(frame, (middle.tolist(), (2 * half).tolist(), draw.uniform(-30, 30)), colour, -1, cv2.LINE_AA)
        for _ in range(draw.choice([0, 1, 2, 6, 12])):
            spot = middle + draw.uniform(-0.6, 0.6, 2) * half
            shade = [value * draw.uniform(0.2, 0.9) for value in colour]
            size = (half * draw.uniform(0.05, 0.4, 2) + 1).tolist()
            cv2.ellipse(frame, (spot.tolist(), size, draw.uniform(0, 180)), shade, -1, cv2.LINE_AA)

    def _toned(self, frame):
        """Light, colour, sharpness, grain and compression of some camera."""
        draw = self.draw
        if draw.random() < 0.15:
            light = _coarse(draw, *draw.integers(2, 5, 2), 1)[..., None]
            frame = (frame * (0.25 + 0.9 * light) + draw.uniform(0, 160) * light**2).clip(0, 255).astype(np.uint8)
        if draw.random() < 0.7:
            gain = np.exp(draw.normal(0, 0.2)) * (draw.uniform(0.12, 0.4) if draw.random() < 0.15 else 1.0)
            cast = np.exp(draw.normal(0, 0.1, 3)) * gain
            gamma, lift = np.exp(draw.normal(0, 0.25)), draw.uniform(-15, 15)
            levels = (np.arange(256)[:, None] / 255) ** gamma * cast * 255 + lift
            frame = cv2.LUT(frame, levels.clip(0, 255).astype(np.uint8).reshape(256, 1, 3))
        if draw.random() < 0.2:
            frame = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        how = draw.random()
        if how < 0.2:
            frame = cv2.GaussianBlur(frame, (0, 0), draw.uniform(0.3, 1.3))
        elif how < 0.25:
            length = int(draw.integers(2, 7))
            frame = cv2.blur(frame, (length, 1) if draw.random() < 0.5 else (1, length))
        elif how < 0.3:
            share = draw.uniform(0.4, 0.9)
            frame = cv2.resize(cv2.resize(frame, None, fx=share, fy=share), (WIDTH, HEIGHT))
        if draw.random() < 0.4:
            top, left = draw.integers(0, HEIGHT), draw.integers(0, WIDTH)
            grain = self.noise[top : top + HEIGHT, left : left + WIDTH]
            frame = cv2.addWeighted(frame, 1.0, grain, draw.uniform(1, 14), 0, dtype=cv2.CV_8U)
        if draw.random() < 0.2:
            coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(25, 95))])[1]
            frame = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        return frame
