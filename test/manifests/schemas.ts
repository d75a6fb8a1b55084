import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';

const require = createRequire(import.meta.url);

/** Names of the SchemaStore schemas that manifests are held to. */
export type ManifestSchema = 'azure-iot-edge-deployment-template-4.0' | 'azure-iot-edge-deployment-2.0';

/** What is wrong with a manifest by a published schema, one line a fault; empty for a valid one. */
export function listSchemaFaults(schema: ManifestSchema, manifest: unknown): string[] {
  const isValid = createValidator().getSchema(`https://json.schemastore.org/${schema}.json`);
  if (isValid === undefined) throw new Error(`no schema ${schema}`);
  if (isValid(manifest) === true) return [];
  return (isValid.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`);
}

function createValidator(): Ajv {
  const schemaStore = dirname(require.resolve('schemastore/package.json'));
  const folder = join(schemaStore, 'schemas/json');
  const ajv = new Ajv({ strict: false, allErrors: true });
  formats.default(ajv);
  for (const file of readdirSync(folder).filter((name) => name.startsWith('azure-iot-edge'))) {
    // They are of draft 4. Of what draft 7 says otherwise they use the name of `$id` alone.
    const {
      $schema: _,
      id: __,
      ...schema
    } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>;
    ajv.addSchema({ ...schema, $id: `https://json.schemastore.org/${file}` });
  }
  return ajv;
}
