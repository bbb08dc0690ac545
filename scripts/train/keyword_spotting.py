"""Teachers, students, pruning, 8 bits and figures: the keyword models from nothing, in one command."""
import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch

import keyword_teachers as teachers
from averaging import blend_into
from keyword_data import LABELS, decode, held_speakers, load_folder
from keyword_fit import Settings, fit
from keyword_judge import disturbed, floats, features, logits_of, running, scored, temperature_of
from keyword_net import StudentNet, cooled
from keyword_pool import KITCHEN_TRAIN_SECONDS, TIMES, build
from keyword_prune import cut_by
from keyword_variants import evaluated, export_named, int8, pruned_by_node, write_ladder
from log_mel import SAMPLE_RATE_HZ
from model_file import ROOT, check, export, run_script

HELD_SHARE, HELD_SALT = 0.18, 'validation'
KEYWORDS = 10
SEEDS = 5  # of the comparison
OWN_SHARE = 0.34  # of our own network in the teachers' answer
HARD = Settings(epochs=5)
SOFT = Settings(epochs=5, soft=0.7)
HELD = Settings(epochs=20, soft=0.7)
LONG = Settings(epochs=50, soft=0.7)
TUNE = Settings(epochs=15, soft=0.7, rate_max=2e-3)
CHANCE_MIN = 1e-6  # that a teacher gives
VARIANTS = ('model.onnx', 'model.int8.onnx', 'model.pruned.onnx')


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', type=Path, required=True, help='speech-commands: train/ and dev/')
    parser.add_argument('--models', type=Path, required=True,
                        help='models of others that teach: openwakeword/ and mlperf-tiny/')
    parser.add_argument('--cache', type=Path, default=Path('/tmp/ledge-train'))
    parser.add_argument('--out', type=Path, default=ROOT / 'flows' / 'keyword-spotting')
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--validate', action='store_true',
                        help='stop after the figures of speakers of train that were held back')
    return parser.parse_args()


def show(line):
    print(json.dumps(line), flush=True)


class Stages:
    """What is done is kept in a folder: a stage whose file is there is not run again."""

    def __init__(self, options):
        self.options = options
        self.folder = options.cache / f'keyword-{options.seed}'
        self.folder.mkdir(parents=True, exist_ok=True)

    def kept(self, name, make):
        """What make() gives, from the file of the finished stage where there is one."""
        path = self.folder / f'{name}.pt'
        if not path.exists():
            started = time.time()
            made = make()
            part = path.with_suffix('.part')
            torch.save(made, part)
            part.rename(path)
            show({'stage': name, 's': round(time.time() - started)})
        return torch.load(path)


def pool(stages, data):
    """Rows of the pool, and which of them a held-back speaker of train said."""
    options, folder = stages.options, stages.folder / 'pool'
    folder.mkdir(exist_ok=True)
    if not (folder / 'rows.npz').exists():
        build(folder, options.data, data, options, show)
    rows = dict(np.load(folder / 'rows.npz'))
    rows['features'] = np.memmap(folder / 'mel.f16', np.float16, 'r').reshape(-1, 49, 40)
    teachers.listen(folder, options.models, teachers.heard(rows))
    held = np.zeros(len(rows['labels']), bool)
    speakers = held_speakers(data['speakers'], HELD_SHARE, HELD_SALT)
    held[rows['origin'] == 'train'] = np.tile(speakers, TIMES['train'])
    return rows, held


def student(rows, used, settings, seed, soft=None, net=None):
    """A student fitted on the used rows; soft are the teachers' probabilities."""
    torch.manual_seed(seed)
    given = {'features': rows['features'][used], 'labels': rows['labels'][used]}
    if soft is not None:
        given['soft'] = np.log(np.clip(soft[used], CHANCE_MIN, 1))
    return fit(net or StudentNet(len(LABELS)), given, settings, seed, show)


