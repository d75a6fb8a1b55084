import { describe, expect, it } from 'vitest';
import { check } from '#cli/check';
import { pull } from '#cli/pull';
import { toEnding } from '#cli/session';
import type { Session } from '#cli/session';
import { showStatus } from '#cli/status';
import { showVersion } from '#cli/version';
import { ADDRESS, startStage } from '../agent/stage.ts';
import type { Stage } from '../agent/stage.ts';

const PLANT = { address: ADDRESS, username: 'device', password: 'one' };

type Ending = readonly [exitCode: number, text: RegExp];

interface Ended {
  readonly exitCode: number;
  readonly text: string;
}

/** Runs a command beside an agent, as the program does. */
async function run(stage: Stage, command: (session: Session) => Promise<number>): Promise<Ended> {
  let text = '';
  const session: Session = {
    call: async (method, payload) =>
      (await stage.call(method, payload)) as Awaited<ReturnType<Session['call']>>,
    write: (written) => void (text += written),
    isTerminal: false,
    nowMs: stage.clock.nowMs,
    steadyMs: stage.clock.steadyMs,
    sleep: (delayMs) => stage.clock.advance(delayMs),
    version: '1.0.0',
  };
  try {
    return { exitCode: await command(session), text };
  } catch (error) {
    const ending = toEnding(error);
    if (ending === undefined) throw error;
    return { exitCode: ending.exitCode, text: `${text}${ending.message}` };
  }
}

const COMMANDS = {
  status: (session: Session) => showStatus(session, { isWatched: false, isJson: false }),
  check: (session: Session) => check(session, { registry: undefined, image: undefined, isJson: false }),
  pull: (session: Session) => pull(session, { names: [], isForced: false, isAwaited: true, isJson: false }),
  'pull --no-wait': (session: Session) =>
    pull(session, { names: [], isForced: false, isAwaited: false, isJson: false }),
  'check plant': (session: Session) => check(session, { registry: 'plant', image: undefined, isJson: false }),
  'pull camera': (session: Session) =>
    pull(session, { names: ['camera'], isForced: false, isAwaited: true, isJson: false }),
  version: showVersion,
};

/** A stage whose engine takes ten seconds to list its images. */
function startSlow(): Stage {
  const stage = startStage();
  const { listImages } = stage.engine;
  stage.engine.listImages = async (signal) => {
    await stage.clock.sleep(10_000, signal);
    return listImages(signal);
  };
  return stage;
}

const STATES = {
  async 'before edgeHub has told anything'() {
    const stage = startStage();
    await stage.clock.advance(1000);
    return stage;
  },
  async 'with desired properties that are refused, and none before'() {
    const stage = startStage();
    await stage.desire({ camera: 'acme/camera:1' }, {}, { schemaVersion: '2.0' });
    return stage;
  },
  async 'with what is desired, before an engine that is slow to answer for the first time'() {
    const stage = startSlow();
    stage.engine.serve(`${ADDRESS}/acme/camera:1`);
    stage.engine.pullsFinishAtOnce = true;
    await stage.desire({ camera: 'acme/camera:1' });
    return stage;
  },
  async 'with faults in what is desired, before such an engine'() {
    const stage = startSlow();
    await stage.desire({ wrong: 'Acme/X' });
    return stage;
  },
  async 'with desired properties that were refused and are mended, before such an engine'() {
    const stage = startSlow();
    await stage.desire({}, {}, { schemaVersion: '2.0' });
    await stage.clock.advance(20_000);
    stage.engine.put('somebody.example/elses:1');
    await stage.clock.advance(200);
    await stage.desire({});
    return stage;
  },
  async 'with nothing that is desired, before such an engine'() {
    const stage = startSlow();
    await stage.desire({}, {}, { registryCredentials: {} });
    return stage;
  },
  async 'with desired properties that are refused, and others in force'() {
    const stage = startStage();
    stage.engine.put(`${ADDRESS}/acme/camera:1`);
    stage.engine.serve(`${ADDRESS}/acme/camera:1`);
    await stage.desire({ camera: 'acme/camera:1' });
    await stage.desire({ gate: 'acme/gate:1' }, {}, { schemaVersion: '2.0' });
    return stage;
  },
  async 'with an image at fault beside one that is here'() {
    const stage = startStage();
    stage.engine.put(`${ADDRESS}/acme/camera:1`);
    stage.engine.serve(`${ADDRESS}/acme/camera:1`);
    await stage.desire({ camera: 'acme/camera:1', wrong: 'Acme/X' });
    return stage;
  },
  async 'with a registry at fault beside one that is well'() {
    const stage = startStage();
    await stage.desire(
      {},
      {},
      { registryCredentials: { office: { address: 'http://office' }, plant: PLANT } },
    );
    return stage;
  },
  async 'while the engine is away'() {
    const stage = startStage();
    stage.engine.put(`${ADDRESS}/acme/camera:1`);
    await stage.desire({ camera: 'acme/camera:1' });
    stage.engine.isAway = true;
    stage.engine.endEvents();
    await stage.clock.advance(60_000);
    return stage;
  },
  async 'while the window is closed'() {
    const stage = startStage();
    stage.engine.serve(`${ADDRESS}/acme/camera:1`);
    stage.engine.pullsFinishAtOnce = true;
    const pullWindow = { start: '22:00', end: '23:00', timeZone: 'UTC' };
    await stage.desire({ camera: 'acme/camera:1' }, { pullWindow });
    return stage;
  },
  async 'when all is here'() {
    const stage = startStage();
    stage.engine.put(`${ADDRESS}/acme/camera:1`);
    stage.engine.serve(`${ADDRESS}/acme/camera:1`);
    await stage.desire({ camera: 'acme/camera:1' });
    return stage;
  },
  async 'when nothing is desired'() {
    const stage = startStage();
    await stage.desire({}, {}, { registryCredentials: {} });
    return stage;
  },
};

