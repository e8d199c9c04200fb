import { createHash } from 'node:crypto';

/** What a bundle that is made by hand holds. Entries replace or add to what one needs at least. */
export interface Parts {
  /** Launch config as encodeConfig makes it. */
  config: Buffer;
  /** ELF e_machine of the launch config. */
  machine?: number;
  manifest?: Buffer | string;
  payload?: Buffer;
  launcher?: Buffer;
}

export const ownMachine = process.arch === 'arm64' ? 183 : 62;

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest();

/** The bytes of a bundle, laid out as stub/README.md says, without a header that could run. */
export function handMadeBundle(parts: Parts): Buffer {
  const manifest = Buffer.from(parts.manifest ?? '{}');
  const payload = parts.payload ?? Buffer.from('no payload');
  const header = Buffer.alloc(4096, '\n');
  header.write('#!/bin/sh\nexit 1\n');
  const sections = [
    { kind: 1, machine: 0, flags: 0, offset: 0, bytes: header },
    { kind: 3, machine: 0, flags: 1, offset: 65536, bytes: payload },
  ];
  let end = 65536 + payload.length;
  const add = (kind: number, machine: number, flags: number, bytes: Buffer) => {
    sections.push({ kind, machine, flags, offset: end, bytes });
    end += bytes.length;
  };
  if (parts.launcher) add(2, ownMachine, 0, parts.launcher);
  add(4, parts.machine ?? ownMachine, 1, parts.config);
  add(5, 0, 0, manifest);

  const table = Buffer.alloc(16 + 64 * sections.length);
  table.write('RNDLTABL');
  table.writeUInt32LE(sections.length, 8);
  table.writeUInt32LE(64, 12);
  for (const [index, section] of sections.entries()) {
    const at = 16 + 64 * index;
    table.writeUInt32LE(section.kind, at);
    table.writeUInt32LE(section.machine, at + 4);
    table.writeUInt32LE(section.flags, at + 8);
    table.writeBigUInt64LE(BigInt(section.offset), at + 16);
    table.writeBigUInt64LE(BigInt(section.bytes.length), at + 24);
    sha256(section.bytes).copy(table, at + 32);
  }

  const footer = Buffer.alloc(128);
  footer.write('\x89RUNDLE\n', 'latin1');
  footer.writeUInt16LE(1, 8);
  footer.writeUInt32LE(128, 12);
  footer.writeBigUInt64LE(BigInt(end), 16);
  footer.writeBigUInt64LE(BigInt(table.length), 24);
  sha256(table).copy(footer, 32);
  footer.writeBigUInt64LE(BigInt(end + table.length + 128), 64);
  sha256(footer.subarray(0, 96)).copy(footer, 96);

  const bundle = Buffer.alloc(end + table.length + 128);
  for (const section of sections) section.bytes.copy(bundle, section.offset);
  table.copy(bundle, end);
  footer.copy(bundle, end + table.length);
  return bundle;
}
