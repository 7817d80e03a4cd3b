"""One face out of many: the mean of aligned faces, each pulled to the mean shape first, so that the mean is sharp.

Five landmarks place eyes and mouth; they say nothing of brows, lids, jaw or lips. So the faces are brought together as
a group: each round measures the optical flow from the running mean to every face (dense inverse search, Kroeger and
others 2016), smooths it until it is a soft mesh, takes the mean of all flows out of it, and averages again. After
some rounds the running mean has the mean shape of the group, and every feature of it lies on the same feature of each
face. Where the chips' surroundings differ, so does the mean of them: the spread of colour over the group tells face
from background, and nothing outside the face is used.
"""

from dataclasses import dataclass

import cv2
import numpy as np

import faces

# The window in which faces are averaged, and the distance of the eyes in it: a face is then 180 pixels wide.
WIDTH, HEIGHT = 256, 304
EYES = 78.0
EYE_LINE = 110.0

# Smoothing of the flow in each round, pixels: first the head as a whole, at last the corners of the eyes.
MESHES = (14, 9, 6)

# Share of a pixel's faces, the darkest and the brightest, that are left out of its mean: glasses, hands, flashes.
TRIMMED = 0.12

DOWN, ACROSS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)


@dataclass
class Composite:
    """The mean face (HEIGHT, WIDTH, 3) float; the spread over the group; and the single faces brought to its shape."""

    mean: np.ndarray
    spread: np.ndarray
    single: np.ndarray


def template():
    """Where the five landmarks lie in the window."""
    eyes = faces.TEMPLATE[:2]
    scale = EYES / np.linalg.norm(eyes[1] - eyes[0])
    return ((faces.TEMPLATE - eyes.mean(0)) * scale + (WIDTH / 2, EYE_LINE)).astype(np.float32)


def placed(picture, landmarks):
    """The face in the window, and where the window shows the picture: (HEIGHT, WIDTH), 0 to 1."""
    move = faces.similarity(np.asarray(landmarks, np.float32), template())
    known = (picture.max(2) > 5).astype(np.uint8)
    known = cv2.erode(cv2.copyMakeBorder(known, 1, 1, 1, 1, cv2.BORDER_CONSTANT), np.ones((5, 5)))[1:-1, 1:-1]
    window = cv2.warpAffine(picture, move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return window, cv2.warpAffine(known.astype(np.float32), move, (WIDTH, HEIGHT))


def toned(windows):
    """The windows with one common mean and spread of lightness and colour over the oval of the face."""
    oval = np.hypot((ACROSS - WIDTH / 2) / 84, (DOWN - EYE_LINE - 25) / 112) < 1
    labs = [cv2.cvtColor(window.astype(np.float32) / 255, cv2.COLOR_BGR2LAB) for window in windows]
    mean = np.array([lab[oval].mean(0) for lab in labs])
    deviation = np.array([lab[oval].std(0) for lab in labs])
    to_mean, to_deviation = np.median(mean, 0), np.median(deviation, 0)
    out = []
    for lab, m, d in zip(labs, mean, deviation):
        lab = (lab - m) * np.clip(to_deviation / d, 0.6, 1.6) + to_mean
        out.append(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2BGR).clip(0, 1) * 255)
    return out


def even(picture):
    """Grey with the light taken out: local mean 128, local deviation 40. Flow looks at structure, not at brightness."""
    grey = cv2.cvtColor((picture / 255).astype(np.float32), cv2.COLOR_BGR2GRAY) * 255
    mean = _broad(grey)
    deviation = np.sqrt(_broad((grey - mean) ** 2)) + 8
    return ((grey - mean) / deviation * 40 + 128).clip(0, 255).astype(np.uint8)


def _broad(plane):
    # A blur of 24 pixels, made on a quarter of the size.
    low = cv2.GaussianBlur(cv2.resize(plane, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), (0, 0), 6)
    return cv2.resize(low, plane.shape[::-1], interpolation=cv2.INTER_LINEAR)


