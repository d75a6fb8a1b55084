/** What can go wrong between a module and its device. Every switch works at once, on a connected module too. */
export interface Faults {
  /** The CONNACK return code that every connection is answered with; 5 is "not authorized". */
  refuseConnack: 2 | 3 | 4 | 5 | undefined;
  /**
   * Connections are accepted and nothing moves in either direction, TLS included. Switched off again, what was held
   * goes on, as after an outage that TCP survived.
   */
  blackHole: boolean;

  /** Twin requests are carried out and never answered. */
  dropTwinReplies: boolean;
  /** The status of every answer to a get of the twin, with an empty body. */
  twinGetStatus: number | undefined;
  /** The body of every answer to a get of the twin, whatever it is. */
  twinGetBody: string | undefined;
  twinGetDelayMs: number;
  /** What edgeHub answers with no stored copy and no way to IoT Hub: a twin without properties and without `$version`. */
  emptyTwin: boolean;
  /** The status of every answer to a reported patch, with an empty body; the patch is not applied. */
  reportStatus: number | undefined;
  /** IoT Hub's body instead of edgeHub's empty one, with `reportStatus` (400 when that is undefined). */
  reportErrorBody: { readonly errorCode: number; readonly message: string } | undefined;
  /** Desired changes are made and not pushed. */
  dropDesiredPatches: boolean;
  /**
   * edgeHub has lost IoT Hub: it answers from its stored copy, keeps reported patches for later and relays no
   * desired change. Switched off again, it brings the reported ones up to date; a module must fetch the desired ones
   * (as edgeHub pushes nothing within 120 s of the last synchronisation).
   */
  upstreamAway: boolean;
  /**
   * edgeHub passes reported properties up no more often than this (the real one: 5,000, its setting
   * `ReportedPropertiesSyncFrequencySecs`), and until then gives the module a twin without them. Switched off, it passes up
   * what waits.
   */
  syncDelayMs: number;

  /** The HTTP status of every answer to `sign`. */
  signStatus: number | undefined;
  signHangs: boolean;
  trustBundleHangs: boolean;
}

/** All switches off: `Object.assign(edge.faults, NO_FAULTS)` heals everything. */
export const NO_FAULTS: Readonly<Faults> = {
  refuseConnack: undefined,
  blackHole: false,
  dropTwinReplies: false,
  twinGetStatus: undefined,
  twinGetBody: undefined,
  twinGetDelayMs: 0,
  emptyTwin: false,
  reportStatus: undefined,
  reportErrorBody: undefined,
  dropDesiredPatches: false,
  upstreamAway: false,
  syncDelayMs: 0,
  signStatus: undefined,
  signHangs: false,
  trustBundleHangs: false,
};

/** A set of switches, all off, that calls `onChange` after each assignment. */
export function createFaults(onChange: () => void): Faults {
  return new Proxy<Faults>(
    { ...NO_FAULTS },
    {
      set(target, name, value) {
        Reflect.set(target, name, value);
        onChange();
        return true;
      },
    },
  );
}
