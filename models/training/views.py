"""Other pictures of the same aligned face: what cameras, light, distance and hasty landmarks do to it.

Batches are tensors (n, 3, side, side), red-green-blue, -1 to 1. The vector that a view should have is that of the
clean face: a template must not depend on the lamp.
"""

import cv2
import numpy as np
import torch
from torch.nn import functional as F


def _uniform(count, low, high):
    return torch.rand(count, 1, 1, 1) * (high - low) + low


def placed(squares, side):
    """Squares (n, 128, 128, 4) uint8 blue-green-red-reach cut to the inner 112 of their 128 pixels and scaled to `side`,
    a little turned, grown and shifted, half of them mirrored. What lies beyond the picture's reach is, every other time,
    something else: surroundings say nothing about a person."""
    count, full = squares.shape[:2]
    batch = torch.from_numpy(np.ascontiguousarray(squares[..., [2, 1, 0, 3]])).permute(0, 3, 1, 2).float() / 127.5 - 1
    angle = torch.randn(count) * 0.05
    scale = (112 / full) * (1 + torch.randn(count) * 0.03)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    shift = torch.randn(count, 2) * 0.025
    turn = torch.stack(
        [
            torch.stack([torch.cos(angle) * scale * mirror, -torch.sin(angle) * scale, shift[:, 0]], 1),
            torch.stack([torch.sin(angle) * scale * mirror, torch.cos(angle) * scale, shift[:, 1]], 1),
        ],
        1,
    )
    grid = F.affine_grid(turn, (count, 4, side, side), align_corners=False)
    moved = F.grid_sample(batch, grid, align_corners=False, padding_mode="border")
    face, reach = moved[:, :3], (moved[:, 3:] + 1) / 2
    elsewhere = torch.roll(face, (1, *np.random.randint(side, size=2)), (0, 2, 3))
    plain = torch.rand(count, 3, 1, 1) * 2 - 1
    other = torch.where(torch.rand(count, 1, 1, 1) < 0.5, elsewhere, plain)
    keep = torch.where(torch.rand(count, 1, 1, 1) < 0.5, torch.ones(()), reach)
    return face * keep + other * (1 - keep)


def _far(batch):
    """Each eighth of the batch as if taken from another distance: fewer pixels, then grown again."""
    side = batch.shape[-1]
    parts = []
    for part in batch.chunk(8):
        small = int(side * float(np.random.choice([1, 1, 1, 0.8, 0.7, 0.6, 0.5])))
        if small < side:
            part = F.interpolate(part, size=small, mode="bilinear", antialias=True, align_corners=False)
            part = F.interpolate(part, size=side, mode="bilinear", align_corners=False)
        parts.append(part)
    return torch.cat(parts)


def _lit(batch):
    """Exposure, contrast, gamma, colour and a lamp at one side."""
    count, side = len(batch), batch.shape[-1]
    ramp = torch.linspace(-1, 1, side)
    slope = torch.randn(count, 2, 1, 1) * 0.2
    lamp = slope[:, :1] * ramp[None, None, :, None] + slope[:, 1:] * ramp[None, None, None, :]
    light = ((batch + 1) / 2).clamp(1e-4, 1) ** torch.exp(torch.randn(count, 1, 1, 1) * 0.25)
    light = (
        light * torch.exp(lamp + torch.randn(count, 1, 1, 1) * 0.2) * torch.exp(torch.randn(count, 3, 1, 1) * 0.06)
    )
    grey = light.mean(1, keepdim=True)
    saturation = torch.where(torch.rand(count, 1, 1, 1) < 0.1, torch.zeros(()), _uniform(count, 0.5, 1.4))
    light = grey + (light - grey) * saturation
    mean = light.mean((1, 2, 3), keepdim=True)
    return ((light - mean) * _uniform(count, 0.7, 1.2) + mean).clamp(0, 1) * 2 - 1


def _covered(batch):
    """A tenth of the faces with a grey or noisy patch, as of a hand, a mask or hair."""
    side = batch.shape[-1]
    for face in _chosen(batch, 0.1):
        high, wide = np.random.randint(side // 8, side // 2, 2)
        y, x = np.random.randint(0, side - high), np.random.randint(0, side - wide)
        face[:, y : y + high, x : x + wide] = torch.rand(3, 1, 1) * 2 - 1
    return batch


def _chosen(batch, share):
    return [face for face in batch if np.random.random() < share]


def _stored(batch):
    """A quarter of the faces through a JPEG file of low quality."""
    for face in _chosen(batch, 0.25):
        pixels = ((face.permute(1, 2, 0).numpy() + 1) * 127.5).clip(0, 255).astype(np.uint8)
        _, file = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(np.random.randint(20, 80))])
        face.copy_(torch.from_numpy(cv2.imdecode(file, cv2.IMREAD_COLOR)).permute(2, 0, 1).float() / 127.5 - 1)
    return batch


def views(squares, side):
    """One random view of each square, `side` pixels."""
    return seen(placed(squares, side))


def seen(batch):
    """What distance, light, cover, noise and storage do to pictures that stay where they are."""
    batch = _covered(_lit(_far(batch)))
    noise = torch.randn_like(batch) * (torch.rand(len(batch), 1, 1, 1) ** 2 * 0.12)
    return _stored((batch + noise).clamp(-1, 1))
