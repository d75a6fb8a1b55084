import type { CredentialName } from '#core/desired-state';
import { FAILURES } from '#core/reason';
import type { FailureReason } from '#core/reason';

/** What a check is about: one listed registry, and a manifest in it. */
export interface CheckQuestion {
  /** Its name in `registryCredentials`. */
  readonly name: string;
  /** `host[:port]`. */
  readonly address: string;
  /** Absent for an anonymous registry. */
  readonly username?: string | undefined;
  /** Whose manifest is to be read; absent where none is. */
  readonly repository?: string | undefined;
  /** Whether the module itself asks, in its own network, for the relay. */
  readonly isModule?: boolean;
}

/**
 * One thing that must work before an image can be pulled. `entry` is what the desired properties say of the registry, and
 * is told where it is at fault, alone. The engine is asked for `reach`, `login` and `manifest`; so is
 * the module itself, for the relay that the engine must come to (`relay`); and it tries the rest without a password.
 */
export type CheckName =
  'entry' | 'relay' | 'reach' | 'login' | 'manifest' | 'resolve' | 'connect' | 'tls' | 'v2';

/** What failed, as far as the advice depends on it. */
interface Failed {
  readonly reason: FailureReason;
  readonly message: string;
}

/** What the operator does about a step that failed: the command to run or the file to change, with the names filled in. */
export function adviseOn(question: CheckQuestion, head: StepHead, failed: Failed): string {
  if (head.step === 'relay') return RELAY_ADVICE;
  const isOwn = isOwnStep(head.step) || question.isModule === true;
  const advise = isOwn ? OWN_ADVICE[failed.reason] : undefined;
  const found = (advise ?? ADVICE[failed.reason])?.(question, head, failed.message);
  return found ?? FAILURES[failed.reason].advice;
}

interface StepHead {
  readonly step: CheckName;
  readonly credential?: CredentialName;
}

type Adviser = (question: CheckQuestion, head: StepHead, message: string) => string;

/** Of the module's own steps. */
const isOwnStep = (step: CheckName): boolean =>
  step === 'resolve' || step === 'connect' || step === 'tls' || step === 'v2';

const OWN_ADVICE: Readonly<Partial<Record<FailureReason, Adviser>>> = {
  RegistryUnreachable: ({ address }) => adviseOwnReach(address),
  RegistryUntrusted: ({ name }) =>
    `Put the PEM of the CA into registryCredentials.${name}.ca: the relay trusts it then, and nothing is needed on the host. ${ELSE_ENGINE}`,
  RegistryInsecure: ({ name }) =>
    `Give the registry a certificate. Through the relay its images come in clear if registryCredentials.${name} has no ca and the registry never spoke HTTPS since the module started. ${ELSE_ENGINE}`,
};

const ELSE_ENGINE =
  'Until then its images come by the engine, in the network of the host, if its own steps are ok.';

const RELAY_ADVICE =
  'Publish the relay on the host\'s loopback, in the createOptions of the module: "ExposedPorts": {"5010/tcp": {}}, "HostConfig": {"PortBindings": {"5010/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5010"}]}} (the port is RELAY_PORT); or set settings.transport to engine.';

function adviseOwnReach(address: string): string {
  const { host, port } = split(address);
  if (!isLoopbackHost(host)) return `The module's network must resolve and reach ${address}. ${ELSE_ENGINE}`;
  return `If the registry runs: to the module ${address} is the host's. Give its createOptions "ExtraHosts": ["host.docker.internal:host-gateway"], and have port ${port} published on all addresses of the host, not on 127.0.0.1 alone. ${ELSE_ENGINE}`;
}

const ADVICE: Readonly<Partial<Record<FailureReason, Adviser>>> = {
  RegistryUnreachable: (question, _head, message) => adviseReach(question, message),
  RegistryUntrusted: (question, _head, message) => adviseTrust(question, message),
  RegistryInsecure: ({ address }) =>
    `Nothing, where its images come through the relay. For the engine: on the host add "${address}" to "insecure-registries" in /etc/docker/daemon.json and run: systemctl reload docker. Better: give the registry a certificate, or go through the API proxy (HTTPS), or reach it as 127.0.0.1.`,
  RegistryError: ({ name, address }) =>
    `On the host run: curl -si ${toUrl(address)}/v2/ — a registry answers 200 or 401 there. If it is another program, correct registryCredentials.${name}.address; if it is a proxy, look at its log and the registry's.`,
  Unauthorized: (question, { step, credential = 'password' }) =>
    step === 'login'
      ? adviseLogin(question, credential)
      : `Set username and password of registryCredentials.${question.name}: the registry asks for them.`,
  AccessDenied: (question) => adviseScope(question),
  NotFound: (question) =>
    `Check repository and tag. If they are right, the registry on site has not synced them: run ${adviseSync(question)} and wait for its next sync.`,
};

