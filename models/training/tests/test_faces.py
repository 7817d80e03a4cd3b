"""Finding, measuring and aligning: what the terminal does to a face, done the same way here."""

import sys
import unittest
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import faces


def outputs(width, height):
    """Twelve outputs without a face."""
    cells = [(width // s) * (height // s) for s in faces.STRIDES]
    return [np.zeros((1, n, k), np.float32) for k in (1, 1, 4, 10) for n in cells]


def put(found, cell, score, size):
    """A face of `size` cells in a cell of the finest grid."""
    found[0][0, cell] = found[3][0, cell] = score
    found[6][0, cell] = [0.5, 0.5, np.log(size), np.log(size)]
    found[9][0, cell] = [0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1]


class Decoding(unittest.TestCase):
    def test_a_cell_is_a_box_and_points_in_pixels(self):
        found = outputs(64, 64)
        put(found, 8 + 2, 0.81, 2)
        scores, boxes, points = faces.decode(found, 64, 0.6)
        np.testing.assert_allclose(scores, [0.81], atol=1e-6)
        np.testing.assert_allclose(boxes, [[12, 4, 16, 16]], atol=1e-4)
        np.testing.assert_allclose(points[0, 1], [24, 8], atol=1e-4)

    def test_close_candidates_are_one_face_at_their_mean_place(self):
        found = outputs(64, 64)
        put(found, 8 + 1, 0.9, 4)
        put(found, 8 + 2, 0.6, 4)
        (face,) = faces.merge(*faces.decode(found, 64, 0.5))
        self.assertAlmostEqual(face.score, 0.9, places=5)
        self.assertAlmostEqual(face.box[0] + face.box[2] / 2, 8 * (0.9 * 1.5 + 0.6 * 2.5) / 1.5, places=3)

    def test_two_faces_apart_stay_two(self):
        found = outputs(64, 64)
        put(found, 0, 0.9, 2)
        put(found, 63, 0.8, 2)
        self.assertEqual(len(faces.merge(*faces.decode(found, 64, 0.6))), 2)


class Aligning(unittest.TestCase):
    def test_a_turned_and_shifted_template_comes_back(self):
        angle, scale = 0.3, 1.7
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        moved = faces.TEMPLATE @ turn.T + [40, 25]
        matrix = faces.similarity(moved, faces.TEMPLATE)
        back = moved @ matrix[:, :2].T + matrix[:, 2]
        np.testing.assert_allclose(back, faces.TEMPLATE, atol=1e-3)

    def test_landmarks_in_one_point_are_refused(self):
        with self.assertRaises(ValueError):
            faces.similarity(np.ones((5, 2), np.float32), faces.TEMPLATE)

    def test_dots_on_the_landmarks_lie_on_the_template(self):
        for scale in (1.0, 3.0):
            landmarks = faces.TEMPLATE * scale + 30
            picture = np.zeros((420, 420, 3), np.uint8)
            for x, y in landmarks:
                cv2.circle(picture, (round(float(x)), round(float(y))), round(2 * scale), (255, 255, 255), -1)
            square = faces.align(picture, landmarks, 8).astype(np.float32).mean(2)
            self.assertEqual(square.shape, (128, 128))
            for x, y in faces.TEMPLATE + 8:
                near = square[int(y) - 4 : int(y) + 6, int(x) - 4 : int(x) + 6]
                rows, columns = np.mgrid[int(y) - 4 : int(y) + 6, int(x) - 4 : int(x) + 6]
                self.assertLess(abs((near * columns).sum() / near.sum() - x), 0.8)
                self.assertLess(abs((near * rows).sum() / near.sum() - y), 0.8)


class Letterboxing(unittest.TestCase):
    def test_a_picture_lies_at_the_top_left_and_keeps_its_proportions(self):
        canvas, scale = faces.letterbox(np.full((480, 640, 3), 9, np.uint8), 256, 320)
        self.assertEqual((canvas.shape, scale), ((256, 320, 3), 0.5))
        self.assertTrue((canvas[:240] == 9).all() and (canvas[240:] == 0).all())


if __name__ == "__main__":
    unittest.main()
