"""Trains the surface model: teachers, students with and without them, a pruned one; judges each on parts
that none of them saw. Stages that are in --cache already are not run again."""
import argparse
import json
from pathlib import Path

import numpy as np
import torch

from model_file import ROOT
from squeezenet import Stem, adopt, pretrained
from surface_bank import open_bank
from surface_data import LABELS, fold_of, load_tiles
from surface_fit import answers, fit
from surface_judge import judge
from surface_net import SurfaceNet, new_body
from surface_prune import prune_student
from surface_rungs import write_rungs

VERSIONS = 14  # copies of every tile in the bank: as it is, mirrored, and changed ones
TEST_FOLD = 0
TEACHER_LAST, STUDENT_LAST = 9, 7  # the last fire module of each
PLAN = {'rate': 4e-4, 'decay': 0.05}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='magnetic-tile: one folder a class')
    parser.add_argument('--backbone', type=Path, default=ROOT.parent / 'shared' / 'data' / 'models' /
                        'squeezenet' / 'SqueezeNet_fp16.onnx', help='SqueezeNet 1.1 as ONNX')
    parser.add_argument('--cache', type=Path, default=Path('/tmp/ledge-train'))
    parser.add_argument('--teacher-steps', type=int, default=250)
    parser.add_argument('--student-steps', type=int, default=350)
    parser.add_argument('--prune-steps', type=int, default=200)
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--seeds', type=int, default=2, help='students of either kind, seeds in a row')
    parser.add_argument('--validate', action='store_true',
                        help='only the teachers, each judged by the fold it did not see; write nothing')
    parser.add_argument('--out', type=Path, default=ROOT / 'flows' / 'surface-inspection')
    parser.add_argument('--link-held', type=Path,
                        help='only link the tiles of the test fold into <folder>/<class>/')
    return parser.parse_args()


def link_held(files, options):
    """The tiles and masks that the model was not trained on, in the data's own form."""
    for label in LABELS:
        folder = options.link_held / label
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(files):
            for source in (options.data / label).glob(f'{Path(name).stem}.*'):
                if not (folder / source.name).exists():
                    (folder / source.name).symlink_to(source.resolve())


def kept(path, make):
    """What torch saved there, made first where it is missing; half a file is never left."""
    if not path.exists():
        partial = path.with_suffix('.partial')
        torch.save(make(), partial)
        partial.rename(path)
    return torch.load(path)


def tell(name, found):
    print(json.dumps({'judged': name, **found}), flush=True)


class Work:
    """The data, the bank and where trained bodies are kept."""

    def __init__(self, options):
        self.options = options
        self.data = load_tiles(options.data, options.cache)
        self.fold = fold_of(self.data['parts'], self.data['labels'])
        self.weights = pretrained(options.backbone, options.cache)
        self.stem = Stem()
        adopt(self.stem, self.weights)
        self.stem = self.stem.eval().to(memory_format=torch.channels_last)
        self.bank = open_bank(self.data, self.fold, self.stem, options.cache, VERSIONS)
        self.fit_rows = np.flatnonzero(self.fold != TEST_FOLD)
        self.held_rows = np.flatnonzero(self.fold == TEST_FOLD)

    def body(self, last, name, rows, steps, seed, teacher=None, blank=False):
        """A trained body, from the cache where it is there."""
        torch.manual_seed(seed)
        weights = None if blank else self.weights
        body = new_body(weights, len(LABELS), last)
        plan = {**PLAN, 'name': name, 'seed': seed, 'steps': steps}
        path = self.options.cache / f'surface-{name}.pt'
        body.load_state_dict(
            kept(path, lambda: fit(body, self.bank, rows, plan, teacher).state_dict()))
        return body

    def judged(self, logits, heat, rows):
        truth = {'labels': self.data['labels'][rows], 'cells': self.bank['cells'][0][rows].numpy()}
        return judge(logits.numpy(), heat.numpy(), truth, self.data['parts'][rows], LABELS)


