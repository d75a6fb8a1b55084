import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { sign } from './identity.ts';
import type { ModuleIdentity } from './identity.ts';

const TAG_BYTES = 16;

/** What a module's data is sealed with. */
export interface Seal {
  readonly identity: ModuleIdentity;
  /** Of the caller: an identity that was made anew cannot open what the old one sealed. */
  readonly generationId: string;
  readonly initializationVector: Buffer;
}

/** AES-256-GCM: the tag, then the ciphertext. */
export function encrypt(seal: Seal, plaintext: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', toKey(seal), toNonce(seal)).setAAD(toAssociatedData(seal));
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([cipher.getAuthTag(), sealed]);
}

/** @throws where the seal is another than {@link encrypt} had, or a byte has changed. */
export function decrypt(seal: Seal, ciphertext: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', toKey(seal), toNonce(seal), { authTagLength: TAG_BYTES });
  decipher.setAAD(toAssociatedData(seal)).setAuthTag(ciphertext.subarray(0, TAG_BYTES));
  return Buffer.concat([decipher.update(ciphertext.subarray(TAG_BYTES)), decipher.final()]);
}

function toKey({ identity }: Seal): Buffer {
  return sign(identity, 'encryption key');
}

function toNonce({ initializationVector }: Seal): Buffer {
  return createHash('sha256').update(initializationVector).digest().subarray(0, 12);
}

function toAssociatedData({ identity, generationId }: Seal): Buffer {
  return Buffer.from(`${identity.moduleId}/${generationId}`);
}
