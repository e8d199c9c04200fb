/** A way to start, as the launcher names them. */
export const tiers = ['mount', 'extract', 'trace'] as const;
export type Tier = (typeof tiers)[number];

/** How a command ended; standard output and error as latin1. */
export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** What `--verify --json` prints, as far as it is compared. */
interface Report {
  schema: number;
  verdict: 'best' | 'lesser' | 'none';
  exitStatus: number;
  tier: Tier | null;
  tiers: { name: Tier; works: boolean; reason: string | null; remedy: string[] }[];
}

/** What is promised of a start: its tier; `none` when the launcher can start nothing; `nowhere` when no directory executes the launcher. */
export type Promised = Tier | 'none' | 'nowhere';

/** Run in a bundle, tells by which tier it was started, and exits 7. */
export const witness = [
  'sh',
  '-c',
  'grep ^TracerPid: /proc/self/status; grep " / fuse.rundle " /proc/self/mounts; exit 7',
] as const;

const verdicts = { best: 0, lesser: 2, none: 1 } as const;

/** The report in what `--verify --json` printed; throws what is wrong with it in itself. */
export function reportIn(verify: Ended): Report {
  const wrong = (what: string) =>
    new Error(`--verify: ${what}: status ${verify.status}, ${verify.stdout}${verify.stderr}`);
  if (!/^\{[^\n]*\}\n$/.test(verify.stdout)) throw wrong('not one line of JSON');
  const report = JSON.parse(verify.stdout) as Report;
  if (report.schema !== 1) throw wrong('another schema');
  if (report.exitStatus !== verify.status) throw wrong('it ended with another status');
  if (verdicts[report.verdict] !== verify.status) throw wrong('verdict and status differ');
  const first = report.tiers.find(({ works }) => works)?.name ?? null;
  const expected = report.verdict === 'none' ? null : first;
  if (report.tier !== expected) throw wrong('its tier is not the first that works');
  if ((report.tier === 'mount') !== (report.verdict === 'best')) {
    throw wrong('the best tier is mount');
  }
  for (const { works, reason } of report.tiers) {
    if (works === (reason !== null)) throw wrong('a tier needs a reason when it does not work');
  }
  return report;
}

/** What `--verify --json` promises of a start. */
export function promised(verify: Ended): Promised {
  if (verify.status === 125 && /no directory was found/.test(verify.stderr)) return 'nowhere';
  return reportIn(verify).tier ?? 'none';
}

/** What a start of `witness` turned out to be. */
export function started(start: Ended): Promised {
  if (start.status === 125 && start.stdout === '') {
    if (/no directory was found/.test(start.stderr)) return 'nowhere';
    if (/^rundle: ./.test(start.stderr)) return 'none';
  }
  const tracer = /^TracerPid:\t(\d+)\n/.exec(start.stdout)?.[1];
  if (start.status !== 7 || tracer === undefined) {
    throw new Error(`a start ended with ${start.status}: ${start.stdout}${start.stderr}`);
  }
  if (tracer !== '0') return 'trace';
  return / fuse\.rundle /.test(start.stdout) ? 'mount' : 'extract';
}

/** What a start with `--mode TIER` turned out to be, for each tier of the report, as the report has it: works or not. */
export function modesIn(verify: Ended): Record<string, boolean> {
  return Object.fromEntries(reportIn(verify).tiers.map(({ name, works }) => [name, works]));
}
