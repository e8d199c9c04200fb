import { X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { RundleError, reasonOf } from '../errors.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where distributions keep the certificates that an administrator trusts: Debian, Fedora, openSUSE, Alpine. */
const SYSTEM_FILES: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** No directory of certificates has more. */
const MAX_FILES = 2000;

/**
 * The certificates in PEM that servers may be signed by: Node's own list; the files in `SSL_CERT_FILE` and `SSL_CERT_DIR` (several,
 * divided by colons), or the system's list when neither is set; `NODE_EXTRA_CA_CERTS`; and `extra`, texts in PEM. Throws E_USAGE for a
 * file that is named and cannot be used.
 */
export async function trustedCertificates(
  environment: Environment,
  extra: readonly string[],
): Promise<string[]> {
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: directories } = environment;
  const found = [...rootCertificates, ...extra];
  if (file) found.push(await readCertificates(file, 'SSL_CERT_FILE'));
  for (const directory of (directories ?? '').split(':').filter((path) => path !== '')) {
    const known = new Set(found.flatMap(certificatesIn));
    found.push(...(await readDirectory(directory, known)));
  }
  if (!file && !directories) found.push(...(await readSystemFile()));
  const node = environment.NODE_EXTRA_CA_CERTS;
  if (node) found.push(await readCertificates(node, 'NODE_EXTRA_CA_CERTS'));
  return [...new Set(found.flatMap(certificatesIn))];
}

/** Each certificate of a text in one form: the lists have most of them in common, and reading one takes its time. */
function certificatesIn(text: string): string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => block.replace(/\s*\n\s*/g, '\n'));
}

/** The text of a file with at least one certificate in PEM; `what` names who asked for it. Throws E_USAGE. */
export async function readCertificates(path: string, what: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'latin1');
  } catch (cause) {
    throw new RundleError(
      'E_USAGE',
      `reading the certificates of ${what}, ${path}: ${reasonOf(cause)}`,
      {
        cause,
      },
    );
  }
  if (hasCertificate(text)) return text;
  throw new RundleError(
    'E_USAGE',
    `reading the certificates of ${what}, ${path}: there is no certificate in PEM in it`,
    { hint: 'convert it: openssl x509 -inform der -in FILE -out FILE.pem' },
  );
}

function hasCertificate(text: string): boolean {
  try {
    return (
      new X509Certificate(text.slice(Math.max(0, text.indexOf('-----BEGIN CERTIFICATE')))) !==
      undefined
    );
  } catch {
    return false;
  }
}

/**
 * As OpenSSL and Go: what is no certificate is passed over, and so is a directory that is not there. Looking closely at one takes its time, and a directory
 * mostly has the `known` ones, each under two names.
 */
async function readDirectory(directory: string, known: ReadonlySet<string>): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  const texts = names
    .slice(0, MAX_FILES)
    .map((name) => readFile(join(directory, name), 'latin1').catch(() => ''));
  const found = new Set((await Promise.all(texts)).flatMap(certificatesIn));
  return [...found].filter((text) => known.has(text) || hasCertificate(text));
}

async function readSystemFile(): Promise<string[]> {
  for (const path of SYSTEM_FILES) {
    const text = await readFile(path, 'latin1').catch(() => '');
    if (hasCertificate(text)) return [text];
  }
  return [];
}
