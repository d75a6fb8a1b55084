import { describe, expect, test } from 'vitest';
import type { Account } from '#test/az/account';
import { makeBench, toChanges, toLines } from '#test/az/bench';
import type { ToolRun } from '#test/az/bench';

const FIRST = 'first+Password/of=the=token';
const SECOND = 'second+Password/of=the=token';
const IDS = '/subscriptions/0/resourceGroups/edge/providers/Microsoft.ContainerRegistry/registries/contoso';

const ARGS = (
  '--registry contoso --token edge-17 --repository acme/camera --repository hello-world ' +
  '--connected-registry plant7 --hub contoso-hub --device edge-17'
).split(' ');

const CREDENTIAL = { address: '127.0.0.1:8000', username: 'edge-17', password: 'the one in use' };

/** An account with a registry, a connected registry, and one device with the module. */
function makeAccount(credential?: object): Account {
  const desired = {
    $version: 4,
    images: { hello: 'hello-world' },
    ...(credential === undefined ? {} : { registryCredentials: { plant: credential } }),
  };
  return {
    registries: {
      contoso: {
        scopeMaps: {},
        tokens: {},
        connectedRegistries: { plant7: { clientTokenIds: null, connectionState: 'Online' } },
      },
    },
    hubs: {
      'contoso-hub': {
        devices: [{ deviceId: 'edge-17' }],
        modules: [
          {
            deviceId: 'edge-17',
            moduleId: 'puller',
            properties: { desired, reported: { lastDesiredVersion: 4 } },
          },
        ],
        jobs: [],
        deployments: {},
      },
    },
    passwords: [FIRST, SECOND],
    failures: [],
  };
}

/** The same, after the tool did its work. */
function makeDoneAccount(): Account {
  const account = makeAccount(CREDENTIAL);
  const contoso = account.registries['contoso'];
  if (contoso === undefined) throw new Error('no registry');
  contoso.scopeMaps['edge-17-pull'] = {
    actions: ['repositories/acme/camera/content/read', 'repositories/hello-world/content/read'],
  };
  contoso.tokens['edge-17'] = {
    status: 'enabled',
    scopeMapId: `${IDS}/scopeMaps/edge-17-pull`,
    passwords: { password1: CREDENTIAL.password },
  };
  contoso.connectedRegistries['plant7'] = {
    clientTokenIds: [`${IDS}/tokens/edge-17`],
    connectionState: 'Online',
  };
  return account;
}

function credentialIn({ hubs }: Account): unknown {
  const [module] = hubs['contoso-hub']?.modules ?? [];
  const { properties } = module as { properties: { desired: { registryCredentials?: unknown } } };
  return properties.desired.registryCredentials;
}

/** Where a password was seen that is for the pipe alone. */
function findLeaks(run: ToolRun): readonly string[] {
  const seen = {
    stdout: run.stdout,
    stderr: run.stderr,
    arguments: JSON.stringify(run.calls.map(({ args }) => args)),
    'command lines': run.calls.map(({ commandLines }) => commandLines).join('\n'),
    environment: run.calls.map(({ environment }) => environment).join('\n'),
    files: run.calls.map(({ files }) => files).join('\n'),
  };
  return Object.entries(seen)
    .filter(([, text]) => [FIRST, SECOND, CREDENTIAL.password].some((secret) => text.includes(secret)))
    .map(([place]) => place);
}

describe('without --apply', () => {
  test('nothing is changed, and every step is told with its command', async () => {
    const bench = await makeBench(makeAccount());
    const run = await bench.run('registry-access.sh', ARGS);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(toChanges(run)).toEqual([]);
    expect(bench.account).toEqual(makeAccount());
    expect(run.stdout).toContain('dry run');
    const told = run.stdout.split('\n').filter((line) => line.startsWith('  would'));
    expect(told).toEqual([
      '  would run: az acr scope-map create --registry contoso --name edge-17-pull --output none --repository acme/camera content/read --repository hello-world content/read',
      '  would run: az acr token create --registry contoso --name edge-17 --scope-map edge-17-pull --no-passwords true --output none',
      '  would run: az acr connected-registry update --registry contoso --name plant7 --add-client-tokens edge-17 --output none',
      "  would run: az acr token credential generate --registry contoso --name edge-17 --password1 --query 'passwords[?name=='\\''password1'\\''].value | [0]' --output tsv --only-show-errors | …",
      '  would give what it answers, as JSON, to: az iot hub module-twin update --desired @- --output none --hub-name contoso-hub --device-id edge-17 --module-id puller',
    ]);
  });
});

