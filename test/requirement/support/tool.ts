import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
export const stub = fileURLToPath(new URL('../../../stub/', import.meta.url));

/** What the launcher's own code says of a requirement on this host; `met` is undefined for one that it does not understand. */
export interface Finding {
  met: boolean | undefined;
  found: string;
}

export interface Tool {
  check(requirements: readonly string[]): Finding[];
  remove(): void;
}

const MODULES = [
  'requirement',
  'requirement_measure',
  'cgroup_limit',
  'gpu_device',
  'cpu_features',
  'fault',
];

/** Compile the launcher's comparison under AddressSanitizer and UBSan. */
export function compileTool(): Tool {
  const directory = mkdtempSync(join(tmpdir(), 'rundle-requirement-'));
  const program = join(directory, 'tool');
  execFileSync('gcc', [
    ...['-std=gnu11', '-g', '-O1', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', `-I${stub}`],
    ...['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-o', program],
    ...[join(here, 'requirement_tool.c'), ...MODULES.map((name) => join(stub, `${name}.c`))],
  ]);
  return {
    check(requirements) {
      const input = requirements.map((text) => `${text}\0`).join('');
      const lines = execFileSync(program, { input: Buffer.from(input), encoding: 'utf8' });
      return lines
        .split('\n')
        .slice(0, -1)
        .map((line) => {
          const [met, found = ''] = line.split('\t');
          return { met: met === '-' ? undefined : met === '1', found };
        });
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
