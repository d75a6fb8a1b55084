import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CATALOGUE, LATECOMER, pushImage } from '../demo/catalogue.ts';
import { issueDeviceLogin } from '../demo/device-login.ts';
import { formatColumns } from '../demo/format.ts';
import { ensureMachine, startPlant } from '../demo/plant.ts';
import type { Screen } from '../demo/screen.ts';
import { startEdge } from '../edge.ts';
import { startEngine } from '../engine/engine.ts';
import { startRegistry } from '../registry/registry.ts';
import { removeDeadSocket, toSocketPath } from './control-socket.ts';
import type { SocketName } from './control-socket.ts';
import { keepPlant } from './keep.ts';
import { keep } from './keeper.ts';
import { savePasswords, toPasswordPath } from './password-files.ts';

/** What the commands that start something take. */
export interface StartOptions {
  readonly screen: Screen;
  readonly signal: AbortSignal;
  /** For the whole lab: an engine that is already there. */
  readonly engineHost: string | undefined;
}

/** Starts the lab or one part of it, says how to use it, and keeps it up until Ctrl-C or `stop`. */
export async function startPart(name: SocketName, options: StartOptions): Promise<void> {
  await removeDeadSocket(toSocketPath(name));
  const { screen, engineHost } = options;
  const needsEngine = name === 'engine' || (name === 'lab' && engineHost === undefined);
  await ensureMachine({ needsEngine }, () =>
    screen.say('Installing what the lab runs on, from the packages of this system…'),
  );
  await STARTERS[name](options);
}

const STARTERS: Readonly<Record<SocketName, (options: StartOptions) => Promise<void>>> = {
  async lab({ screen, signal, engineHost }) {
    const plant = await startPlant(engineHost);
    const { lab, login, pageUrl } = plant;
    try {
      for (const image of [...CATALOGUE, LATECOMER]) await pushImage(lab.registry, image);
      lab.edge.setDesired({
        schemaVersion: '1.0',
        registryCredentials: { plant: login.credentials() },
        images: {},
        settings: { reportIntervalSeconds: 1 },
      });
      const { pid } = lab.startModule();
      screen.say(
        ...formatColumns([
          ['edge', `edgeHub at ${lab.environment['IOTEDGE_GATEWAYHOSTNAME'] ?? ''}`],
          ['registry', `${lab.registry.address}, user ${login.username}`],
          ['engine', `DOCKER_HOST=${lab.engine.dockerHost}`],
          ['module', `process ${pid}; its twin has the login and no image yet`],
          ['page', pageUrl],
        ]),
      );
      await keepPlant(plant, screen, signal);
    } finally {
      await plant.stop();
    }
  },

  edge: (options) =>
    inFolder(async (dir) => {
      const edge = await startEdge({ dir, log: options.screen.say });
      try {
        await keep(
          'edge',
          { edge },
          toKeeping(options, () => {
            showVariables(options.screen, edge.environment);
            options.screen.say('With these a module runs against it: node dist/main.js', '');
          }),
        );
      } finally {
        await edge.stop();
      }
    }),

  registry: (options) =>
    inFolder(async (dir) => {
      const registry = await startRegistry({ dir: join(dir, 'registry') });
      const login = issueDeviceLogin(registry);
      await savePasswords(dir, login);
      const { screen } = options;
      try {
        await keep(
          'registry',
          { registry, login, passwordDir: dir },
          toKeeping(options, () => {
            screen.say(
              `registry  ${registry.address}, for reading hello-world and acme/*`,
              `username  ${login.username}`,
              `password  in ${toPasswordPath(dir, 1)}, or ${toPasswordPath(dir, 2)}`,
              '',
              'Fill it: npm run lab -- images push',
            );
          }),
        );
      } finally {
        await registry.close();
      }
    }),

  engine: (options) =>
    inFolder(async (dir) => {
      const engine = await startEngine({ dir });
      try {
        await keep(
          'engine',
          {},
          toKeeping(options, () => showVariables(options.screen, { DOCKER_HOST: engine.dockerHost })),
        );
      } finally {
        await engine.stop();
      }
    }),
};

function toKeeping(
  { screen, signal }: StartOptions,
  show: () => void,
): { signal: AbortSignal; onReady: () => void } {
  return {
    signal,
    onReady() {
      show();
      screen.say('It is up, until Ctrl-C or npm run lab -- stop.');
    },
  };
}

async function inFolder(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'puller-lab-'));
  try {
    await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** As lines that a shell takes. */
function showVariables(screen: Screen, variables: Readonly<Record<string, string>>): void {
  screen.print(...Object.entries(variables).map(([name, value]) => `export ${name}=${value}`), '');
}
