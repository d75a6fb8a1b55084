import { readFile } from 'node:fs/promises';

/** How the image runs the module. */
export interface Runtime {
  /** Of Node.js. */
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Reads from a Dockerfile how its image runs the module. */
export async function readRuntime(dockerfile: string): Promise<Runtime> {
  const text = (await readFile(dockerfile, 'utf8')).replaceAll('\\\n', ' ');
  const entrypoint = JSON.parse(/^ENTRYPOINT (.+)$/m.exec(text)?.[1] ?? '[]') as string[];
  const variables = /^ENV (.+)$/m.exec(text)?.[1] ?? '';
  return {
    flags: entrypoint.filter((word) => word.startsWith('--') && word !== '--'),
    environment: Object.fromEntries(
      Array.from(variables.matchAll(/(\w+)=(\S+)/g), ([, name, value]) => [name, value]),
    ),
  };
}
