import { applyPatch } from '#core/merge-patch';
import type { JsonObject } from '#core/merge-patch';
import { matchesCondition, runHubQuery } from './hub-query.ts';
import type { Twin } from './hub-query.ts';
import { findMistake } from './syntax.ts';

/** What the stand-in's Azure holds; a test makes one, and looks at what became of it. */
export interface Account {
  registries: Record<string, Registry>;
  hubs: Record<string, IotHub>;
  /** What `credential generate` makes, in this order. */
  passwords: string[];
  /** Calls that fail, each as often as it stands here. */
  failures: Failure[];
}

export interface Registry {
  scopeMaps: Record<string, { actions: string[] }>;
  tokens: Record<string, { status: string; scopeMapId: string; passwords: Record<string, string> }>;
  connectedRegistries: Record<string, { clientTokenIds: string[] | null; connectionState: string }>;
}

export interface IotHub {
  devices: Twin[];
  modules: Twin[];
  jobs: { id: string; condition: string; tagged: string[] }[];
  deployments: Record<string, { priority: number; targetCondition: string }>;
  /** How jobs end; all is well unless it is given. */
  jobOutcome?: { readonly status: string; readonly failedCount: number };
  /** After so many looks at a module twin, the module is logged in; -1 for never. */
  looksUntilSync?: number;
}

export interface Failure {
  /** How the call begins: `acr token create`. */
  readonly call: string;
  readonly code: number;
  /** `{stdin}` stands for what the call was given there. */
  readonly stderr: string;
}

/** One call: what az answers, before `--query` and `--output`, or why not. */
export type Answer =
  | { readonly kind: 'answer'; readonly value: unknown; readonly warning?: string }
  | { readonly kind: 'failure'; readonly code: number; readonly stderr: string };

type Options = Readonly<Record<string, readonly (readonly string[])[]>>;
type Command = (account: Account, option: (name: string) => string, options: Options) => Answer;

const answer = (value: unknown): Answer => ({ kind: 'answer', value });
const notFound = (what: string): Answer => ({
  kind: 'failure',
  code: 3,
  stderr: `ERROR: (ResourceNotFound) ${what} could not be found.\n`,
});

const toResourceId = (registry: string, kind: string, name: string): string =>
  `/subscriptions/0/resourceGroups/edge/providers/Microsoft.ContainerRegistry/registries/${registry}/${kind}/${name}`;

/** `--repository NAME ACTION…`, as often as it was given. */
const toActions = (options: Options, name: string): string[] =>
  (options[name] ?? []).flatMap(([repository, ...actions]) =>
    actions.map((action) => `repositories/${repository}/${action}`),
  );

const COMMANDS: Record<string, Command> = {
  'acr show': (account, option) =>
    account.registries[option('name')] === undefined
      ? notFound(option('name'))
      : answer({ name: option('name') }),
  'acr scope-map show': (account, option) => {
    const map = account.registries[option('registry')]?.scopeMaps[option('name')];
    return map === undefined ? notFound(option('name')) : answer(map);
  },
  'acr scope-map create': (account, option, options) => {
    const actions = toActions(options, 'repository');
    registryOf(account, option).scopeMaps[option('name')] = { actions };
    return answer({ actions });
  },
  'acr scope-map update': (account, option, options) => {
    const map = registryOf(account, option).scopeMaps[option('name')];
    map?.actions.push(...toActions(options, 'add-repository'));
    return answer(map);
  },
  'acr token show': (account, option) => {
    const token = account.registries[option('registry')]?.tokens[option('name')];
    return token === undefined
      ? notFound(option('name'))
      : answer({ status: token.status, scopeMapId: token.scopeMapId });
  },
  'acr token create': (account, option) => {
    const scopeMapId = toResourceId(option('registry'), 'scopeMaps', option('scope-map'));
    const token = { status: 'enabled', scopeMapId, passwords: {} as Record<string, string> };
    registryOf(account, option).tokens[option('name')] = token;
    if (option('no-passwords') === 'true') return answer({ ...token, passwords: undefined });
    token.passwords = { password1: takePassword(account), password2: takePassword(account) };
    const warning = `WARNING: docker login -u ${option('name')} -p ${token.passwords['password1']}\n`;
    return { kind: 'answer', value: token, warning };
  },
  'acr token credential generate': (account, option, options) => {
    const token = registryOf(account, option).tokens[option('name')];
    if (token === undefined) return notFound(option('name'));
    for (const name of ['password1', 'password2']) {
      if (options[name] !== undefined) token.passwords[name] = takePassword(account);
    }
    const passwords = Object.entries(token.passwords).map(([name, value]) => ({ name, value }));
    return {
      kind: 'answer',
      value: { username: option('name'), passwords },
      warning: JSON.stringify(passwords),
    };
  },
  'acr connected-registry show': (account, option) => {
    const found = account.registries[option('registry')]?.connectedRegistries[option('name')];
    return found === undefined ? notFound(option('name')) : answer(found);
  },
  'acr connected-registry update': (account, option) => {
    const found = registryOf(account, option).connectedRegistries[option('name')];
    if (found === undefined) return notFound(option('name'));
    const id = toResourceId(option('registry'), 'tokens', option('add-client-tokens'));
    found.clientTokenIds = [...(found.clientTokenIds ?? []), id];
    return answer(found);
  },
  'iot hub module-twin show': (account, option) => {
    const hub = account.hubs[option('hub-name')];
    if (hub === undefined) return notFound(option('hub-name'));
    if (hub.looksUntilSync !== undefined && hub.looksUntilSync >= 0) {
      hub.looksUntilSync -= 1;
      if (hub.looksUntilSync < 0) replaceModule(hub, option, reportLogin);
    }
    const twin = findModule(hub, option);
    return twin === undefined ? notFound(option('module-id')) : answer(twin);
  },
  'iot hub module-twin update': (account, option) => {
    const hub = account.hubs[option('hub-name')];
    const patch = JSON.parse(option('desired')) as JsonObject;
    if (hub === undefined || findModule(hub, option) === undefined) return notFound(option('module-id'));
    replaceModule(hub, option, (twin) => patchDesired(twin, patch));
    return answer(findModule(hub, option));
  },
  'iot hub query': (account, option) => {
    const { devices = [], modules = [] } = account.hubs[option('hub-name')] ?? {};
    return answer(runHubQuery(option('query-command'), { devices, modules }));
  },
  'iot hub job create': (account, option) => {
    const hub = account.hubs[option('hub-name')];
    if (hub === undefined) return notFound(option('hub-name'));
    const patch = JSON.parse(option('twin-patch')) as JsonObject;
    const isMeant = (twin: Twin) => matchesCondition(option('query-condition'), twin);
    const tagged = hub.devices.filter(isMeant).map(({ deviceId }) => String(deviceId));
    hub.devices = hub.devices.map((twin) => (isMeant(twin) ? applyPatch(twin as JsonObject, patch) : twin));
    hub.jobs.push({ id: option('job-id'), condition: option('query-condition'), tagged });
    const { status, failedCount } = hub.jobOutcome ?? { status: 'completed', failedCount: 0 };
    return answer({ status, deviceJobStatistics: { deviceCount: tagged.length, failedCount } });
  },
  'iot edge deployment show': (account, option) => {
    const found = account.hubs[option('hub-name')]?.deployments[option('deployment-id')];
    return found === undefined ? notFound(option('deployment-id')) : answer(found);
  },
  'iot edge deployment create': (account, option) => {
    const hub = account.hubs[option('hub-name')];
    if (hub === undefined) return notFound(option('hub-name'));
    const made = { priority: Number(option('priority')), targetCondition: option('target-condition') };
    hub.deployments[option('deployment-id')] = made;
    return answer(made);
  },
};

