import { damagedData } from './damage.js';

/**
 * The branch filters of .xz (5.3.2): before compression they made the relative targets of calls and jumps absolute; here they
 * are made relative again, in place. SquashFS applies them to each block from position 0.
 */
export type BranchFilter = (bytes: Buffer) => void;

const FILTERS: Readonly<Record<number, (bytes: Buffer, start: number) => void>> = {
  4: x86,
  5: powerPc,
  7: arm,
  8: armThumb,
};

/** The filter with a number of the .xz format and its properties; undefined for one that is not there. Throws E_FORMAT. */
export function branchFilter(id: number, properties: Buffer): BranchFilter | undefined {
  const filter = FILTERS[id];
  if (filter === undefined) return undefined;
  if (properties.length !== 0 && properties.length !== 4) {
    throw damagedData('xz', `a branch filter has ${properties.length} bytes of properties`);
  }
  const start = properties.length === 0 ? 0 : properties.readUInt32LE(0);
  return (bytes) => filter(bytes, start);
}

/** BL instructions: the condition "always", 24 bits of words relative to the instruction plus 8. */
function arm(bytes: Buffer, start: number): void {
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    if (bytes[at + 3] !== 0xeb) continue;
    const target = bytes.readUIntLE(at, 3) * 4;
    bytes.writeUIntLE(((target - (start + at + 8)) >>> 2) & 0xff_ffff, at, 3);
  }
}

/** BL as two halves of 16 bits, each with 11 bits of the target. */
function armThumb(bytes: Buffer, start: number): void {
  for (let at = 0; at + 4 <= bytes.length; at += 2) {
    const [high, low] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)];
    if ((high & 0xf800) !== 0xf000 || (low & 0xf800) !== 0xf800) continue;
    const target = (((high & 0x7ff) << 11) | (low & 0x7ff)) * 2;
    const relative = (target - (start + at + 4)) >>> 1;
    bytes.writeUInt16LE(0xf000 | ((relative >>> 11) & 0x7ff), at);
    bytes.writeUInt16LE(0xf800 | (relative & 0x7ff), at + 2);
    at += 2;
  }
}

/** Branches with link and without "absolute": 24 bits of words. */
function powerPc(bytes: Buffer, start: number): void {
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const word = bytes.readUInt32BE(at);
    if ((word & 0xfc00_0003) !== 0x4800_0001) continue;
    const relative = (word & 0x03ff_fffc) - (start + at);
    bytes.writeUInt32BE((0x4800_0001 | (relative & 0x03ff_fffc)) >>> 0, at);
  }
}

/**
 * CALL and JMP (0xE8, 0xE9) with a 32-bit target whose highest byte is 0 or 0xFF. `passed` has a bit for each of the last three bytes that
 * looked like an opcode and was passed over (the nearest is bit 0): the encoder distrusts an instruction that may lie
 * within the target of another one, and its rules have to be followed to the letter.
 */
function x86(bytes: Buffer, start: number): void {
  let passed = 0;
  let last = -1;
  for (let at = 0; at + 5 <= bytes.length; at++) {
    if (((bytes[at] as number) & 0xfe) !== 0xe8) continue;
    const gap = at - last;
    last = at;
    passed = gap > 3 ? 0 : (passed << (gap - 1)) & 7;
    if (!convertible(bytes, at, passed)) {
      passed = (passed << 1) | 1;
      continue;
    }
    const target = bytes.readUInt32LE(at + 1);
    bytes.writeInt32LE(relativeTarget(target, start + at + 5, passed), at + 1);
    at += 4;
  }
}

/** Whether the encoder converted the instruction at `at`. */
function convertible(bytes: Buffer, at: number, passed: number): boolean {
  const several = (passed & (passed - 1)) !== 0;
  if (several || (passed !== 0 && isExtreme(bytes[at + 4 - bytesInto(passed)] as number))) {
    return false;
  }
  return isExtreme(bytes[at + 4] as number);
}

/** The target as a 25-bit number with sign, relative to `next`, the position behind the instruction. */
function relativeTarget(target: number, next: number, passed: number): number {
  let absolute = target;
  let relative = (absolute - next) >>> 0;
  if (passed !== 0) {
    const bits = 8 * bytesInto(passed);
    while (isExtreme((relative >>> (24 - bits)) & 0xff)) {
      absolute = (relative ^ (2 ** (32 - bits) - 1)) >>> 0;
      relative = (absolute - next) >>> 0;
    }
  }
  return (relative << 7) >> 7;
}

/** How many bytes an instruction lies behind the passed one, plus one: 1, 2, 3 for the bits 1, 2, 4. */
function bytesInto(passed: number): number {
  return passed === 4 ? 3 : passed;
}

function isExtreme(byte: number): boolean {
  return byte === 0 || byte === 0xff;
}
