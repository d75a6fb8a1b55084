import type { JsonObject } from '#core/merge-patch';
import { describeHub } from '#test/conformance/hub';
import { startHubStage, until } from '#test/e2e/hub-stage';

describeHub('edgeHub', async () => {
  const { hub, edge } = await startHubStage({ limits: { reportMs: 500 } });
  return {
    hub,
    reported: () => edge.reported() as JsonObject,
    setDesired: (desired) => edge.setDesired(desired),
    setSilent(isSilent) {
      edge.faults.dropTwinReplies = isSilent;
    },
    async disconnect() {
      await edge.stopHub();
      await until(() => !hub.isConnected);
    },
    async connect() {
      await edge.startHub();
      await until(() => hub.isConnected);
    },
  };
});
