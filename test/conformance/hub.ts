import { describe, expect, test, vi } from 'vitest';
import type { Hub, OutputMessage } from '#agent/ports';
import type { JsonObject } from '#core/merge-patch';

/** A hub with everything that the suite does to it from outside. */
export interface HubHarness {
  readonly hub: Hub;
  /** IoT Hub's view of what was reported. */
  reported(): JsonObject;
  /** Messages that edgeHub took, in order, with their outputs. */
  sent(): readonly (OutputMessage & { readonly output: string })[];
  /** Replaces the desired properties. */
  setDesired(desired: JsonObject): void;
  /** Whether nothing gets an answer from now on. */
  setSilent(isSilent: boolean): void;
  disconnect(): Promise<void>;
  connect(): Promise<void>;
}

/** What the agent relies on, whatever the hub is. A harness is made for each test, and goes with it. */
export function describeHub(name: string, startHarness: () => Promise<HubHarness>): void {
  describe(`${name}, as any hub`, () => {
    /** A harness whose hub runs, is connected and has fetched a twin. */
    async function start(): Promise<HubHarness> {
      const harness = await startHarness();
      harness.setDesired({ images: {} });
      await until(() => expect(harness.hub.twin?.desired).toMatchObject({ images: {} }));
      expect(harness.hub.isConnected).toBe(true);
      return harness;
    }

    describe('the twin', () => {
      test('is whole, with a version, and tells the fetch and the connection that brought it', async () => {
        const { hub } = await start();
        expect(hub.twin?.desired['$version']).toBeGreaterThan(0);
        expect(hub.twin).toMatchObject({ reported: {}, connection: 1 });
        expect(hub.twin?.fetch).toBeGreaterThan(0);
      });

      test('comes anew after each change, whole, and every listener is told', async () => {
        const { hub, setDesired } = await start();
        const before = hub.twin;
        const listeners = [vi.fn<() => void>(), vi.fn<() => void>()];
        for (const listener of listeners) hub.onChange(listener);
        setDesired({ images: { app: { image: 'a', list: [1, 2] } }, settings: { paused: true } });
        await until(() => expect(hub.twin?.desired).toHaveProperty('settings'));
        setDesired({ images: { app: { image: 'a', list: [3] } } });
        await until(() => expect(hub.twin?.desired).not.toHaveProperty('settings'));
        expect(hub.twin?.desired['images']).toEqual({ app: { image: 'a', list: [3] } });
        expect(hub.twin?.fetch).toBeGreaterThan(before?.fetch ?? 0);
        for (const listener of listeners) expect(listener.mock.calls.length).toBeGreaterThanOrEqual(2);
      });

      test('that was handed out is never changed afterwards', async () => {
        const { hub, setDesired } = await start();
        const before = hub.twin;
        const text = JSON.stringify(before);
        setDesired({ images: { app: { image: 'a' } } });
        await until(() => expect(hub.twin?.desired['images']).toEqual({ app: { image: 'a' } }));
        expect(JSON.stringify(before)).toBe(text);
      });
    });

    describe('a report', () => {
      test('is merged: objects by key, null deletes, arrays are replaced', async () => {
        const { hub, reported } = await start();
        await hub.report({ a: { x: 1, y: [1, 2] }, b: 1 });
        await hub.report({ a: { x: null, y: [3] }, c: 'text' });
        await until(() => expect(reported()).toMatchObject({ a: { y: [3] }, b: 1, c: 'text' }));
        expect(reported()['a']).toEqual({ y: [3] });
      });

      test('stands in the twin that is fetched next', async () => {
        const { hub, setDesired } = await start();
        await hub.report({ a: 1 });
        setDesired({ images: {}, changed: true });
        await until(() => expect(hub.twin?.desired).toHaveProperty('changed'));
        expect(hub.twin?.reported).toMatchObject({ a: 1 });
      });

      test('rejects where no answer comes', async () => {
        const { hub, setSilent } = await start();
        setSilent(true);
        await expect(hub.report({ a: 1 })).rejects.toThrow('no answer');
      });

      test('rejects at once while there is no connection', async () => {
        const { hub, disconnect, reported } = await start();
        await disconnect();
        await expect(hub.report({ a: 1 })).rejects.toThrow('not connected');
        expect(reported()).not.toHaveProperty('a');
      });
    });

    describe('a message', () => {
      const message = { id: 'id-1', body: { event: 'Ready', text: 'é' }, properties: { event: 'Ready' } };

      test('goes to its output as JSON, with its properties and its id, in order', async () => {
        const { hub, sent } = await start();
        await hub.send('pullEvents', message);
        await hub.send('other', { ...message, id: 'id-2' });
        await until(() =>
          expect(sent()).toEqual([
            { output: 'pullEvents', ...message },
            { output: 'other', ...message, id: 'id-2' },
          ]),
        );
      });

      test('rejects where no answer comes', async () => {
        const { hub, setSilent } = await start();
        setSilent(true);
        await expect(hub.send('pullEvents', message)).rejects.toThrow('no answer');
      });

      test('rejects at once while there is no connection', async () => {
        const { hub, disconnect, sent } = await start();
        await disconnect();
        await expect(hub.send('pullEvents', message)).rejects.toThrow('not connected');
        expect(sent()).toEqual([]);
      });
    });

    describe('a connection', () => {
      test('that is lost leaves the twin, and listeners are told', async () => {
        const { hub, disconnect, setDesired } = await start();
        const before = hub.twin;
        const listener = vi.fn<() => void>();
        hub.onChange(listener);
        await disconnect();
        expect(hub.isConnected).toBe(false);
        expect(listener).toHaveBeenCalled();
        setDesired({ images: { late: { image: 'a' } } });
        expect(hub.twin).toEqual(before);
      });

      test('that comes back brings the twin as it is now', async () => {
        const { hub, disconnect, connect, setDesired } = await start();
        const before = hub.twin;
        await disconnect();
        setDesired({ images: { late: { image: 'a' } } });
        await connect();
        await until(() => expect(hub.twin?.desired['images']).toEqual({ late: { image: 'a' } }));
        expect(hub.isConnected).toBe(true);
        expect(hub.twin?.connection).toBe((before?.connection ?? 0) + 1);
        expect(hub.twin?.fetch).toBeGreaterThan(before?.fetch ?? 0);
        await hub.report({ again: true });
      });
    });
  });
}

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 10 });
