"""Simulated captures of faces: live people, prints of them and screens that show them, each before a camera.

A camera sees a live person once and the person on a print or a screen twice, with paper or pixels between. So a person
is composed the same way for all three, and every frame passes the same camera with random parameters: what remains for
a network to tell them by is the sheet, its edges and its hand, not how a picture was pasted together.

Pictures are (height, width, 3) uint8, blue-green-red. Boxes are x, y, width, height in pixels. `draw` is a NumPy
generator: the same seed gives the same frames.
"""

import cv2
import numpy as np

LIVE, PRINT, SCREEN = range(3)
KINDS = ("live", "print", "screen")

# Heights and widths of frames, at most. A network sees 80 x 80 pixels of them, and larger ones cost more time.
FRAME_MAX = (360, 480)


def chance(draw, probability):
    return draw.random() < probability


def smooth(draw, height, width, cells, low, high):
    """A smooth random field (height, width) between about `low` and `high`."""
    seeds = draw.uniform(low, high, (cells, cells)).astype(np.float32)
    return cv2.resize(seeds, (width, height), interpolation=cv2.INTER_CUBIC)


def blurred(picture, sigma):
    if sigma < 0.25:
        return picture
    if sigma < 4 or min(picture.shape[:2]) < 32:
        return cv2.GaussianBlur(picture, (0, 0), float(sigma))
    # Wide blurs on a quarter of the pixels, and wider ones on a sixteenth, look the same.
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(blurred(half, sigma / 2), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def scaled(picture, field):
    """The picture times a field (height, width) of factors."""
    return cv2.multiply(picture, cv2.merge([field] * 3), dtype=cv2.CV_8U)


def blend(over, under, mask):
    """`over` where the uint8 mask is 255, `under` where it is 0."""
    share = cv2.merge([mask] * 3).astype(np.uint16)
    return ((over * share + under * (255 - share) + 127) // 255).astype(np.uint8)


def coloured(picture, saturation):
    """The picture with its colours stronger (above 1) or weaker."""
    grey = cv2.merge([cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)] * 3)
    return cv2.addWeighted(picture, float(saturation), grey, 1 - float(saturation), 0)


# --- what surrounds a face ------------------------------------------------------------------------------------------


def colour(draw):
    """A colour of rooms and clothes: mostly greyish, seldom strong."""
    grey = draw.uniform(10, 250)
    return np.clip(grey + draw.normal(0, draw.choice([4, 15, 60]), 3), 0, 255)


def piece(draw, chip, height, width):
    """A part of a photograph, grown to the size asked for: texture that no rectangle has."""
    side = int(draw.integers(30, 150))
    top, left = draw.integers(0, chip.shape[0] - side, 2)
    part = cv2.flip(chip[top : top + side, left : left + side], int(draw.integers(-1, 2)))
    return coloured(cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC), draw.uniform(0.2, 1.1))


