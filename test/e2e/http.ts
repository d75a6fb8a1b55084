/** What the module answers over HTTP; `undefined` where nobody listens. */
export async function ask(port: number, path: string): Promise<{ status: number; body: string } | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(10_000) });
    return { status: answer.status, body: await answer.text() };
  } catch {
    return undefined;
  }
}
