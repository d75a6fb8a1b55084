/**
 * What the IoT Edge tools make of `deployment.template.json`.
 * @see https://github.com/Azure/iotedgedev/blob/main/iotedgedev/modules.py
 */

/** A tree of JSON. */
export type Json = { [key: string]: unknown };

/** The modules of a deployment manifest, system modules included, by name. */
export type ModuleEntries = Readonly<Record<string, { settings: Record<string, unknown> } & Json>>;

/** What {@link expandTemplate} takes. */
export interface Expansion {
  /** The text of `deployment.template.json`. */
  readonly template: string;
  /** The text of `module.json`, in the same folder. */
  readonly moduleJson: string;
  /** The variables of `.env`. */
  readonly env: Readonly<Record<string, string>>;
  /** A key of `module.json`'s platforms: `amd64`, `arm64v8`. */
  readonly platform: string;
}

/** A property of a twin holds this many characters in the tools' view. */
const CHUNK_LENGTH = 512;

/** The tools write no more than these: `createOptions`, `createOptions01`… `createOptions07`. */
const MAX_CHUNKS = 8;

/**
 * The deployment manifest: variables and the module's image put in, `createOptions` as text in pieces.
 * @throws when a module's createOptions are longer than the tools can write.
 */
export function expandTemplate({ template, moduleJson, env, platform }: Expansion): Json {
  const manifest = JSON.parse(expandVariables(template, env)) as Json;
  const image = formatImage(expandVariables(moduleJson, env), platform);
  for (const [name, { settings }] of Object.entries(listModules(manifest))) {
    if (settings['image'] === '${MODULEDIR<.>}') settings['image'] = image;
    const { createOptions = {} } = settings;
    const text = typeof createOptions === 'string' ? createOptions : JSON.stringify(createOptions);
    const chunks = text.match(new RegExp(`[^]{1,${CHUNK_LENGTH}}`, 'g')) ?? [];
    if (chunks.length > MAX_CHUNKS) throw new Error(`createOptions of ${name} are ${text.length} characters`);
    for (const [index, chunk] of chunks.entries()) {
      settings[index === 0 ? 'createOptions' : `createOptions${String(index).padStart(2, '0')}`] = chunk;
    }
  }
  delete manifest['$schema-template'];
  return manifest;
}

/** A module's createOptions, as edgeAgent puts the pieces together again. */
export function readCreateOptions(manifest: Json, name: string): Json {
  const settings = listModules(manifest)[name]?.settings ?? {};
  const pieces = Object.keys(settings).filter((key) => key.startsWith('createOptions'));
  return JSON.parse(
    pieces
      .toSorted()
      .map((key) => settings[key])
      .join(''),
  ) as Json;
}

/** A module's environment variables. */
export function readEnvironment(manifest: Json, name: string): Record<string, string> {
  const env = (listModules(manifest)[name]?.['env'] ?? {}) as Record<string, { value: unknown }>;
  return Object.fromEntries(Object.entries(env).map(([key, { value }]) => [key, String(value)]));
}

/** All modules of a template or a manifest. */
export function listModules(manifest: Json): ModuleEntries {
  const desired = readDesired(manifest, '$edgeAgent') as {
    systemModules: ModuleEntries;
    modules: ModuleEntries;
  };
  return { ...desired.systemModules, ...desired.modules };
}

/** The desired properties that a template or a manifest gives a module. */
export function readDesired(manifest: Json, name: string): Json {
  const content = manifest['modulesContent'] as Record<string, { 'properties.desired': Json } | undefined>;
  return content[name]?.['properties.desired'] ?? {};
}

/**
 * The desired properties of a module that a base deployment gives it and a layer adds to by path:
 * `properties.desired.images.camera` sets that one image. `properties.desired` alone replaces them all.
 * @see https://learn.microsoft.com/azure/iot-edge/module-deployment-monitoring#layered-deployment
 */
export function applyLayer(base: Json, layer: Json, name: string): Json {
  const desired = structuredClone(readDesired(base, name));
  const entries = (layer['modulesContent'] as Record<string, Json>)[name] ?? {};
  return Object.entries(entries).reduce((document, [path, value]) => {
    const keys = path.split('.').slice(2);
    const last = keys.pop();
    if (last === undefined) return structuredClone(value) as Json;
    const parent = keys.reduce((node, key) => (node[key] ??= {}) as Json, document);
    parent[last] = value;
    return document;
  }, desired);
}

/** The names of the variables in a text: `$NAME` or `${NAME}`, in capitals. */
export function listVariables(text: string): Set<string> {
  return new Set(Array.from(text.matchAll(VARIABLE), ([, plain, braced]) => plain ?? braced ?? ''));
}

/** Reads `NAME=value` lines; `#` begins a comment line. */
export function parseEnvFile(text: string): Record<string, string> {
  return Object.fromEntries(
    Array.from(text.matchAll(/^([A-Z0-9_]+)=(.*)$/gm), ([, name, value]) => [name, value]),
  );
}

const VARIABLE = /\$(?:([A-Z][A-Z0-9_]*)|\{([A-Z][A-Z0-9_]*)\})/g;

/** A variable that is not set stays as it is written. */
function expandVariables(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(
    VARIABLE,
    (written, plain?: string, braced?: string) => env[plain ?? braced ?? ''] ?? written,
  );
}

function formatImage(moduleJson: string, platform: string): string {
  const { image } = JSON.parse(moduleJson) as {
    image: { repository: string; tag: { version: string; platforms: Record<string, string> } };
  };
  if (image.tag.platforms[platform] === undefined) throw new Error(`module.json has no platform ${platform}`);
  return `${image.repository.toLowerCase()}:${image.tag.version}-${platform}`;
}
