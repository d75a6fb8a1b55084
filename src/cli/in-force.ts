import type { StatusDocument } from '#cli/documents';

/** Why no image is worked on: nobody told what is desired, that was refused, or no image was looked at by it yet. */
export type Lack = 'untold' | 'refused' | 'unseen';

const WORDS: Readonly<Record<Lack, string>> = {
  untold: 'nothing is known yet of what is desired, which edgeHub tells (iotedge list, iotedge logs edgeHub)',
  refused: 'no desired properties are in force',
  unseen: 'the engine has not answered yet',
};

/** What is lacking before the first look at the images; undefined after it. */
export function toLack(status: StatusDocument): Lack | undefined {
  const { lastDesiredVersion, lastDesiredStatus, summary } = status;
  if (lastDesiredVersion !== undefined || summary.ready || summary.desired > 0) return undefined;
  if (lastDesiredStatus === undefined) return 'untold';
  return isAccepted(status) ? 'unseen' : 'refused';
}

/** The same, in words that a sentence goes on with. */
export const toWords = (lack: Lack): string => WORDS[lack];

/** With faults in entries the code is that of a refusal; where those were refused, though, no registry is listed. */
const isAccepted = ({ lastDesiredStatus, registries }: StatusDocument): boolean =>
  lastDesiredStatus?.code === 200 || (lastDesiredStatus?.code === 400 && Object.keys(registries).length > 0);
