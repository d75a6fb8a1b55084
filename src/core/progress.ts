/** One line of the engine's answer to a pull that speaks of a layer. */
export type LayerEvent =
  | { readonly kind: 'present' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'downloading'; readonly currentBytes: number; readonly totalBytes?: number }
  | { readonly kind: 'downloaded' }
  | { readonly kind: 'extracting'; readonly current: number; readonly total?: number }
  | { readonly kind: 'pulled' }
  /** The engine tries the layer's download again by itself. */
  | { readonly kind: 'retrying' };
