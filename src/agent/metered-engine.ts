import type { Engine } from '#agent/ports';
import type { Tally } from '#core/tally';

/** The same engine, each of whose answers is timed; what goes on for long (pulls, events) is not. */
export function meterEngine(engine: Engine, tally: Tally, steadyMs: () => number): Engine {
  async function time<T>(call: string, answer: Promise<T>): Promise<T> {
    const startedMs = steadyMs();
    try {
      return await answer;
    } catch (error) {
      tally.count('engine_call_failures_total', { call });
      throw error;
    } finally {
      tally.observe('engine_call_duration_seconds', { call }, (steadyMs() - startedMs) / 1000);
    }
  }
  return {
    ...engine,
    fetchInfo: (...asked) => time('info', engine.fetchInfo(...asked)),
    listImages: (...asked) => time('list_images', engine.listImages(...asked)),
    inspectImage: (...asked) => time('inspect_image', engine.inspectImage(...asked)),
    listImageIdsInUse: (...asked) => time('list_containers', engine.listImageIdsInUse(...asked)),
    login: (...asked) => time('login', engine.login(...asked)),
    fetchManifest: (...asked) => time('manifest', engine.fetchManifest(...asked)),
    tag: (...asked) => time('tag', engine.tag(...asked)),
    untag: (...asked) => time('untag', engine.untag(...asked)),
  };
}
