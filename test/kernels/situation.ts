import type { Ended, Promised } from '../situations/support/agreement.js';
import { promised, reportIn, started, tiers, witness } from '../situations/support/agreement.js';
import { apparmorFiles, apparmorParameters } from './apparmor.js';
import { boot, type Kernel } from './boot.js';
import { file } from './cpio.js';

export const users = ['root', 'user'] as const;
export type User = (typeof users)[number];

/** What is changed on a running kernel before a bundle is started, and what comes of it. */
export interface Situation {
  name: string;
  /** What a start is expected to be for each who tries it. */
  expected: Partial<Record<User, Promised>>;
  /** Shell commands of root before and after. */
  prepare?: string;
  undo?: string;
}

/** A boot, and what is tried in it one after the other. */
export interface Session {
  name: string;
  kernel: Kernel;
  root?: 'tmpfs' | 'initramfs';
  modules?: readonly string[];
  /** Whether AppArmor is on, and its parser and profiles are there. */
  apparmor?: boolean;
  situations: readonly Situation[];
}

/** What was found in a situation. */
export interface Finding {
  verify: Ended;
  start: Ended;
  /** With `--mode`, by tier. */
  forced: Record<string, Ended>;
  /** Files that starts have left. */
  left: string;
}

const quoted = (words: readonly string[]) =>
  words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');

/** Run for each situation; $1 is its number, $2 who tries it. */
const attempt = `
  program() {
    name=$1 who=$2
    shift 2
    run "$name" "$who" /x.run "$@" -- ${quoted(witness)}
  }
  attempt() {
    run "$1-$2-verify" "$2" /x.run --verify --json
    program "$1-$2-start" "$2"
    for tier in ${tiers.join(' ')}; do
      program "$1-$2-$tier" "$2" --mode "$tier"
    done
    for wait in $(seq 100); do
      ls -d /.rundle-* /dev/shm/.rundle-* /tmp/.rundle-* /var/tmp/.rundle-* /root/.cache/.rundle-* \\
        /home/user/.cache/.rundle-* /home/user/.rundle-* >/run/left 2>/dev/null
      [ -s /run/left ] || break
      sleep 0.1
    done
    run "$1-$2-left" root cat /run/left
  }`;

/** Boot the kernel of a session with a bundle inside and try its situations. Keys: index of the situation, `-`, who. */
export async function explore(session: Session, bundle: Buffer): Promise<Map<string, Finding>> {
  const { situations, kernel } = session;
  const steps = situations.map(({ prepare = ':', undo = ':', expected }, index) =>
    [
      prepare,
      ...users.filter((who) => expected[who] !== undefined).map((who) => `attempt ${index} ${who}`),
      undo,
    ].join('\n'),
  );
  const { runs } = await boot({
    kernel,
    root: session.root ?? 'tmpfs',
    modules: session.modules ?? ['fuse', 'overlay'],
    script: ['export RUNDLE_LAUNCHER_CACHE=no', attempt, ...steps].join('\n'),
    files: [file('x.run', bundle, 0o755), ...(session.apparmor ? apparmorFiles(kernel) : [])],
    append: session.apparmor ? apparmorParameters : [],
    limit: 120 + 60 * situations.length,
  });
  const found = new Map<string, Finding>();
  for (const [index, { expected }] of situations.entries()) {
    for (const who of users.filter((who) => expected[who] !== undefined)) {
      const key = `${index}-${who}`;
      const at = (name: string): Ended => {
        const ended = runs.get(`${key}-${name}`);
        if (ended === undefined) throw new Error(`${session.name}: nothing of ${key}-${name}`);
        return ended;
      };
      found.set(key, {
        verify: at('verify'),
        start: at('start'),
        forced: Object.fromEntries(tiers.map((tier) => [tier, at(tier)])),
        left: at('left').stdout,
      });
    }
  }
  return found;
}

/** What a finding comes to, in a form to be compared with `agreeing`. */
export function summary(finding: Finding) {
  return {
    promised: promised(finding.verify),
    started: started(finding.start),
    forced: Object.fromEntries(
      reportIn(finding.verify).tiers.map(({ name }) => {
        const ended = finding.forced[name];
        return [name, ended === undefined ? 'not tried' : started(ended)];
      }),
    ),
    left: finding.left,
  };
}

/** The summary of a finding in which report, start and table agree. */
export function agreeing(finding: Finding, expected: Promised | undefined) {
  return {
    promised: expected,
    started: expected,
    forced: Object.fromEntries(
      reportIn(finding.verify).tiers.map(({ name, works }) => [name, works ? name : 'none']),
    ),
    left: '',
  };
}
