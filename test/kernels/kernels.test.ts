import { beforeAll, describe, expect, test } from 'vitest';
import { bundleFor } from './bundle.js';
import { agreeing, explore, type Finding, summary, users } from './situation.js';
import { sessions, small } from './table.js';

/*
 * What `--verify` promises, what a start turns out to be and what the table says are one and the same, on kernels
 * other than this one too. `npm run test:kernels` tries the whole table.
 */
const tried = process.env.RUNDLE_TEST_KERNELS === 'all' ? sessions : [small];

describe.each(tried)('$name', (session) => {
  let found: Map<string, Finding>;

  beforeAll(async () => {
    found = await explore(session, bundleFor(session.kernel));
  }, 1_800_000);

  const rows = session.situations.flatMap((situation, index) =>
    users
      .filter((who) => situation.expected[who] !== undefined)
      .map((who) => ({ name: situation.name, who, key: `${index}-${who}`, situation })),
  );

  test.each(rows)('$name, as $who', ({ key, who, situation }) => {
    const finding = found.get(key);
    if (finding === undefined) throw new Error('it was not tried');
    expect(summary(finding), finding.start.stderr).toEqual(
      agreeing(finding, situation.expected[who]),
    );
  });
});
