"""Painted hair: thousands of strands, each a line with its own tone and a sheen where it bends to the light.

A style lies between two curves on each side, from the parting to the tips: the inner one borders the face, the outer
one the wall; every strand is a mixture of both. Places are in pixels from the middle between the eyes, as in `sheet`.
"""

import cv2
import numpy as np

SHOWS_EARS = ("short", "crop", "bun", "receding")

# Inner and outer border of hair that falls, right side, from the parting to the tips.
FALLS = {
    "long": (
        [(0, -111), (30, -101), (58, -86), (78, -56), (89, -8), (94, 45), (95, 95), (92, 150), (98, 200), (110, 262)],
        [
            (0, -172),
            (38, -170),
            (74, -156),
            (106, -122),
            (124, -66),
            (132, 0),
            (138, 70),
            (146, 140),
            (156, 205),
            (160, 275),
        ],
    ),
    "bob": (
        [(0, -111), (30, -101), (58, -86), (78, -56), (89, -8), (94, 35), (96, 75), (94, 105), (88, 128), (78, 142)],
        [
            (0, -173),
            (40, -171),
            (78, -157),
            (112, -122),
            (131, -66),
            (139, -5),
            (143, 50),
            (142, 95),
            (132, 130),
            (112, 152),
        ],
    ),
}
# Hairline and outline of short hair, right side, from the middle of the forehead to the sideburn.
CAPS = {
    "short": (
        [(0, -97), (28, -98), (54, -93), (73, -80), (82, -58), (88, -32), (91, -8), (94, 10)],
        [(0, -170), (34, -168), (64, -157), (86, -134), (98, -100), (102, -62), (101, -30), (98, 8)],
    ),
    "crop": (
        [(0, -88), (26, -89), (52, -86), (72, -78), (82, -58), (86, -30), (91, -4), (95, 12)],
        [(0, -153), (30, -151), (58, -142), (81, -120), (96, -90), (101, -58), (101, -25), (98, 8)],
    ),
    "receding": (
        [(0, -100), (24, -103), (46, -112), (66, -100), (80, -66), (86, -34), (91, -6), (95, 14)],
        [(0, -164), (32, -162), (62, -152), (88, -128), (103, -94), (107, -58), (106, -25), (101, 12)],
    ),
    "bun": (
        [(0, -97), (28, -96), (54, -89), (73, -74), (82, -52), (88, -26), (93, -4), (97, 14)],
        [(0, -158), (32, -156), (62, -145), (86, -121), (100, -90), (105, -56), (105, -24), (101, 10)],
    ),
}


def along(points, places):
    """Places (n, 2) on a smooth open curve, at shares of its length in knots."""
    p = np.asarray(points, np.float32)
    at = np.clip(places, 0, 1) * (len(p) - 1)
    i = np.minimum(at.astype(int), len(p) - 2)
    t = (at - i)[:, None]
    before, after = p[np.maximum(i - 1, 0)], p[np.minimum(i + 2, len(p) - 1)]
    a, b = p[i], p[i + 1]
    return a + 0.5 * t * (b - before + t * (2 * before - 5 * a + 4 * b - after + t * (3 * (a - b) + after - before)))


