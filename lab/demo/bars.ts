import type { WriteStream } from 'node:tty';
import type { styleText } from 'node:util';
import cliProgress from 'cli-progress';
import type { TwinObject } from '../edge.ts';
import type { Board } from './board.ts';
import { formatDetail, formatProgress } from './board.ts';
import type { ReportedImage } from './reported.ts';
import { toReportedImage, toReportedSummary } from './reported.ts';

type Format = Parameters<typeof styleText>[0];
type Style = (format: Format, text: string) => string;

const COLORS: Readonly<Record<string, Format>> = { Pulled: 'green', Pulling: 'cyan', Failed: 'red' };

/** Columns that a row takes beside its title and its bar. */
const ROW_COLUMNS = 40;

/** A board for terminals: a bar for each image and a line for all of them. */
export function createBars(stream: WriteStream, titles: ReadonlyMap<string, string>, style: Style): Board {
  const titleWidth = Math.max(...[...titles.values()].map(({ length }) => length));
  const barsize = Math.min(32, Math.max(8, (stream.columns || 80) - titleWidth - ROW_COLUMNS));
  const bars = new cliProgress.MultiBar(
    {
      stream,
      barsize,
      hideCursor: true,
      // Signals end the whole demo, and the demo closes its boards.
      gracefulExit: false,
      fps: 10,
      format: (options, { progress }, { title, image }: { title: string; image?: ReportedImage }) => {
        const { phase = '' } = image ?? {};
        const color = COLORS[phase] ?? 'dim';
        return [
          `  ${title.padEnd(titleWidth)}`,
          style(color, cliProgress.Format.BarFormat(progress, options)),
          `${Math.round(progress * 100)}%`.padStart(4),
          style(color, phase.padEnd(7)),
          image === undefined ? '' : formatDetail(image),
        ].join('  ');
      },
    },
    cliProgress.Presets.shades_classic,
  );
  const rows = new Map([...titles].map(([name, title]) => [name, bars.create(100, 0, { title })] as const));
  const total = bars.create(1, 0, { text: '' }, { format: (_options, _params, { text }) => `  ${text}` });
  return {
    update(reported) {
      for (const [name, row] of rows) {
        const image = toReportedImage(reported, name);
        const percent = image?.phase === 'Pulled' ? 100 : (image?.percent ?? 0);
        row.update(percent, { image });
      }
      total.update({ text: style('dim', formatSummary(reported)) });
    },
    close() {
      // What `stop` draws anew is cut to the terminal's width with its colours counted in.
      bars.update();
      bars.stop();
    },
  };
}

function formatSummary(reported: TwinObject): string {
  const { desired, pulled, downloadedBytes, totalBytes, etaSeconds } = toReportedSummary(reported);
  if (desired === undefined) return '';
  const bytes =
    downloadedBytes === undefined || totalBytes === undefined
      ? []
      : [formatProgress(downloadedBytes, totalBytes)];
  const eta = etaSeconds === undefined ? [] : [`${etaSeconds} s to go`];
  return [`${pulled ?? 0} of ${desired} images pulled`, ...bytes, ...eta].join(', ');
}
