/** The machines rundle has launchers for, by the names that `uname -m` gives them. */
export type Architecture = 'x86_64' | 'aarch64';

/** All of them, in the order in which a bundle lists them. */
export const ARCHITECTURES: readonly Architecture[] = ['x86_64', 'aarch64'];

/** ELF e_machine: EM_X86_64 and EM_AARCH64. */
export const ELF_MACHINE: Readonly<Record<Architecture, number>> = { x86_64: 62, aarch64: 183 };

/** The architecture with this e_machine; undefined when there is none. */
export function architectureOf(machine: number): Architecture | undefined {
  return ARCHITECTURES.find((architecture) => ELF_MACHINE[architecture] === machine);
}

/** The architecture that the OCI spec (Go's GOARCH) calls `name`; undefined when there is no launcher for it. */
export function architectureFromOci(name: string): Architecture | undefined {
  if (name === 'amd64') return 'x86_64';
  return name === 'arm64' ? 'aarch64' : undefined;
}
