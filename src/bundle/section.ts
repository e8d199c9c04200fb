import { architectureOf } from './architecture.js';

/** Section kinds of format version 1 (stub/README.md, "Section table"). */
export const SECTION_KIND = {
  header: 1,
  launcher: 2,
  payload: 3,
  launchConfig: 4,
  manifest: 5,
  proot: 6,
} as const;

/** One part of a bundle file, as the section table lists it. */
export interface Section {
  /** A SECTION_KIND, or a number that a later version defines. */
  kind: number;
  /** ELF e_machine, 0 when the section belongs to no architecture. */
  machine: number;
  /** A reader that does not know the kind must refuse the bundle. */
  required: boolean;
  /** Among the sections of the same kind and machine, from 0. */
  index: number;
  /** Bytes from the start of the file. */
  offset: number;
  /** Bytes. */
  size: number;
  /** SHA-256 of the section's bytes, 64 lower-case hex digits. */
  sha256: string;
}

const NAMES: Readonly<Record<number, string>> = {
  [SECTION_KIND.header]: 'header',
  [SECTION_KIND.launcher]: 'launcher',
  [SECTION_KIND.payload]: 'payload',
  [SECTION_KIND.launchConfig]: 'launch config',
  [SECTION_KIND.manifest]: 'manifest',
  [SECTION_KIND.proot]: 'auxiliary program PRoot',
  7: 'signature',
  8: 'hash tree',
};

/** True for kinds that this version understands; the reserved ones are not among them. */
export function isKnownKind(kind: number): boolean {
  return kind >= SECTION_KIND.header && kind <= SECTION_KIND.proot;
}

/** What a section is called in messages: "launcher for x86_64". */
export function sectionName(section: Pick<Section, 'kind' | 'machine' | 'index'>): string {
  const name = NAMES[section.kind] ?? `section of kind ${section.kind}`;
  const machine =
    section.machine === 0
      ? ''
      : ` for ${architectureOf(section.machine) ?? `machine ${section.machine}`}`;
  return section.index === 0 ? `${name}${machine}` : `${name}${machine} (index ${section.index})`;
}