const REFUSED = /schemaVersion/;
const UNKNOWN = /nothing is known yet/;
const UNSEEN = /^Not ready: the engine has not answered yet$/m;

describe.each<[keyof typeof STATES, Partial<Record<keyof typeof COMMANDS, Ending>>]>([
  [
    'before edgeHub has told anything',
    {
      status: [1, UNKNOWN],
      check: [1, UNKNOWN],
      pull: [1, UNKNOWN],
      'pull --no-wait': [1, UNKNOWN],
      'check plant': [1, UNKNOWN],
      'pull camera': [1, UNKNOWN],
      version: [0, /running/],
    },
  ],
  [
    'with desired properties that are refused, and none before',
    {
      status: [1, REFUSED],
      check: [1, REFUSED],
      pull: [1, REFUSED],
      'pull --no-wait': [1, REFUSED],
      'check plant': [1, REFUSED],
      'pull camera': [1, REFUSED],
      version: [0, /running/],
    },
  ],
  [
    'with what is desired, before an engine that is slow to answer for the first time',
    {
      status: [1, UNSEEN],
      check: [0, /^plant at/],
      pull: [0, /^Ready: 1 of 1/m],
      'pull --no-wait': [0, /1 image\./],
      'pull camera': [0, /Pulled/],
    },
  ],
  [
    'with faults in what is desired, before such an engine',
    {
      status: [1, /^Desired properties: images.wrong: [^]*^Not ready: the engine has not answered yet$/m],
      check: [0, /^plant at/],
      pull: [1, /^wrong: InvalidImage/m],
    },
  ],
  [
    'with desired properties that were refused and are mended, before such an engine',
    {
      status: [1, UNSEEN],
      check: [0, /^plant at/],
      pull: [0, /^Ready: 0 of 0/m],
    },
  ],
  [
    'with nothing that is desired, before such an engine',
    {
      status: [1, UNSEEN],
      check: [0, /No registry is listed/],
      pull: [0, /^Ready: 0 of 0/m],
      'pull --no-wait': [0, /0 images/],
      'check plant': [2, /No registry "plant" is listed/],
      'pull camera': [2, /No image with the name/],
    },
  ],
  [
    'with desired properties that are refused, and others in force',
    {
      status: [0, /^Desired properties: schemaVersion[^]*^Ready: 1 of 1/m],
      check: [0, /^plant at/],
      pull: [0, /^Desired properties: schemaVersion[^]*^Ready: 1 of 1/m],
    },
  ],
  [
    'with an image at fault beside one that is here',
    {
      status: [1, /^wrong: InvalidImage/m],
      check: [0, /^plant at/],
      pull: [1, /^wrong: InvalidImage/m],
      'pull --no-wait': [0, /2 images/],
      'pull camera': [0, /Pulled/],
      version: [0, /running/],
    },
  ],
  [
    'with a registry at fault beside one that is well',
    {
      status: [0, /^office: UnknownRegistry\n {2}registryCredentials.office.address: .*\n {2}→/m],
      check: [
        1,
        /^office: .*cannot.*\n.*UnknownRegistry: registryCredentials.office.address: .*\n +→ [^]*^plant at .*can be/m,
      ],
      pull: [0, /office: UnknownRegistry/],
      'pull --no-wait': [0, /0 images/],
      'check plant': [0, /can be/],
      version: [0, /running/],
    },
  ],
  [
    'while the engine is away',
    {
      status: [1, /EngineUnavailable/],
      check: [1, /engine does not answer/],
      pull: [1, /engine does not answer/],
      'pull --no-wait': [1, /engine does not answer/],
      version: [0, /running/],
    },
  ],
  [
    'while the window is closed',
    {
      status: [1, /OutsideWindow/],
      check: [0, /^plant at/],
      pull: [0, /^Ready: 1 of 1/m],
      'pull --no-wait': [0, /1 image\./],
      version: [0, /running/],
    },
  ],
  [
    'when all is here',
    {
      status: [0, /^Ready: 1 of 1/m],
      check: [0, /^plant at/],
      pull: [0, /^Ready: 1 of 1/m],
      'pull --no-wait': [0, /1 image\./],
      version: [0, /running/],
    },
  ],
  [
    'when nothing is desired',
    {
      status: [0, /^Ready: 0 of 0/m],
      check: [0, /No registry is listed/],
      pull: [0, /^Ready: 0 of 0/m],
      'pull --no-wait': [0, /0 images/],
      'check plant': [2, /No registry "plant" is listed/],
      'pull camera': [2, /No image with the name/],
      version: [0, /running/],
    },
  ],
])('%s', (state, expected) => {
  it.each(Object.entries(expected))(
    '%s ends as docs/command-line.md says',
    async (name, [exitCode, text]) => {
      const ended = await run(await STATES[state](), COMMANDS[name as keyof typeof COMMANDS]);
      expect(ended).toEqual({ exitCode, text: expect.stringMatching(text) as string });
    },
  );
});
