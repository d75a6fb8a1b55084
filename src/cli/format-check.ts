import type { CheckDocument, CheckedRegistry, CheckedStep } from '#cli/documents';

const MARKS: Readonly<Record<CheckedStep['result'], string>> = { ok: '✓', failed: '✗', skipped: '-' };

/** What works at each registry, for a terminal. */
export function formatCheck({ registries, omitted = 0 }: CheckDocument): string {
  const blocks = Object.entries(registries).map((entry) => formatRegistry(...entry));
  if (blocks.length === 0) return 'No registry is listed in the desired properties.\n';
  return [...blocks, ...(omitted === 0 ? [] : [`${omitted} more: check them by name.\n`])].join('\n');
}

function formatRegistry(name: string, { address, ok, engine, relay, module }: CheckedRegistry): string {
  const head = `${address === '' ? name : `${name} at ${address}`}: images ${ok ? 'can' : 'cannot'} be pulled\n`;
  // Of an entry that is at fault nobody was asked.
  if (relay.length + module.length === 0) return [head, ...engine.map(formatStep)].join('');
  return [
    head,
    '  asked by the engine\n',
    ...engine.map(formatStep),
    '  through the relay of the module\n',
    ...relay.map(formatStep),
    '  asked by the module itself, in its own network\n',
    ...module.map(formatStep),
  ].join('');
}

function formatStep({ step, credential, result, reason, message, advice }: CheckedStep): string {
  const head = `${`${step}${credential === undefined ? '' : ` with ${credential}`}`.padEnd(20)}`;
  const said = [reason, message].filter((part) => part !== undefined).join(': ');
  const line = `    ${MARKS[result]} ${head} ${said}`.trimEnd();
  return advice === undefined ? `${line}\n` : `${line}\n      → ${advice}\n`;
}