function adviseReach({ address }: CheckQuestion, message: string): string {
  const { host, port } = split(address);
  const curl = `curl -sv --max-time 10 ${toUrl(address)}/v2/`;
  if (/proxy authentication/i.test(message)) {
    return `The engine's HTTP proxy wants a login: on the host put ${host} into the engine's NO_PROXY, or the login into its HTTPS_PROXY and HTTP_PROXY (http://user:password@proxy:port; systemctl edit docker), and run: systemctl restart docker. Nothing, where its images come through the relay.`;
  }
  if (/timeout|timed out|deadline|no answer|canceled/i.test(message)) {
    return `On the host run: ${curl} — if it connects and waits, restart the registry or the proxy before it (iotedge restart <module>); if it does not connect, a firewall drops it, or the address is wrong. ${PROXY}`;
  }
  if (isLoopbackHost(host)) {
    return `On the host run: ss -ltnp 'sport = :${port}' — the registry, or the API proxy before it, must listen there: iotedge list shows whether it runs, and its createOptions need ${port} among their PortBindings.`;
  }
  return `On the host run: getent hosts ${host} and: ${curl} — the host, not the module, must resolve and reach it. ${PROXY}`;
}

const PROXY =
  'If the engine goes through an HTTP proxy (systemctl show --property=Environment docker), its NO_PROXY must hold the host.';

function adviseTrust({ name, address }: CheckQuestion, message: string): string {
  const path = `/etc/docker/certs.d/${address}`;
  if (/expired or is not yet valid/.test(message)) {
    return 'On the host run: date — if the clock is right, renew the certificate of the registry.';
  }
  if (/is valid for|not valid for any names|IP SANs/.test(message)) {
    return 'Use the name that is in the certificate as address in registryCredentials and images, or have the certificate issued for this one.';
  }
  if (/X509 key pair|missing key|client certificate/.test(message)) {
    return `Look into ${path}: a CA is named *.crt there; a *.cert is a client's and needs its *.key.`;
  }
  return `Put the PEM of the CA that signed the certificate into registryCredentials.${name}.ca, which the relay trusts; or for the engine, on the host, at ${path}/ca.crt (no restart needed).`;
}

function adviseLogin({ name, address, username = '' }: CheckQuestion, credential: CredentialName): string {
  const acr = toCloudName(address);
  return (
    `If it was renewed lately, wait for the connected registry's next sync. ` +
    `Else see that registryCredentials.${name}.${credential} is right and the token known on site: az acr connected-registry update --registry ${acr} --name <connected registry> --add-client-tokens ${username}, and wait for the next sync. ` +
    `If neither helps, make a new one, which ends the one there is: tools/registry-access.sh --registry ${acr} --token ${username} … --rotate ${credential} --apply.`
  );
}

function adviseScope({ address, username, repository = '<repository>' }: CheckQuestion): string {
  const acr = toCloudName(address);
  const token = username === undefined ? '<token>' : username;
  return (
    `Find the scope map: az acr token show --registry ${acr} --name ${token} --query scopeMapId, then: ` +
    `az acr scope-map update --registry ${acr} --name <scope map> --add-repository ${repository} content/read, and wait for the next sync.`
  );
}

const adviseSync = ({ address, repository = '<repository>' }: CheckQuestion): string =>
  `az acr connected-registry permissions update --registry ${toCloudName(address)} --name <connected registry> --add ${repository}`;

/** Whether a host is the machine itself, as whoever asks sees it. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Host (IPv6 in brackets) and port of an address; the port that HTTPS has where none is written. */
export function split(address: string): { readonly host: string; readonly port: number } {
  const match = /^(.*?)(?::(\d+))?$/.exec(address);
  return { host: match?.[1] ?? address, port: Number(match?.[2] ?? 443) };
}

/** Docker's engine speaks plain HTTP to loopback addresses. */
const toUrl = (address: string): string =>
  `${isLoopbackHost(split(address).host) ? 'http' : 'https'}://${address}`;

/** The name that `az` knows a registry by; unknown for one on site, which has an address of its own. */
const toCloudName = (address: string): string => /^([^.:]+)\.azurecr\.io$/.exec(address)?.[1] ?? '<acr>';
