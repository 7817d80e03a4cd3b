"""The sheet on which portraits are painted: its size, its places, and shapes and smooth steps on it.

Places are in pixels from the middle between the eyes, which are `composite.EYES` apart: x to the right, y down. The
sheet has FINE samples for each pixel and is shrunk at the end.
"""

import cv2
import numpy as np

WIDTH, HEIGHT = 812, 609
EYES_AT = (406, 262)
FINE = 2

# The size of the finished portrait: a camera's picture with a face 140 pixels wide, as near as people come to a door.
SHOWN = (640, 480)


class Sheet:
    """A picture in the making, and the places of its pixels."""

    fine, middle = FINE, np.array(EYES_AT, np.float32)

    def __init__(self, colour):
        self.picture = np.empty((HEIGHT * FINE, WIDTH * FINE, 3), np.float32)
        self.picture[:] = colour
        y, x = np.mgrid[: HEIGHT * FINE, : WIDTH * FINE].astype(np.float32)
        self.x, self.y = (x + 0.5) / FINE - EYES_AT[0], (y + 0.5) / FINE - EYES_AT[1]

    def lay(self, colour, cover):
        """A colour, or a picture of colours, over the places that `cover` (0 to 1) names."""
        cover = cover[..., None]
        self.picture = self.picture * (1 - cover) + np.asarray(colour, np.float32) * cover

    def shape(self, points, soft=1.0):
        """Cover of the inside of a closed smooth curve through points."""
        cover = np.zeros(self.x.shape, np.uint8)
        cv2.fillPoly(cover, [pixels(curve(points))], 255, cv2.LINE_AA, 4)
        return cv2.GaussianBlur(cover.astype(np.float32) / 255, (0, 0), soft * FINE)


def pixels(points):
    """Places as OpenCV draws them: sixteenths of a pixel of the sheet."""
    return np.round((np.asarray(points) + EYES_AT) * FINE * 16).astype(np.int32)


def curve(points, steps=12):
    """A closed curve through points (Catmull and Rom 1974)."""
    p = np.asarray(points, np.float32)
    before, after, beyond = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[None, :, None]
    a, b, c, d = before[:, None], p[:, None], after[:, None], beyond[:, None]
    out = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return out.reshape(-1, 2)


def smooth(low, high, value):
    """A smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def blur(plane, deviation):
    return cv2.GaussianBlur(plane, (0, 0), deviation)


def clouds(sheet, draw, rows, columns):
    """Soft noise over the sheet, about 0 and of deviation 1, in so many rows and columns."""
    coarse = draw.normal(0, 1, (rows, columns)).astype(np.float32)
    return cv2.resize(coarse, sheet.x.shape[::-1], interpolation=cv2.INTER_CUBIC)


def grain(sheet, draw, deviation):
    """Fine noise over the sheet, of about deviation 1, blurred by so many pixels."""
    return blur(draw.normal(0, 1, sheet.x.shape).astype(np.float32), deviation * FINE) * 2.2 * FINE
