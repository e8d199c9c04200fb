import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  build,
  makeRootfs,
  makeWorkplace,
  repository,
  type Workplace,
} from './support/workplace.js';

const LAUNCHER = '/usr/local/libexec/rundle/launcher-1';
const PROFILE = '/etc/apparmor.d/rundle-launcher';
const launcher = join(repository, 'dist/launchers/x86_64');
const user = 'setpriv --reuid 12345 --regid 12345 --clear-groups';

let place: Workplace;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  build(`dir:${rootfs}`, join(place.directory, 'x.run'), '--env', 'PATH=/bin');
});

afterAll(() => place?.remove());

/**
 * A host of its own whose AppArmor restricts user namespaces, as far as files tell, with a stand-in for
 * apparmor_parser; the machine stays as it is. $parser is a file with shell commands that it runs first.
 */
const HOST = `
set -e
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/sbin /mnt/kernel/random /mnt/abi
cat >/mnt/sbin/apparmor_parser <<'END'
#!/bin/sh
echo "$# $* [$(env | sort | tr '\\n' ' ')]" >>/mnt/log
. /mnt/first
case $1 in
-QK) cat >/mnt/read ;;
-r) cmp "$2" /mnt/read && echo 'rundle-launcher (enforce)' >/sys/kernel/security/apparmor/profiles ;;
-R) : >/sys/kernel/security/apparmor/profiles ;;
esac
END
chmod 755 /mnt/sbin/apparmor_parser
: >/mnt/first
: >/mnt/log
mount -t overlay -o lowerdir=/mnt/sbin:/usr/sbin overlay /usr/sbin
echo 1 >/mnt/kernel/apparmor_restrict_unprivileged_userns
cp /proc/sys/kernel/random/boot_id /mnt/kernel/random/
mount --bind /mnt/kernel /proc/sys/kernel
mount -t tmpfs tmpfs /sys/kernel
mkdir -p /sys/kernel/security/apparmor /etc/apparmor.d
: >/sys/kernel/security/apparmor/profiles
mount -t tmpfs -o mode=755 tmpfs /usr/local
mount -t tmpfs -o mode=755 tmpfs /etc/apparmor.d
mkdir /etc/apparmor.d/abi
: >/etc/apparmor.d/abi/4.0
set +e
state() {
  echo "== state"
  find /usr/local /etc/apparmor.d ! -type d ! -name 4.0 -printf '%p %U:%G %m %s\\n' | sort
  cat /sys/kernel/security/apparmor/profiles
}
`;

function onHost(script: string, input = '') {
  const ended = spawnSync('unshare', ['-m', 'sh', '-c', `${HOST}${script}`], {
    cwd: place.directory,
    env: { PATH: process.env.PATH, TMPDIR: place.scratch, RUNDLE_LAUNCHER_CACHE: 'no' },
    encoding: 'utf8',
    input,
  });
  const [stdout = '', state = ''] = ended.stdout.split('== state\n');
  return { status: ended.status, stdout, stderr: ended.stderr, state };
}

/** Starts --setup-host, prints what is there afterwards and ends with its status. */
const setUp = (words = '--yes') => `./x.run --setup-host ${words}; status=$?; state; exit $status`;
const bytes = () => readFileSync(launcher).length;
const both = () =>
  `${PROFILE} 0:0 644 SIZE\n${LAUNCHER} 0:0 755 ${bytes()}\nrundle-launcher (enforce)\n`;
const sized = (state: string) => state.replace(/ 644 \d+/, ' 644 SIZE');

