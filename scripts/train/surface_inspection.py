"""Trains the surface model: a teacher, students with and without it, a pruned one; judges each on parts
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
from surface_net import SurfaceNet, heat_of, new_body
from surface_first import load_first
from surface_prune import finish, prune_student
from surface_rungs import write_rungs

VERSIONS = 14  # copies of every tile in the bank: as it is, mirrored, and changed ones
TEST_FOLD, VALIDATION_FOLD = 0, 1
TEACHER_LAST, STUDENT_LAST = 9, 7  # the last fire module of each
PLAN = {'rate': 3e-4, 'decay': 0.05}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='magnetic-tile: one folder a class')
    parser.add_argument('--backbone', type=Path, default=ROOT.parent / 'shared' / 'data' / 'models' /
                        'squeezenet' / 'SqueezeNet_fp16.onnx', help='SqueezeNet 1.1 as ONNX')
    parser.add_argument('--first', type=Path, help='model.onnx of version 1.0.0')
    parser.add_argument('--cache', type=Path, default=Path('/tmp/ledge-train'))
    parser.add_argument('--teacher-steps', type=int, default=250)
    parser.add_argument('--student-steps', type=int, default=350)
    parser.add_argument('--prune-steps', type=int, default=120)
    parser.add_argument('--finish-steps', type=int, default=360)
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--seeds', type=int, default=1, help='students of either kind, seeds in a row')
    parser.add_argument('--validate', action='store_true',
                        help='only the teacher, judged by another fold; write nothing')
    parser.add_argument('--out', type=Path, default=ROOT / 'flows' / 'surface-inspection')
    parser.add_argument('--link-held', type=Path,
                        help='only link the tiles of the test fold into <folder>/<class>/')
    options = parser.parse_args()
    if options.first is None and not (options.validate or options.link_held):
        parser.error('--first is needed to finish the student and to write the pair')
    return options


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

    def body(self, name, rows, *, last, steps, seed=None, teacher=None):
        """A trained body, from the cache where it is there."""
        seed = self.options.seed if seed is None else seed
        torch.manual_seed(seed)
        body = new_body(teacher.state_dict() if teacher else self.weights, len(LABELS), last)
        plan = {**PLAN, 'name': name, 'seed': seed, 'steps': steps}

        def answer(found):
            with torch.no_grad():
                logits, cells = teacher(found)
                return logits, heat_of(cells)

        path = self.options.cache / f'surface-{name}.pt'
        trained = kept(path, lambda: fit(body, self.bank, rows, plan, answer if teacher else None)
                       .state_dict())
        body.load_state_dict(trained)
        return body

    def judged(self, logits, heat, rows):
        truth = {'labels': self.data['labels'][rows], 'cells': self.bank['cells'][0][rows].numpy()}
        return judge(logits.numpy(), heat.numpy(), truth, self.data['parts'][rows], LABELS)


def teacher_of(work):
    """The larger body, without the test fold and without the fold that tells what the recipe is worth."""
    fitted = np.flatnonzero((work.fold != TEST_FOLD) & (work.fold != VALIDATION_FOLD))
    teacher = work.body('teacher', fitted, last=TEACHER_LAST, steps=work.options.teacher_steps,
                        seed=work.options.seed + 1).eval()
    rows = np.flatnonzero(work.fold == VALIDATION_FOLD)
    logits, heat = answers(teacher, work.bank, (0,), rows)
    tell('teacher, validation fold', work.judged(logits[0], heat[0], rows))
    return teacher


def student(work, teacher, kind, seed):
    """A smaller body on all but the test fold: `taught`, which begins with the layers that it shares with
    the teacher and hears its answers; or `alone`, from SqueezeNet's weights and the labels."""
    taught = kind == 'taught'
    return work.body(f'{kind}-{seed}', work.fit_rows, last=STUDENT_LAST, seed=seed,
                     steps=work.options.student_steps, teacher=teacher if taught else None)


def compare(work, teacher):
    """Tells what the teacher and each kind of student reach on the test fold."""
    held, options = work.held_rows, work.options
    bodies = {'teacher': teacher}
    for seed in range(options.seed, options.seed + options.seeds):
        for kind in ('taught', 'alone'):
            bodies[f'{kind}-{seed}'] = student(work, teacher, kind, seed)
    for name, body in bodies.items():
        logits, heat = answers(body, work.bank, (0,), held)
        tell(name, work.judged(logits[0], heat[0], held))


def main():
    options = arguments()
    torch.set_num_threads(1)
    if options.link_held:
        data = load_tiles(options.data, options.cache)
        fold = fold_of(data['parts'], data['labels'])
        return link_held(data['files'][fold == TEST_FOLD], options)
    work = Work(options)
    teacher = teacher_of(work)
    if options.validate:
        return None
    chosen = SurfaceNet(work.stem, student(work, teacher, 'taught', options.seed)).eval()
    first = load_first(options.first, len(LABELS), options.cache)
    cut = prune_student(work, chosen, teacher)
    done = finish(work, chosen, teacher, first)
    write_rungs(work, {'whole': chosen, 'cut': cut, 'done': done, 'first': first})
    return compare(work, teacher)


if __name__ == '__main__':
    main()
