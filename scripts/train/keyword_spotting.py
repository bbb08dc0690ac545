"""Teachers, students, pruning, 8 bits, figures: the keyword models from nothing, in one command."""
import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch

import keyword_teachers as teachers
from keyword_data import LABELS, decode, held_speakers, load_folder
from keyword_fit import Settings, fit
from keyword_judge import (disturbed, features, floats, logits_of, running, scored, temperature_of)
from keyword_net import StudentNet
from keyword_pool import KITCHEN_TRAIN_SECONDS, TIMES, build
from keyword_prune import shaped, sliced
from keyword_variants import (evaluated, export_float, export_named, int8, pruned_by_node, write_ladder)
from log_mel import SAMPLE_RATE_HZ
from model_file import ROOT, check, run_script

HELD_SHARE, HELD_SALT = 0.18, 'validation'
SEEDS = (7, 8, 9, 10, 11)  # of the comparison; the first is also the model's
OWN_SHARE = 0.34  # of our own network in the teachers' answer
HARD = Settings(epochs=20)
SOFT = Settings(epochs=20, soft=0.7)
LONG = Settings(epochs=60, soft=0.7)
TUNE = Settings(epochs=20, soft=0.7, rate_max=2e-3)
TINY = 1e-6  # the least chance that a teacher gives
ORIGIN = ('Trained by scripts/train/keyword_spotting.py on Speech Commands v0.02 (CC BY 4.0), with spoken '
          'digits (CC BY-SA 4.0), wake words, spoken commands and kitchen noise (Apache-2.0) and words said '
          'by espeak-ng; taught by Google\'s speech embedding and MLPerf Tiny\'s kws_ref (Apache-2.0) and '
          'an own wider network.')


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='speech-commands: train/ and dev/')
    parser.add_argument('--models', type=Path, required=True, help='models of others: openwakeword/, mlperf-tiny/')
    parser.add_argument('--cache', type=Path, default=Path('/tmp/ledge-train'))
    parser.add_argument('--out', type=Path, default=ROOT / 'flows' / 'keyword-spotting')
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--validate', action='store_true',
                        help='stop after the figures of speakers of train that were held back')
    return parser.parse_args()


def show(line):
    print(json.dumps(line), flush=True)


class Work:
    """Folder of finished stages: a stage whose file is there is not done again."""

    def __init__(self, options):
        self.options = options
        self.folder = options.cache / f'keyword-{options.seed}'
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fit = load_folder(options.data / 'train', options.cache)
        self.held = held_speakers(self.fit['speakers'], HELD_SHARE, HELD_SALT)

    def kept(self, name, make):
        """The array of a finished stage, or make()."""
        path = self.folder / f'{name}.npy'
        if not path.exists():
            started = time.time()
            np.save(path, make())
            show({'stage': name, 's': round(time.time() - started)})
        return np.load(path)

    def net(self, name, make):
        """The weights of a finished stage, or make()."""
        path = self.folder / f'{name}.pt'
        if not path.exists():
            started = time.time()
            torch.save(make().state_dict(), path)
            show({'stage': name, 's': round(time.time() - started)})
        return torch.load(path)

    def pool(self):
        """Rows of the pool: features, labels, where they come from, who listens to them."""
        folder = self.folder / 'pool'
        folder.mkdir(exist_ok=True)
        if not (folder / 'rows.npz').exists():
            build(folder, self.options.data, self.fit, self.options, show)
        rows = dict(np.load(folder / 'rows.npz'))
        rows['features'] = np.memmap(folder / 'mel.f16', np.float16, 'r').reshape(-1, 49, 40)
        teachers.listen(folder, self.options.models, teachers.heard(rows))
        rows['own'] = rows['origin'] == 'train'  # said by a speaker of train
        rows['held'] = np.zeros(len(rows['labels']), bool)
        rows['held'][rows['own']] = np.tile(self.held, TIMES['train'])
        return rows


def answer_of(work, rows, name, used):
    """Log-probabilities of all teachers for every row, fitted on the used ones; kept.

    A copy of a recorded word is answered as the recording itself: the teachers hear that best.
    """
    folder = work.folder / 'pool'

    def make():
        return teachers.others(folder, rows, teachers.heard(rows), used, work.options.seed, show)
    return work.kept(name, make)


def main():
    pass
