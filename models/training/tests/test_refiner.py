"""What the refiner is given to learn lies where its label says, and what it answers is in the terminal's terms."""

import sys
import unittest
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import faces
import refiner
import scenes

# The teacher's points count from a picture's edge: a spot in the middle of a pixel has a half.
POINTS = 0.5 + np.array([[70, 80], [130, 80], [100, 112], [76, 145], [124, 145]], np.float32)


def spotted(at, side=200):
    """A grey picture with a white spot at one of the points."""
    picture = np.full((side, side, 3), 60, np.uint8)
    cv2.circle(picture, tuple(int(v) for v in POINTS[at]), 5, (255, 255, 255), -1)
    return picture


def spot(square):
    y, x = np.nonzero(square[..., 0] > 150)
    return np.array([x.mean(), y.mean()])


def lesson(picture, seed=1):
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    chips = scenes.Chips([coded], np.array([[40.0, 40.0, 120.0, 140.0]]), POINTS[None])
    square, there = refiner.cropped(picture, POINTS, refiner.RIM)
    bank = {"squares": np.stack([square, square]), "is_face": np.array([True, False]),
            "points": np.stack([refiner.moved(POINTS, there)] * 2)}
    return refiner.Lesson(chips, bank, seed, 8)


class Squares(unittest.TestCase):
    def test_an_exact_proposal_comes_to_lie_on_the_template(self):
        _, there = refiner.cropped(spotted(0), POINTS)
        away = np.linalg.norm(refiner.moved(POINTS, there) - refiner.TEMPLATE, axis=1)
        self.assertLess(away.max(), 2.0)
        eyes = np.linalg.norm(refiner.TEMPLATE[0] - refiner.TEMPLATE[1])
        self.assertAlmostEqual(float(eyes), refiner.EYES, places=3)

    def test_labels_lie_where_a_chip_shows_them(self):
        for at in range(5):
            drawn = lesson(spotted(at), seed=at)
            for _ in range(6):
                square, is_face, points = drawn.chip()
                self.assertTrue(is_face)
                # In the mirror another point has the spot.
                self.assertLess(np.linalg.norm(points - spot(square), axis=1).min(), 1.2)

    def test_labels_lie_where_a_proposal_shows_them(self):
        for at in range(5):
            drawn = lesson(spotted(at), seed=at)
            for among, wanted in ((drawn.right, True), (drawn.wrong, False)):
                square, is_face, points = drawn.proposal(among)
                self.assertEqual(is_face, wanted)
                self.assertLess(np.linalg.norm(points - spot(square), axis=1).min(), 0.9)

    def test_the_eye_at_the_left_stays_the_first_in_the_mirror(self):
        drawn = lesson(spotted(0))
        for _ in range(10):
            picture, points = drawn.mirrored(spotted(0), POINTS)
            self.assertLess(points[0, 0], points[1, 0])
            self.assertLess(np.linalg.norm(points - spot(picture), axis=1).min(), 1.1)

    def test_a_batch_is_half_chips_and_as_many_faces_as_not_among_proposals(self):
        pictures, is_face, moves = lesson(spotted(2))()
        self.assertEqual(tuple(pictures.shape), (8, 3, refiner.SIDE, refiner.SIDE))
        self.assertEqual(is_face.tolist(), [1.0] * 6 + [0.0] * 2)
        self.assertEqual(tuple(moves.shape), (8, 10))
        self.assertLess(float(moves.abs().max()), 1.0)


class Answers(unittest.TestCase):
    def test_the_port_says_of_a_face_what_the_trained_network_says(self):
        trained, x = refiner.Refiner().eval(), torch.randn(4, 3, refiner.SIDE, refiner.SIDE)
        torch.nn.init.normal_(trained.answer.weight)
        with torch.no_grad():
            face, said = refiner.Port(trained)(x), trained(x)
        self.assertEqual(tuple(face.shape), (4, 1))
        torch.testing.assert_close(face[:, 0], torch.sigmoid(said[:, 0]))

    def test_no_face_costs_nothing_for_its_points(self):
        said = torch.randn(4, 11)
        moves = torch.randn(4, 10)
        _, none = refiner.loss_of(said, torch.zeros(4), moves)
        _, all_four = refiner.loss_of(said, torch.ones(4), moves)
        self.assertEqual(none["points"], 0.0)
        self.assertGreater(all_four["points"], 0.1)


if __name__ == "__main__":
    unittest.main()