class Style:
    """One head of hair, painted in three layers: behind the neck, on the shoulders, before the face."""

    def __init__(self, kind, colour, draw):
        self.kind, self.colour, self.draw = kind, np.maximum(colour, (26, 29, 32)).astype(np.float32), draw

    def behind(self, sheet):
        if self.kind in FALLS:
            low = 215 if self.kind == "long" else 125
            mass = [(-98, -90), (0, -160), (98, -90), (124, 20), (132, low), (0, low + 6), (-132, low), (-124, 20)]
            sheet.lay(self.colour * 0.34, sheet.shape(mass, 2.5))
            x = self.draw.uniform(-125, 125, 1500)
            paths = np.stack(
                [
                    np.stack([x + 6 * t, 40 + (low - 40) * t * self.draw.uniform(0.9, 1.05, 1500)], 1)
                    for t in np.linspace(0, 1, 8)
                ],
                1,
            )
            self.strands(sheet, paths, self.draw.uniform(0.22, 0.48, 1500), 0.0)
        if self.kind == "curls":
            self.curls(sheet, 2600, 0.55)

    def shoulders(self, sheet):
        if self.kind == "long":
            for side in (-1, 1):
                self.fall(sheet, side, 1500, (0.55, 1.0))

    def before(self, sheet):
        if self.kind in FALLS:
            for side in (-1, 1):
                self.fall(sheet, side, 1600, (0.62, 0.84))
                self.fall(sheet, side, 4200, (0.76, 1.04))
        elif self.kind == "curls":
            self.curls(sheet, 5200, 1.0)
        elif self.kind in CAPS:
            self.cap(sheet)

    def fall(self, sheet, side, count, tones):
        """Hair that falls beside the face."""
        inner, outer = FALLS[self.kind]
        part = 14.0
        share = self.draw.beta(1.15, 1.0, count).astype(np.float32)
        clump = np.round(share * 60 + self.draw.normal(0, 0.3, count)) / 60
        phase = clump * 1.3 + 0.3 * side
        steps = np.linspace(0, 1, 26)
        end = (
            1
            - self.draw.exponential(0.03, count).clip(0, 0.15)
            - (0.07 if self.kind == "long" else 0.03) * np.sin(clump * 23) ** 2
        )
        wave = self.draw.normal(0, 1.2, count)
        path = np.empty((count, len(steps), 2), np.float32)
        for k, t in enumerate(steps):
            low, high = along(inner, t * end), along(outer, t * end)
            bend = (
                (9.0 if self.kind == "long" else 2.0) * np.sin(2 * np.pi * (2.3 * t * end + phase)) * max(0.0, t - 0.3)
            )
            mixed = low + (high - low) * (share + 0.25 * (clump - share) * t)[:, None]
            # The parting lies a little to one side; both sides meet there.
            near = np.clip(1 - t / 0.22, 0, 1)
            path[:, k, 0] = side * (mixed[:, 0] + bend + wave * t) + part * near
            path[:, k, 1] = mixed[:, 1] + 0.4 * wave * t
        tone = self.draw.uniform(*tones, count) * (0.94 + 0.10 * np.sin(clump * 190))
        order = np.argsort(-share + self.draw.normal(0, 0.25, count))
        self.strands(sheet, path[order], tone[order], 0.75)

    def cap(self, sheet):
        """Short hair: a dark ground, then strands from the back of the head to the hairline."""
        line, edge = (np.asarray(points, np.float32) for points in CAPS[self.kind])
        mirror = np.array([-1, 1], np.float32)
        ring = np.concatenate([line[:0:-1] * mirror, line, edge[::-1], edge[1:] * mirror])
        ground = sheet.shape(ring, 3.2 if self.kind != "crop" else 2.4)
        # Sideburns thin out.
        ground *= np.clip((22 - sheet.y) / 45, 0.25, 1) * (0.93 if self.kind != "crop" else 0.80)
        sheet.lay(self.colour * 0.55, ground)
        count = {"short": 5200, "receding": 4200, "crop": 9000, "bun": 5200}[self.kind]
        across = self.draw.uniform(-1, 1, count)
        depth = np.sort(self.draw.uniform(0, 1, count))[::-1]
        s, side = np.abs(across), np.sign(across)
        root = along(line, s) * (1 - depth)[:, None] + along(edge, s) * depth[:, None]
        root[:, 0] *= side
        sides = np.clip((s - 0.52) / 0.2, 0, 1)
        if self.kind == "bun":
            target = np.stack([0.25 * root[:, 0], np.full(count, -176.0)], 1)
            path = self.swept(root, target, 0.55)
        else:
            length = {"short": 34, "receding": 22, "crop": 4.5}[self.kind] * self.draw.uniform(0.7, 1.15, count)
            lean = (0.12 + 0.62 * np.tanh((root[:, 0] + 48) / 26)) * self.draw.uniform(0.55, 1.1, count)
            top = np.stack([lean, -0.62 + 0.9 * depth], 1)
            low = np.stack([0.16 * side, np.full(count, 0.9)], 1)
            way = top * (1 - sides)[:, None] + low * sides[:, None]
            way += self.draw.normal(0, 0.12, way.shape)
            length = length * (1 - 0.76 * sides) * (1 - 0.35 * depth * (1 - sides))
            path = self.bent(root, way, length)
        tone = self.draw.uniform(0.6, 1.12, count) * (1 - 0.18 * sides)
        self.strands(sheet, path, tone, 0.6 if self.kind != "crop" else 0.1)
        if self.kind == "bun":
            self.knot(sheet)

    def bent(self, root, way, length):
        t = np.linspace(0, 1, 9)[None, :, None]
        fall = np.array([0, 1], np.float32) * 0.34 * length[:, None, None] * t**2
        return root[:, None] + way[:, None] * length[:, None, None] * t + fall

    def swept(self, root, target, share):
        """From the root towards a target, over the round of the head."""
        t = np.linspace(0, 1, 12)[None, :, None] * share
        straight = root[:, None] + (target - root)[:, None] * t
        bulge = (
            np.sign(root[:, :1])[:, None] * np.array([1, 0]) * np.sin(np.pi * t) * 0.10 * np.abs(root[:, :1])[:, None]
        )
        return straight + bulge

    def knot(self, sheet):
        """A bun on top: a coil of hair around its middle."""
        count, turns = 1700, np.linspace(0, 1, 14)[None]
        sheet.lay(
            self.colour * 0.5,
            sheet.shape([(-33, -166), (-30, -192), (0, -206), (30, -192), (33, -166), (0, -146)], 1.5),
        )
        radius = self.draw.uniform(0.12, 1, count)[:, None]
        angle = np.pi * (1.04 - 1.08 * turns) + self.draw.normal(0, 0.12, count)[:, None]
        path = np.stack([34 * radius * np.cos(angle), -158 - 46 * radius * np.abs(np.sin(angle)) ** 0.9], 2)
        self.strands(sheet, path, self.draw.uniform(0.6, 1.1, count) * (0.72 + 0.4 * radius[:, 0]), 0.3)

    def curls(self, sheet, count, tone):
        """A round head of small curls."""
        turn = self.draw.uniform(0, 2 * np.pi, count * 2)
        radius = np.sqrt(self.draw.uniform(0, 1, count * 2))
        x, y = 140 * radius * np.cos(turn), -62 + 132 * radius * np.sin(turn)
        opening = np.hypot(x / 88, (y - 40) / 132) > 1 + 0.03 * np.sin(9 * turn)
        keep = opening & (y < 75 + self.draw.normal(0, 8, count * 2))
        if tone < 1:
            keep = y < 80
        x, y, radius = x[keep], y[keep], radius[keep]
        if tone < 1:
            sheet.lay(
                self.colour * 0.4,
                sheet.shape(
                    [
                        (0, -190),
                        (95, -160),
                        (136, -75),
                        (122, 20),
                        (80, 75),
                        (-80, 75),
                        (-122, 20),
                        (-136, -75),
                        (-95, -160),
                    ],
                    5,
                ),
            )
        else:
            around = np.hypot(sheet.x / 91, (sheet.y - 40) / 135)
            ring = np.hypot(sheet.x / 134, (sheet.y + 62) / 126)
            cover = (
                np.clip((around - 1) / 0.09, 0, 1)
                * np.clip((1 - ring) / 0.06, 0, 1)
                * np.clip((60 - sheet.y) / 30, 0, 1)
            )
            sheet.lay(self.colour * 0.5, cover)
        start, size = self.draw.uniform(0, 2 * np.pi, len(x)), self.draw.uniform(2.2, 5.2, len(x))
        t = np.linspace(0, 1, 10)[None]
        angle = start[:, None] + t * 5.2 * self.draw.choice([-1, 1], len(x))[:, None]
        r = size[:, None] * (1 - 0.45 * t)
        path = np.stack([x[:, None] + r * np.cos(angle), y[:, None] + r * np.sin(angle)], 2)
        lit = 0.75 + 0.35 * np.clip((-x - 1.3 * (y + 62)) / 190, -1, 1)
        self.strands(sheet, path, tone * lit * self.draw.uniform(0.55, 1.25, len(x)), 0.3)

    def strands(self, sheet, paths, tones, sheen):
        """Lines of one pixel of the sheet, each segment in its own tone; where hair bends over the head it shines."""
        canvas = sheet.picture.clip(0, 255).astype(np.uint8)
        points = (np.asarray(paths)[..., ::1] + sheet.middle) * sheet.fine * 16
        points = np.round(points).astype(np.int32)
        y, x = paths[..., 1], paths[..., 0]
        loose = self.draw.normal(0, 9, (len(x), 1))
        band = (
            np.exp(-(((y + 126 - 0.0042 * x**2 + loose) / 22) ** 2)) * sheen * self.draw.uniform(0.4, 1.0, (len(x), 1))
        )
        soft = 0.22 * np.exp(-(((y - 60 + 0.2 * np.abs(x)) / 60) ** 2)) * sheen
        light = (tones[:, None] * (1 + 0.75 * band + soft))[..., None] * self.colour + 20 * band[..., None]
        light = light.clip(0, 255)
        for path, colours in zip(points, light):
            for k in range(len(path) - 1):
                cv2.polylines(canvas, [path[k : k + 2]], False, colours[k].tolist(), 1, cv2.LINE_AA, 4)
        sheet.picture = canvas.astype(np.float32)
