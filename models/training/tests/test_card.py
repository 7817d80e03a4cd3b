"""The card keeps what is known of a training that was not repeated, and takes what is new."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    import card
except ImportError:  # no matplotlib
    card = None


@unittest.skipIf(card is None, "needs matplotlib")
class Trainings(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.runs, self.out = Path(folder.name) / "runs", Path(folder.name) / "pack"
        self.out.mkdir()

    def left(self, name, report):
        (self.runs / name).mkdir(parents=True, exist_ok=True)
        (self.runs / name / "report.json").write_text(json.dumps({"bytes": report}))
        (self.runs / name / "history.json").write_text(json.dumps([{"step": 1, "loss": report}]))

    def test_one_network_is_trained_anew_and_the_others_stay(self):
        for name in card.TRAININGS:
            self.left(name, 1)
        card.trainings(self.runs, self.out)
        for path in self.runs.rglob("*.json"):
            path.unlink()
        self.left("liveness", 2)
        known = card.trainings(self.runs, self.out)
        self.assertEqual({name: part["report"]["bytes"] for name, part in known.items()},
                         {"detector": 1, "refiner": 1, "embedding": 1, "liveness": 2})
        self.assertEqual(known["liveness"]["history"], [{"step": 1, "loss": 2}])
        self.assertEqual(json.loads((self.out / card.RECORDS).read_text()), known)

    def test_a_training_that_nobody_knows_of_is_an_error_that_names_it(self):
        self.left("detector", 1)
        with self.assertRaisesRegex(SystemExit, "train refiner first"):
            card.trainings(self.runs, self.out)


if __name__ == "__main__":
    unittest.main()
