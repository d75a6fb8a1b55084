import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeBench } from '#test/az/bench';
import { findMistake } from '#test/az/syntax';

const pages = [
  'README.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
  ...readdirSync('examples', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('examples', name)),
];

/** The commands on a page that begin so, in blocks and between backticks, each as its words. */
function listCommands(page: string, program: string): string[][] {
  const text = readFileSync(page, 'utf8');
  const blocks = Array.from(text.matchAll(/```sh\n([^]+?)```/g), ([, block = '']) =>
    block.split('\n'),
  ).flat();
  const inline = Array.from(
    text.replaceAll(/```[^]+?```/g, '').matchAll(/`([^`]+)`/g),
    ([, code = '']) => code,
  );
  return [...blocks, ...inline]
    .flatMap((line) => line.split(' | '))
    .map((line) => line.trim())
    .filter((line) => line.startsWith(program) && line.includes(' --'))
    .map(toWords);
}

/** A line as the shell takes it apart, without its more curious ways; in a loop over devices, for one of them. */
const toWords = (line: string): string[] =>
  Array.from(line.replaceAll('$device', 'edge-17').matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g), ([word]) =>
    word.replaceAll(/['"]/g, ''),
  );

it.each(pages)('every command of az in %s is one that az knows', (page) => {
  for (const [, ...args] of listCommands(page, 'az ')) {
    expect([args.join(' '), findMistake(args)]).toEqual([args.join(' '), undefined]);
  }
});

it.each(pages)('every call of a tool in %s is one that the tool takes', async (page) => {
  const bench = await makeBench({ registries: {}, hubs: {}, passwords: [], failures: [] });
  for (const [path = '', ...args] of listCommands(page, 'tools/')) {
    // There is nothing in this account: what is asked for is not found, but it is understood.
    const { code, stderr } = await bench.run(path.replace('tools/', ''), args);
    expect([args.join(' '), code === 2 ? stderr : '']).toEqual([args.join(' '), '']);
  }
});

it('finds commands to look at', () => {
  const count = (program: string) => pages.flatMap((page) => listCommands(page, program)).length;
  expect(count('az ')).toBeGreaterThan(20);
  expect(count('tools/')).toBeGreaterThan(10);
});
