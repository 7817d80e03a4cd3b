"""A portrait around a mean face: head and hair, clothes and a wall are painted; nothing here is taken from a picture.

The face itself comes from `visage`, hair from `hair`.
"""

from dataclasses import dataclass

import cv2
import numpy as np

import hair
import visage
from sheet import FINE, SHOWN, Sheet, blur, clouds, grain, pixels, smooth

# The colour of the light, blue, green, red: that of a warm lamp on a camera balanced for daylight, a little pink.
LAMP = (1.04, 0.945, 1.04)


@dataclass
class Looks:
    """How somebody is dressed and combed. Colours are blue, green, red."""

    hair: str
    clothes: str
    cloth: tuple
    wall: tuple
    hair_colour: tuple = None
    neck: float = 60.0
    seed: int = 1


def wall(sheet, looks, draw):
    """A studio wall of plaster with the light of one lamp on it."""
    glow = np.exp(-(((sheet.x + 60) / 330) ** 2 + ((sheet.y + 20) / 280) ** 2))
    cloud = clouds(sheet, draw, 9, 11)
    plaster = grain(sheet, draw, 1.1)
    light = 0.40 + 0.40 * glow + 0.02 * cloud + 0.006 * plaster
    sheet.picture = np.asarray(looks.wall, np.float32) * light[..., None]


def neck(sheet, skin, looks, chin):
    """Neck and upper chest, in the chin's shadow."""
    w = looks.neck
    points = [
        (-w, 60),
        (-w, 140),
        (-w - 8, 176),
        (-w - 60, 208),
        (-190, 246),
        (-190, 330),
        (190, 330),
        (190, 246),
        (w + 60, 208),
        (w + 8, 176),
        (w, 140),
        (w, 60),
    ]
    cover = sheet.shape(points, 1.2)
    round_ = 1 - 0.30 * np.clip(np.abs(sheet.x) / (w + 4 + 1.2 * np.clip(sheet.y - 161, 0, 80)), 0, 1) ** 2.2
    below = sheet.y - chin
    shadow = 1 - 0.42 * np.exp(-np.clip(below - 4, 0, None) / 30) * smooth(1.25, 0.35, np.abs(sheet.x) / (w + 14))
    cords = sum(np.exp(-(((sheet.x - s * (w * 0.72 - 0.42 * np.clip(below, 0, 80))) / 7) ** 2)) for s in (1, -1))
    notch = np.exp(-((sheet.x / 12) ** 2 + ((below - 72) / 9) ** 2))
    light = round_ * shadow * (1 + 0.035 * cords * smooth(5, 40, below) - 0.10 * notch) * 0.95
    # Shade on skin is redder than skin.
    sheet.lay(np.asarray(skin) * np.stack([light**1.25, light**1.12, light], -1), cover)


def clothes(sheet, looks, draw):
    """Shoulders in something soft."""
    cloth = np.asarray(looks.cloth, np.float32)
    w = looks.neck
    left = [(-w - 26, 184), (-w - 80, 208), (-175, 226), (-208, 254), (-250, 306), (-262, 366)]
    depth = {"crew": 40, "vee": 84, "shirt": 66, "blazer": 96, "roll": -40}[looks.clothes]
    top = [(-w - 20, 178), (-w * 0.93, 184 + 0.42 * depth), (-w * 0.5, 184 + 0.86 * depth), (0, 184 + depth)]
    top += [(-x, y) for x, y in top[2::-1]]
    if looks.clothes in ("vee", "blazer", "shirt"):
        top = [
            (-w - 24, 184),
            (-w * 0.55, 184 + 0.52 * depth),
            (0, 184 + depth),
            (w * 0.55, 184 + 0.52 * depth),
            (w + 24, 184),
        ]
    if looks.clothes == "roll":
        top = [(-w - 4, 184), (-w - 3, 158), (-w * 0.5, 166), (0, 169), (w * 0.5, 166), (w + 3, 158), (w + 4, 184)]
    cover = sheet.shape(top + [(-x, y) for x, y in left] + left[::-1], 0.9)
    folds = clouds(sheet, draw, 14, 20)
    weave = grain(sheet, draw, 0.9)
    light = 1.02 - 0.30 * (np.abs(sheet.x) / 250) ** 2 - 0.10 * smooth(186, 306, sheet.y) + 0.05 * folds + 0.018 * weave
    light += 0.06 * np.exp(-(((sheet.x + 90) / 90) ** 2))
    if looks.clothes == "roll":
        light -= 0.18 * np.exp(-(((sheet.y - 182 - 0.0008 * sheet.x**2) / 7) ** 2)) * (np.abs(sheet.x) < w + 16)
        light *= 1 - 0.3 * smooth(0.3, 1.2, np.abs(sheet.x) / (w + 10)) * (sheet.y < 186)
    # The edge of the cloth throws a thin shadow on the skin.
    shadow = np.clip(blur(cover, 5 * FINE), 0, 1) * (1 - cover)
    sheet.picture *= (1 - 0.35 * shadow)[..., None]
    sheet.lay(cloth * light[..., None], cover)
    rib = blur(cover, 0.8 * FINE) - blur(cover, 3.2 * FINE)
    if looks.clothes in ("crew", "vee"):
        sheet.picture *= (1 - 0.5 * np.clip(rib, 0, 1) * cover)[..., None]
    if looks.clothes in ("shirt", "blazer"):
        collar(sheet, looks, light, depth)


