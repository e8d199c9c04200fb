import { describe, expect, test } from 'vitest';
import { until } from './support/leftovers.js';
import { optionSets, sharedMounted } from './support/mounted.js';
import { profiles, runAs } from './support/profile.js';
import { processesOf, serversOf, tracedEnvironment } from './support/traces.js';

const { mounted, gone } = sharedMounted(4);

describe.each(profiles)('as $name', (profile) => {
  test('200 starts at once succeed and leave nothing behind', async () => {
    const { bundle, place } = mounted;
    const script = 'wc -c </data/$(($1 % 4)); exit $(($1 % 100))';
    const runs = Array.from({ length: 200 }, (_, index) =>
      runAs(profile, [bundle, 'sh', '-c', script, 'sh', String(index)], {
        env: tracedEnvironment(place),
        limit: 200_000,
      }),
    );
    const ended = await Promise.all(runs);
    expect(ended.map(({ status, stdout, stderr }) => ({ status, stdout, stderr }))).toEqual(
      ended.map((_, index) => ({ status: index % 100, stdout: '300000\n', stderr: '' })),
    );
    expect(await gone()).toEqual([]);
  });

  test.each(optionSets)('the program has no child: $options', async ({ options }) => {
    const puppet = await mounted.start(profile, options);
    expect(puppet.own).toBe(options.includes('--pid') ? 1 : puppet.pid);
    expect(await puppet.ask('wait')).toBe('ECHILD');
    expect(await puppet.ask('execute /bin/true')).toBe('exit 0');
    expect(await puppet.ask('wait')).toBe('ECHILD');
    expect(serversOf(mounted.place).length).toBe(1);
    puppet.tell('exit 5');
    expect(await puppet.ended).toBe(5);
    expect(await gone()).toEqual([]);
  });

  test.each([{ options: [] }, { options: ['--rw'] }, { options: ['--root'] }])(
    'a daemon keeps its files after the program’s end: $options',
    async ({ options }: { options: readonly string[] }) => {
      const puppet = await mounted.start(profile, options);
      puppet.tell('daemon 7');
      expect(await puppet.ended).toBe(7);
      expect(await puppet.answer()).toMatch(/^daemon \d+$/);
      const [server] = serversOf(mounted.place);
      expect(server).toBeDefined();
      for (const [index, sum] of mounted.sums.entries()) {
        expect(await puppet.ask(`read /data/${index}`)).toBe(sum);
      }
      expect(await puppet.ask('execute /bin/witness')).toMatch(/^\{/);
      expect(await puppet.answer()).toBe('exit 0');
      expect(await puppet.ask('write /opt/data/new')).toBe(
        options.includes('--rw') ? 'written' : 'EROFS',
      );
      expect(serversOf(mounted.place)).toEqual([server]);
      puppet.close();
      expect(await gone()).toEqual([]);
    },
  );

  test('with --pid the daemon goes with the program', async () => {
    const puppet = await mounted.start(profile, ['--pid']);
    puppet.tell('daemon 7');
    expect(await puppet.ended).toBe(7);
    expect(await gone()).toEqual([]);
  });

  test.each([
    ['a substitution', 'text=$("$@"); [ "$text" = text ]'],
    ['a pipe', '"$@" | { read -r text; [ "$text" = text ] && ! read -r text; }'],
  ])('%s ends with the program, while a daemon lives', async (_name, script) => {
    const daemon = 'setsid sleep 300 </dev/null >/dev/null 2>&1 & echo text';
    const outcome = await runAs(
      profile,
      ['sh', '-c', script, 'sh', mounted.bundle, '--mode', 'mount', 'sh', '-c', daemon],
      { env: tracedEnvironment(mounted.place) },
    );
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const daemons = () =>
      processesOf(mounted.place).filter(({ command }) => command === 'sleep 300');
    await until('the daemon', () => daemons().length === 1);
    expect(serversOf(mounted.place).length).toBe(1);
    for (const { pid } of daemons()) process.kill(pid, 'SIGKILL');
    expect(await gone()).toEqual([]);
  });
});
