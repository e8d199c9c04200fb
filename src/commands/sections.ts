import { architectureOf } from '../bundle/architecture.js';
import { type Section, sectionName } from '../bundle/section.js';

/** A section as `--json` prints it. */
export interface SectionDescription {
  name: string;
  kind: number;
  architecture: string | null;
  required: boolean;
  index: number;
  offset: number;
  size: number;
  sha256: string;
}

/** The sections of a bundle for `--json`. */
export function describeSections(sections: readonly Section[]): SectionDescription[] {
  return sections.map((section) => ({
    name: sectionName(section),
    kind: section.kind,
    architecture:
      section.machine === 0 ? null : (architectureOf(section.machine) ?? String(section.machine)),
    required: section.required,
    index: section.index,
    offset: section.offset,
    size: section.size,
    sha256: section.sha256,
  }));
}