def room(draw, chips):
    """A background: a wall, things out of photographs, furniture as rectangles and lines. Mostly sharp, as small
    cameras see everything sharp."""
    height, width = FRAME_MAX
    wall = np.full((height, width, 3), colour(draw) if chance(draw, 0.6) else draw.uniform(170, 255), np.uint8)
    if chance(draw, 0.3):
        wall = cv2.addWeighted(wall, 0.5, blurred(piece(draw, chips(draw), height, width), draw.uniform(1, 9)), 0.5, 0)
    for _ in range(draw.integers(0, 28)):
        left, top = (int(v) for v in draw.integers(-60, (width, height)))
        across, down = (int(v) for v in draw.integers(8, 200, 2))
        shape, tone = draw.integers(6), colour(draw).tolist()
        if shape < 2:
            cv2.rectangle(wall, (left, top), (left + across, top + down), tone, -1)
        elif shape == 2:
            other = (int(draw.integers(-60, width)), int(draw.integers(-60, height)))
            cv2.line(wall, (left, top), other, tone, int(draw.integers(1, 12)))
        elif shape == 3:
            cv2.ellipse(wall, (left, top), (across // 3 + 2, down // 3 + 2), draw.uniform(0, 180), 0, 360, tone, -1)
        else:
            left, top = max(left, 0), max(top, 0)
            hole = wall[top : top + down, left : left + across]
            hole[:] = piece(draw, chips(draw), *hole.shape[:2])
    wall = scaled(wall, smooth(draw, height, width, int(draw.integers(2, 6)), 0.65, 1.3))
    return blurred(wall, draw.choice([0, 0.5, 0.8, 1.2, 3, 8]))


def cloth(draw):
    """Clothes: a colour, perhaps stripes or checks, and folds."""
    height, width = FRAME_MAX
    base = np.full((height, width, 3), colour(draw), np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    for _ in range(draw.integers(0, 3)):
        angle, period = draw.uniform(0, np.pi), draw.uniform(5, 40)
        wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period) > draw.uniform(-0.5, 0.95)
        base += wave[..., None] * draw.normal(0, 25, 3).astype(np.float32)
    folds = smooth(draw, height, width, int(draw.integers(4, 14)), 0.6, 1.2)
    return (base * folds[..., None]).clip(0, 255).astype(np.uint8)


def cut(draw, picture, height, width):
    """A part of a larger picture, perhaps mirrored."""
    top = draw.integers(0, picture.shape[0] - height + 1)
    left = draw.integers(0, picture.shape[1] - width + 1)
    part = picture[top : top + height, left : left + width]
    return cv2.flip(part, 1) if chance(draw, 0.5) else part.copy()


# --- a person -------------------------------------------------------------------------------------------------------

BORDER = 80


def head_matte(draw, box, side):
    """Where the head is in a chip with `BORDER` more pixels around it: an egg around the face."""
    matte = np.zeros((side + 2 * BORDER,) * 2, np.uint8)
    x, y = box[0] + box[2] / 2 + BORDER, box[1] + box[3] * 0.42 + BORDER
    axes = (int(box[2] * draw.uniform(0.52, 0.68)), int(box[3] * draw.uniform(0.51, 0.63)))
    cv2.ellipse(matte, (int(x), int(y)), axes, draw.uniform(-5, 5), 0, 360, 255, -1)
    return blurred(matte, draw.uniform(1, 5))


def haired(draw, wide, box):
    """Hair over the top and the sides of a head in a chip with its border, since the photographs cut it off."""
    x, y = box[0] + box[2] / 2 + BORDER, box[1] + BORDER
    mask = np.zeros(wide.shape[:2], np.uint8)
    mask[: int(y + box[3] * draw.uniform(0.3, 0.75))] = 255
    axes = (int(box[2] * draw.uniform(0.40, 0.48)), int(box[3] * draw.uniform(0.40, 0.47)))
    cv2.ellipse(mask, (int(x + draw.normal(0, 4)), int(y + box[3] * 0.56)), axes, draw.normal(0, 6), 0, 360, 0, -1)
    tone = np.array([0.75, 0.85, 1.0]) * draw.choice([12, 25, 45, 90, 150], p=[0.35, 0.3, 0.2, 0.1, 0.05])
    strands = cv2.resize(draw.uniform(0.5, 1.6, (9, 60)).astype(np.float32), wide.shape[1::-1])
    hair = scaled(np.full_like(wide, tone.clip(0, 255)), strands)
    return blend(hair, wide, blurred(mask, draw.uniform(1, 4)))


def whole_matte(draw, side):
    """The whole chip with a soft border, so that it passes into its unsharp continuation without an edge."""
    inset = int(draw.integers(8, 22))
    matte = np.zeros((side + 2 * BORDER,) * 2, np.uint8)
    matte[BORDER + inset : -BORDER - inset, BORDER + inset : -BORDER - inset] = 255
    return blurred(matte, inset / 2.5)


def shoulders(draw, frame, face, tissue, skin=None):
    """A body below the face `face` (box in the frame), and a neck of the colour `skin`, drawn into the frame."""
    height, width = frame.shape[:2]
    x, chin, unit = face[0] + face[2] / 2, face[1] + face[3], face[2]
    neck, half = unit * draw.uniform(0.36, 0.5), unit * draw.uniform(1.0, 1.6)
    low, drop = chin + unit * draw.uniform(0.05, 0.3), unit * draw.uniform(0.2, 0.55)
    right = [(neck, low), (neck * 1.5, low + drop * 0.35), (half * 0.85, low + drop * 0.75), (half, low + drop * 1.4)]
    right.append((half * draw.uniform(1.0, 1.3), low + unit * 4))
    points = [(x + a, b) for a, b in right] + [(x - a, b) for a, b in reversed(right)]
    mask = np.zeros((height, width), np.uint8)
    if skin is not None:
        throat = [(x + a * neck * 0.85, chin + b * unit) for a, b in ((-1, -0.3), (1, -0.3), (1, 0.6), (-1, 0.6))]
        cv2.fillPoly(mask, [np.int32(throat)], 255)
        shade = scaled(np.full_like(frame, skin.clip(0, 255)), smooth(draw, height, width, 5, 0.5, 1.05))
        frame = blend(shade, frame, blurred(mask, 1.5))
        mask[:] = 0
    cv2.fillPoly(mask, [np.int32(np.clip(points, -4000, 4000))], 255)
    frame = blend(cut(draw, tissue, height, width), frame, blurred(mask, draw.uniform(0.4, 1.2)))
    if skin is not None and chance(draw, 0.6):
        # A collar: another colour, or skin, in the opening, and its edge.
        depth = unit * draw.uniform(0.1, 0.8)
        tip = (x + neck * draw.normal(0, 0.1), low + depth)
        opening = np.int32([(x - neck * 0.8, low), (x + neck * 0.8, low), tip])
        inner = skin * draw.uniform(0.6, 1) if chance(draw, 0.5) else colour(draw)
        cv2.fillPoly(frame, [opening], inner.clip(0, 255).tolist(), cv2.LINE_AA)
        cv2.polylines(frame, [opening], True, colour(draw).tolist(), max(1, int(unit * 0.03)), cv2.LINE_AA)
    return frame


def person(draw, chip, box, frame, tissue, face_width, centre, own):
    """The person of a chip before the background `frame`, or with probability `own` before the chip's, the face
    `face_width` wide about `centre`. Returns the picture and the face's box in it."""
    height, width = frame.shape[:2]
    side = chip.shape[0]
    grow = face_width / box[2]
    tall = draw.uniform(0.95, 1.08)
    turn = np.deg2rad(draw.normal(0, 5))
    middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2]) + BORDER
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * grow * np.array([[1], [tall]])
    matrix = np.hstack([matrix, (np.asarray(centre) - matrix @ middle)[:, None]])
    face = (centre[0] - face_width / 2, centre[1] - box[3] * grow * tall / 2, face_width, box[3] * grow * tall)
    wide = cv2.copyMakeBorder(chip, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)
    if chance(draw, own):
        # Its own surroundings, continued: in the mirror and out of focus, or drawn out from the border, which keeps the
        # top of a head, hair and shoulders what they are.
        how = cv2.BORDER_REPLICATE if chance(draw, 0.6) else cv2.BORDER_REFLECT
        sigma = draw.uniform(0, 4) if how == cv2.BORDER_REPLICATE else draw.uniform(4, 14)
        around = cv2.copyMakeBorder(chip, BORDER, BORDER, BORDER, BORDER, how)
        frame = blurred(cv2.warpAffine(around, matrix, (width, height), borderMode=how), sigma)
        matte = whole_matte(draw, side)
    else:
        matte = head_matte(draw, box, side)
        if chance(draw, 0.7):
            wide = haired(draw, wide, box)
    room_alone = frame
    frame = shoulders(draw, frame, face, tissue, np.median(chip[90:140, 70:130].reshape(-1, 3), 0))
    how = cv2.INTER_AREA if grow < 0.7 else cv2.INTER_LINEAR
    near = cv2.warpAffine(wide, matrix, (width, height), flags=how)
    mask = cv2.warpAffine(matte, matrix, (width, height), flags=cv2.INTER_LINEAR)
    picture = blend(near, frame, mask)
    if chance(draw, 0.4):
        # A window behind, or a lamp before: the person darker or brighter than the room.
        both = cv2.max(mask, cv2.absdiff(frame, room_alone).max(2))
        lit = cv2.convertScaleAbs(picture, alpha=float(np.exp(draw.normal(-0.05, 0.28))))
        picture = blend(lit, picture, blurred(cv2.threshold(both, 0, 255, cv2.THRESH_BINARY)[1], 1.0))
    if chance(draw, 0.5):
        # Light from a side falls on a head that is round.
        picture = scaled(picture, smooth(draw, height, width, int(draw.integers(2, 5)), 0.6, 1.3))
    return picture, face


