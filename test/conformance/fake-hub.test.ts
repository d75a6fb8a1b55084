import { describeHub } from '#test/conformance/hub';
import { createFakeHub } from '#test/fakes/fake-hub';

describeHub('the fake hub', async () => {
  const hub = createFakeHub();
  return {
    hub,
    reported: () => hub.reported,
    sent: () => hub.sent,
    setDesired: (desired) => hub.setDesired(desired),
    setSilent(isSilent) {
      hub.refuses = isSilent;
    },
    async disconnect() {
      hub.disconnect();
    },
    async connect() {
      hub.connect();
    },
  };
});