describe('root', () => {
  test('installs the launcher of this bundle and the profile, after saying so', () => {
    const ended = onHost(`cmp ${launcher} ${LAUNCHER} 2>/dev/null && echo early
      ./x.run --setup-host --yes; echo "status $?"
      cmp ${launcher} ${LAUNCHER} && cat ${PROFILE} /mnt/log; state`);
    expect([ended.stderr, sized(ended.state)]).toEqual(['', both()]);
    expect(ended.stdout).toContain(
      `write ${LAUNCHER}: the launcher of this bundle, ${bytes()} bytes`,
    );
    expect(ended.stdout).toContain('Undone by: sudo ./x.run --setup-host --remove');
    expect(ended.stdout).toContain('status 0');
    const [said = '', written = ''] = ended.stdout.split('status 0\n');
    const profile = written.slice(0, written.indexOf('1 -QK'));
    for (const line of profile.trimEnd().split('\n')) expect(said).toContain(`      ${line}\n`);
    expect(profile).toContain('  audit deny capability,\n');
    expect(written.slice(profile.length).trim().split('\n')).toEqual([
      expect.stringMatching(/^1 -QK \[LC_ALL=C PATH=\S+ PWD=\S+ \]$/),
      expect.stringMatching(
        /^2 -r \/etc\/apparmor\.d\/rundle-launcher \[LC_ALL=C PATH=\S+ PWD=\S+ \]$/,
      ),
    ]);
    expect(said).toMatch(/Tried as an ordinary user: bundles start in tier mount\.\n$/);
  });

  test('again: what is right stays, an older launcher is replaced, a half-written one removed', () => {
    const ended = onHost(`./x.run --setup-host --yes >/dev/null
      inode=$(stat -c %i ${LAUNCHER})
      ./x.run --setup-host --yes | grep keep | wc -l
      [ "$inode" = "$(stat -c %i ${LAUNCHER})" ] && echo same
      echo newer >>${LAUNCHER}; echo half >/usr/local/libexec/rundle/.launcher-1.new
      ./x.run --setup-host --yes | grep replace; state`);
    expect(ended.stdout).toMatch(/^2\nsame\n {2}replace \S+launcher-1: /);
    expect([ended.stderr, sized(ended.state)]).toEqual(['', both()]);
  });

  test('--remove takes all of it away, once', () => {
    const ended = onHost(`./x.run --setup-host --yes >/dev/null; : >/mnt/log
      ./x.run --setup-host --remove --yes; sed 's/ .*//' /mnt/log
      ./x.run --setup-host --remove --yes; ls -A /usr/local/libexec; state`);
    expect([ended.stderr, ended.state]).toEqual(['', '']);
    expect(ended.stdout).toBe(
      `This will\n  unload the AppArmor profile rundle-launcher; containers that run go on without it\n  remove ${PROFILE}\n  remove ${LAUNCHER}\nDone.\n1\nNothing is installed.\n`,
    );
  });

  test('the program of a user starts with what is installed', () => {
    const ended = onHost(`./x.run --setup-host --yes >/dev/null
      ${user} strace -f -s 100 -e trace=execve ./x.run true 2>&1 | grep -c 'launcher-1", "installed"'`);
    expect(ended.stdout).toBe('1\n');
  });

  test('on a terminal it asks', () => {
    const ask = `script -qec './x.run --setup-host' /dev/null; status=$?; state; exit $status`;
    for (const answer of ['n\n', '\n', 'yellow\n', '\x04']) {
      const ended = onHost(ask, answer);
      expect([answer, ended.status, ended.state]).toEqual([answer, 1, '']);
      expect(ended.stdout).toContain('Go on? [y/N]');
      expect(ended.stdout).toContain('Nothing was changed.');
    }
    const ended = onHost(ask, 'y\n');
    expect([ended.status, sized(ended.state)]).toEqual([0, both()]);
  });

  test.each([
    ['the kernel cannot restrict', 'umount /proc/sys/kernel', 'keeps no user namespaces'],
    ['AppArmor 3', 'rm -r /etc/apparmor.d/abi', 'older than 4.0'],
    ['no apparmor_parser', 'umount /usr/sbin; mount -t tmpfs none /usr/sbin', 'is not installed'],
  ])('without a profile where it is of no use: %s', (_, change, reason) => {
    const ended = onHost(`${change}\n${setUp()}`);
    expect([ended.stderr, ended.status]).toEqual(['', 0]);
    expect(ended.stdout).toMatch(new RegExp(`and no AppArmor profile: .*${reason}`));
    expect(ended.state).toBe(`${LAUNCHER} 0:0 755 ${bytes()}\n`);
  });
});

