const LOAD_ADDRESS = 0x400000;
const HEADERS_BYTES = 64 + 56;

/** The architectures that {@link greetingProgram} speaks. */
export type GreetingArchitecture = 'amd64' | 'arm64';

/**
 * A static Linux program of some 200 bytes that writes the text to standard output and ends with 0.
 * @throws when the text is longer than 65 535 bytes.
 * @see https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
 */
export function greetingProgram(architecture: GreetingArchitecture, text: string): Buffer {
  const message = Buffer.from(text);
  if (message.length > 0xffff) throw new Error('the greeting is too long for one instruction');
  const code = architecture === 'amd64' ? amd64Code(message.length) : arm64Code(message.length);
  const sizeBytes = HEADERS_BYTES + code.length + message.length;

  const header = Buffer.alloc(HEADERS_BYTES);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header); // \x7fELF, 64 bits, little-endian, version 1
  header.writeUInt16LE(2, 16); // executable
  header.writeUInt16LE(architecture === 'amd64' ? 62 : 183, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(BigInt(LOAD_ADDRESS + HEADERS_BYTES), 24); // entry
  header.writeBigUInt64LE(64n, 32); // the program header follows
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt16LE(64, 58);

  // One segment: the whole file, readable and executable.
  header.writeUInt32LE(1, 64);
  header.writeUInt32LE(5, 68);
  header.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 80);
  header.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 88);
  header.writeBigUInt64LE(BigInt(sizeBytes), 96);
  header.writeBigUInt64LE(BigInt(sizeBytes), 104);
  header.writeBigUInt64LE(0x10000n, 112); // arm64 kernels have pages of up to 64 KiB
  return Buffer.concat([header, code, message]);
}

function amd64Code(messageBytes: number): Buffer {
  const code = Buffer.from(
    'b801000000' + // mov eax, 1 (write)
      'bf01000000' + // mov edi, 1 (standard output)
      '488d3510000000' + // lea rsi, [rip + 16]: the end of this code
      'ba00000000' + // mov edx, the length
      '0f05' + // syscall
      'b83c000000' + // mov eax, 60 (exit)
      '31ff' + // xor edi, edi
      '0f05', // syscall
    'hex',
  );
  code.writeUInt32LE(messageBytes, 18);
  return code;
}

function arm64Code(messageBytes: number): Buffer {
  const move = (register: number, value: number) => (0xd2800000 | (value << 5) | register) >>> 0;
  const instructions = [
    move(0, 1), // standard output
    0x100000e1, // adr x1, 28 bytes on: the end of this code
    move(2, messageBytes),
    move(8, 64), // write
    0xd4000001, // svc 0
    move(0, 0),
    move(8, 93), // exit
    0xd4000001,
  ];
  const code = Buffer.alloc(4 * instructions.length);
  instructions.forEach((instruction, index) => code.writeUInt32LE(instruction, 4 * index));
  return code;
}
