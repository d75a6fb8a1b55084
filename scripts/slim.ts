import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plugin } from 'esbuild';

/**
 * Modules that libraries load and that this program never calls: packages, or files of one without their extension. They
 * cost memory at start, and some of them a native build at installation.
 */
const UNUSED = new Set([
  // dockerode: an engine over SSH, sessions, builds of images, and everything that is no image.
  '@balena/dockerignore',
  'docker-modem/lib/http_duplex',
  'docker-modem/lib/ssh',
  'dockerode/lib/buildkit',
  'dockerode/lib/config',
  'dockerode/lib/container',
  'dockerode/lib/exec',
  'dockerode/lib/network',
  'dockerode/lib/node',
  'dockerode/lib/plugin',
  'dockerode/lib/secret',
  'dockerode/lib/service',
  'dockerode/lib/session',
  'dockerode/lib/task',
  'dockerode/lib/volume',
  'tar-fs',
  // azure-iot-device: devices that are no modules, and their uploads.
  'azure-iot-device/dist/device_client',
  'azure-iot-device/dist/x509_authentication_provider',
  'azure-iot-device-mqtt/dist/mqtt_ws',
  // mqtt: other connections than by TLS, and what only MQTT 5 has.
  'mqtt/lib/connect/ali',
  'mqtt/lib/connect/tcp',
  'mqtt/lib/connect/ws',
  'mqtt/lib/connect/wx',
  'mqtt/lib/topic-alias-recv',
  'mqtt/lib/topic-alias-send',
  'mqtt/lib/unique-message-id-provider',
  // pino: destinations other than a function of our own.
  'on-exit-leak-free',
  'pino/lib/multistream',
  'pino/lib/transport',
  'sonic-boom',
  // Modules of Node.js that only those above would need. Our own imports say node: before the name.
  'worker_threads',
  'zlib',
]);

/** Modules of which a little is used: the files in `slim/` that have their names do that. */
const REPLACED = new Set(['debug', 'getos', 'lodash', 'readable-stream']);

/** The same, and only for the file that comes first. */
const REPLACED_FOR = new Set(['docker-modem/lib/modem util']);

/** Lines that a file is better without, once each. */
const CUT = new Map([
  // mqtt: two bytes, in half a kilobyte of objects, for each length that a packet ever had. Reports have thousands.
  ['mqtt-packet/writeToStream', '    if (num < 16384) varByteIntCache[num] = buffer\n'],
]);

/** Leaves out of the bundle what is never called. A name that the libraries no longer load, or a line that they no longer have, is an error. */
export const slim: Plugin = {
  name: 'slim',
  setup(bundler) {
    const unmet = new Set([...UNUSED, ...REPLACED, ...REPLACED_FOR, ...CUT.keys()]);
    bundler.onResolve({ filter: /.*/ }, ({ path, resolveDir, importer }) => {
      const name = path.startsWith('.') ? toName(join(resolveDir, path)) : path;
      const nameThere = `${toName(importer)} ${name}`;
      const isReplaced = REPLACED.has(name) || REPLACED_FOR.has(nameThere);
      const substitute = UNUSED.has(name) ? 'unused' : isReplaced ? name : undefined;
      if (substitute === undefined) return undefined;
      unmet.delete(name);
      unmet.delete(nameThere);
      return { path: join(import.meta.dirname, 'slim', `${substitute}.cjs`) };
    });
    bundler.onLoad({ filter: /\/node_modules\/.*\.js$/ }, async ({ path }) => {
      const line = CUT.get(toName(path));
      if (line === undefined) return undefined;
      const contents = await readFile(path, 'utf8');
      if (contents.includes(line)) unmet.delete(toName(path));
      return { contents: contents.replace(line, ''), loader: 'js' };
    });
    bundler.onEnd(() => ({
      errors: Array.from(unmet, (name) => ({
        text: `no library loads ${name} any more, or not as it was: take it out`,
      })),
    }));
  },
};

/** `package/path` of a file below `node_modules`, without its extension. */
function toName(path: string): string {
  const from = path.lastIndexOf('node_modules/');
  return from < 0 ? path : path.slice(from + 'node_modules/'.length).replace(/\.js$/, '');
}
