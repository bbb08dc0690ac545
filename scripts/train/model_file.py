"""Writes a trained network as model.onnx with its model.yaml, and checks it in onnxruntime-node."""
import hashlib
import json
import subprocess
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
OPSET = 13


def export(net, example, inputs, outputs, path):
    """The network in evaluation mode as ONNX with weights inside; axis 0 of all tensors is free."""
    net.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    free = {name: {0: 'N'} for name in [*inputs, *outputs]}
    torch.onnx.export(net, example, str(path), input_names=inputs, output_names=outputs,
                      dynamic_axes=free, opset_version=OPSET, do_constant_folding=True)


def check(net, example, outputs, path, folder):
    """Largest difference between torch and onnxruntime-node, one by one and in one batch."""
    with torch.no_grad():
        given = net(example)
    given = given if isinstance(given, tuple) else (given,)
    folder.mkdir(parents=True, exist_ok=True)
    example.numpy().tofile(folder / 'input.bin')
    for name, tensor in zip(outputs, given):
        tensor.numpy().tofile(folder / f'{name}.bin')
    job = {'model': str(path.resolve()), 'folder': str(folder.resolve()),
           'shape': list(example.shape),
           'type': str(example.numpy().dtype), 'outputs': outputs}
    return run_script('check-onnx.ts', json.dumps(job))


def run_script(script, *args):
    """The JSON that one of our own scripts prints."""
    ran = subprocess.run(['npx', 'tsx', f'scripts/train/{script}', *args], cwd=ROOT, check=True,
                         stdout=subprocess.PIPE, text=True)
    return json.loads(ran.stdout)


def write_manifest(path, manifest):
    """model.yaml beside the model: JSON strings are YAML, so quoting is JSON's."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    lines = []
    for key, value in {**manifest, 'file': path.name, 'sha256': digest}.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f'{key}:')
            lines += [f'  - {json.dumps(item)}' for item in value]
        else:
            lines.append(f'{key}: {json.dumps(value)}')
    (path.parent / 'model.yaml').write_text('\n'.join(lines) + '\n')
