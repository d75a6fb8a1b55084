import type { Edge } from '#lab/edge';

/** Waits until the module reports so many images as pulled, and itself as ready. */
export async function waitForReady(
  edge: Pick<Edge, 'waitForReported' | 'desired'>,
  images: number,
  deadlineMs: number,
): Promise<void> {
  const version = edge.desired()['$version'];
  await edge.waitForReported(({ summary, lastDesiredVersion }) => {
    const { ready, pulled } = (summary ?? {}) as { ready?: boolean; pulled?: number };
    return lastDesiredVersion === version && ready === true && pulled === images;
  }, deadlineMs);
}
