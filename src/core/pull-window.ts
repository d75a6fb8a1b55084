/** A daily span of local time in which pulls may start; it runs over midnight where `end` is before `start`. */
export interface PullWindow {
  /** Minutes after local midnight, 0…1439. */
  readonly startMinute: number;
  readonly endMinute: number;
  /** IANA name, for instance `Europe/Oslo`. */
  readonly timeZone: string;
  /** Relay only: 0 stops outside the window, more goes on that slowly. */
  readonly outsideBytesPerSecond: number;
}