# --- prints and screens ---------------------------------------------------------------------------------------------


def toned(draw, picture, gammas, blacks, whites, casts):
    """Black lifted, white lowered, a bent tone curve and a cast, as one table a channel."""
    x = np.linspace(0, 1, 256, dtype=np.float32)
    black, white, gamma = draw.uniform(*blacks), draw.uniform(*whites), draw.uniform(*gammas)
    cast = draw.normal(1, casts, 3)
    tables = [(black + (white - black) * x**gamma) * c for c in cast]
    return cv2.LUT(picture, np.stack(tables, 1).clip(0, 255).astype(np.uint8).reshape(1, 256, 3))


def waves(draw, height, width, periods, strengths):
    """A pattern (height, width, 3) of lines as dots of ink or pixels leave them after a camera's grid: in each channel
    turned and shifted a little."""
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None]
    angle, period = draw.uniform(0, np.pi), np.exp(draw.uniform(*np.log(periods)))
    strength, spread = draw.uniform(*strengths), draw.uniform(0, 0.15)
    planes = []
    for turn, shift in zip(angle + draw.normal(0, spread, 3), draw.uniform(0, 6.3, 3)):
        across, down = x * (np.cos(turn) * 6.283 / period) + shift, y * (np.sin(turn) * 6.283 / period)
        # The sine of a sum, as products of a row and a column.
        planes.append(np.sin(across) * np.cos(down) + np.cos(across) * np.sin(down))
    return cv2.merge(planes) * np.float32(strength)


