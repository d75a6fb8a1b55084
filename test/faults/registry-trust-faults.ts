import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCertificateAuthority, issueServerCertificate } from '#lab/certificates';
import type { Certificate, ServerCertificateOptions } from '#lab/certificates';
import { addName, removeName, SITE_ADDRESS, trustAuthority } from '#lab/namespace';
import { startRegistry } from '#lab/registry/registry';
import type { Registry } from '#lab/registry/registry';
import { makeImage } from '#test/e2e/scene';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';

const group = 'registry';
const DAY_MS = 86_400_000;

/** A registry that is not on loopback, where the engine looks at certificates, and the image that is wanted of it. */
interface Site {
  readonly registry: Registry;
  readonly authority: Certificate;
  /** A certificate of the authority's that is right, but for what is given. */
  issue(options?: Partial<ServerCertificateOptions>): Promise<Certificate>;
}

async function openSite(stage: Stage, isTls: boolean): Promise<Site> {
  const { dir, wanted, registries } = stage;
  const authority = await createCertificateAuthority({ dir, name: 'Plant CA' });
  const issue: Site['issue'] = (options = {}) => {
    const right = { dir, authority, commonName: 'registry', ipAddresses: [SITE_ADDRESS] };
    return issueServerCertificate({ ...right, ...options });
  };
  const registry = await startRegistry({
    dir: join(dir, `site-${Math.random()}`),
    host: SITE_ADDRESS,
    auth: 'none',
    ...(isTls ? { tls: await issue() } : {}),
  });
  await registry.push(await makeImage([`site-${Math.random()}`]), 'acme/site', '1');
  registries.set('site', { address: registry.address });
  wanted.set('site', { image: 'acme/site:1', registry: 'site' });
  return { registry, authority, issue };
}

/** A fault of the site's certificate, or of its having none. */
function siteFault(
  name: string,
  reason: string,
  options: {
    readonly isTls?: boolean;
    /** Before anything is wanted. */
    readonly prepare?: (site: Site) => Promise<void>;
    readonly cure: (site: Site, stage: Stage) => Promise<void>;
  },
): Fault {
  let site: Site | undefined;
  return {
    group,
    name,
    async inject(stage) {
      site = await openSite(stage, options.isTls ?? true);
      await options.prepare?.(site);
      stage.desireAll();
    },
    async whileItLasts(stage) {
      await stage.waitForPhase('site', `Failed ${reason}`);
      // The images of other registries do not mind.
      await stage.waitForPhase(stage.latest(), 'Pulled');
      return `Failed ${reason}; the other registry’s image was pulled`;
    },
    async heal(stage) {
      if (site !== undefined) await options.cure(site, stage);
    },
    async afterwards() {
      await site?.registry.close();
      return '';
    },
  };
}

/** A certificate that is wrong and of a known authority, until the right one takes its place. */
const renewed = (name: string, wrong: Partial<ServerCertificateOptions>): Fault =>
  siteFault(name, 'RegistryUntrusted', {
    async prepare({ registry, authority, issue }) {
      await trustAuthority(registry.address, authority.certificatePem);
      await registry.renewCertificate(await issue(wrong));
    },
    cure: async ({ registry, issue }) => registry.renewCertificate(await issue()),
  });

/** The engine is told of the registry, as `systemctl reload docker` would. */
async function allowPlainHttp({ registry }: Site, { ownEngine, dir }: Stage): Promise<void> {
  await writeFile(join(dir, 'daemon.json'), JSON.stringify({ 'insecure-registries': [registry.address] }));
  if (ownEngine !== undefined) process.kill(ownEngine.pid, 'SIGHUP');
}

function unknownName(): Fault {
  const name = 'registry.plant.test';
  return {
    group,
    name: 'the registry’s name is not known to DNS',
    inject(stage) {
      const { registry, plant } = stage;
      const [, port] = registry.address.split(':');
      stage.registries.set('plant', { ...plant, address: `${name}:${port}` });
    },
    async whileItLasts(stage) {
      await stage.waitForPhase(stage.latest(), 'Failed RegistryUnreachable');
      return 'Failed RegistryUnreachable';
    },
    heal: () => addName(name, '127.0.0.1'),
    afterwards: async () => {
      await removeName(name);
      return '';
    },
  };
}

/** What can be wrong with the registry's name, its certificate, or its having none. */
export const registryTrustFaults: readonly Fault[] = [
  unknownName(),
  siteFault('the registry speaks plain HTTP and the engine wants HTTPS', 'RegistryInsecure', {
    isTls: false,
    cure: allowPlainHttp,
  }),
  siteFault('the registry’s certificate is of an unknown authority', 'RegistryUntrusted', {
    cure: ({ registry, authority }) => trustAuthority(registry.address, authority.certificatePem),
  }),
  renewed('the registry’s certificate has expired', {
    notBefore: new Date(Date.now() - 2 * DAY_MS),
    days: 1,
  }),
  renewed('the registry’s certificate is not valid yet', { notBefore: new Date(Date.now() + DAY_MS) }),
  renewed('the registry’s certificate has another name', { ipAddresses: [], dnsNames: ['other.plant.test'] }),
];
