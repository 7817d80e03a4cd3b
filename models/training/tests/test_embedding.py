"""The data of the embedding's training, its loss and its figures."""

import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import bank
import comparison
import embedding
import lessons
import network
import views


def squares(count, seed=1):
    return np.random.default_rng(seed).integers(0, 255, (count, bank.SIDE, bank.SIDE, 4), dtype=np.uint8)


def units(count, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 128, generator=draw))


class Imagining(unittest.TestCase):
    def test_the_same_seed_gives_the_same_people(self):
        source = squares(4)
        one, two = (bank.imagined(source, np.random.default_rng(7)) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        other = bank.imagined(source, np.random.default_rng(8))
        self.assertEqual((other.shape, other.dtype), (source[0].shape, np.uint8))
        self.assertTrue((one != other).any())


class Views(unittest.TestCase):
    def test_views_are_of_the_side_that_was_asked_for_and_in_bounds(self):
        lessons.seed(3)
        for side in (80, 112):
            batch = views.views(squares(9), side)
            self.assertEqual(tuple(batch.shape), (9, 3, side, side))
            self.assertTrue(torch.isfinite(batch).all() and batch.abs().max() <= 1)

    def test_colours_arrive_red_first(self):
        blue = np.zeros((2, bank.SIDE, bank.SIDE, 4), np.uint8)
        blue[..., [0, 3]] = 255
        batch = views.placed(blue, 112)
        self.assertTrue((batch[:, 2] > 0.99).all() and (batch[:, :2] < -0.99).all())

    def test_a_view_keeps_the_middle_of_a_face_in_the_middle(self):
        lessons.seed(3)
        dot = np.zeros((16, bank.SIDE, bank.SIDE, 4), np.uint8)
        dot[..., 3] = 255
        dot[:, 60:68, 60:68] = 255
        light = (views.placed(dot, 112).mean(1) + 1).numpy()
        for row in light:
            y, x = np.mgrid[:112, :112]
            self.assertLess(abs((row * x).sum() / row.sum() - 55.5), 10)
            self.assertLess(abs((row * y).sum() / row.sum() - 55.5), 10)


class Loss(unittest.TestCase):
    def test_the_teachers_own_vectors_cost_nothing_and_others_do(self):
        wanted, others = units(8), units(64, 2)
        total, direction = embedding.loss(wanted * 3, wanted, others)
        self.assertLess(float(total), 1e-4)
        worse, _ = embedding.loss(units(8, 5), wanted, others)
        self.assertGreater(float(worse), 1.0)
        self.assertLess(float(direction), 1e-5)


class Figures(unittest.TestCase):
    def test_known_scores_give_known_rates(self):
        same = np.arange(2000) // 10 % 2 == 0
        scores = np.where(same, 0.6, 0.1) + np.linspace(0, 0.01, 2000)
        self.assertEqual(comparison.figures(scores, same), {"accuracy": 1.0, "fnmr_1e-2": 0.0, "fnmr_1e-3": 0.0})
        chance = np.random.default_rng(1).normal(size=2000)
        found = comparison.figures(chance, same)
        self.assertLess(abs(found["accuracy"] - 0.5), 0.05)
        self.assertGreater(found["fnmr_1e-2"], 0.95)


class Learning(unittest.TestCase):
    def test_a_broken_off_training_goes_on_where_it_was(self):
        with tempfile.TemporaryDirectory() as folder:
            def lesson():
                lessons.seed(1)
                return lessons.Lessons(torch.nn.Linear(3, 2), folder, steps=10, rate=0.1)

            first = lesson()
            for _ in range(4):
                first.learn(first.network(torch.ones(1, 3)).square().sum())
            first.note(distance=1.0)
            second = lesson()
            self.assertEqual((second.step, second.history), (4, [{"step": 4, "distance": 1.0}]))
            for one, two in zip(first.network.parameters(), second.network.parameters()):
                torch.testing.assert_close(one, two)

    def test_folding_changes_no_answer(self):
        lessons.seed(2)
        student = embedding.Student(widths=(8, 8, 8), blocks=(1, 1, 1), neck=4)
        student.train()
        student(torch.randn(8, 3, embedding.SIDE, embedding.SIDE))
        student.eval()
        x = torch.randn(2, 3, embedding.SIDE, embedding.SIDE)
        with torch.no_grad():
            before, after = student(x), network.folded(student)(x)
        torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)

    def test_an_exported_file_holds_half_floats_and_says_its_ports(self):
        student = embedding.Student(widths=(8, 32, 64), blocks=(1, 1, 1), neck=4)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "student.onnx"
            network.export(student, torch.zeros(1, 3, embedding.SIDE, embedding.SIDE), path, ["embedding"])
            graph = onnx.load(str(path)).graph
        self.assertEqual(([p.name for p in graph.input], [p.name for p in graph.output]), (["input"], ["embedding"]))
        half = [t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
        self.assertTrue(half and all(np.prod(t.dims) >= 1024 for t in half))
        self.assertEqual(sum(node.op_type == "Cast" for node in graph.node), len(half))


if __name__ == "__main__":
    unittest.main()
