/** What `npm audit --json` prints, of npm 7 or later, as far as it is looked at. */
export interface AuditReport {
  /** What went wrong, where the registry could not be asked. */
  readonly message?: string;
  /** By package; absent when the registry could not be asked. */
  readonly vulnerabilities?: Readonly<
    Record<string, { readonly severity: string; readonly range: string; readonly via: readonly unknown[] }>
  >;
}

/** What is to be said of a report. */
export interface Verdict {
  readonly lines: readonly string[];
  readonly isFailure: boolean;
}

/** Tells each vulnerability in one line; it is a failure where its package is bundled. */
export function toVerdict({ vulnerabilities, message }: AuditReport, bundled: ReadonlySet<string>): Verdict {
  if (vulnerabilities === undefined) {
    return { lines: [`npm audit: nothing was checked: ${message ?? 'no answer'}`], isFailure: false };
  }
  const found = Object.entries(vulnerabilities);
  if (found.length === 0) return { lines: ['npm audit: nothing is known'], isFailure: false };
  const lines = found.map(([name, { severity, range, via }]) => {
    const titles = via.flatMap((cause) => toTitle(cause));
    const where = bundled.has(name) ? 'BUNDLED' : 'not bundled';
    return `${name} ${range}: ${severity}, ${where}${titles.length === 0 ? '' : `: ${titles.join('; ')}`}`;
  });
  return { lines, isFailure: found.some(([name]) => bundled.has(name)) };
}

/** An advisory has a title; the name of a package through which it comes has none. */
function toTitle(cause: unknown): string[] {
  return typeof cause === 'object' && cause !== null && 'title' in cause ? [String(cause.title)] : [];
}
