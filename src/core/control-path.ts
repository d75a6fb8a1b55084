/**
 * Where the running module listens for its own command line: below `XDG_RUNTIME_DIR`, or in the memory that every
 * container has at `/dev/shm`, on a read-only root too. The folder is the module's alone.
 */
export function toControlPath(env: Readonly<Record<string, string | undefined>>): {
  readonly folder: string;
  readonly socket: string;
} {
  const folder = `${env['XDG_RUNTIME_DIR'] || '/dev/shm'}/connected-registry-puller`;
  return { folder, socket: `${folder}/control.sock` };
}
