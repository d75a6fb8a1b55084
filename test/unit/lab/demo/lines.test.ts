import { expect, it } from 'vitest';
import { createLines } from '#lab/demo/lines';

const toReported = (camera: Record<string, unknown>) => ({ images: { camera } });

it('writes a line for each change of a phase and none for mere progress', () => {
  const lines: string[] = [];
  const board = createLines(
    (line) => lines.push(line.replace(/^ +[\d.]+ s {2}/, '')),
    new Map([['camera', 'acme/camera']]),
  );
  board.update({});
  board.update(toReported({ phase: 'Waiting', reason: 'Queued' }));
  board.update(toReported({ phase: 'Pulling', percent: 0, downloadedBytes: 0, totalBytes: 0 }));
  board.update(
    toReported({ phase: 'Pulling', percent: 40, downloadedBytes: 4_000_000, totalBytes: 10_000_000 }),
  );
  board.update(toReported({ phase: 'Pulled', sizeBytes: 10_000_000 }));
  board.close();
  expect(lines).toEqual([
    'acme/camera  Waiting  Queued',
    'acme/camera  Pulling',
    'acme/camera  Pulled   10.0 MB',
  ]);
});
