"""A face for a portrait: the mean of a group with the detail, the texture and the light that averaging took from it.

Three measurements over the whole group serve for that, and nothing of a single face: how strong detail is at each
place (for sharpening), the power spectrum of skin (for its texture), and the colours of skin and hair.
"""

import cv2
import numpy as np

import composite
from sheet import EYES_AT, FINE, HEIGHT, WIDTH, blur, curve, smooth

# Where the face's window lies in the portrait.
LEFT, TOP = EYES_AT[0] - composite.WIDTH // 2, EYES_AT[1] - int(composite.EYE_LINE)

# The point from which the outline of a head is measured lies this far below the eyes.
MIDDLE = 30.0

# Half the width of a head at heights below the middle between the eyes.
JAW_WIDTH = (0, 18, 38, 58, 75, 86, 92, 96, 98, 98, 93, 80, 55, 25, 0)
JAW_BELOW = (151, 149.5, 143, 126, 102, 76, 48, 18, -15, -50, -85, -115, -138, -147, -148)
JAW = np.stack([JAW_WIDTH, JAW_BELOW], 1).astype(np.float32)


def sharpened(made):
    """The mean face with the strength of detail that its single faces have, band by band."""
    grey = [blur(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), 0.6) for face in made.single]
    mean_grey = cv2.cvtColor(made.mean, cv2.COLOR_BGR2GRAY)
    out = made.mean.copy()
    for low, most in ((1.0, 2.2), (2.0, 1.7), (4.0, 1.3)):
        bands = [(blur(g, low / 2) if low > 1 else g) - blur(g, low) for g in grey]
        energy = np.median([blur(band**2, 3 * low) for band in bands], 0)
        source = blur(made.mean, low / 2) if low > 1 else made.mean
        band = source - blur(made.mean, low)
        own = (blur(mean_grey, low / 2) if low > 1 else mean_grey) - blur(mean_grey, low)
        mean_energy = blur(own**2, 3 * low)
        gain = np.sqrt(energy / (mean_energy + 0.5)).clip(1, most)
        # Detail that the faces share is features; what is left of detail they do not share is grain, and stays weak.
        shared = smooth(0.10, 0.35, mean_energy / (energy + 0.5))
        out += band * ((gain - 1) * shared)[..., None]
    return out.clip(0, 255)