def added(picture, pattern):
    return cv2.add(picture, pattern.astype(np.float32), dtype=cv2.CV_8U)


def printed(draw, picture):
    """The picture on paper: fewer colours, lifted black, grey white, dots, bands, grain and a border."""
    height, width = picture.shape[:2]
    picture = blurred(picture, draw.uniform(0, 1.4))
    picture = coloured(picture, 0.0 if chance(draw, 0.07) else draw.uniform(0.5, 1.15))
    picture = toned(draw, picture, (0.7, 1.4), (5, 60), (185, 250), 0.05)
    if chance(draw, 0.35):
        picture = added(picture, waves(draw, height, width, (2.2, 6), (3, 22)))
    if chance(draw, 0.3):
        bands = cv2.resize(draw.normal(0, draw.uniform(1, 6), (height // 3 + 1, 1)).astype(np.float32), (width, height))
        picture = added(picture, cv2.merge([bands] * 3))
    if chance(draw, 0.6):
        edge = int(min(height, width) * draw.uniform(0.01, 0.12))
        paper = draw.uniform(180, 250) * draw.normal(1, 0.02, 3)
        picture = cv2.copyMakeBorder(picture, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=paper.tolist())
    return picture


def shown(draw, picture):
    """The picture on a screen: bright, bluish, with a pattern where its pixels meet the camera's, and a frame."""
    height, width = picture.shape[:2]
    picture = coloured(picture, draw.uniform(0.8, 1.4))
    picture = toned(draw, picture, (0.6, 1.3), (0, 45), (190, 290), 0.04)
    backlight = np.array([draw.uniform(0.95, 1.2), 1.0, draw.uniform(0.85, 1.05)], np.float32)
    picture = cv2.multiply(picture, (*backlight.tolist(), 0.0))
    for _ in range(draw.integers(0, 3)):
        picture = added(picture, waves(draw, height, width, (2.5, 40), (2, 14)))
    if chance(draw, 0.75):
        edge = int(min(height, width) * draw.uniform(0.02, 0.14))
        tone = draw.uniform(5, 60) if chance(draw, 0.8) else draw.uniform(180, 245)
        high = edge + int(edge * draw.uniform(0, 2))
        picture = cv2.copyMakeBorder(picture, high, high, edge, edge, cv2.BORDER_CONSTANT, value=[tone] * 3)
    return picture


def glossed(draw, picture):
    """A soft reflection of a lamp or a window."""
    height, width = picture.shape[:2]
    spot = np.zeros((height // 4 + 1, width // 4 + 1), np.uint8)
    at = (int(draw.integers(0, width // 4)), int(draw.integers(0, height // 4)))
    axes = (int(draw.integers(4, width // 8 + 6)), int(draw.integers(4, height // 6 + 6)))
    cv2.ellipse(spot, at, axes, draw.uniform(0, 180), 0, 360, draw.uniform(20, 130), -1)
    spot = cv2.resize(blurred(spot, draw.uniform(1, 14)), (width, height))
    return cv2.add(picture, cv2.merge([spot] * 3))


def bent(draw, sheet):
    """A sheet bent about an upright or a level axis, with the shade that this gives. Returns picture and mask."""
    height, width = sheet.shape[:2]
    rise = int(min(height, width) * draw.uniform(0.0, 0.1))
    mask = np.full((height, width), 255, np.uint8)
    if rise < 2:
        return sheet, mask
    upright = chance(draw, 0.5)
    u = np.linspace(-1, 1, width if upright else height, dtype=np.float32) - np.float32(draw.uniform(-0.5, 0.5))
    arc, slope = rise * (1 - u**2).clip(0, None), u * np.float32(draw.uniform(-0.35, 0.35))
    y, x = np.mgrid[: height + (rise if upright else 0), : width + (0 if upright else rise)].astype(np.float32)
    sheet = scaled(sheet, np.broadcast_to(1 + slope[None] if upright else 1 + slope[:, None], (height, width)))
    if upright:
        y = y - arc[None]
    else:
        x = x - arc[:, None]
    return cv2.remap(sheet, x, y, cv2.INTER_LINEAR), cv2.remap(mask, x, y, cv2.INTER_LINEAR)


def fingers(draw, frame, corners, skin):
    """A hand or two that hold the sheet with the given corners at an edge."""
    middle = corners.mean(0)
    for _ in range(draw.integers(1, 3)):
        edge = int(draw.integers(4))
        along = draw.uniform(0.15, 0.85)
        hold = corners[edge] * (1 - along) + corners[(edge + 1) % 4] * along
        inward = (middle - hold) / (np.linalg.norm(middle - hold) + 1e-6)
        across = np.array([-inward[1], inward[0]])
        thick = np.linalg.norm(corners[0] - corners[1]) * draw.uniform(0.06, 0.12)
        mask, tone = np.zeros(frame.shape[:2], np.uint8), np.clip(skin * draw.uniform(0.7, 1.2), 0, 255)
        away = hold - inward * thick * 14 + across * draw.normal(0, thick * 5)
        cv2.line(mask, np.int32(hold - inward * thick * 3).tolist(), np.int32(away).tolist(), 255, int(thick * 4) + 1)
        for finger in range(draw.integers(1, 5)):
            tip = hold + inward * thick * draw.uniform(0.3, 2.2) + across * thick * (finger - 1.5) * 1.15
            cv2.line(mask, np.int32(tip).tolist(), np.int32(tip - inward * thick * 4).tolist(), 255, int(thick) + 1)
        hand = scaled(np.full_like(frame, tone), smooth(draw, *frame.shape[:2], 24, 0.75, 1.2))
        frame = blend(hand, frame, blurred(mask, 1.2))
    return frame


def placed(draw, sheet, mask, box, scene, face_width, centre):
    """A sheet with a face at `box` held into a scene so that the face is `face_width` wide about `centre`. Returns the
    picture, the mask of the sheet, its corners and the face's box."""
    height, width = scene.shape[:2]
    rows, columns = mask.shape
    grow = face_width / box[2]
    turn, lean = np.deg2rad(draw.normal(0, 7)), draw.normal(0, 0.05, (4, 2))
    corners = np.float32([[0, 0], [columns, 0], [columns, rows], [0, rows]])
    middle = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
    squeeze = draw.uniform(0.85, 1.1, 2) if chance(draw, 0.4) else np.ones(2)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    target = ((corners - middle) * (1 + lean)) @ spin.T * grow * squeeze + centre
    matrix = cv2.getPerspectiveTransform(corners, np.float32(target))
    held = cv2.warpPerspective(sheet, matrix, (width, height), flags=cv2.INTER_AREA if grow < 0.7 else cv2.INTER_LINEAR)
    over = cv2.warpPerspective(mask, matrix, (width, height))
    sides = np.float32([(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)]) * np.float32(box[2:]) + np.float32(box[:2])
    top, right, bottom, left = cv2.perspectiveTransform(sides[None], matrix)[0]
    wide, tall = np.linalg.norm(right - left), np.linalg.norm(bottom - top)
    x, y = (top + right + bottom + left) / 4
    return blend(held, scene, over), over, target, (x - wide / 2, y - tall / 2, wide, tall)


# --- the camera -----------------------------------------------------------------------------------------------------


def camera(draw, picture, noise):
    """What a camera makes of a scene: lens, light, exposure, white balance, noise and how it is quietened, tone curve,
    sharpening, compression. `noise` is a large field of normal int8 values (deviation 32) to cut from."""
    height, width = picture.shape[:2]
    if chance(draw, 0.25):
        shrink = draw.uniform(0.4, 0.9)
        small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    picture = blurred(picture, abs(draw.normal(0, 0.8)))
    if chance(draw, 0.08):
        length = int(draw.integers(2, 7))
        kernel = np.eye(length) if chance(draw, 0.4) else np.eye(length) * 0 + np.eye(length)[length // 2]
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    if chance(draw, 0.5):
        picture = scaled(picture, smooth(draw, height, width, 3, 0.75, 1.2))
    x = np.linspace(0, 1, 256, dtype=np.float32)
    gain, gamma = np.exp(draw.normal(0.03, 0.24)), np.exp(draw.normal(0, 0.2))
    bow = draw.uniform(0, 0.8)
    curve = (x * gain).clip(0, 1) ** gamma
    curve = curve * (1 - bow) + bow * curve * curve * (3 - 2 * curve)
    black, cast = draw.uniform(0, 25) * (draw.random() < 0.4), np.exp(draw.normal(0, 0.07, 3))
    table = np.stack([black + (255 - black) * curve * c for c in cast], 1).clip(0, 255)
    picture = cv2.LUT(picture, table.astype(np.uint8).reshape(1, 256, 3))
    picture = coloured(picture, draw.uniform(0.45, 1.4))
    grain = cut(draw, noise, height, width)
    strength = abs(draw.normal(0, 5)) / 32
    if chance(draw, 0.5):
        grain = cv2.GaussianBlur(grain, (0, 0), float(draw.uniform(0.5, 1.5)))
        strength *= 2.5
    picture = cv2.add(picture, cv2.multiply(grain, (strength,) * 4, dtype=cv2.CV_16S), dtype=cv2.CV_8U)
    if chance(draw, 0.25):
        picture = cv2.medianBlur(picture, 3)
    if chance(draw, 0.5):
        much = draw.uniform(0.2, 1.6)
        picture = cv2.addWeighted(picture, 1 + much, blurred(picture, draw.uniform(0.7, 2)), -much, 0)
    if chance(draw, 0.75):
        _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(35, 97))])
        picture = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return picture


class Studio:
    """Takes the pictures. `chip(draw)` gives a photograph of a face and the face's box in it."""

    def __init__(self, draw, chip, pool=500):
        self.chip = chip
        self.rooms = [room(draw, lambda d: chip(d)[0]) for _ in range(pool)]
        self.cloths = [cloth(draw) for _ in range(pool // 3)]
        self.noise = (draw.normal(0, 32, (FRAME_MAX[0] + 100, FRAME_MAX[1] + 100, 3))).clip(-127, 127).astype(np.int16)

    def background(self, draw, height, width):
        return cut(draw, self.rooms[draw.integers(len(self.rooms))], height, width)

    def tissue(self, draw):
        return self.cloths[draw.integers(len(self.cloths))]

    def portrait(self, draw, chip, box):
        """A photograph of a person, as it is printed or shown: 280 pixels high, the chip as it is or with more or less of
        the shoulders."""
        height = 280
        if chance(draw, 0.35):
            return cv2.resize(chip, (height, height)), tuple(np.array(box) * (height / chip.shape[0]))
        reach = draw.uniform(1.35, 2.6)
        width = int(height * draw.uniform(0.65, 1.1))
        face_width = min(height / reach * box[2] / box[3], width / 1.15)
        centre = (width * draw.uniform(0.45, 0.55), height * draw.uniform(0.42, 0.52))
        scene = self.background(draw, height, width)
        if chance(draw, 0.5):
            scene[:] = np.uint8(colour(draw) if chance(draw, 0.5) else draw.uniform(150, 250))
            scene = scaled(scene, smooth(draw, height, width, 3, 0.85, 1.1))
        return person(draw, chip, box, scene, self.tissue(draw), face_width, centre, own=0.4)

    def capture(self, draw, kind, chip, box):
        """One frame with the person of a chip, live or as an attack: the frame and the face's box in it. Every other one
        is taken by a good camera in good light, which leaves it as it is."""
        frame, face = self.scene(draw, kind, chip, box)
        return (frame if chance(draw, 0.5) else camera(draw, frame, self.noise)), face

    def scene(self, draw, kind, chip, box):
        height = int(draw.choice([200, 240, 300, 360], p=[0.2, 0.35, 0.3, 0.15]))
        width = height * 4 // 3
        face_width = width * np.exp(draw.uniform(np.log(0.15), np.log(0.45)))
        room_left = (0.5 - face_width / width * 0.6) * draw.uniform(-1, 1)
        centre = np.array([width * (0.5 + room_left), height * draw.uniform(0.35, 0.62)])
        scene = self.background(draw, height, width)
        if kind == LIVE:
            return person(draw, chip, box, scene, self.tissue(draw), face_width, centre, own=0.5)
        portrait, face = self.portrait(draw, chip, box)
        sheet = printed(draw, portrait) if kind == PRINT else shown(draw, portrait)
        shift = (np.array(sheet.shape) - portrait.shape)[1::-1] / 2
        face = (face[0] + shift[0], face[1] + shift[1], face[2], face[3])
        if chance(draw, 0.5 if kind == PRINT else 0.6):
            sheet = glossed(draw, sheet)
        sheet, mask = bent(draw, sheet) if kind == PRINT else (sheet, np.full(sheet.shape[:2], 255, np.uint8))
        if chance(draw, 0.5):
            # Somebody holds it before the chest.
            body = (centre[0] - face_width / 2, -face_width * draw.uniform(0.5, 2), face_width, face_width)
            scene = shoulders(draw, scene, np.array(body) * 1.0, self.tissue(draw))
        frame, over, corners, found = placed(draw, sheet, mask, face, scene, face_width, centre)
        if chance(draw, 0.65):
            skin = np.median(chip[90:140, 70:130].reshape(-1, 3), 0)
            frame = fingers(draw, frame, corners, skin)
        return frame, found
