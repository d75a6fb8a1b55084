/** `npm run bench -- [part…] [options]`: measures, prints tables, keeps every figure in bench/results. */
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { BenchOptions, Findings, Part } from './part.ts';
import * as device from './parts/device.ts';
import * as fleet from './parts/fleet.ts';
import * as footprint from './parts/footprint.ts';
import * as idle from './parts/idle.ts';
import * as order from './parts/order.ts';
import * as profile from './parts/profile.ts';
import * as pulls from './parts/pulls.ts';
import * as soak from './parts/soak.ts';
import { record } from './record.ts';
import { formatTable } from './table.ts';
import { close, toVerdict } from './verdicts.ts';
import type { Verdict } from './verdicts.ts';

const PARTS: Readonly<Record<string, Part>> = { pulls, order, idle, device, fleet, footprint, profile, soak };

const HELP = `npm run bench -- [part…] [options]

Parts, all of them by default:
${Object.entries(PARTS)
  .map(([name, { what }]) => `  ${name.padEnd(10)} ${what}`)
  .join('\n')}

Options:
  --quick       less of everything, in two to three minutes; fails where a bound is left by far
  --rounds N    how often each contender has its turn
  --only TEXT   of the pulls, those over a link or of images with this in their name
  --devices N   how large the fleet is (200)
  --minutes N   how long the soak is (120)
  --relay       the module's relay contends too
  --record      puts the tables into docs/performance.md and docs/footprint.md
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    devices: { type: 'string' },
    minutes: { type: 'string' },
    only: { type: 'string', default: '' },
    relay: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const unknown = positionals.filter((name) => PARTS[name] === undefined);
if (values.help || unknown.length > 0) {
  console.log(unknown.length > 0 ? `no part ${unknown.join(', ')}\n\n${HELP}` : HELP);
  process.exit(unknown.length > 0 ? 2 : 0);
}

const options: BenchOptions = {
  isQuick: values.quick,
  rounds: values.rounds === undefined ? undefined : Number(values.rounds),
  devices: values.devices === undefined ? undefined : Number(values.devices),
  minutes: Number(values.minutes ?? (values.quick ? 2 : 120)),
  only: values.only,
  hasRelay: values.relay,
};
const chosen = Object.entries(PARTS).filter(([name, { isLong = false }]) =>
  positionals.length > 0 ? positionals.includes(name) : !(options.isQuick && isLong),
);
const verdicts: Verdict[] = [];
await import('../scripts/build.ts');
const lanes = Map.groupBy(chosen, ([, { lane }]) => (options.isQuick ? lane : undefined));
await Promise.all(Array.from(lanes.values(), runInTurn));
await close(verdicts);
// Whatever a part that failed left open.
process.exit();

/** A part that fails costs the others nothing. */
async function runInTurn(parts: readonly (readonly [string, Part])[]): Promise<void> {
  for (const [name, part] of parts) {
    try {
      const findings = await part.run(options);
      console.log(`\n# ${name}: ${part.what}\n`);
      print(findings);
      verdicts.push(...findings.bounds.flatMap(toVerdict));
      if (!options.isQuick) await keep(name, findings);
    } catch (error) {
      console.error(`\n# ${name} failed:`, error);
      verdicts.push({ what: `${name} runs`, isKept: false });
    }
  }
}

async function keep(name: string, findings: Findings): Promise<void> {
  await mkdir('bench/results', { recursive: true });
  const { bounds, figures } = findings;
  await writeFile(
    `bench/results/${name}.json`,
    `${JSON.stringify({ node: process.version, bounds, figures }, undefined, 2)}\n`,
  );
  if (values.record) await record(name, findings);
}

function print({ tables, bounds }: Findings): void {
  for (const table of tables) console.log(`${formatTable(table)}\n`);
  for (const { what, value, atMost } of bounds)
    console.log(
      `${value <= atMost ? 'kept    ' : 'NOT KEPT'} ${what}: ${value.toFixed(2)}, at most ${atMost}`,
    );
}
