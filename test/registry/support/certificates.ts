import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** An authority of the test's own, and a certificate that it has signed. Paths. */
export interface Certificates {
  authority: string;
  certificate: string;
  key: string;
}

/** Makes them with openssl(1) in `directory`; `names` as in `DNS:registry.example` or `IP:127.0.0.1`. */
export function makeCertificates(
  directory: string,
  names: readonly string[],
  days = 2,
): Certificates {
  const path = (name: string) => join(directory, name);
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    ...['req', '-x509', ...key, '-days', '2', '-subj', '/CN=rundle test authority'],
    ...['-keyout', 'ca.key', '-out', 'ca.crt', '-addext', 'basicConstraints=critical,CA:TRUE'],
  );
  openssl('req', ...key, '-subj', '/CN=rundle test', '-keyout', 'server.key', '-out', 'server.csr');
  writeFileSync(path('server.ext'), `subjectAltName=${names.join(',')}\n`);
  openssl(
    ...['x509', '-req', '-in', 'server.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key'],
    ...['-set_serial', '7', '-days', String(days), '-extfile', 'server.ext', '-out', 'server.crt'],
  );
  return {
    authority: path('ca.crt'),
    certificate: path('server.crt'),
    key: path('server.key'),
  };
}

/** Certificate and key for a server of node's. */
export function tlsOptions({ certificate, key }: Certificates): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(certificate), key: readFileSync(key) };
}