def both_views(logits, heat):
    """The mean of what a body says of a tile and of its mirror image."""
    return torch.log_softmax(logits, 2).mean(0), (heat[0] + heat[1].flip(-1)) / 2


def teachers(work):
    """One net for each fold but the test fold, trained without both."""
    folds = [f for f in np.unique(work.fold) if f != TEST_FOLD]
    return {f: work.body(TEACHER_LAST, f'teacher-{f}',
                         np.flatnonzero((work.fold != f) & (work.fold != TEST_FOLD)),
                         work.options.teacher_steps, work.options.seed + int(f)) for f in folds}


def out_of_fold(work, bodies):
    """What each teacher says of the fold it did not see, judged together."""
    parts = []
    for f, body in bodies.items():
        rows = np.flatnonzero(work.fold == f)
        parts.append((*both_views(*answers(body, work.bank, (0, 1), rows)), rows))
    logits, heat = (torch.cat([part[k] for part in parts]) for k in (0, 1))
    return work.judged(logits, heat, np.concatenate([part[2] for part in parts]))


def soft_answers(work, bodies):
    """What two teachers say of every copy of a tile: the one that did not see its part, and the next.
    Of the test fold, for the figures alone, what all say of the tile as it is and mirrored."""
    count, order = len(work.fold), list(bodies)
    soft = {'logits': torch.zeros(VERSIONS, count, len(LABELS)),
            'heat': torch.zeros(VERSIONS, count, *work.bank['cells'].shape[2:])}
    for at, f in enumerate(order):
        rows = np.flatnonzero(work.fold == f)
        for who in (f, order[(at + 1) % len(order)]):
            logits, heat = answers(bodies[who], work.bank, range(VERSIONS), rows)
            soft['logits'][:, rows] += torch.log_softmax(logits, 2) / 2
            soft['heat'][:, rows] += heat / 2
    for body in bodies.values():
        logits, heat = both_views(*answers(body, work.bank, (0, 1), work.held_rows))
        soft['logits'][0, work.held_rows] += logits / len(bodies)
        soft['heat'][0, work.held_rows] += heat / len(bodies)
    return {key: value.half() for key, value in soft.items()}


def student(work, soft, kind, seed):
    """Trained on all but the test fold: `taught` by the teachers as well, `alone`, or `blank`, alone and
    without SqueezeNet's weights beyond the stem."""
    return work.body(STUDENT_LAST, f'{kind}-{seed}', work.fit_rows, work.options.student_steps, seed,
                     soft if kind == 'taught' else None, kind == 'blank')


def compare(work, soft):
    """Tells what the teachers and each kind of student reach on the test fold."""
    held, options = work.held_rows, work.options
    plain = {key: value[0][held].float() for key, value in soft.items()}
    tell('teachers together', work.judged(plain['logits'], plain['heat'], held))
    for seed in range(options.seed, options.seed + options.seeds):
        for kind in ('taught', 'alone'):
            logits, heat = answers(student(work, soft, kind, seed), work.bank, (0,), held)
            tell(f'{kind}-{seed}', work.judged(logits[0], heat[0], held))
    logits, heat = answers(student(work, soft, 'blank', options.seed), work.bank, (0,), held)
    tell(f'blank-{options.seed}', work.judged(logits[0], heat[0], held))


def main():
    options = arguments()
    torch.set_num_threads(1)
    if options.link_held:
        data = load_tiles(options.data, options.cache)
        fold = fold_of(data['parts'], data['labels'])
        return link_held(data['files'][fold == TEST_FOLD], options)
    work = Work(options)
    bodies = teachers(work)
    tell('teachers, each by its own fold', out_of_fold(work, bodies))
    if options.validate:
        return None
    soft = kept(options.cache / 'surface-soft.pt', lambda: soft_answers(work, bodies))
    chosen = SurfaceNet(work.stem, student(work, soft, 'taught', options.seed)).eval()
    cut = prune_student(work, chosen, soft)
    write_rungs(work, chosen, cut)
    return compare(work, soft)


if __name__ == '__main__':
    main()
