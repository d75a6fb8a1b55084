import { parseArgs } from 'node:util';

/** What was asked for. */
export type Command =
  | { readonly kind: 'help'; readonly of: CommandName | undefined }
  | { readonly kind: 'status'; readonly isWatched: boolean; readonly isJson: boolean }
  | {
      readonly kind: 'check';
      readonly registry: string | undefined;
      readonly image: string | undefined;
      readonly isJson: boolean;
    }
  | {
      readonly kind: 'pull';
      readonly names: readonly string[];
      readonly isForced: boolean;
      readonly isAwaited: boolean;
      readonly isJson: boolean;
    }
  | { readonly kind: 'version' };

export const COMMANDS = ['status', 'check', 'pull', 'version'] as const;

export type CommandName = (typeof COMMANDS)[number];

/** What was written makes no command; the message says what to write. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly of: CommandName | undefined;

  constructor(message: string, of?: CommandName) {
    super(message);
    this.of = of;
  }
}

const flag = { type: 'boolean', default: false } as const;
const help = { type: 'boolean', short: 'h', default: false } as const;

/**
 * Reads a command line.
 *
 * @param program - the name it was called by: that of a command, or any other where the command is the first argument
 * @throws UsageError
 */
export function parseCommand(program: string, args: readonly string[]): Command {
  if (isCommand(program)) return parse(program, args);
  const [word, ...rest] = args;
  if (word === undefined || word === 'help' || word === '--help' || word === '-h') {
    return { kind: 'help', of: rest.find(isCommand) };
  }
  if (isCommand(word)) return parse(word, rest);
  throw new UsageError(`There is no command "${word}".`);
}

const isCommand = (word: string): word is CommandName => (COMMANDS as readonly string[]).includes(word);

function parse(name: CommandName, args: readonly string[]): Command {
  try {
    return PARSERS[name]([...args]);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    // The parser of Node.js says what it does not know.
    throw new UsageError(error instanceof Error ? error.message : String(error), name);
  }
}

const PARSERS: Readonly<Record<CommandName, (args: string[]) => Command>> = {
  status(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { watch: { ...flag, short: 'w' }, json: flag, help },
    });
    if (values.help) return { kind: 'help', of: 'status' };
    refuse(positionals, 'status');
    return { kind: 'status', isWatched: values.watch, isJson: values.json };
  },
  check(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { image: { type: 'string' }, json: flag, help },
    });
    if (values.help) return { kind: 'help', of: 'check' };
    const [registry, ...rest] = positionals;
    refuse(rest, 'check');
    return { kind: 'check', registry, image: values.image, isJson: values.json };
  },
  pull(args) {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { force: { ...flag, short: 'f' }, 'no-wait': flag, json: flag, help },
    });
    if (values.help) return { kind: 'help', of: 'pull' };
    return {
      kind: 'pull',
      names: positionals,
      isForced: values.force,
      isAwaited: !values['no-wait'],
      isJson: values.json,
    };
  },
  version(args) {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { help } });
    if (values.help) return { kind: 'help', of: 'version' };
    refuse(positionals, 'version');
    return { kind: 'version' };
  },
};

function refuse([word]: readonly string[], name: CommandName): void {
  if (word !== undefined) throw new UsageError(`${name} takes no "${word}".`, name);
}
