/** How bytes reach the engine: by its own pull from the registry, or through the module's relay. */
export type Transport = 'engine' | 'relay';

/** Why nothing goes through the relay: nobody wants it to, it does not serve, or the engine does not come to it. */
export interface Obstacle {
  readonly kind: 'unwanted' | 'off' | 'unreached';
  readonly why: string;
}

/** How images of one registry reach the engine, and why so. */
export interface Route {
  readonly transport: Transport;
  /** For whoever asks `GetStatus`: one sentence. */
  readonly why: string;
  /** The module found that the registry speaks plain HTTP and nothing else. */
  readonly isPlainHttp: boolean;
}
