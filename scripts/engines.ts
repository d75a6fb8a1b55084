/**
 * `npm run test:engines`: runs the end-to-end tests that an engine takes part in on other engines than the machine's
 * own, each downloaded as a Debian package into a temporary folder. Names after `--` choose among them:
 * `npm run test:engines -- docker-28`. Prints a table, and ends with 1 where a Docker engine fails a test; what Podman
 * fails is told, and explained in docs/engines.md. Needs root on Debian.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UnpackedPackage } from '#lab/debian-packages';
import { unpackPackage } from '#lab/debian-packages';
import { ensurePrerequisites } from '#lab/prerequisites';
import type { EngineResult } from './engine-table.ts';
import { formatTable, parseChoice, toCounts } from './engine-table.ts';

interface EngineUnderTest {
  readonly name: string;
  /** Of Debian. What a suite serves moves on: `version` is what the name promises. */
  readonly suite: string;
  readonly version: string;
  readonly package: 'docker.io' | 'podman';
  readonly env: (programPath: string) => Readonly<Record<string, string>>;
}

const dockerOf = (suite: string, version: string, isContainerd = false): EngineUnderTest => ({
  name: `docker-${version}${isContainerd ? '-containerd' : ''}`,
  suite,
  version,
  package: 'docker.io',
  env: (path) => ({
    LAB_DOCKERD: path,
    // Docker 20.10 knows no such store, and nothing of the setting.
    ...(version === '20' ? {} : { LAB_CONTAINERD_SNAPSHOTTER: String(isContainerd) }),
  }),
});

const ENGINES: readonly EngineUnderTest[] = [
  dockerOf('bookworm', '20'),
  dockerOf('trixie', '26'),
  dockerOf('sid', '28'),
  dockerOf('sid', '28', true),
  {
    name: 'podman',
    suite: 'trixie',
    version: '5',
    package: 'podman',
    env: (path) => ({ LAB_PODMAN: path }),
  },
];

const chosen = choose(process.argv.slice(2));
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort());

await ensurePrerequisites();
await import('./build.ts');
const dir = await mkdtemp(join(tmpdir(), 'engines-'));
const packages = new Map<string, UnpackedPackage>();
const results: EngineResult[] = [];
try {
  for (const engine of chosen) {
    if (interruption.signal.aborted) break;
    results.push(await testEngine(engine));
  }
} finally {
  await rm(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}
process.stdout.write(`\n${formatTable(results)}`);
const isGood = results.every(({ name, failed }) => name === 'podman' || failed.length === 0);
process.exitCode = isGood && !interruption.signal.aborted ? 0 : 1;

function choose(names: readonly string[]): readonly EngineUnderTest[] {
  try {
    return parseChoice(names, ENGINES);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return process.exit(2);
  }
}

async function testEngine(engine: EngineUnderTest): Promise<EngineResult> {
  const { version, makeProgram } = await unpack(engine);
  process.stdout.write(`\n${engine.name}: ${engine.package} ${version} of ${engine.suite}\n`);
  if (!version.startsWith(`${engine.version}.`)) {
    process.stdout.write(`${engine.suite} has moved on from ${engine.version}: its name is out of date\n`);
  }
  const programPath = await makeProgram(engine.package === 'podman' ? 'podman' : 'dockerd');
  const startMs = performance.now();
  const counts = await runTests(engine.name, engine.env(programPath));
  const durationMs = performance.now() - startMs;
  return { name: engine.name, package: `${engine.package} ${version}`, ...counts, durationMs };
}

async function unpack({ suite, package: name }: EngineUnderTest): Promise<UnpackedPackage> {
  const key = `${suite} ${name}`;
  const known = packages.get(key);
  if (known !== undefined) return known;
  process.stdout.write(`\ndownloading ${name} of ${suite}\n`);
  const unpacked = await unpackPackage({ dir: await mkdtemp(join(dir, 'packages-')), suite, name });
  packages.set(key, unpacked);
  return unpacked;
}

async function runTests(
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<ReturnType<typeof toCounts>> {
  const reportPath = join(dir, `${name}.json`);
  // What a test that is cut off leaves behind goes with the folder.
  const testsDir = join(dir, 'tmp');
  await mkdir(testsDir, { recursive: true });
  const words = ['node_modules/vitest/vitest.mjs', 'related', 'test/engine-under-test.ts', '--run'];
  const options = ['--project=e2e', '--reporter=default', '--reporter=json'];
  const vitest = spawn(process.execPath, [...words, ...options, `--outputFile.json=${reportPath}`], {
    stdio: 'inherit',
    env: { ...process.env, TMPDIR: testsDir, ...env },
  });
  const interrupt = (): void => void vitest.kill('SIGTERM');
  interruption.signal.addEventListener('abort', interrupt);
  const [exitCode] = (await once(vitest, 'exit')) as [number | null];
  interruption.signal.removeEventListener('abort', interrupt);
  const report = await readFile(reportPath, 'utf8').catch(() => undefined);
  return toCounts(report, exitCode, process.cwd());
}
