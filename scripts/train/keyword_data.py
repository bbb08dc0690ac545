"""Speech Commands clips in memory, split by speaker, without byte-identical copies."""
import hashlib
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

CLIP_SAMPLES = 16000
SAMPLE_RATE_HZ = 16000
FILES_PER_CALL = 500
OTHER_RMS_MIN = 300  # of 32768: quieter windows hold no speech
LABELS = ['down', 'go', 'left', 'no', 'off', 'on', 'right', 'stop', 'up', 'yes',
          '_silence_', '_unknown_']


def decode(path):
    """Any audio file as int16 at 16 kHz, mono."""
    command = ['ffmpeg', '-v', 'error', '-i', str(path), '-ac', '1', '-ar', '16000', '-f', 's16le', '-']
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.int16)


def decode_flac_files(paths, rate):
    """Many mono FLAC files of one rate as int16 each: one ffmpeg for hundreds of files."""
    sounds = []
    for first in range(0, len(paths), FILES_PER_CALL):
        some = paths[first:first + FILES_PER_CALL]
        with tempfile.NamedTemporaryFile('w', suffix='.txt') as listed:
            listed.write(''.join(f"file '{Path(path).resolve()}'\n" for path in some))
            listed.flush()
            command = ['ffmpeg', '-v', 'error', '-f', 'concat', '-safe', '0', '-i', listed.name, '-ac', '1',
                       '-ar', str(rate), '-f', 's16le', '-']
            read = subprocess.run(command, check=True, capture_output=True).stdout
        ends = np.cumsum([flac_samples(path) for path in some])
        sounds += np.split(np.frombuffer(read, np.int16), ends)[:-1]
    return sounds


def flac_samples(path):
    """The 36 bits of STREAMINFO that count the samples."""
    head = Path(path).open('rb').read(26)
    return int.from_bytes(head[21:26], 'big') & 0xFFFFFFFFF


def resampled(samples, rate):
    """At 16 kHz, through the spectrum, which is cut or padded; the type is kept."""
    count = round(len(samples) * SAMPLE_RATE_HZ / rate)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, spectrum.dtype)
    bins = min(len(kept), len(spectrum))
    kept[:bins] = spectrum[:bins]
    return (np.fft.irfft(kept, count) * (count / len(samples))).astype(samples.dtype)


def fit_clip(samples):
    """Exactly one second: cut at the end, or padded with zeros at the end."""
    clip = np.zeros(CLIP_SAMPLES, np.int16)
    clip[:min(CLIP_SAMPLES, len(samples))] = samples[:CLIP_SAMPLES]
    return clip


def speaker_of(path):
    """The 8 hex digits before `_nohash`; a silence clip is its own speaker."""
    stem = path.stem
    return stem.split('_nohash')[0][-8:] if '_nohash' in stem else f'silence-{stem}'


def load_folder(folder, cache):
    """Every clip of <folder>/<label>/: dict of clips [n, 16000] int16, labels, speakers, copies dropped."""
    cached = Path(cache) / f"{hashlib.sha256(str(Path(folder).resolve()).encode()).hexdigest()[:12]}.npz"
    if cached.exists():
        return dict(np.load(cached))
    clips, labels, speakers, seen, copies = [], [], [], set(), 0
    for index, label in enumerate(LABELS):
        paths = sorted((Path(folder) / label).iterdir())
        for path, samples in zip(paths, decode_flac_files(paths, SAMPLE_RATE_HZ)):
            clip = fit_clip(samples)
            digest = hashlib.sha256(clip.tobytes()).digest()
            if digest in seen:
                copies += 1
                continue
            seen.add(digest)
            clips.append(clip)
            labels.append(index)
            speakers.append(speaker_of(path))
    data = {'clips': np.stack(clips), 'labels': np.array(labels), 'speakers': np.array(speakers),
            'copies': np.array(copies)}
    cached.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cached, **data)
    return data


def held_speakers(speakers, share, salt):
    """A mask of the clips whose speaker's hash falls into the share."""
    def chosen(name):
        return int(hashlib.sha256(f'{salt}:{name}'.encode()).hexdigest()[:8], 16) / 2**32 < share
    return np.array([chosen(name) for name in speakers])


def other_speech(voice, cache):
    """Seconds of speech that hold no keyword: wake words and coffee orders. [n, 16000] int16"""
    cached = Path(cache) / 'other-speech.npy'
    if cached.exists():
        return np.load(cached)
    orders = json.loads((Path(voice) / 'spoken-commands' / 'labels.json').read_text())
    paths = sorted((Path(voice) / 'wake-words').glob('*/*.flac'))
    paths += [Path(voice) / 'spoken-commands' / name for name in sorted(orders)
              if not any('no' in value.split() for value in orders[name]['slots'].values())]
    windows = []
    for path in paths:
        samples = decode(path)
        for start in range(0, max(1, len(samples) - CLIP_SAMPLES + 1), CLIP_SAMPLES * 3 // 4):
            clip = fit_clip(samples[start:])
            if np.sqrt((clip.astype(np.float64) ** 2).mean()) > OTHER_RMS_MIN:
                windows.append(clip)
    cached.parent.mkdir(parents=True, exist_ok=True)
    np.save(cached, np.stack(windows))
    return np.stack(windows)
