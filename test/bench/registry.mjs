import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, start } from './measure.mjs';

/**
 * Starts docker-registry(1) on a free port of the loopback interface, with its data below `directory`. Gives its `host`,
 * `push`, which copies an image of an OCI layout into it as it is, and `stop`.
 */
export async function openRegistry(directory) {
  mkdirSync(directory);
  const config = join(directory, 'config.yml');
  // JSON is YAML.
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      // At this level it tells its port.
      log: { level: 'info', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(directory, 'data') } },
      http: { addr: '127.0.0.1:0' },
    }),
  );
  // Its end is the end of the benchmark, also when that is killed.
  const server = start(['setpriv', '--pdeathsig', 'TERM', 'docker-registry', 'serve', config]);
  const stop = async () => {
    server.end();
    await server.ended.catch(() => undefined);
  };
  try {
    const host = await addressOf(server);
    const push = (reference, name) =>
      run(skopeoCopy(`oci:${reference}`, `docker://${host}/${name}`, '--preserve-digests'));
    return { host, push, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function addressOf({ printed, ended }) {
  let hasEnded = false;
  const end = ended.finally(() => {
    hasEnded = true;
  });
  // It also ends long after, when somebody else waits for it.
  end.catch(() => undefined);
  for (;;) {
    const [, host] = /listening on (127\.0\.0\.1:\d+)/.exec(printed.stderr) ?? [];
    if (host !== undefined) {
      return host;
    }
    if (hasEnded) {
      throw new Error(`docker-registry ended without an address\n${printed.stderr}`);
    }
    await Promise.race([end, sleep(10)]);
  }
}

/** The command that copies an image from or to a registry on loopback, which has no certificate. */
export function skopeoCopy(from, to, ...options) {
  const unchecked = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  return ['skopeo', 'copy', '--quiet', ...unchecked, ...options, from, to];
}