describe('nothing is changed', () => {
  const libexec = 'mkdir /usr/local/libexec';
  const refused = (script: string) => {
    const ended = onHost(script);
    expect([ended.status, ended.state]).toEqual([125, '']);
    return ended.stderr;
  };

  test('for another user, who is told the command', () => {
    const words = (more: string) => `${user} ./x.run --setup-host ${more}; s=$?; state; exit $s`;
    expect(refused(words('--yes'))).toBe(
      'rundle: only root can set up this host: Operation not permitted\n  sudo ./x.run --setup-host\n',
    );
    expect(refused(words('--remove'))).toContain('  sudo ./x.run --setup-host --remove\n');
  });

  test('without a terminal and without --yes', () => {
    expect(refused(setUp(''))).toContain('nobody can be asked; nothing was changed');
  });

  test.each([
    ['another owner', `${libexec}; chown 1234 /usr/local/libexec`, "'/usr/local/libexec' can be"],
    ['a group', `${libexec}; chmod 775 /usr/local/libexec`, "'/usr/local/libexec' can be"],
    ['all', 'chmod 777 /etc/apparmor.d', "'/etc/apparmor.d' can be"],
    ['all, above', 'chmod 1777 /usr/local', "'/usr/local' can be"],
    ['a link', 'ln -s /mnt /usr/local/libexec; rm', 'Not a directory'],
    ['read-only', 'mount -o remount,ro /usr/local', 'Read-only file system'],
    [
      'read-only, below',
      `${libexec}; mkdir /usr/local/libexec/rundle; mount -o remount,ro /usr/local`,
      'Read-only',
    ],
  ])('where a directory is not root’s alone or cannot be written: %s', (_, change, reason) => {
    const stderr = refused(`{ ${change}; } 2>/dev/null\n./x.run --setup-host --yes; status=$?
      rm -f /usr/local/libexec 2>/dev/null; state; exit $status`);
    expect(stderr).toContain(reason);
  });

  test.each([
    ['a launcher that is none', LAUNCHER, 'echo other >'],
    ['a link', LAUNCHER, 'ln -s /bin/true'],
    ['a pipe', LAUNCHER, 'mkfifo'],
    ['a directory', LAUNCHER, 'mkdir'],
    ['a profile of somebody', PROFILE, 'echo "profile x {}" >'],
  ])('where a file of others is: %s', (_, path, make) => {
    const ended = onHost(`mkdir -p /usr/local/libexec/rundle; ${make} ${path}; state >/mnt/before
      ./x.run --setup-host --yes; a=$?; ./x.run --setup-host --remove --yes; b=$?
      state >/mnt/after; cmp /mnt/before /mnt/after && exit $((a + b))`);
    expect(ended.status).toBe(250);
    expect(ended.stderr).toContain(
      `'${path}' is there already, and is not what --setup-host writes`,
    );
  });

  test.each([
    ['reading', 'case $1 in -QK) echo "AppArmor parser error: no" >&2; exit 3;; esac'],
    ['loading', 'case $1 in -r) echo "AppArmor parser error: no" >&2; exit 3;; esac'],
  ])('where AppArmor does not take the profile: %s', (doing, first) => {
    const stderr = refused(`echo '${first}' >/mnt/first; ${setUp()}`);
    expect(stderr).toContain(
      `rundle: ${doing} the profile with /usr/sbin/apparmor_parser: it failed with 3: AppArmor parser error: no`,
    );
  });

  test('from a bundle whose launcher is damaged', () => {
    const damaged = readFileSync(join(place.directory, 'x.run'));
    const at = damaged.indexOf('does nothing by itself');
    damaged[at] = 0;
    writeFileSync(join(place.directory, 'damaged.run'), damaged);
    expect(
      refused(`${launcher} installed 0 ./damaged.run --setup-host --yes; s=$?; state; exit $s`),
    ).toContain("the launcher inside './damaged.run' is damaged");
  });
});

test('a signal comes before or after, not between', () => {
  const ended = onHost(
    `echo 'case $1 in -r) kill -TERM $PPID; sleep 0.1;; esac' >/mnt/first; ${setUp()}`,
  );
  expect(ended.status).toBe(143);
  expect(sized(ended.state)).toBe(both());
});
