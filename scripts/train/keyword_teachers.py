"""What teachers say of every row of the pool: models of others through the node's runtime, and our own."""
import json

import numpy as np
import torch
from torch.nn import functional

from keyword_data import CLIP_SAMPLES, LABELS
from keyword_fit import Settings, fit
from keyword_net import EmbeddingHead, StudentNet
from log_mel import Cepstrum
from model_file import run_script

ROWS_AT_ONCE = 1024
HEAD = Settings(epochs=25, rate_max=2e-3, spectra=False)
WIDE = {'widths': (32, 96, 160), 'inner': (160, 160)}
OWN = Settings(epochs=12, rate_max=3e-3)
TRAIN_TIMES_HEARD = 5
EMBEDDING_SHARE = 0.5


def heard(rows):
    """The rows that the slow teacher listens to: early copies; an embedding takes 5 ms."""
    return rows['time'] < np.where(rows['origin'] == 'train', TRAIN_TIMES_HEARD, 1)


def listen(folder, models, some):
    """Writes embedding.f32 (of some rows) and reference.f32: speech embeddings, kws_ref's probabilities."""
    clips = np.memmap(folder / 'clips.i16', np.int16, 'r').reshape(-1, CLIP_SAMPLES)
    if not (folder / 'embedding.f32').exists():
        clips[some].tofile(folder / 'rows.part')
        through(folder, 'embedding', [CLIP_SAMPLES], [models / 'openwakeword' / 'melspectrogram.onnx',
                                                      models / 'openwakeword' / 'embedding_model.onnx'])
    if not (folder / 'reference.f32').exists():
        cepstrum = Cepstrum()
        with (folder / 'rows.part').open('wb') as file:
            for start in range(0, len(clips), ROWS_AT_ONCE):
                samples = torch.from_numpy(clips[start:start + ROWS_AT_ONCE].astype(np.float32) / 32768)
                cepstrum(samples).numpy().tofile(file)
        through(folder, 'reference', [49, 10, 1], [models / 'mlperf-tiny' / 'kws_ref.onnx'])


def through(folder, kind, shape, models):
    """The rows in rows.part through models of others, into <kind>.f32."""
    rows, part = folder / 'rows.part', folder / f'{kind}.part'
    job = {'kind': kind, 'models': [str(model.resolve()) for model in models], 'shape': shape,
           'input': str(rows), 'output': str(part)}
    run_script('teacher-rows.ts', json.dumps(job))
    part.rename(folder / f'{kind}.f32')
    rows.unlink()


def answers(net, features):
    """Logits of all rows."""
    with torch.no_grad():
        return torch.cat([net(torch.from_numpy(features[at:at + ROWS_AT_ONCE].astype(np.float32)))
                          for at in range(0, len(features), ROWS_AT_ONCE)])


def third_party(folder, rows, used, seed, show):
    """Probabilities of every row by the teachers of others, the embedding's head fitted on used rows.

    Rows that the embedding did not hear have the reference model's answer alone.
    """
    some = heard(rows)
    embedding = np.fromfile(folder / 'embedding.f32', np.float32).reshape(some.sum(), -1)
    torch.manual_seed(seed)
    given = {'features': embedding[used[some]], 'labels': rows['labels'][some & used]}
    head = fit(EmbeddingHead(len(LABELS), embedding.shape[1]), given, HEAD, seed, show)
    both = np.fromfile(folder / 'reference.f32', np.float32).reshape(-1, len(LABELS))
    said = functional.softmax(answers(head, embedding), 1).numpy()
    both[some] = EMBEDDING_SHARE * said + (1 - EMBEDDING_SHARE) * both[some]
    return both, head


def on_clips(folder, head, own):
    """The three teachers' probabilities of clips that were listened to in the folder, by name."""
    embedding = np.fromfile(folder / 'embedding.f32', np.float32).reshape(-1, head.layers[2].in_features)
    mel = np.fromfile(folder / 'mel.f16', np.float16).reshape(-1, 49, 40)
    reference = np.fromfile(folder / 'reference.f32', np.float32).reshape(-1, len(LABELS))
    said = functional.softmax(answers(head, embedding), 1).numpy()
    return {'speech embedding and head': said, 'kws_ref': reference,
            'own wide network': functional.softmax(answers(own, mel), 1).numpy()}


def teach_own(rows, used, seed, show):
    """Our own wide network, fitted on the used rows."""
    torch.manual_seed(seed)
    given = {'features': rows['features'][used], 'labels': rows['labels'][used]}
    return fit(StudentNet(len(LABELS), **WIDE), given, OWN, seed, show)
