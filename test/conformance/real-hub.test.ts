import type { JsonObject } from '#core/merge-patch';
import { describeHub } from '#test/conformance/hub';
import { startHubStage, until } from '#test/e2e/hub-stage';

describeHub('edgeHub', async () => {
  const { hub, edge } = await startHubStage({ limits: { reportMs: 500 } });
  return {
    hub,
    reported: () => edge.reported() as JsonObject,
    sent: () =>
      edge.telemetry.map(({ output, body, properties }) => {
        const { '$.mid': id = '', '$.ct': type, '$.ce': encoding, ...others } = properties;
        // IoT Hub's routes look into nothing that does not say what it is.
        const isReadable = type === 'application/json' && encoding === 'utf-8';
        return { output, id, body: isReadable ? (body as object) : {}, properties: others };
      }),
    setDesired: (desired) => edge.setDesired(desired),
    setSilent(isSilent) {
      edge.faults.blackHole = isSilent;
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
