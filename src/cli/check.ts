import type { CheckDocument } from '#cli/documents';
import { formatCheck } from '#cli/format-check';
import { askOfDesired, EXIT } from '#cli/session';
import type { Session } from '#cli/session';

export interface CheckOptions {
  /** Absent: all that are listed. */
  readonly registry: string | undefined;
  /** `repository[:tag]` or `repository@digest`. */
  readonly image: string | undefined;
  readonly isJson: boolean;
}

/** Shows what works at registries, step by step. @returns the exit code */
export async function check(session: Session, { registry, image, isJson }: CheckOptions): Promise<number> {
  const document = await askOfDesired<CheckDocument>(session, 'CheckRegistry', {
    ...(registry === undefined ? {} : { registry }),
    ...toTarget(image),
  });
  session.write(isJson ? `${JSON.stringify(document, undefined, 2)}\n` : formatCheck(document));
  const isWell = Object.values(document.registries).every(({ ok }) => ok) && document.omitted === undefined;
  return isWell ? EXIT.well : EXIT.notWell;
}

function toTarget(image: string | undefined): { readonly repository?: string; readonly tag?: string } {
  if (image === undefined) return {};
  const [, repository = image, tag] = /^(.+?)(?:@(.+)|:([^/:]+))?$/.exec(image) ?? [];
  const written = tag ?? /:([^/:@]+)$/.exec(image)?.[1];
  return { repository, ...(written === undefined ? {} : { tag: written }) };
}
