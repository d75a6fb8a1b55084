import { setTimeout as delay } from 'node:timers/promises';
import { CATALOGUE, LATECOMER } from '../demo/catalogue.ts';
import { formatColumns, formatJson } from '../demo/format.ts';
import type { MethodResult } from '../edge.ts';
import { parseImage, readJson, readObject } from './arguments.ts';
import { ask, stopAll } from './ask.ts';
import { commandError } from './errors.ts';
import type { FaultRow } from './faults.ts';

/** What stands beside the words of a command. */
export interface CommandOptions {
  readonly follow: boolean;
  readonly layers: readonly string[];
  readonly print: (text: string) => void;
}

type Command = (words: readonly string[], options: CommandOptions) => Promise<void>;

const LOG_POLL_MS = 300;

/** The commands that drive a lab that is up, by their first word. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  async twin([verb, document], { print }) {
    if (verb === 'get' && document === undefined) {
      print(formatJson(await ask('edge', { kind: 'twin get' })));
    } else if ((verb === 'set' || verb === 'patch') && document !== undefined) {
      const answer = await ask('edge', { kind: `twin ${verb}`, document: await readObject(document) });
      print(formatJson(answer));
    } else {
      throw commandError('usage', 'twin get, twin set <json>, or twin patch <json>');
    }
  },

  async reported(_, { print }) {
    print(formatJson(await ask('edge', { kind: 'reported' })));
  },

  async method([name, payload], { print }) {
    if (name === undefined) throw commandError('usage', 'method <Name> [<json>]');
    const order = {
      kind: 'method',
      name,
      payload: payload === undefined ? null : await readJson(payload),
    } as const;
    const answer = (await ask('edge', order)) as MethodResult;
    print(formatJson(answer));
    if (answer.status >= 400) throw commandError('failed', `${name} was answered with ${answer.status}`);
  },

  async logs(_, { follow, print }) {
    let from = 0;
    do {
      const { text, next } = (await ask('lab', { kind: 'logs', from })) as { text: string; next: number };
      if (text !== '') print(text.replace(/\n$/, ''));
      from = next;
      if (follow) await delay(LOG_POLL_MS);
    } while (follow);
  },

  async fault([part, name, value], { print }) {
    if (part === undefined) {
      const lists = await Promise.all((['edge', 'registry'] as const).map(listFaults));
      print(formatFaults(lists.flat()));
      if (lists.flat().length === 0)
        throw commandError('notUp', 'neither edge nor registry is up: npm run lab -- up');
      return;
    }
    if ((part !== 'edge' && part !== 'registry') || name === undefined || value === undefined) {
      throw commandError('usage', 'fault edge|registry <name> <value>|on|off; fault alone lists them');
    }
    print(formatFaults([(await ask(part, { kind: 'fault', part, name, value })) as FaultRow]));
  },

  async password([verb, number = '1'], { print }) {
    if (verb !== 'rotate' || (number !== '1' && number !== '2')) {
      throw commandError('usage', 'password rotate [1|2]');
    }
    await ask('registry', { kind: 'rotate', which: number === '1' ? 1 : 2 });
    const property = number === '1' ? 'password' : 'password2';
    const patch = { registryCredentials: { plant: { [property]: `<password${number}>` } } };
    print(
      `The registry has a new password ${number} and refuses the old one. The twin is not told; to tell it:\n` +
        `npm run lab -- twin patch '${JSON.stringify(patch)}'`,
    );
  },

  async images([verb, image], { layers, print }) {
    const catalogue = [...CATALOGUE, LATECOMER];
    if (verb === undefined) {
      const rows = catalogue.map((entry) => [
        entry.image,
        entry.layers.map(({ seed, megabytes }) => `${seed}:${megabytes}`).join(' ') ||
          'a program of 200 bytes',
      ]);
      print(formatColumns([['IMAGE', 'LAYERS (name:MB)'], ...rows]).join('\n'));
    } else if (verb === 'push') {
      const wanted = image === undefined ? catalogue : [parseImage(image, layers)];
      for (const entry of wanted) {
        print(`${entry.image}@${String(await ask('registry', { kind: 'push', image: entry }))}`);
      }
    } else {
      throw commandError('usage', 'images, or images push [<repository:tag> [--layer <name>:<MB>]…]');
    }
  },

  async stop(_, { print }) {
    const count = await stopAll();
    if (count === 0) throw commandError('notUp', 'nothing is up (of this user)');
    print('It is gone.');
  },
};

async function listFaults(part: 'edge' | 'registry'): Promise<FaultRow[]> {
  const rows = (await ask(part, { kind: 'faults' }).catch(() => [])) as FaultRow[];
  return rows.filter((row) => row.part === part);
}

function formatFaults(rows: readonly FaultRow[]): string {
  const cells = rows.map(({ part, name, value }) => [
    part,
    name,
    value === null || value === false || value === 0 ? 'off' : JSON.stringify(value),
  ]);
  return formatColumns([['PART', 'FAULT', 'VALUE'], ...cells]).join('\n');
}
