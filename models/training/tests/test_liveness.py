"""What the liveness student is given to learn belongs to the picture that it is given, and recorded frames are counted
as they should be."""

import sys
import unittest
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    import liveness
except ImportError:  # ONNX Runtime is not in Debian 12
    liveness = None


@unittest.skipIf(liveness is None, "needs ONNX Runtime")
class Batches(unittest.TestCase):
    def test_a_mirrored_crop_has_the_mirrored_maps_of_its_teacher(self):
        # Each crop and each map is bright at its left.
        side = liveness.SIDE
        crops = np.zeros((4, side, side, 3), np.uint8)
        crops[:, :, : side // 2] = 200
        data = {"crops": crops, "kind": np.zeros(4, np.uint8)}
        for places, numbers in liveness.MAPS.items():
            seen = np.zeros((4, numbers, places, places), np.float16)
            seen[..., : places // 2] = 1
            data[f"map_{places}"] = seen.reshape(4, numbers, -1)
        before = {name: values.copy() for name, values in data.items()}
        x, target = liveness.batch(np.random.default_rng(1), data, 6)
        for at in range(6):
            right = at < 3
            self.assertEqual(bool(x[at, :, :, -1].mean() > x[at, :, :, 0].mean()), right)
            for places, numbers in liveness.MAPS.items():
                seen = target[f"map_{places}"].reshape(6, numbers, places, places)
                self.assertEqual(bool(seen[at, :, :, -1].mean() > seen[at, :, :, 0].mean()), right)
        for name, values in before.items():
            np.testing.assert_array_equal(data[name], values)


@unittest.skipIf(liveness is None, "needs ONNX Runtime")
class Exports(unittest.TestCase):
    def test_the_exported_network_answers_as_the_weighted_heads_do(self):
        torch.manual_seed(1)
        student, weights, shift = liveness.Liveness().eval(), (0.5, 0.2, 0.3), 0.7
        x = torch.randn(3, 3, liveness.SIDE, liveness.SIDE)
        with torch.no_grad():
            logit = student.learn(x)[0] @ torch.tensor(weights) + shift
            answer = liveness.Judge(student, weights, shift).eval()(x)
        torch.testing.assert_close(answer[:, 1], torch.sigmoid(logit), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(answer.sum(1), torch.ones(3))


@unittest.skipIf(liveness is None, "needs ONNX Runtime")
class Counting(unittest.TestCase):
    def test_equal_errors_are_where_both_rates_meet(self):
        rate, threshold = liveness.equal_errors([0.2, 0.7, 0.8, 0.9], [0.1, 0.3, 0.4, 0.75])
        self.assertEqual(rate, 0.25)
        self.assertTrue(0.4 < threshold < 0.75)

    def test_windows_are_means_of_consecutive_scores_and_drop_the_rest(self):
        np.testing.assert_allclose(liveness.windows([0, 3, 6, 1, 1, 1, 9]), [3, 1])

    def test_frames_are_in_the_order_of_their_numbers(self):
        names = sorted((Path(name) for name in ("f_10.jpg", "f_2.jpg")), key=liveness.in_time)
        self.assertEqual([name.name for name in names], ["f_2.jpg", "f_10.jpg"])


if __name__ == "__main__":
    unittest.main()
