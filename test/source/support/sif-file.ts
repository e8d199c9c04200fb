import { readFileSync, writeFileSync } from 'node:fs';

/** What can be wrong with a SIF image. */
export interface SifFields {
  /** Two digits: 02 is amd64, 04 arm64. */
  arch?: string;
  version?: string;
  /** 1 SquashFS, 2 ext3, 5 encrypted SquashFS. */
  fileSystem?: number;
  /** 2 primary system, 3 data. */
  type?: number;
  used?: boolean;
  /** Added to what is true. */
  sizeError?: number;
  descriptors?: bigint;
  tableOffset?: bigint;
}

const DESCRIPTORS = 48;
const DESCRIPTOR = 585;
const TABLE = 4096;
const DATA = 32_768;
const PARTITION = 36_864;

/** Writes a SIF image as Apptainer does: a definition file and a system partition, which is the file at `squashfs`. */
export function writeSif(path: string, squashfs: string, fields: SifFields = {}): void {
  const image = readFileSync(squashfs);
  const definition = Buffer.from('bootstrap: docker\nfrom: debian:12\n');
  const { arch = '02', version = '01', fileSystem = 1, type = 2, used = true } = fields;
  const bytes = Buffer.alloc(PARTITION + image.length);
  bytes.write('#!/usr/bin/env run-singularity\n', 0);
  bytes.write('SIF_MAGIC\0', 32);
  bytes.write(`${version}\0${arch}\0`, 42);
  bytes.fill(0x77, 48, 64);
  const header = [1_700_000_000n, 1_700_000_000n, 46n, fields.descriptors ?? 48n];
  header.push(fields.tableOffset ?? BigInt(TABLE), BigInt(DESCRIPTORS * DESCRIPTOR));
  header.push(BigInt(DATA), BigInt(bytes.length - DATA));
  for (const [i, value] of header.entries()) bytes.writeBigInt64LE(value, 64 + 8 * i);

  const describe = (number: number, kind: number, at: number, size: number, name: string) => {
    const start = TABLE + number * DESCRIPTOR;
    bytes.writeInt32LE(kind, start);
    bytes.writeUInt8(1, start + 4);
    bytes.writeUInt32LE(number + 1, start + 5);
    bytes.writeUInt32LE(0xf000_0001, start + 9);
    bytes.writeBigInt64LE(BigInt(at), start + 17);
    bytes.writeBigInt64LE(BigInt(size), start + 25);
    bytes.write(name, start + 73);
    return start;
  };
  describe(0, 0x4001, DATA, definition.length, 'def');
  const size = image.length + (fields.sizeError ?? 0);
  const partition = describe(1, 0x4004, PARTITION, size, 'squashfs.img');
  bytes.writeUInt8(used ? 1 : 0, partition + 4);
  bytes.writeInt32LE(fileSystem, partition + 201);
  bytes.writeInt32LE(type, partition + 205);
  bytes.write(`${arch}\0`, partition + 209);
  definition.copy(bytes, DATA);
  image.copy(bytes, PARTITION);
  writeFileSync(path, bytes);
}
