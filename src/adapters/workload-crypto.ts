import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import type { Sealer } from '#agent/ports';

/** The part of a module's identity that the workload API is asked with. */
export interface WorkloadIdentity {
  /** `unix:///path` or `http://host:port`. */
  readonly workloadUri: string;
  readonly moduleId: string;
  readonly generationId: string;
}

const API_VERSION = '2020-07-07';
const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 1_000_000;

/**
 * Seals by the device's security daemon, with a key that never leaves it; an identity that was made anew cannot open
 * what the old one sealed.
 *
 * @see https://github.com/Azure/iotedge/blob/main/edgelet/api/workloadVersion_2020_07_07.yaml
 */
export function createWorkloadSealer({ workloadUri, moduleId, generationId }: WorkloadIdentity): Sealer {
  const base = `/modules/${encodeURIComponent(moduleId)}/genid/${encodeURIComponent(generationId)}`;
  const call = (operation: 'encrypt' | 'decrypt', fields: object): Promise<Record<string, unknown>> =>
    post(workloadUri, `${base}/${operation}?api-version=${API_VERSION}`, fields);
  return {
    async seal(text) {
      const initializationVector = randomBytes(16).toString('base64');
      const plaintext = Buffer.from(text).toString('base64');
      const { ciphertext } = await call('encrypt', { plaintext, initializationVector });
      return `${initializationVector}.${toText(ciphertext)}`;
    },
    async open(sealed) {
      const [initializationVector = '', ciphertext = ''] = sealed.split('.');
      const { plaintext } = await call('decrypt', { ciphertext, initializationVector });
      return Buffer.from(toText(plaintext), 'base64').toString('utf8');
    },
  };
}

/** A sealer for a module that has no security daemon: nothing can be sealed. */
export const noSealer: Sealer = {
  seal: () => Promise.reject(new Error('there is no workload API to seal with')),
  open: () => Promise.reject(new Error('there is no workload API to open with')),
};

async function post(workloadUri: string, path: string, fields: object): Promise<Record<string, unknown>> {
  const body = Buffer.from(JSON.stringify(fields));
  const { status, text } = await send(workloadUri, path, body);
  // The answer may hold what was to be kept secret: it is in no error.
  if (status !== 200) throw new Error(`the workload API answered ${status}`);
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    // The parser's own words would quote it.
    throw new Error('the workload API answered with another thing than JSON');
  }
}

function send(workloadUri: string, path: string, body: Buffer): Promise<{ status: number; text: string }> {
  const { protocol, hostname, port, pathname } = new URL(workloadUri);
  const target = protocol === 'unix:' ? { socketPath: pathname } : { host: hostname, port };
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const call = request({ ...target, path, method: 'POST', headers, signal }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) response.destroy(new Error('the workload API answered too much'));
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    call.on('error', reject);
    call.end(body);
  });
}

function toText(value: unknown): string {
  if (typeof value !== 'string') throw new Error('the workload API answered without the text asked for');
  return value;
}
