import { describe, expect, test } from 'vitest';
import { optionSets, sharedMounted } from './support/mounted.js';
import { type Profile, root, runAs, user } from './support/profile.js';
import { serversOf } from './support/traces.js';

const { mounted, gone } = sharedMounted(4);

const second: Profile = {
  name: 'user',
  uid: 12346,
  prefix: ['setpriv', '--reuid', '12346', '--regid', '12346', '--clear-groups'],
};
const everybody = [root, user, second] as const;

test.each(optionSets)('three users start one bundle three times at once: $options', async (set) => {
  const options: readonly string[] = set.options;
  const started = await Promise.all(
    [...everybody, ...everybody, ...everybody].map(async (profile) => ({
      profile,
      puppet: await mounted.start(profile, options),
    })),
  );
  for (const { profile, puppet } of started) {
    const id = options.includes('--root') ? 0 : profile.uid;
    expect(await puppet.ask('look /opt/data/file')).toBe(`${id}:${id} 644 15`);
    expect(await puppet.ask('look /bin')).toMatch(`${id}:${id} 755 `);
  }
  // Nobody waits for another.
  for (const { puppet } of started) puppet.tell('read /data/0');
  for (const { puppet } of started) expect(await puppet.answer()).toBe(mounted.sums[0]);
  const writable = options.includes('--rw') ? 'written' : 'EROFS';
  for (const { puppet } of started) {
    // What is written is seen by nobody else: each file is new to its writer.
    expect(await puppet.ask('look /opt/data/new')).toBe('ENOENT');
    expect(await puppet.ask('write /opt/data/new')).toBe(writable);
  }
  for (const [index, { puppet }] of started.entries()) {
    puppet.tell(`exit ${index}`);
    expect(await puppet.ended).toBe(index);
  }
  expect(await gone()).toEqual([]);
});

describe.each([
  { name: 'another user', owner: user, stranger: second },
  { name: 'root', owner: root, stranger: second },
])('the container of $name', ({ owner, stranger }) => {
  test.each([{ options: [] }, { options: ['--pid'] }, { options: ['--root'] }])(
    'is closed: $options',
    async ({ options }: { options: readonly string[] }) => {
      const puppet = await mounted.start(owner, options);
      const [server = -1] = serversOf(mounted.place);
      const within = (profile: Profile, script: string, pid: number) =>
        runAs(profile, ['sh', '-c', script, 'sh', String(pid)]);
      const doors = [
        'readlink /proc/$1/root',
        'readlink /proc/$1/exe',
        'cat /proc/$1/environ',
        'ls /proc/$1/fd',
      ];
      for (const pid of [puppet.pid, server]) {
        for (const door of doors) {
          expect((await within(owner, door, pid)).status, door).toBe(0);
          expect((await within(stranger, door, pid)).status, door).not.toBe(0);
        }
      }
      for (const door of [
        'cat /proc/$1/root/data/0',
        'ls /proc/$1/root/data',
        'ls /proc/$1/cwd/',
        'nsenter --target $1 --user --mount --preserve-credentials true',
      ]) {
        expect(await within(stranger, door, puppet.pid), door).toMatchObject({ stdout: '' });
        expect((await within(stranger, door, puppet.pid)).status, door).not.toBe(0);
      }
      puppet.close();
      expect(await puppet.ended).toBe(0);
      expect(await gone()).toEqual([]);
    },
  );
});
