/** Writes schema/*.json anew from the shapes in src/contract. */

import { mkdir, writeFile } from 'node:fs/promises';

import { formatSchema, toSchemas } from '#contract/schemas';

const folder = new URL('../schema/', import.meta.url);
await mkdir(folder, { recursive: true });
for (const [name, schema] of toSchemas()) {
  await writeFile(new URL(name, folder), formatSchema(schema));
  console.log(`schema/${name}`);
}
