import { describe, expect, it } from 'vitest';
import { COMMANDS, parseCommand, UsageError } from '#cli/commands';
import type { Command } from '#cli/commands';
import { toHelp } from '#cli/help';

const STATUS = { kind: 'status', isWatched: false, isJson: false } as const;
const PULL = { kind: 'pull', names: [], isForced: false, isAwaited: true, isJson: false } as const;
const CHECK = { kind: 'check', registry: undefined, image: undefined, isJson: false } as const;

describe('a command line', () => {
  it.each<[string, string[], Command]>([
    ['status', [], STATUS],
    ['status', ['--watch', '--json'], { ...STATUS, isWatched: true, isJson: true }],
    ['status', ['-w'], { ...STATUS, isWatched: true }],
    ['status', ['--help'], { kind: 'help', of: 'status' }],
    ['check', [], CHECK],
    ['check', ['plant', '--image', 'acme/app:1'], { ...CHECK, registry: 'plant', image: 'acme/app:1' }],
    ['pull', [], PULL],
    [
      'pull',
      ['camera', 'gate', '-f', '--no-wait'],
      { ...PULL, names: ['camera', 'gate'], isForced: true, isAwaited: false },
    ],
    ['pull', ['--', '-odd-name'], { ...PULL, names: ['-odd-name'] }],
    ['version', [], { kind: 'version' }],
    ['cli.js', ['status', '-w'], { ...STATUS, isWatched: true }],
    ['cli.js', [], { kind: 'help', of: undefined }],
    ['cli.js', ['help', 'pull'], { kind: 'help', of: 'pull' }],
    ['cli.js', ['--help'], { kind: 'help', of: undefined }],
  ])('%s %j is understood', (program, args, command) => {
    expect(parseCommand(program, args)).toEqual(command);
  });

  it.each([
    ['cli.js', ['stauts'], 'stauts'],
    ['status', ['camera'], 'status takes no "camera"'],
    ['status', ['--colour'], '--colour'],
    ['check', ['plant', 'other'], 'other'],
    ['check', ['--image'], '--image'],
    ['version', ['1'], 'version takes no "1"'],
  ])('%s %j is refused with what is wrong', (program, args, expected) => {
    expect(() => parseCommand(program, args)).toThrow(UsageError);
    expect(() => parseCommand(program, args)).toThrow(expected);
  });
});

it('help names every command, and each command’s help its options and exit codes', () => {
  for (const name of COMMANDS) {
    expect(toHelp(undefined)).toContain(`docker exec <module> ${name}`);
    expect(toHelp(name)).toContain(`docker exec <module> ${name}`);
  }
  for (const name of ['status', 'check', 'pull'] as const) {
    expect(toHelp(name)).toMatch(/Exit codes: 0 .*, 1 .*, 2 .*, 3 the module does not answer\./);
    expect(toHelp(name)).toContain('--json');
  }
  // As docs/command-line.md has it: the relay alone is enough.
  expect(toHelp('check')).toContain('0 all can be pulled from, by engine or relay,');
  for (const text of [undefined, ...COMMANDS].map(toHelp)) {
    expect(text.split('\n').filter((line) => line.length > 120)).toEqual([]);
  }
});