def collar(sheet, looks, light, depth):
    """Two flaps over the neckline: a shirt's collar, or the lapels of a jacket."""
    w, low = looks.neck, 184 + depth
    cloth = np.asarray(looks.cloth, np.float32)
    for side in (-1, 1):
        if looks.clothes == "shirt":
            points = [
                (w + 6, 166),
                (w + 20, 196),
                (w * 0.95, 236),
                (w * 0.62, 254),
                (w * 0.34, 232),
                (w * 0.6, 206),
                (w * 0.96, 180),
            ]
        else:
            points = [
                (w + 16, 172),
                (w + 44, 200),
                (w + 50, 236),
                (w + 34, 248),
                (w + 36, 286),
                (10, low + 40),
                (-8, low + 8),
                (w * 0.5, 226),
            ]
        points = [(side * x, y) for x, y in points]
        cover = np.zeros(sheet.x.shape, np.uint8)
        cv2.fillPoly(cover, [pixels(points)], 255, cv2.LINE_AA, 4)
        cover = blur(cover.astype(np.float32) / 255, 0.9 * FINE)
        shadow = np.clip(blur(cover, 5 * FINE) - cover, 0, 1)
        sheet.picture *= (1 - 0.55 * shadow)[..., None]
        edge = np.clip(cover - blur(cover, 2.0 * FINE), 0, 1)
        sheet.lay(cloth * (light * 1.06 + 0.12 * edge)[..., None], cover)


def portrait(made, looks):
    """A portrait (480, 640, 3) uint8 of a composite."""
    draw = np.random.default_rng(looks.seed)
    skin, dark = visage.colours(made)
    colour = np.asarray(looks.hair_colour if looks.hair_colour else dark, np.float32)
    radius = visage.outline(made)
    sheet = Sheet(0)
    wall(sheet, looks, draw)
    style = hair.Style(looks.hair, colour, draw)
    style.behind(sheet)
    neck(sheet, skin, looks, visage.MIDDLE + radius[0])
    clothes(sheet, looks, draw)
    style.shoulders(sheet)
    if looks.hair in hair.SHOWS_EARS:
        visage.ears(sheet, skin, radius)
    visage.face(sheet, made, radius, skin, draw)
    visage.eyes(sheet)
    style.before(sheet)
    return developed(cv2.resize(sheet.picture.clip(0, 255), SHOWN, interpolation=cv2.INTER_AREA))


def developed(picture):
    """The contrast of a lens and of one large lamp: what is painted softly comes out flat without it."""
    picture = picture + 0.25 * (picture - blur(picture, 16)) + 0.30 * (picture - blur(picture, 6.5))
    picture = picture + 0.35 * (picture - blur(picture, 1.0))
    picture = 255 * (picture / 255).clip(0, 1) ** 1.12 * LAMP
    return picture.clip(0, 255).round().astype(np.uint8)
