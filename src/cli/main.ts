#!/nodejs/bin/node
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { check } from '#cli/check';
import { createCall } from '#cli/client';
import { parseCommand, UsageError } from '#cli/commands';
import type { Command } from '#cli/commands';
import { toHelp } from '#cli/help';
import { pull } from '#cli/pull';
import { EXIT, toEnding } from '#cli/session';
import type { Session } from '#cli/session';
import { showStatus } from '#cli/status';
import { showVersion } from '#cli/version';
import { toControlPath } from '#core/control-path';
import packageJson from '../../package.json' with { type: 'json' };

void main();

async function main(): Promise<void> {
  // Whoever reads no more wants no more.
  process.stdout.on('error', () => process.exit(EXIT.notWell));
  const [, program = '', ...args] = process.argv;
  try {
    process.exitCode = await run(parseCommand(basename(program), args));
  } catch (error) {
    process.exitCode = tell(error);
  }
}

function run(command: Command): Promise<number> | number {
  const session: Session = {
    call: createCall(toControlPath(process.env).socket),
    write: (text) => void process.stdout.write(text),
    isTerminal: process.stdout.isTTY,
    nowMs: Date.now,
    steadyMs: () => performance.now(),
    sleep: (delayMs) => sleep(delayMs),
    version: packageJson.version,
  };
  switch (command.kind) {
    case 'help':
      session.write(toHelp(command.of));
      return EXIT.well;
    case 'status':
      return showStatus(session, command);
    case 'check':
      return check(session, command);
    case 'pull':
      return pull(session, command);
    case 'version':
      return showVersion(session);
  }
}

/** @returns the exit code */
function tell(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${toHelp(error.of)}`);
    return EXIT.usage;
  }
  const ending = toEnding(error);
  if (ending === undefined) throw error;
  process.stderr.write(`${ending.message}\n`);
  return ending.exitCode;
}
