/**
 * What each command takes, as far as the tools and the documents use it; anything else az answers with code 2.
 * @see https://learn.microsoft.com/cli/azure/acr and https://learn.microsoft.com/cli/azure/iot
 */
const OPTIONS: Record<string, string> = {
  'acr show': 'name',
  'acr scope-map show': 'registry name',
  'acr scope-map create': 'registry name repository',
  'acr scope-map update': 'registry name add-repository',
  'acr token show': 'registry name',
  'acr token create': 'registry name scope-map no-passwords',
  'acr token credential generate': 'registry name password1 password2 expiration-in-days',
  'acr connected-registry show': 'registry name',
  'acr connected-registry update': 'registry name add-client-tokens',
  'iot hub module-twin show': 'hub-name device-id module-id',
  'iot hub module-twin update': 'hub-name device-id module-id desired',
  'iot hub query': 'hub-name query-command',
  'iot hub job create': 'hub-name job-id job-type query-condition twin-patch wait poll-duration',
  'iot edge deployment show': 'hub-name deployment-id',
  'iot edge deployment create': 'hub-name deployment-id content target-condition priority layered',
  // Only in documents.
  'acr login': 'name',
  'acr token update': 'registry name status',
  'extension add': 'name',
  'iot edge set-modules': 'hub-name device-id content',
  'iot edge deployment update': 'hub-name deployment-id set',
  'iot edge deployment delete': 'hub-name deployment-id',
  'iot hub device-twin update': 'hub-name device-id tags',
  'iot hub module-identity show': 'hub-name device-id module-id',
  'iot hub invoke-module-method': 'hub-name device-id module-id method-name method-payload',
};
const ALWAYS = ['query', 'output', 'only-show-errors', 'subscription', 'resource-group'];

/** What az does not know of this call: the command, or an option. */
export function findMistake(args: readonly string[]): string | undefined {
  const end = args.findIndex((arg) => arg.startsWith('-'));
  const name = args.slice(0, end < 0 ? undefined : end).join(' ');
  const known = OPTIONS[name];
  if (known === undefined) return `'${name}' is misspelled or not recognized`;
  const options = args.filter((arg) => arg.startsWith('--')).map((arg) => arg.slice(2));
  const strange = options.filter((option) => !known.split(' ').includes(option) && !ALWAYS.includes(option));
  return strange.length === 0 ? undefined : `unrecognized arguments: --${strange.join(' --')}`;
}
