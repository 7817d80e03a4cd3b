"""The loop that all three trainings share: seeds, learning rate, averaged weights, progress, and a checkpoint from
which a broken-off training goes on."""

import copy
import json
import math
import os
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch


def seed(value):
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)


def progress(label, done, total, started, note=""):
    """One line that replaces itself on a terminal; one line a minute elsewhere."""
    passed = time.time() - started
    left = passed / max(done, 1) * (total - done)
    bar = "#" * (24 * done // total) + "-" * (24 - 24 * done // total)
    text = f"{label} [{bar}] {done}/{total}  {passed / 60:.1f} min, {left / 60:.1f} to go  {note}"
    if sys.stderr.isatty():
        print(f"\r{text}\x1b[K", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done == total or time.time() - progress.last > 60:
        progress.last = time.time()
        print(text, file=sys.stderr, flush=True)


progress.last = 0.0


class Lessons:
    """A network in training.

    `step` is counted over the whole training; the learning rate rises over the first 2 % and falls in a half cosine
    to nothing at the last one. The averaged weights (Polyak and Juditsky 1992) are what is measured and exported.
    """

    def __init__(self, network, folder, steps, rate, decay=0.05, average=0.999):
        self.network, self.steps, self.rate, self.average = network, steps, rate, average
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        decayed = [p for p in network.parameters() if p.dim() > 1]
        others = [p for p in network.parameters() if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=rate)
        self.averaged = copy.deepcopy(network).eval()
        self.step, self.history = 0, []
        self._resume()

    def learn(self, loss):
        """One step down the gradient of `loss`."""
        share = self.step / self.steps
        rate = self.rate * min(1.0, share / 0.02 + 1e-3) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        # Early on the average follows closely, so that the first measurements are not those of noise.
        keep = min(self.average, (1 + self.step) / (20 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.averaged.state_dict().values(), self.network.state_dict().values()):
                if mean.dtype.is_floating_point:
                    mean.lerp_(value, 1 - keep)
                else:
                    mean.copy_(value)

    def note(self, **figures):
        """A row of the learning curve, and a checkpoint."""
        self.history.append({"step": self.step, **figures})
        state = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "history": self.history,
        }
        part = self.folder / "checkpoint.part"
        torch.save(state, part)
        os.replace(part, self.folder / "checkpoint.pt")
        (self.folder / "history.json").write_text(json.dumps(self.history, indent=1) + "\n")

    def _resume(self):
        path = self.folder / "checkpoint.pt"
        if not path.is_file():
            return
        state = torch.load(path, map_location="cpu")
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.history = state["step"], state["history"]
        print(f"going on from step {self.step} of {path}", file=sys.stderr)