describe.each([['sh'], ['bash', '--posix']])('with --apply, in %s', (...shell) => {
  test('scope map, token, client token and password are made, in this order', async () => {
    const bench = await makeBench(makeAccount());
    const run = await bench.run('registry-access.sh', [...ARGS, '--apply'], shell);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(toChanges(run).map((line) => line.split(' --')[0])).toEqual([
      'acr scope-map create',
      'acr token create',
      'acr connected-registry update',
      'acr token credential generate',
      'iot hub module-twin update',
    ]);
    const account = bench.account;
    expect(account.registries['contoso']?.scopeMaps).toEqual(
      makeDoneAccount().registries['contoso']?.scopeMaps,
    );
    expect(account.registries['contoso']?.connectedRegistries).toEqual(
      makeDoneAccount().registries['contoso']?.connectedRegistries,
    );
    expect(credentialIn(account)).toEqual({
      plant: { address: '127.0.0.1:8000', username: 'edge-17', password: FIRST },
    });
  });

  test('the password is seen nowhere but in the pipe', async () => {
    const bench = await makeBench(makeAccount());
    const run = await bench.run('registry-access.sh', [...ARGS, '--apply'], shell);
    expect(findLeaks(run)).toEqual([]);
    expect(run.calls.filter(({ stdin }) => stdin.includes(FIRST))).toHaveLength(1);
    expect(run.left).toEqual([]);
  });

  test('not even a trace of the shell shows it', async () => {
    const bench = await makeBench(makeAccount());
    const run = await bench.run('registry-access.sh', [...ARGS, '--apply'], [...shell, '-x']);
    expect(run.code).toBe(0);
    expect(findLeaks(run)).toEqual([]);
  });

  test('a second call changes nothing, and makes no password', async () => {
    const bench = await makeBench(makeAccount());
    await bench.run('registry-access.sh', [...ARGS, '--apply'], shell);
    const after = structuredClone(bench.account);
    const run = await bench.run('registry-access.sh', [...ARGS, '--apply'], shell);
    expect([run.code, toChanges(run)]).toEqual([0, []]);
    expect(bench.account).toEqual(after);
    expect(run.stdout).toContain('--rotate makes another');
  });
});

describe('what is there already', () => {
  test('a scope map gets only the repositories that it lacks', async () => {
    const bench = await makeBench(makeDoneAccount());
    const run = await bench.run('registry-access.sh', [...ARGS, '--repository', 'acme/oven', '--apply']);
    expect(toChanges(run)).toEqual([
      'acr scope-map update --registry contoso --name edge-17-pull --output none --add-repository acme/oven content/read',
    ]);
    expect(bench.account.registries['contoso']?.scopeMaps['edge-17-pull']?.actions).toHaveLength(3);
  });

  test('a token with another scope map is left alone, and told', async () => {
    const account = makeDoneAccount();
    const token = account.registries['contoso']?.tokens['edge-17'];
    if (token !== undefined) token.scopeMapId = `${IDS}/scopeMaps/_repositories_admin`;
    const run = await (await makeBench(account)).run('registry-access.sh', [...ARGS, '--apply']);
    expect([run.code, toChanges(run)]).toEqual([1, []]);
    expect(run.stderr).toContain('token edge-17 has another scope map: _repositories_admin');
  });

  test('a disabled token is told with the command that enables it', async () => {
    const account = makeDoneAccount();
    const token = account.registries['contoso']?.tokens['edge-17'];
    if (token !== undefined) token.status = 'disabled';
    const run = await (await makeBench(account)).run('registry-access.sh', [...ARGS, '--apply']);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('az acr token update --registry contoso --name edge-17 --status enabled');
  });

  test('credentials of another token are replaced whole', async () => {
    const account = makeDoneAccount();
    const other = { address: '127.0.0.1:8000', username: 'old-token', password: 'old', password2: 'older' };
    account.hubs = makeAccount(other).hubs;
    const bench = await makeBench(account);
    const run = await bench.run('registry-access.sh', [...ARGS, '--apply']);
    expect(run.stdout).toContain('plant is old-token 127.0.0.1:8000, and is to be edge-17 127.0.0.1:8000');
    expect(credentialIn(bench.account)).toEqual({
      plant: { address: '127.0.0.1:8000', username: 'edge-17', password: FIRST },
    });
  });
});

describe('--rotate', () => {
  const rotate = (slot: string) => [...ARGS, '--rotate', slot, '--apply'];

  test('adds the second password and leaves the first', async () => {
    const bench = await makeBench(makeDoneAccount());
    const run = await bench.run('registry-access.sh', [...rotate('password2'), '--expiration-in-days', '90']);
    expect([run.code, findLeaks(run)]).toEqual([0, []]);
    expect(toLines(run).find((line) => line.includes('generate'))).toMatch(
      /--password2 .*--expiration-in-days 90$/,
    );
    expect(credentialIn(bench.account)).toEqual({ plant: { ...CREDENTIAL, password2: FIRST } });
  });

  test('does not end the only password that the twin has', async () => {
    const bench = await makeBench(makeDoneAccount());
    const run = await bench.run('registry-access.sh', rotate('password'));
    expect([run.code, toChanges(run)]).toEqual([1, []]);
    expect(run.stderr).toContain('--rotate password2 first');
  });

  test('goes round: the second, then the first', async () => {
    const bench = await makeBench(makeDoneAccount());
    await bench.run('registry-access.sh', rotate('password2'));
    const run = await bench.run('registry-access.sh', rotate('password'));
    expect(run.code).toBe(0);
    expect(credentialIn(bench.account)).toEqual({
      plant: { ...CREDENTIAL, password: SECOND, password2: FIRST },
    });
  });
});

