"""The files of the ladder: the pair with float16 weights, in int8, and the pruned network alone in int8;
each judged in onnxruntime-node on parts that it never saw."""
import hashlib
import json
import shutil

import numpy as np
import torch

from model_file import ROOT, check, export, run_script, write_manifest
from surface_data import LABELS
from surface_judge import judge
from surface_first import Pair
from surface_net import CELL
from surface_prune import ledge

CALIBRATION = 64  # tiles of training parts
OUTPUTS = ['classes', 'heatmap']
HELD = 'magnetic-tile, parts not trained on (every fifth part)'
# What the flow's `evaluate` prints as well, and what the map is worth.
TOLD = ('auroc', 'macroF1', 'accuracy', 'aupro', 'iou')


def manifest_of(side, precision):
    cells = side // CELL
    return {
        'name': 'surface-inspection', 'version': '2.0.0', 'precision': precision,
        'inputs': [{'name': 'image', 'type': 'uint8', 'shape': ['N', side, side, 1]}],
        'outputs': [{'name': 'classes', 'type': 'float32', 'shape': ['N', len(LABELS)]},
                    {'name': 'heatmap', 'type': 'float32', 'shape': ['N', cells, cells]}],
        'labels': LABELS,
        'licence': 'MIT',
        'origin': 'Trained by scripts/train/surface_inspection.py on the magnetic tile defect set of '
                  'Huang, Qiu and Yuan, "Surface defect saliency of magnetic tile", The Visual '
                  'Computer 36 (2020), free to use with this citation; from SqueezeNet 1.1 (MIT), which '
                  'was trained on ImageNet.',
        'description': 'What a magnetic tile has, and how bad each cell of 8x8 pixels is.'}


def calibration_flow(work, net, folder):
    """The flow with this network and, as its tests, tiles of training parts."""
    (folder / 'samples').mkdir(parents=True, exist_ok=True)
    example = torch.from_numpy(work.data['tiles'][:2])[..., None]
    export(net, example, ['image'], OUTPUTS, folder / 'model.onnx')
    write_manifest(folder / 'model.onnx', manifest_of(example.shape[1], 'fp32'))
    rows = np.random.default_rng(work.options.seed).choice(work.fit_rows, CALIBRATION, replace=False)
    tests = []
    for row in rows:
        name, label = work.data['files'][row], LABELS[work.data['labels'][row]]
        shutil.copy(work.options.data / label / name, folder / 'samples' / name)
        tests.append(f'  - {{ name: "{name}", event: "samples/{name}", expect: [{{}}] }}\n')
    flow = (ROOT / 'flows' / 'surface-inspection' / 'flow.yaml').read_text().split('\ntests:')[0]
    (folder / 'flow.yaml').write_text(f'{flow}\ntests:\n{"".join(tests)}')
    return folder


def judged(work, path, folder):
    """The figures of an ONNX file on the held-out parts, one tile at a time."""
    rows = work.held_rows
    tiles = work.data['tiles'][rows][..., None]
    folder.mkdir(parents=True, exist_ok=True)
    tiles.tofile(folder / 'input.bin')
    job = {'model': str(path.resolve()), 'folder': str(folder.resolve()), 'shape': list(tiles.shape)}
    run_script('onnx-outputs.ts', json.dumps(job))
    logits = np.fromfile(folder / 'classes.bin', np.float32).reshape(len(rows), -1)
    side = tiles.shape[1] // CELL
    heat = np.fromfile(folder / 'heatmap.bin', np.float32).reshape(len(rows), side, side)
    truth = {'labels': work.data['labels'][rows], 'cells': work.bank['cells'][0][rows].numpy()}
    return judge(logits, heat, truth, work.data['parts'][rows], LABELS)


def rung(path, name, precision, found):
    accuracy = [{'metric': key, 'value': found[key], 'data': HELD, 'count': found['count']}
                for key in TOLD]
    return {'name': name, 'file': path.name, 'precision': precision, 'accuracy': accuracy,
            'sha256': hashlib.sha256(path.read_bytes()).hexdigest()}


def write_rungs(work, nets):
    """model.onnx and model.int8.onnx (the pair), model.pruned.onnx (the finished network alone) and
    model.yaml in the flow's folder; what they were made of is judged beside them."""
    folder, out = work.options.cache / 'surface-rungs', work.options.out
    shutil.rmtree(folder, ignore_errors=True)
    pair = Pair(nets['done'], nets['first']).eval()
    made = {}
    for name, net, recipe in (('whole.onnx', nets['whole'], 'fp16'), ('cut.onnx', nets['cut'], 'fp16'),
                              ('done.onnx', nets['done'], 'fp16'), ('model.onnx', pair, 'fp16'),
                              ('model.int8.onnx', pair, 'int8-static'),
                              ('model.pruned.onnx', nets['done'], 'int8-static')):
        flow = calibration_flow(work, net, folder / f'flow-{name.replace(".", "-")}')
        source = flow if recipe == 'int8-static' else flow / 'model.onnx'
        ledge('compress', source, '--recipe', recipe, '--out', folder / name)
        made[name] = folder / name / 'model.onnx'
    example = torch.from_numpy(work.data['tiles'][work.held_rows[:12]])[..., None]
    difference = check(pair, example, OUTPUTS, folder / 'flow-model-onnx' / 'model.onnx',
                       folder / 'check')
    print(json.dumps({'difference': difference}), flush=True)
    found = {}
    for name, path in made.items():
        found[name] = judged(work, path, folder / 'judge')
        print(json.dumps({'judged': name, 'bytes': path.stat().st_size, **found[name]}), flush=True)
    for name in ('model.onnx', 'model.int8.onnx', 'model.pruned.onnx'):
        shutil.copy(made[name], out / name)
    first = rung(out / 'model.onnx', 'fp16', 'fp16', found['model.onnx'])
    ladder = [rung(out / 'model.int8.onnx', 'int8', 'int8', found['model.int8.onnx']),
              rung(out / 'model.pruned.onnx', 'pruned', 'int8', found['model.pruned.onnx'])]
    write_manifest(out / 'model.onnx', {**manifest_of(work.data['tiles'].shape[1], 'fp16'),
                                        'accuracy': first['accuracy'], 'ladder': ladder})
