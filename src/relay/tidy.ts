import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Notes bytes that came; now and then it tidies up. */
export type Tidy = (sizeBytes: number) => void;

const EVERY_BYTES = 2 * 1024 * 1024;

/** As V8 offers it to whoever asks for it. */
type Collect = (options: { readonly type: 'minor' }) => void;

/**
 * Each read from a socket leaves a buffer behind outside V8's heap, which weighs nothing there: V8 would let some thirty
 * megabytes of them lie. A minor collection, of a millisecond, takes them away.
 */
export function createTidy(open: () => Collect = openCollector): Tidy {
  let untidyBytes = 0;
  let collect: Collect | undefined;
  return (sizeBytes) => {
    untidyBytes += sizeBytes;
    if (untidyBytes < EVERY_BYTES) return;
    untidyBytes = 0;
    collect ??= open();
    collect({ type: 'minor' });
  };
}

/** What `--expose-gc` gives to a context that is made while it is set. */
function openCollector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
