import type { Board } from './board.ts';
import { formatDetail } from './board.ts';
import { toReportedImage } from './reported.ts';

/** A board for files and pipes: one line for each change of a phase, with the seconds since the board was opened. */
export function createLines(write: (line: string) => void, titles: ReadonlyMap<string, string>): Board {
  const startedAtMs = performance.now();
  const width = Math.max(...[...titles.values()].map(({ length }) => length));
  const shown = new Map<string, string>();
  return {
    update(reported) {
      for (const [name, title] of titles) {
        const image = toReportedImage(reported, name);
        if (image === undefined || shown.get(name) === image.phase) continue;
        shown.set(name, image.phase);
        const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1).padStart(5);
        const words = [title.padEnd(width), image.phase.padEnd(7), formatDetail(image)];
        write(`  ${seconds} s  ${words.join('  ').trimEnd()}`);
      }
    },
    close() {},
  };
}
