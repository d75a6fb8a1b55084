/**
 * `npm run audit`: fails for a known vulnerability in a package that is bundled, and for a package whose signature is wrong.
 * One in a package that is installed and not bundled is only told. A registry that offers no such service (a mirror, for
 * instance) is told too, and is no failure. Wants a build.
 */
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { toVerdict } from './audit-verdict.ts';
import type { AuditReport } from './audit-verdict.ts';

const { components } = JSON.parse(await readFile('dist/sbom.cdx.json', 'utf8')) as {
  components: { group?: string; name: string }[];
};
const bundled = new Set(
  components.map(({ group, name }) => (group === undefined ? name : `${group}/${name}`)),
);

const audit = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8' });
const { lines, isFailure } = toVerdict(JSON.parse(audit.stdout) as AuditReport, bundled);
for (const line of lines) console.log(line);

const signatures = spawnSync('npm', ['audit', 'signatures'], { encoding: 'utf8' });
const isForged = /invalid (signature|attestation)|missing registry signatures/.test(
  signatures.stdout + signatures.stderr,
);
if (signatures.status === 0 || isForged) console.log(signatures.stdout.trim());
else console.log('npm audit signatures: this registry does not answer; nothing was checked');

if (isFailure || isForged) process.exitCode = 1;
