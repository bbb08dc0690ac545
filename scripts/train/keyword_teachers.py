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
WIDE = {'widths': (24, 64, 128, 128, 128), 'spans': (5, 5)}
OWN = Settings(epochs=20)
TRAIN_TIMES_HEARD = 5
EMBEDDING_SHARE = 0.5


def heard(rows):
    """The rows that the slow teacher listens to: early copies; an embedding takes 5 ms."""
    return rows['time'] < np.where(rows['origin'] == 'train', TRAIN_TIMES_HEARD, 1)


def listen(folder, models, some):
    """Writes embedding.f32 (of some rows) and reference.f32: speech embeddings, kws_ref's probabilities."""
    clips = np.memmap(folder / 'clips.i16', np.int16, 'r').reshape(-1, CLIP_SAMPLES)
    clips[some].tofile(folder / 'heard.i16')
    through(folder, 'embedding', 'heard.i16', [CLIP_SAMPLES], [
        models / 'openwakeword' / 'melspectrogram.onnx', models / 'openwakeword' / 'embedding_model.onnx'])
    cepstrum = Cepstrum()
    with (folder / 'mfcc.f32').open('wb') as file:
        for start in range(0, len(clips), ROWS_AT_ONCE):
            samples = torch.from_numpy(clips[start:start + ROWS_AT_ONCE].astype(np.float32) / 32768)
            cepstrum(samples).numpy().tofile(file)
    through(folder, 'reference', 'mfcc.f32', [49, 10, 1], [models / 'mlperf-tiny' / 'kws_ref.onnx'])


def through(folder, kind, rows, shape, models):
    """A file of rows through models of others, into <kind>.f32; kept where it is there."""
    done = folder / f'{kind}.f32'
    if done.exists():
        return
    job = {'kind': kind, 'models': [str(model.resolve()) for model in models], 'shape': shape,
           'input': str(folder / rows), 'output': str(folder / f'{kind}.part')}
    run_script('teacher-rows.ts', json.dumps(job))
    (folder / f'{kind}.part').rename(done)


def answers(net, features):
    """Logits of all rows."""
    with torch.no_grad():
        return torch.cat([net(torch.from_numpy(features[at:at + ROWS_AT_ONCE].astype(np.float32)))
                          for at in range(0, len(features), ROWS_AT_ONCE)])


def others(folder, rows, some, used, seed, show):
    """Probabilities by the third-party teachers, the embedding's head fitted on the used rows.

    Rows that the embedding did not hear have the reference model's answer alone.
    """
    embedding = np.fromfile(folder / 'embedding.f32', np.float32).reshape(some.sum(), -1)
    torch.manual_seed(seed)
    fitted = used[some]
    given = {'features': embedding[fitted], 'labels': rows['labels'][some][fitted]}
    head = fit(EmbeddingHead(len(LABELS), embedding.shape[1]), given, HEAD, seed, show)
    return head, together(head, embedding, folder, some)


def together(head, embedding, folder, some):
    """Both teachers' probabilities of all rows, the reference model's alone where some is not set."""
    both = np.fromfile(folder / 'reference.f32', np.float32).reshape(-1, len(LABELS))
    said = functional.softmax(answers(head, embedding), 1).numpy()
    both[some] = EMBEDDING_SHARE * said + (1 - EMBEDDING_SHARE) * both[some]
    return both


def teach_own(rows, used, seed, show):
    """Our own wide network, fitted on the used rows."""
    torch.manual_seed(seed)
    given = {'features': rows['features'][used], 'labels': rows['labels'][used]}
    return fit(StudentNet(len(LABELS), **WIDE), given, OWN, seed, show)
