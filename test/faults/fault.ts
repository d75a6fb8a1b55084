import type { Stage, StageOptions } from './stage.ts';

/** What a fault happens to; also a heading of docs/reliability.md. */
export type FaultGroup = 'edgeHub and workload API' | 'registry' | 'engine' | 'the module itself';

/**
 * One thing that goes wrong, from its beginning to its end. `testFaults` plays it: a module that is ready; `inject`;
 * one image more is wanted; `whileItLasts`; `heal`; ready again, with nobody's help.
 */
export interface Fault {
  readonly group: FaultGroup;
  /** As docs/reliability.md prints it; no two have the same. */
  readonly name: string;
  /** Only in the long form: it takes minutes. */
  readonly isLong?: boolean;
  /** It mostly waits: it is played beside others like it, each in a lab of its own. */
  readonly isSlow?: boolean;
  /** It has a lab of its own, of this kind. Default: it shares one lab and module process with the others of its file. */
  readonly lab?: StageOptions;
  /** The module is stopped before `inject` and started after it. */
  readonly isAtStart?: boolean;
  /** Begins it. May want images first (`stage.want`) and wait until they are being pulled. */
  inject(stage: Stage): Promise<void> | void;
  /**
   * What must be true while it lasts: throws where it is not. That the process lives, and that no report lies, is
   * looked at meanwhile for every fault. Without this, the fault lasts for 3 s.
   * @returns what was seen, for docs/reliability.md
   */
  whileItLasts?(stage: Stage): Promise<string>;
  /** Ends it. Also called when something failed before. */
  heal(stage: Stage): Promise<void> | void;
  /** So long after `heal` the module is ready at the latest, in milliseconds. Default 60,000. */
  readonly recoveryMs?: number;
  /**
   * What must be true at the end, beside the wanted images, the handles, the memory and the search for secrets.
   * @returns what was seen, for docs/reliability.md
   */
  afterwards?(stage: Stage): Promise<string>;
}

/** What became of a fault; of one that failed no more is known. */
export type FaultOutcome =
  FaultResult | (Pick<FaultResult, 'group' | 'name'> & { readonly outcome: 'failed' });

/** What was seen of a fault, as JSON has it. */
export interface FaultResult {
  readonly group: FaultGroup;
  readonly name: string;
  readonly form: 'short' | 'long';
  readonly outcome: 'passed';
  readonly seen: string;
  /** From `inject` to `heal`. */
  readonly lastedSeconds: number;
  /** From `heal` to ready. */
  readonly healedSeconds: number;
  /** Images that were wanted at the end, and those of them that the engine had. */
  readonly wanted: number;
  readonly inEngine: number;
  /** How often what is reported was compared with what the engine has. */
  readonly looks: number;
  /** Reports that edgeHub's own rules refuse; not those that only the fault had it refuse. */
  readonly reportsRefused: number;
  /** Places where a password or a token stood. */
  readonly secretsFound: number;
  /** What the process had more at the end than at the beginning. */
  readonly handlesMore: number;
  readonly memoryMoreMB: number;
  /** Starts of the module that the fault itself asked for, by SIGKILL or SIGTERM. */
  readonly restarts: number;
}