def balanced(rows, soft):
    """Rows and answers for the last epochs, in which a generated voice is no sign of `_unknown_`.

    Generated keywords are there three times, other generated words every second one, and both are answered
    by their labels: the teachers have not heard such voices.
    """
    spoken, keyword = rows['origin'] == 'words', rows['labels'] < KEYWORDS
    there = np.flatnonzero(~spoken | keyword | (np.arange(len(spoken)) % 2 == 0))
    there = np.concatenate([there, *[np.flatnonzero(spoken & keyword)] * 2])
    soft = soft.copy()
    soft[spoken] = np.eye(len(LABELS), dtype=soft.dtype)[rows['labels'][spoken]]
    return there, soft


def validate(stages, data, rows, held):
    """Teachers and a student that never heard the held-back speakers: accuracy there, temperature."""
    seed, folder = stages.options.seed, stages.folder / 'pool'
    first = np.arange(len(held)) < len(data['labels'])  # the recordings as they are
    there = held & first
    labels = rows['labels'][there]

    def make():
        soft, _ = teachers.third_party(folder, rows, ~held, seed, show)
        net = student(rows, ~held, HELD, seed, soft)
        logits = logits_of(net, torch.from_numpy(rows['features'][there].astype(np.float32)))
        heat = temperature_of(logits, labels)
        return {'teachers': float((soft[there].argmax(1) == labels).mean()), 'temperature': heat,
                'student': scored(logits / heat, labels), 'uncalibrated': scored(logits, labels)['ece']}
    return stages.kept('validated', make)


def taught(stages, rows):
    """What all teachers together say of every row, and our own network alone."""
    seed, folder = stages.options.seed, stages.folder / 'pool'
    every = np.ones(len(rows['labels']), bool)
    third, head = stages.kept('third-party', lambda: teachers.third_party(folder, rows, every, seed, show))
    wide = stages.kept('own', lambda: teachers.teach_own(rows, every, seed, show))
    own = torch.softmax(teachers.answers(wide, rows['features']), 1).numpy()
    return {'all': (1 - OWN_SHARE) * third + OWN_SHARE * own, 'own': own, 'head': head, 'wide': wide}


def compare(stages, rows, given, judged):
    """The same student by labels alone, by all teachers, by our own, over seeds: accuracy on dev."""
    every, found = np.ones(len(rows['labels']), bool), {}
    for name, settings, soft in (('labels alone', HARD, None), ('own teacher', SOFT, given['own']),
                                 ('all teachers', SOFT, given['all'])):
        figures = []
        for seed in range(stages.options.seed, stages.options.seed + SEEDS):
            net = stages.kept(f'{name.replace(" ", "-")}-{seed}',
                              lambda seed=seed: student(rows, every, settings, seed, soft))
            figures.append(scored(logits_of(net, judged['mel']), judged['labels'])['accuracy'])
        found[name] = {'mean': float(np.mean(figures)), 'spread': float(np.std(figures, ddof=1)),
                       'all': figures}
        show({'compare': name, **found[name]})
    return found


def teacher_figures(stages, given, judged):
    """Accuracy of each teacher, and of all, on dev."""
    folder = stages.folder / 'dev'
    folder.mkdir(exist_ok=True)
    judged['clips'].tofile(folder / 'clips.i16')
    judged['mel'].numpy().astype(np.float16).tofile(folder / 'mel.f16')
    teachers.listen(folder, stages.options.models, np.ones(len(judged['labels']), bool))
    said = teachers.on_clips(folder, given['head'], given['wide'])
    embedding, reference, own = said.values()
    third = teachers.EMBEDDING_SHARE * embedding + (1 - teachers.EMBEDDING_SHARE) * reference
    said['all teachers'] = (1 - OWN_SHARE) * third + OWN_SHARE * own
    return {name: float((chances.argmax(1) == judged['labels']).mean()) for name, chances in said.items()}


