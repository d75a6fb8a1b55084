import { expect, it } from 'vitest';
import { openCommandRoom } from './commands.ts';

const DEMO = ['scripts/demo.ts'];

it('shows every act of the demo, ends by itself and leaves nothing behind', async () => {
  const room = await openCommandRoom();
  const { exitCode, output } = await room.run(DEMO);
  expect(output).toContain('Everything was seen, in ');
  expect(exitCode).toBe(0);

  const acts = [
    '1  A device on this machine',
    'its status page, for a browser: http://127.0.0.1:',
    '2  The operator writes a login and a list of images into the module twin',
    'Pulling',
    '✓ all 6 are Pulled: summary.ready is true for desired version 2',
    '✓ so says the module at the device, without the cloud',
    '3  What the twin reports',
    '"credential": "password",',
    '4  What the Docker engine holds, asked directly',
    'REPOSITORY',
    'contoso.azurecr.io/acme/camera',
    '✓ every image that the twin calls Pulled is there',
    '5  A fault: the password in use is rotated away',
    '"credential": "password",',
    'acme/analytics:0.1  Pulled',
    '"credential": "password2",',
    '✓ the second password took over',
    '6  The end',
    '✓ no password stands in its log, in its reports or on this screen',
    '✓ the lab is gone, and nothing is left running',
  ];
  let position = 0;
  for (const act of acts) {
    const found = output.indexOf(act, position);
    expect(found, `“${act}” is to come after the first ${position} characters of:\n${output}`).not.toBe(-1);
    position = found + act.length;
  }

  expect(output).not.toContain('\u001B');
  expect(output.split('\n').filter((line) => line.length > 80)).toEqual([]);
  expect(output.match(/"password2?": "(?!<password)/g)).toBeNull();
  expect(await room.listLeftovers()).toEqual([]);
});

it('ends all that the demo started when it is interrupted in mid-pull', async () => {
  const room = await openCommandRoom();
  const demo = room.start(DEMO);
  await demo.waitFor('Pulling');
  demo.signal('SIGINT');
  expect(await demo.ended).toMatchObject({ exitCode: 130 });
  expect(demo.output).toContain('ended before the end');
  expect(await room.listLeftovers()).toEqual([]);
});

it('says how to call the demo when it does not understand', async () => {
  const room = await openCommandRoom();
  const { exitCode, output } = await room.run([...DEMO, '--kep']);
  expect(exitCode).toBe(2);
  expect(output).toContain('npm run demo -- [--keep] [--engine unix:///var/run/docker.sock]');
});