def pulled(plane, flow, border=cv2.BORDER_REPLICATE):
    """The plane seen through a flow: at each place what lies `flow` away from it."""
    how = cv2.INTER_CUBIC if plane.ndim == 3 and plane.shape[2] == 3 else cv2.INTER_LINEAR
    return cv2.remap(plane, ACROSS + flow[..., 0], DOWN + flow[..., 1], how, borderMode=border)


def inverse(flow):
    """The flow back, found by stepping."""
    back = np.zeros_like(flow)
    for _ in range(12):
        back = -pulled(flow, back)
    return back


def _flow_meter():
    meter = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    meter.setFinestScale(1)
    meter.setPatchSize(12)
    meter.setVariationalRefinementAlpha(40.0)
    return meter


def trimmed(single, known):
    """Mean and deviation over the group at each pixel, without the darkest and brightest of those that show it."""
    grey = single.mean(3)
    order = np.argsort(np.argsort(np.where(known > 0.5, grey, np.inf), 0), 0)
    count = (known > 0.5).sum(0)
    out = np.floor(TRIMMED * count)
    kept = ((order >= out) & (order < count - out))[..., None].astype(np.float32)
    weight = np.maximum(kept.sum(0), 1e-3)
    mean = (single * kept).sum(0) / weight
    spread = np.sqrt(((single - mean) ** 2 * kept).sum(0) / weight).mean(2)
    spread[count < 0.6 * len(single)] = 255
    return mean, spread


def composite(pictures, landmarks):
    """The composite of faces, given with their landmarks."""
    windows, known = zip(*[placed(picture, points) for picture, points in zip(pictures, landmarks)])
    windows = toned(windows)
    greys, meter = [even(window) for window in windows], _flow_meter()
    mean = np.mean(windows, 0)
    for mesh in MESHES:
        running = even(mean)
        flows = [cv2.GaussianBlur(meter.calc(running, grey, None), (0, 0), mesh) for grey in greys]
        home = inverse(np.mean(flows, 0))
        flows = [home + pulled(flow, home) for flow in flows]
        single = np.array([pulled(window, flow) for window, flow in zip(windows, flows)])
        seen = np.array([pulled(k, flow, cv2.BORDER_CONSTANT) for k, flow in zip(known, flows)])
        mean = (single * seen[..., None]).sum(0) / np.maximum(seen.sum(0), 1e-3)[..., None]
        mean = mean.clip(0, 255).astype(np.float32)
    mean, spread = trimmed(single, seen)
    mean = mean.clip(0, 255)
    return Composite(mean.astype(np.float32), spread.astype(np.float32), single.astype(np.float32))


def exaggerated(made, shape, detail):
    """Composites with what tells each from their common mean made stronger, by the shares `shape` and `detail`: means
    of many faces resemble one another, and going away from their middle goes towards no single face."""
    below = DOWN - EYE_LINE - 25
    inside = np.exp(-(np.hypot((ACROSS - WIDTH / 2) / 104, below / np.where(below < 0, 96, 132)) ** 6))[
        ..., None
    ].astype(np.float32)
    means, meter = [one.mean for one in made], _flow_meter()
    middle = np.mean(means, 0)
    for mesh in MESHES:
        running = even(middle)
        flows = [inside * cv2.GaussianBlur(meter.calc(running, even(mean), None), (0, 0), mesh) for mean in means]
        home = inverse(np.mean(flows, 0))
        flows = [(home + pulled(flow, home)).astype(np.float32) for flow in flows]
        common = [pulled(mean, flow) for mean, flow in zip(means, flows)]
        middle = np.mean(common, 0)
    return [_farther(one, flow, inside * (own - middle), shape, detail) for one, flow, own in zip(made, flows, common)]


def _farther(one, flow, difference, shape, detail):
    # From the new shape to the common one, and from there to the composite's own.
    to_common = inverse((1 + shape) * flow)
    to_own = to_common + pulled(flow, to_common)
    fine = difference - cv2.GaussianBlur(difference, (0, 0), 25)
    mean = (pulled(one.mean, to_own) + detail * pulled(fine.astype(np.float32), to_common)).clip(0, 255)
    single = np.array([pulled(face, to_own) for face in one.single])
    return Composite(mean, pulled(one.spread, to_own), single)
