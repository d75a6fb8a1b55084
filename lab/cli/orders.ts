import type { Edge, TwinObject } from '../edge.ts';
import { pushImage } from '../demo/catalogue.ts';
import type { CatalogueImage } from '../demo/catalogue.ts';
import type { DeviceLogin, PasswordNumber } from '../demo/device-login.ts';
import { concealPasswords, revealPasswords } from '../demo/secrets.ts';
import type { Registry } from '../registry/registry.ts';
import type { Breakable, FaultPart } from './faults.ts';
import { listFaults, setFault } from './faults.ts';
import { savePasswords } from './password-files.ts';

/** What can be asked of a lab that runs, as JSON on one line. */
export type Order =
  | { readonly kind: 'ping' | 'twin get' | 'reported' | 'faults' | 'stop' }
  | { readonly kind: 'twin set' | 'twin patch'; readonly document: TwinObject }
  | { readonly kind: 'method'; readonly name: string; readonly payload: unknown }
  /** What the module wrote, from this character on. */
  | { readonly kind: 'logs'; readonly from: number }
  | { readonly kind: 'fault'; readonly part: FaultPart; readonly name: string; readonly value: string }
  | { readonly kind: 'rotate'; readonly which: PasswordNumber }
  | { readonly kind: 'push'; readonly image: CatalogueImage };

/** How it went. */
export type Reply =
  { readonly kind: 'done'; readonly value: unknown } | { readonly kind: 'refused'; readonly why: string };

/** The parts of a lab that take orders, as far as they were started. */
export interface Parts {
  readonly edge?: Edge;
  readonly registry?: Registry;
  readonly login?: DeviceLogin;
  /** Where the passwords are kept for those who log in by hand. */
  readonly passwordDir?: string;
  /** Everything that the module wrote. */
  readonly output?: () => string;
}

/** The parts, and those of them that were sent away. */
export type KnownParts = Parts & Breakable;

/** Carries out an order. What `stop` stops is the caller's; `ping` and it are answered with the process to wait for. */
export async function carryOut(order: Order, parts: KnownParts): Promise<unknown> {
  const labels = parts.login?.labels ?? new Map<string, string>();
  switch (order.kind) {
    case 'ping':
    case 'stop':
      return { pid: process.pid };
    case 'twin get':
      return concealPasswords(need(parts.edge, 'edge').desired(), labels);
    case 'twin set':
      need(parts.edge, 'edge').setDesired(revealPasswords(order.document, labels) as TwinObject);
      return { $version: parts.edge?.desired()['$version'] };
    case 'twin patch':
      need(parts.edge, 'edge').patchDesired(revealPasswords(order.document, labels) as TwinObject);
      return { $version: parts.edge?.desired()['$version'] };
    case 'reported':
      return need(parts.edge, 'edge').reported();
    case 'method':
      return need(parts.edge, 'edge').invokeMethod(order.name, order.payload);
    case 'logs': {
      const output = need(parts.output, 'module')();
      return { text: output.slice(order.from), next: output.length };
    }
    case 'faults':
      return listFaults(parts);
    case 'fault':
      return setFault(parts, order);
    case 'rotate': {
      const login = need(parts.login, 'registry');
      login.rotate(order.which);
      if (parts.passwordDir !== undefined) await savePasswords(parts.passwordDir, login);
      return null;
    }
    case 'push':
      return pushImage(need(parts.registry, 'registry'), order.image);
    default:
      throw new Error('this lab does not know that order');
  }
}

function need<Part>(part: Part | undefined, name: string): Part {
  if (part === undefined) throw new Error(`the lab that runs has no ${name}`);
  return part;
}
