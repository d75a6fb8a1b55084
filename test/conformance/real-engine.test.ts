import { describeEngine } from '#test/conformance/engine';
import { startRealHarness } from '#test/conformance/real-harness';

describeEngine('the Docker engine', startRealHarness);