def outline(made):
    """Radius of the face (180,) at each 2 degrees from straight down, turning to the right: where the spread over the
    group and the distance from the colour of skin rise most, near a common jaw. Left and right are made equal."""
    x, y = composite.ACROSS - composite.WIDTH / 2, composite.DOWN - composite.EYE_LINE
    cheeks = (np.abs(np.abs(x) - 45) < 20) & (np.abs(y - 50) < 20)
    skin = np.median(made.mean[cheeks], 0)
    strange = np.linalg.norm(made.mean - skin, axis=2) + 1.5 * made.spread.clip(0, 60)
    strange = blur(strange.astype(np.float32), 3)
    share = np.ones(180)
    tried = np.linspace(0.86, 1.1, 49)
    for k in range(57):
        angle = np.radians(2 * k)
        rise = -1.8 * ((tried - 1) / 0.08) ** 2
        for side in (1, -1):
            radius = common_radius(angle) * tried
            px = (side * np.sin(angle) * radius + composite.WIDTH / 2).astype(np.float32)
            py = (np.cos(angle) * radius + MIDDLE + composite.EYE_LINE).astype(np.float32)
            values = cv2.remap(strange, px[None], py[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
            rise += np.gradient(values)
        share[k] = share[-k] = tried[np.argmax(rise)]
    # A jaw has no corners: only the slowest waves of the outline are kept.
    waves = np.fft.fft(share) * (np.abs(np.fft.fftfreq(180, 1 / 180)) < 7)
    degrees = np.arange(180) * 2
    return np.real(np.fft.ifft(waves)) * common_radius(np.radians(np.minimum(degrees, 360 - degrees)))


def common_radius(angle):
    """The radius of a common head at an angle from straight down."""
    own = np.arctan2(JAW[:, 0], JAW[:, 1] - MIDDLE)
    return np.interp(angle, own, np.hypot(JAW[:, 0], JAW[:, 1] - MIDDLE))


def head_points(radius):
    """The outline as places."""
    angle = np.arange(180) * np.pi / 90
    return np.stack([np.sin(angle) * radius, np.cos(angle) * radius + MIDDLE], 1)


def spread_out(picture, weight):
    """A picture continued over places of weight 0 from those around, coarse to fine."""
    if min(weight.shape) < 3:
        return np.broadcast_to((picture * weight[..., None]).sum((0, 1)) / weight.sum(), picture.shape)
    known = picture * weight[..., None]
    half = (max(1, picture.shape[1] // 2), max(1, picture.shape[0] // 2))
    low_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    low = cv2.resize(known, half, interpolation=cv2.INTER_AREA) / np.maximum(low_weight, 1e-4)[..., None]
    filled = spread_out(low.astype(np.float32), np.minimum(low_weight * 4, 1))
    grown = cv2.resize(np.ascontiguousarray(filled), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return known + grown * (1 - weight[..., None])


def skin_texture(made, draw, shape):
    """Noise (shape) with the mean power spectrum of the cheeks and foreheads of the group, deviation 1."""
    side = 48
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = np.zeros((side, side))
    for face in made.single:
        grey = cv2.cvtColor(face, cv2.COLOR_BGR2GRAY)
        fine = grey - blur(grey, 2.5)
        for x, y in ((60, 130), (148, 130), (104, 52)):
            patch = fine[y : y + side, x : x + side]
            if patch.std() < 6:
                power += np.abs(np.fft.fft2(patch * window)) ** 2
    amplitude = np.fft.fftshift(np.sqrt(power)).astype(np.float32)
    # The sheet has FINE samples for each of the window's: its spectrum has the measured one in its inner part.
    height, width = shape[0] // FINE, shape[1] // FINE
    spectrum = np.zeros(shape, np.float32)
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    spectrum[top : top + height, left : left + width] = cv2.resize(amplitude, (width, height))
    noise = np.real(np.fft.ifft2(np.fft.fft2(draw.normal(size=shape)) * np.fft.ifftshift(spectrum)))
    return (noise / (noise.std() + 1e-9)).astype(np.float32)


def colours(made):
    """The colours of skin (lower cheeks) and of hair (the darkest of the temples)."""
    x, y = composite.ACROSS - composite.WIDTH / 2, composite.DOWN - composite.EYE_LINE
    cheeks = (np.abs(np.abs(x) - 48) < 14) & (np.abs(y - 62) < 22)
    temples = (np.abs(np.abs(x) - 92) < 12) & (np.abs(y + 40) < 25)
    dark = made.mean[temples]
    dark = dark[np.argsort(dark.sum(1))[: len(dark) // 8]]
    return np.median(made.mean[cheeks], 0), np.median(dark, 0)


def ears(sheet, skin, radius):
    """Both ears, behind the head."""
    edge = np.interp(np.radians(100), np.arange(180) * np.pi / 90, radius)
    for side in (1, -1):
        x, y = (sheet.x * side - edge + 1), sheet.y - 16
        u, v = x * 0.98 - y * 0.16, y + x * 0.16
        size = 1 - 0.12 * v / 36
        distance = np.hypot(u / (15 * size), v / 37)
        cover = smooth(1.06, 0.96, distance)
        fold = np.exp(-(((distance - 0.62) / 0.13) ** 2)) * smooth(-4, 6, u)
        light = 0.86 - 0.22 * fold - 0.35 * smooth(7, -2, u) + 0.08 * np.exp(-(((distance - 0.84) / 0.09) ** 2))
        sheet.lay(np.asarray(skin) * np.stack([light**1.3, light**1.2, light], -1), cover)


def face(sheet, made, radius, skin, draw):
    """The mean face with its texture, on the head."""
    points = head_points(radius)
    inside = sheet.shape(points, 0.9)
    window = sharpened(made)
    x, y = composite.ACROSS - composite.WIDTH / 2, composite.DOWN - composite.EYE_LINE
    inner = np.zeros(x.shape, np.uint8)
    cv2.fillPoly(
        inner,
        [np.round(curve(head_points(radius - 7)) + (composite.WIDTH / 2, composite.EYE_LINE)).astype(np.int32)],
        255,
    )
    sure = (inner / 255.0) * smooth(-72, -60, y) * smooth(150, 140, y) * (made.spread < 90)
    sure *= smooth(94, 86, np.abs(x))
    whole = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    weight = np.zeros((HEIGHT, WIDTH), np.float32)
    area = (slice(TOP, TOP + composite.HEIGHT), slice(LEFT, LEFT + composite.WIDTH))
    whole[area], weight[area] = window, sure
    whole = spread_out(whole, weight)
    big = cv2.resize(
        np.ascontiguousarray(whole, np.float32), (WIDTH * FINE, HEIGHT * FINE), interpolation=cv2.INTER_CUBIC
    )
    grain = skin_texture(made, draw, sheet.x.shape)
    tone = big.mean(2) / 255
    # Less where the face is bright with detail of its own: eyes, lips and brows differ from skin in colour.
    like_skin = np.exp(-((np.linalg.norm(blur(big, 3) - skin, axis=2) / 75) ** 2))
    big = big + (2.6 * grain * (0.5 + tone) * (0.35 + 0.65 * like_skin))[..., None]
    rim = blur(inside, 9 * FINE)
    light = 0.80 + 0.20 * smooth(0.5, 0.95, rim)
    sheet.lay(big * np.stack([light**1.2, light**1.1, light], -1), inside)


def eyes(sheet):
    """Depth and a lamp's reflection in each iris, which is found as the darkest place near the landmark."""
    grey = blur(sheet.picture.mean(2), 3.0 * FINE)
    for side in (1, -1):
        near = np.hypot((sheet.x - side * composite.EYES / 2) / 14, (sheet.y + 1) / 7)
        at = np.unravel_index(np.argmin(np.where(near < 1, grey, 1e9)), grey.shape)
        x, y = sheet.x - sheet.x[at], sheet.y - sheet.y[at]
        pupil = np.exp(-((x / 3.4) ** 2 + (y / 3.4) ** 2))
        iris = np.exp(-(((np.hypot(x, y) / 6.8) ** 6)))
        sheet.picture *= (1 - 0.45 * pupil - 0.10 * iris)[..., None]
        lamp = np.exp(-(((x + 2.3) / 1.5) ** 2 + ((y + 2.3) / 1.5) ** 2))
        sheet.picture += (150 * lamp)[..., None]