describe('a failure', () => {
  test.each([
    ['acr token show', 'cannot read token edge-17'],
    ['acr scope-map create', 'the same call again goes on from there'],
    ['acr token credential generate', 'no password was made; the twin is as it was'],
  ])('of %s ends it with az’s own words', async (call, words) => {
    const account = makeAccount();
    account.failures.push({ call, code: 1, stderr: 'ERROR: (AuthorizationFailed) you may not.\n' });
    const bench = await makeBench(account);
    const run = await bench.run('registry-access.sh', [...ARGS, '--apply']);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('(AuthorizationFailed) you may not.');
    expect(run.stderr).toContain(words);
    expect(run.left).toEqual([]);
    const again = await bench.run('registry-access.sh', [...ARGS, '--apply']);
    expect([again.code, again.stderr]).toEqual([0, '']);
  });

  test('of the twin’s update says that the password is lost, and does not show it', async () => {
    const account = makeAccount();
    const stderr = 'ERROR: Failed to parse json for argument desired: {stdin} and again {stdin}\n';
    account.failures.push({ call: 'iot hub module-twin update', code: 1, stderr });
    const bench = await makeBench(account);
    const run = await bench.run('registry-access.sh', [...ARGS, '--apply']);
    expect([run.code, findLeaks(run).filter((place) => place !== 'files')]).toEqual([1, []]);
    expect(run.stderr).toContain('"password":"[secret]"');
    expect(run.stderr).toContain('call again with --rotate password');
    expect(run.left).toEqual([]);
  });

  test('of a registry, a connected registry or a module that is not there is told before anything is changed', async () => {
    for (const [name, value, words] of [
      ['--registry', 'fabrikam', 'there is no registry fabrikam'],
      ['--connected-registry', 'plant8', 'there is no connected registry plant8'],
      ['--device', 'edge-99', 'there is no module puller on edge-99'],
    ] as const) {
      const bench = await makeBench(makeDoneAccount());
      const run = await bench.run('registry-access.sh', [...ARGS, name, value, '--apply']);
      expect([run.code, toChanges(run)]).toEqual([1, []]);
      expect(run.stderr).toContain(words);
    }
  });
});

describe('--wait', () => {
  const wait = [...ARGS, '--apply', '--wait', '1'];

  test('ends when the connected registry has synced and the module is logged in', async () => {
    const account = makeAccount();
    const hub = account.hubs['contoso-hub'];
    if (hub !== undefined) hub.looksUntilSync = 5;
    const run = await (await makeBench(account)).run('registry-access.sh', wait);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toContain(
      'login: the module has not taken up its new desired properties yet\nlogin: succeeded',
    );
  });

  test('ends with 4 while the password is refused, and says where to look', async () => {
    const account = makeDoneAccount();
    const reported = {
      lastDesiredVersion: 4,
      registries: { plant: { login: 'Failed', reason: 'Unauthorized' } },
    };
    const [module] = account.hubs['contoso-hub']?.modules ?? [];
    Object.assign((module as { properties: object }).properties, { reported });
    const run = await (await makeBench(account)).run('registry-access.sh', wait);
    expect(run.code).toBe(4);
    expect(run.stdout).toContain('has not synced the password yet');
    expect(run.stdout).toContain('az acr connected-registry show --registry contoso --name plant7');
  });
});

describe('a wrong call', () => {
  test.each([
    [[], '--registry is missing'],
    [['--registry', 'contoso.azurecr.io'], 'without .azurecr.io'],
    [[...ARGS, '--repository', 'contoso.azurecr.io/x:1'], 'without registry, tag and digest'],
    [[...ARGS, '--address', 'https://plant:8000'], 'without https://'],
    [[...ARGS, '--rotate', 'both'], 'password or password2'],
    [[...ARGS, '--token'], '--token needs a value'],
    [[...ARGS, '--token', 'a"b'], 'letters, digits'],
    [[...ARGS, '--nonsense', 'x'], '--nonsense is no option'],
    [[...ARGS, '--wait', '5'], 'without --apply'],
  ])('%j ends with 2 before az is called', async (args, words) => {
    const run = await (await makeBench(makeAccount())).run('registry-access.sh', args);
    expect([run.code, run.calls]).toEqual([2, []]);
    expect(run.stderr).toContain(words);
  });

  test('--help tells every option that there is', async () => {
    const run = await (await makeBench(makeAccount())).run('registry-access.sh', ['--help']);
    expect([run.code, run.calls]).toEqual([0, []]);
    for (const option of ARGS.filter((arg) => arg.startsWith('--'))) expect(run.stdout).toContain(option);
  });
});
