import { credentialFaults } from './credential-faults.ts';
import { registryFaults } from './registry-faults.ts';
import { registryTrustFaults } from './registry-trust-faults.ts';

/** All that can go wrong with the registry. */
export const registryGroup = [...registryFaults, ...registryTrustFaults, ...credentialFaults];
