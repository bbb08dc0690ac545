"""The student's files: float, 8 bits by the node's own compressor, pruned; each judged through the node."""
import hashlib
import json
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import torch

from keyword_data import LABELS, SAMPLE_RATE_HZ
from model_file import OPSET, ROOT, write_manifest

FLOW = ROOT / 'flows' / 'keyword-spotting'
ORIGIN = ('Trained by scripts/train/keyword_spotting.py on Speech Commands v0.02 (CC BY 4.0), with spoken '
          'digits (CC BY-SA 4.0), wake words, spoken commands and kitchen noise (Apache-2.0) and words said '
          'by espeak-ng; taught by openWakeWord\'s speech embedding and MLPerf Tiny\'s kws_ref (Apache-2.0) '
          'and by an own wider network.')
CALIBRATION_CLIPS = 60  # the compressor takes 64 inputs
SHAPE = {'inputs': [{'name': 'mel', 'type': 'float32', 'shape': ['N', 49, 40]}],
         'outputs': [{'name': 'logits', 'type': 'float32', 'shape': ['N', len(LABELS)]}]}


def ledge(*args):
    subprocess.run(['node', 'dist/cli/main.js', *map(str, args)], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)


def export_named(net, example, path):
    """With every parameter under its own name, norms not folded: for `ledge compress --recipe prune`."""
    net.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(net, example, str(path), input_names=['mel'], output_names=['logits'],
                      dynamic_axes={'mel': {0: 'N'}, 'logits': {0: 'N'}}, opset_version=OPSET,
                      do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE)


def pruned_by_node(named, out):
    """Prunes the named export and tells where its prune.json is."""
    if not (out / 'prune.json').exists():
        shutil.rmtree(out, ignore_errors=True)
        ledge('compress', named, '--recipe', 'prune', '--out', out)
    return out / 'prune.json'


def write_flow(folder, model, clips=()):
    """A flow folder like the committed one with another model, its tests the given clips."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / 'samples').mkdir(parents=True)
    shutil.copy(model, folder / 'model.onnx')
    write_manifest(folder / 'model.onnx', {
        'name': 'keyword-spotting', 'version': 'candidate', 'precision': 'fp32', **SHAPE, 'labels': LABELS})
    text = (FLOW / 'flow.yaml').read_text().split('tests:')[0]
    if len(clips):
        text += 'tests:\n'
    for index, clip in enumerate(clips):
        with wave.open(str(folder / 'samples' / f'{index}.wav'), 'wb') as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes(clip.tobytes())
        text += f'  - name: clip {index}\n    event: samples/{index}.wav\n    expect: [{{}}]\n'
    (folder / 'flow.yaml').write_text(text)


def int8(model, fit, folder, path):
    """The model in 8 bits, ranges from clips that were trained on."""
    chosen = np.linspace(0, len(fit['clips']) - 1, CALIBRATION_CLIPS).astype(int)
    write_flow(folder / 'flow', model, fit['clips'][chosen])
    shutil.rmtree(folder / 'out', ignore_errors=True)
    recipe = Path(__file__).with_name('keyword-int8.yaml')
    ledge('compress', folder / 'flow', '--recipe', recipe, '--out', folder / 'out')
    shutil.copy(folder / 'out' / 'model.onnx', path)


def evaluated(model, data, folder):
    """What `npm run evaluate` says of the flow with this model in its place."""
    write_flow(folder / 'keyword-spotting', model)
    ran = subprocess.run(
        ['npx', 'tsx', 'scripts/evaluate/main.ts', 'keyword-spotting', '--json', '--data',
         str(data.resolve()), '--flows', str(folder.resolve())],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(ran.stdout.strip().splitlines()[-1])


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_ladder(out, node):
    """model.yaml: the float file first, then 8 bits, then pruned; with what the node was right in."""
    def accuracy(file):
        return [{'metric': 'accuracy', 'value': round(node[file]['metrics']['accuracy'], 4),
                 'data': 'speech-commands/dev, speakers not trained on', 'count': node[file]['events']}]
    write_manifest(out / 'model.onnx', {
        'name': 'keyword-spotting', 'version': '2.0.0', 'precision': 'fp32', **SHAPE, 'labels': LABELS,
        'licence': 'MIT', 'origin': ORIGIN, 'accuracy': accuracy('model.onnx'),
        'description': 'Ten words, silence and anything else in one second of 16 kHz sound.',
        'ladder': [{'name': name, 'file': file, 'sha256': digest(out / file), 'precision': 'int8',
                    'accuracy': accuracy(file)}
                   for name, file in (('int8', 'model.int8.onnx'), ('pruned', 'model.pruned.onnx'))]})