/** Does one call of az, `@-` and repeated options included, as the real one reads them. */
export function callAz(account: Account, args: readonly string[], stdin: string): Answer {
  const words = args.slice(
    0,
    args.findIndex((arg) => arg.startsWith('-')),
  );
  const name = words.join(' ');
  const failure = account.failures.findIndex(({ call }) => name.startsWith(call));
  const failing = failure < 0 ? undefined : account.failures.splice(failure, 1)[0];
  if (failing !== undefined) {
    return { kind: 'failure', code: failing.code, stderr: failing.stderr.replace('{stdin}', stdin) };
  }
  const command = COMMANDS[name];
  const mistake = findMistake(args);
  if (mistake !== undefined) return { kind: 'failure', code: 2, stderr: `ERROR: ${mistake}\n` };
  if (command === undefined) throw new Error(`the stand-in does not play ${name}`);
  const options: Record<string, string[][]> = {};
  for (const arg of args.slice(words.length)) {
    const value = arg === '@-' ? stdin.trimEnd() : arg;
    if (arg.startsWith('--')) (options[arg.slice(2)] ??= []).push([]);
    else Object.values(options).at(-1)?.at(-1)?.push(value);
  }
  return command(account, (option) => options[option]?.at(-1)?.[0] ?? '', options);
}

function registryOf(account: Account, option: (name: string) => string): Registry {
  const registry = account.registries[option('registry')];
  if (registry === undefined) throw new Error(`no registry ${option('registry')}`);
  return registry;
}

const takePassword = (account: Account): string => account.passwords.shift() ?? 'no more passwords';

const isModule = (twin: Twin, option: (name: string) => string): boolean =>
  twin['deviceId'] === option('device-id') && twin['moduleId'] === option('module-id');

const findModule = (hub: IotHub, option: (name: string) => string): Twin | undefined =>
  hub.modules.find((twin) => isModule(twin, option));

function replaceModule(hub: IotHub, option: (name: string) => string, change: (twin: Twin) => Twin): void {
  hub.modules = hub.modules.map((twin) => (isModule(twin, option) ? change(twin) : twin));
}

function patchDesired(twin: Twin, patch: JsonObject): Twin {
  const { properties } = twin as { properties: { desired: JsonObject } };
  const $version = Number(properties.desired['$version'] ?? 0) + 1;
  return {
    ...twin,
    properties: { ...properties, desired: { ...applyPatch(properties.desired, patch), $version } },
  };
}

/** What the module reports once the registry takes its password. */
function reportLogin(twin: Twin): Twin {
  const { properties } = twin as { properties: { desired: JsonObject; reported: JsonObject } };
  const reported = applyPatch(properties.reported, {
    lastDesiredVersion: properties.desired['$version'] ?? null,
    registries: { plant: { login: 'Succeeded', credential: 'password', reason: null } },
  });
  return { ...twin, properties: { ...properties, reported } };
}
