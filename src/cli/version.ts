import { NoModule } from '#cli/client';
import { askHead, EXIT } from '#cli/session';
import type { Session } from '#cli/session';

/** Shows the version, and since when the module has been running, if it does. @returns the exit code */
export async function showVersion(session: Session): Promise<number> {
  session.write(`connected-registry-puller ${session.version}\n`);
  try {
    const { agent } = await askHead(session);
    session.write(`running since ${agent.startedAt}\n`);
    return EXIT.well;
  } catch (error) {
    if (!(error instanceof NoModule)) throw error;
    session.write('not running\n');
    return EXIT.noModule;
  }
}
