import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import jmespath from 'jmespath';
import { callAz } from './account.ts';
import type { Account } from './account.ts';

/** One call of az, and what could be seen of it from outside while it ran. */
export interface Call {
  readonly args: readonly string[];
  readonly stdin: string;
  /** The command lines of all processes, as `ps` shows them. */
  readonly commandLines: string;
  /** Of the caller. */
  readonly environment: string;
  /** What the files in the folder for temporary files held. */
  readonly files: string;
}

export interface StandIn {
  readonly account: Account;
  readonly calls: Call[];
  close(): void;
}

/** Hands its arguments over, with its input where `@-` asks for it, and plays back what it is answered. */
const SHIM = (port: number): string => `#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/${port}
input=
case " $* " in *' @- '*) input=$(cat) ;; esac
printf '%s\\0' "$$" "$#" "$@" "$input" >&3
read -r -d '' -u 3 code
read -r -d '' -u 3 out
read -r -d '' -u 3 err
printf '%s' "$err" >&2
printf '%s' "$out"
exit "$code"
`;

/**
 * Puts a stand-in for `az` into a folder, that plays the answers of an account. It is small in itself and asks this
 * process: a tool calls it often.
 *
 * @param temporary - the folder for temporary files, which is looked into at each call
 */
export async function startStandIn(folder: string, temporary: string, account: Account): Promise<StandIn> {
  const calls: Call[] = [];
  const server = createServer((socket) => {
    let received = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      received += text;
      const [pid = '', count = '', ...fields] = received.split('\0');
      const length = Number(count);
      if (count === '' || fields.length < length + 2) return;
      const args = fields.slice(0, length);
      const stdin = fields[length] ?? '';
      calls.push({ args, stdin, ...observe(pid, temporary) });
      socket.end(`${play(account, args, stdin).join('\0')}\0`);
    });
  });
  await listen(server);
  const path = join(folder, 'az');
  writeFileSync(path, SHIM((server.address() as AddressInfo).port));
  chmodSync(path, 0o755);
  return { account, calls, close: () => server.close() };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
}

function observe(pid: string, temporary: string): Omit<Call, 'args' | 'stdin'> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const files = readdirSync(temporary, { recursive: true, encoding: 'utf8' })
    .map((name) => join(temporary, name))
    .filter((path) => statSync(path).isFile());
  return {
    commandLines: pids.map((id) => tryRead(`/proc/${id}/cmdline`)).join('\n'),
    environment: tryRead(`/proc/${pid}/environ`),
    files: files.map(tryRead).join('\n'),
  };
}

/** A process or a file may be gone by now. */
function tryRead(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Exit code, output and error stream. What the stand-in does not understand is a failure, as it is of az. */
function play(account: Account, args: readonly string[], stdin: string): readonly [number, string, string] {
  try {
    const answer = callAz(account, args, stdin);
    if (answer.kind === 'failure') return [answer.code, '', answer.stderr];
    const warning = args.includes('--only-show-errors') ? '' : (answer.warning ?? '');
    return [0, format(answer.value, args), warning];
  } catch (error) {
    return [1, '', `ERROR: ${String(error)}\n`];
  }
}

function format(value: unknown, args: readonly string[]): string {
  const optionOf = (name: string): string | undefined =>
    args.includes(name) ? args[args.indexOf(name) + 1] : undefined;
  const query = optionOf('--query');
  const picked: unknown = query === undefined ? value : jmespath.search(value, query);
  const output = optionOf('--output');
  if (output === 'none' || picked === null || picked === undefined) return '';
  if (output !== 'tsv') return `${JSON.stringify(picked)}\n`;
  const rows: readonly unknown[] = Array.isArray(picked) ? picked : [picked];
  return rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('');
}
