import { expect, it } from 'vitest';
import { startScene, toObject, toPhases } from './scene.ts';

const COUNT = 500;

it('keeps 500 images, reports them within the limit, and answers all of them page by page', async () => {
  const { desire, startModule, waitForReady, push, registry, edge, call } = await startScene();
  const { digest } = await push('acme/many:0', ['many'], 20_000);
  const names = Array.from({ length: COUNT }, (_value, index) => `image-${String(index).padStart(3, '0')}`);
  for (const [index] of names.entries()) await registry.tag('acme/many', digest, String(index));
  desire(Object.fromEntries(names.map((name, index) => [name, `acme/many:${index}`])), {
    maxConcurrentPulls: 8,
  });
  startModule();
  const reported = await waitForReady(110_000);
  expect(toObject(reported['summary'])).toMatchObject({
    desired: COUNT,
    pulled: COUNT,
    failed: 0,
    waiting: 0,
  });
  const told = Object.keys(toPhases(reported)).length;
  expect(told).toBeGreaterThan(50);
  expect(reported['omitted']).toBe(COUNT - told);
  expect(edge.stuck).toBe(false);
  expect(edge.reports.filter(({ status }) => status !== 204)).toEqual([]);

  const seen: string[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const { status, payload } = await call('GetStatus', { after });
    expect(status).toBe(200);
    expect(JSON.stringify(payload).length).toBeLessThan(100_000);
    const page = payload as { images: Record<string, { pulledAt: string }>; next?: string };
    seen.push(...Object.keys(page.images));
    after = page.next;
  }
  expect(seen).toEqual(names);
});

it('lets percent grow and never fall, reports progress at its pace, and says 100 only by Pulled', async () => {
  const { desire, startModule, waitForReady, push, registry, edge } = await startScene();
  await push('acme/big:1', ['x', 'y'], 1_500_000);
  registry.faults.bytesPerSecond = 500_000;
  desire({ big: 'acme/big:1' });
  startModule();
  const reported = await waitForReady();
  expect(toObject(toObject(reported['images'])['big'])).not.toHaveProperty('percent');
  const percents = edge.reports
    .map(({ patch }) => toObject(toObject(toObject(patch)['images'])['big'])['percent'])
    .filter((percent) => typeof percent === 'number');
  expect(percents.length).toBeGreaterThanOrEqual(2);
  expect(percents).toEqual(percents.toSorted((a, b) => a - b));
  expect(Math.max(...percents)).toBeLessThan(100);
});
