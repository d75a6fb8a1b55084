import { styleText } from 'node:util';
import type { WriteStream } from 'node:tty';
import type { Board } from './board.ts';
import { createBars } from './bars.ts';
import { createLines } from './lines.ts';

/** Where the demo is told: a terminal, or a file or pipe that gets no cursor codes. */
export interface Screen {
  heading(text: string): void;
  say(...lines: readonly string[]): void;
  /** Lines that a shell may be given, not set in. */
  print(...lines: readonly string[]): void;
  /** Something that was seen. */
  tick(text: string): void;
  /** Lines of a document or table, set in, with an empty one after them. */
  show(lines: readonly string[]): void;
  /** A board of images, by their names in the twin; `titles` are shown. */
  board(titles: ReadonlyMap<string, string>): Board;
  /** All that was told, but for the bars. */
  readonly told: string;
}

/** A screen on a stream. */
export function createScreen(stream: WriteStream): Screen {
  const told: string[] = [];
  const write = (line: string): void => {
    told.push(line);
    stream.write(`${line}\n`);
  };
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    styleText(format, text, { stream });
  return {
    heading: (text) => write(`\n${style('bold', text)}\n`),
    say: (...lines) => write(lines.map((line) => (line === '' ? '' : `  ${line}`)).join('\n')),
    print: (...lines) => write(lines.join('\n')),
    tick: (text) => write(`  ${style('green', '✓')} ${text}`),
    show: (lines) => write(`${lines.map((line) => `    ${line}`).join('\n')}\n`),
    board: (titles) =>
      stream.isTTY && process.env['TERM'] !== 'dumb'
        ? createBars(stream, titles, style)
        : createLines(write, titles),
    get told() {
      return told.join('\n');
    },
  };
}
