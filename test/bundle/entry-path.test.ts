import { describe, expect, test } from 'vitest';
import { entryPathProblem, PATH_BYTES_MAX, pathSetProblem } from '../../src/bundle/entry-path.ts';

describe('a path of a bundle', () => {
  test.each([
    'flow.yaml',
    'samples/yes.wav',
    'samples/a b (1).json',
    'a/b/c/d/e/f/g/h.txt',
    'MODEL.md',
    'model.onnx.data',
    '_x/y-z_1+2=3@4,5',
    'x'.repeat(PATH_BYTES_MAX),
    'console.txt',
  ])('%j is taken', (path) => {
    expect(entryPathProblem(path)).toBeUndefined();
  });

  test.each([
    ['', 'is empty'],
    ['/etc/passwd', 'is absolute'],
    ['//server/share', 'is absolute'],
    ['..', 'leaves its folder'],
    ['../x', 'leaves its folder'],
    ['a/../../x', 'leaves its folder'],
    ['a/..', 'leaves its folder'],
    ['./x', 'no plain name'],
    ['a/./x', 'no plain name'],
    ['a//b', 'no plain name'],
    ['a/', 'no plain name'],
    ['.hidden', 'no plain name'],
    ['.bundle.json', 'no plain name'],
    ['a/.git/config', 'no plain name'],
    ['-rf', 'no plain name'],
    ['~root', 'no plain name'],
    ['a\\..\\b', 'backslash'],
    ['C:x', 'drive'],
    ['c:/windows', 'drive'],
    ['a:b', 'drive'],
    ['x/file:stream', 'no plain name'],
    ['nul', 'device on Windows'],
    ['samples/COM1.txt', 'device on Windows'],
    ['a\0.yaml', 'NUL'],
    ['a\nb', 'no plain name'],
    ['a\x1b[2Jb', 'no plain name'],
    ['trailing.', 'no plain name'],
    ['trailing ', 'no plain name'],
    ['caf\u00e9', 'no plain name'],
    ['\u202egnp.exe', 'no plain name'],
    ['x'.repeat(PATH_BYTES_MAX + 1), 'at most 100 fit'],
    ['a/b/c/d/e/f/g/h/i', 'folders deep'],
  ])('%j is refused: %s', (path, problem) => {
    expect(entryPathProblem(path)).toContain(problem);
  });
});

describe('paths of one bundle', () => {
  test('that differ are taken', () => {
    expect(pathSetProblem(['flow.yaml', 'a/b', 'a/c', 'b'])).toBeUndefined();
  });

  test.each([
    [['a', 'a'], 'one file'],
    [['model.onnx', 'Model.onnx'], 'one file'],
    [['a/x', 'A/y'], 'one folder'],
    [['a', 'a/b'], 'a file and a folder'],
    [['a/b', 'A'], 'a file and a folder'],
    [['a/b', 'a/B/c'], 'a file and a folder'],
  ])('%j are refused: %s', (paths, problem) => {
    expect(pathSetProblem(paths)).toContain(problem);
  });
});