def smaller(stages, rows, given, best):
    """The student pruned by the node's own compressor, and taught again."""
    folder, (there, soft) = stages.folder / 'prune', balanced(rows, given['all'])
    export_named(best, example_of(rows), folder / 'named.onnx')
    handed = pruned_by_node(folder / 'named.onnx', folder / 'out')
    return stages.kept('pruned', lambda: student(
        rows, there, TUNE, stages.options.seed, soft, cut_by(handed, best)))


def example_of(rows):
    return torch.from_numpy(rows['features'][:48].astype(np.float32))


def write(stages, data, nets, heat):
    """The three files in the output folder, logits divided by the temperature."""
    folder, out = stages.folder / 'export', stages.options.out
    example = features(floats(data['clips'][:48]))
    for name, net in nets.items():
        path = folder / f'{name}.onnx'
        export(cooled(net, heat), example, ['mel'], ['logits'], path)
        show({'model': name, 'parameters': sum(p.numel() for p in net.parameters()),
              'difference': check(cooled(net, heat), example, ['logits'], path, folder / 'check')})
    (out / 'model.onnx').write_bytes((folder / 'student.onnx').read_bytes())
    int8(folder / 'student.onnx', data, folder / 'int8', out / 'model.int8.onnx')
    int8(folder / 'pruned.onnx', data, folder / 'int8-pruned', out / 'model.pruned.onnx')
    example.numpy().tofile(folder / 'check' / 'mel.bin')
    floats(data['clips'][:48]).numpy().tofile(folder / 'check' / 'clips.bin')
    show({'features': run_script('check-mel.ts', 'flows/keyword-spotting/flow.yaml',
                                 str((folder / 'check').resolve()))})


def judge(stages, judged, nets, heat):
    """Everything that the model card tells of the float models, on dev and on speech never trained on."""
    voice = stages.options.data.parent
    kitchen = decode(voice / 'noise' / 'kitchen.flac')[KITCHEN_TRAIN_SECONDS * SAMPLE_RATE_HZ:]
    found = {}
    for name, net in nets.items():
        calm = cooled(net, heat)
        found[name] = {**scored(logits_of(calm, judged['mel']), judged['labels']),
                       'uncalibrated': scored(logits_of(net, judged['mel']), judged['labels'])['ece'],
                       'disturbed': disturbed(calm, judged, kitchen), 'running': running(calm, voice)}
        show({name: found[name]})
    return found


def main():
    options = arguments()
    torch.set_num_threads(1)
    stages = Stages(options)
    data = load_folder(options.data / 'train', options.cache)
    rows, held = pool(stages, data)
    validated = validate(stages, data, rows, held)
    show(validated)
    if options.validate:
        return
    given = taught(stages, rows)
    every = np.ones(len(rows['labels']), bool)
    long = stages.kept('student', lambda: student(rows, every, LONG, options.seed, given['all']))
    there, soft = balanced(rows, given['all'])
    tuned = stages.kept('balanced', lambda: student(
        rows, there, TUNE, options.seed, soft, copy.deepcopy(long)))
    best = copy.deepcopy(tuned)
    blend_into(best, long, 0.5)  # more robust than either: the last epochs forget a little
    nets = {'student': best, 'pruned': smaller(stages, rows, given, tuned)}
    write(stages, data, nets, validated['temperature'])
    judged = load_folder(options.data / 'dev', options.cache)
    judged['mel'] = features(floats(judged['clips']))
    figures = {'validated': validated, 'judged': judge(stages, judged, nets, validated['temperature']),
               'teachers': teacher_figures(stages, given, judged),
               'compared': compare(stages, rows, given, judged)}
    node = {name: evaluated(options.out / name, options.data / 'dev', stages.folder / 'evaluate')
            for name in VARIANTS}
    write_ladder(options.out, node)
    (stages.folder / 'figures.json').write_text(json.dumps({**figures, 'node': node}, indent=1))
    show(node)


if __name__ == '__main__':
    main()
